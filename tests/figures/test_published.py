import pytest

from serflow.corpora.manifest import read_manifest
from serflow.errors import ConfigError, RunError
from serflow.features.build import build_store
from serflow.figures.published import plot_published
from serflow.papers.names import published_confusions, published_figures

LABELS = ["neutral", "calm", "happy"]
ABOUT = {"corpus": "ravdess", "protocol": "published"}
KEYS = {
    "figures": [
        {"figure": "Figure 1", "kind": "spectrogram", "title": "a sound file", "corpus": "ravdess", "recipe": "linear"},
        {"figure": "Figure 2", "kind": "labels", "title": "labels", "corpus": "ravdess"}
        | {"published": {"neutral": 5, "calm": 4, "happy": 9}},
        {"figure": "Figure 3", "kind": "losses", "title": "losses", "systems": ["d", "e"], **ABOUT},
        {"figure": "Figure 4", "kind": "confusion", "title": "confusions", "systems": ["e"], **ABOUT},
        {"figure": "Figure 5", "kind": "waveforms", "title": "two of one actor", "corpus": "ravdess"}
        | {"emotions": ["neutral", "calm"]},
        {"figure": "Figure 6", "kind": "training_accuracy", "title": "accuracy", "corpora": ["savee", "ravdess"]}
        | {"systems": ["d"], "protocol": "published"},
    ],
    "published_confusion": [
        ABOUT
        | {"table": "Table 1", "system": "e"}
        | {"rows": {truth: {guess: 80 if truth == guess else 15 for guess in LABELS} for truth in LABELS}}
    ],
}


@pytest.fixture
def sources(tones, make_run, make_record, tmp_path):
    """What each figure of the paper is drawn from; e calls one of the two calm utterances neutral."""
    found = [("u1", "neutral", "neutral"), ("u2", "calm", "calm"), ("u3", "calm", "neutral"), ("u4", "happy", "happy")]
    found = [(name, "test", *labels) for name, *labels in found]
    d, e = [make_run(found, seed=seed) for seed in (0, 1)], [make_run(found, system="e")]
    recipe, store = make_record().paper.recipes["linear"], tmp_path / "features.zarr"
    build_store(recipe, read_manifest(tones), tmp_path, store, workers=1)
    return {
        "figure_1": {"manifests": [tones], "features": [store]},
        "figure_2": {"manifests": [tones]},
        "figure_3": {"runs": [*d, *e]},
        "figure_4": {"runs": e},
        "figure_5": {"manifests": [tones], "roots": [tmp_path]},
        "figure_6": {"runs": d},
        "table_1_confusion": {"runs": e},
    }


EXPECTED = {
    "figure_1": ["utterance u1, the first by name", "1000", "frequency (Hz)"],
    "figure_2": ["Published 18 utterances; ours: RAVDESS 4", "published", "ours: RAVDESS"],
    "figure_3": ["(d) plain (2 runs, thick: their mean)", "(e) augmented (1 run)", "training", "validation"],
    "figure_4": ["calm (2)", "50.0 %", "100.0 %"],
    "figure_5": ["neutral: u4", "calm: u3", "speaker 02 of RAVDESS"],
    "figure_6": ["RAVDESS (2 runs, thick: their mean)", "Not run: SAVEE"],
    "table_1_confusion": ["published (%)", "ours (%)", "+35.0", "-30.0", "-15.0"],
}


def test_each_figure_is_drawn_whole_and_shows_what_its_files_hold(
    sources, make_record, tmp_path, texts_of, assert_whole
):
    record = make_record(synthetic=True, **KEYS)
    entries = published_figures(record.paper) | published_confusions(record.paper)
    for name, expected in EXPECTED.items():
        plot_published(record, name, tmp_path / name, **sources[name])
        texts = texts_of(tmp_path / name)
        title = entries[name].figure if name.startswith("figure") else entries[name].table
        wanted = [title, "SYNTHETIC", *expected]
        assert [text for text in wanted if not any(text in found for found in texts)] == [], name
        assert_whole(tmp_path / name)


def test_a_figure_without_the_files_that_its_kind_needs_is_refused(sources, make_record, tmp_path):
    for name, source in (("figure_1", "features"), ("figure_4", "runs"), ("figure_5", "roots")):
        given = {key: paths for key, paths in sources[name].items() if key != source}
        with pytest.raises(ConfigError, match=source):
            plot_published(make_record(**KEYS), name, tmp_path / "figure", **given)


def test_runs_of_another_system_are_no_source(sources, make_record, tmp_path):
    with pytest.raises(RunError, match="Figure 4"):
        plot_published(make_record(**KEYS), "figure_4", tmp_path / "figure", **sources["figure_6"])
