import json
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from serflow.errors import CorpusError
from serflow.figures.dumbbell import LIMITS, Point, draw, row_height
from serflow.figures.labels import label_distribution
from serflow.figures.overview import overview, plot_overview
from serflow.figures.published import entries, plot_figure
from serflow.figures.signals import centre_frequencies, choose_speaker, choose_utterance
from serflow.figures.style import new_figure, save, style
from serflow.io.files import write_csv
from serflow.tables.overview import COLUMNS

LABELS = ["neutral", "calm", "happy"]
LINEAR = {"transform": "logspectrogram", "sample_rate": 16000, "n_fft": 512, "hop_length": 256, "top_db": 80.0}
ABOUT = {"corpus": "ravdess", "protocol": "published"}
PAPER = {
    "paper": "toypaper",
    "title": "Toy paper",
    "labels": LABELS,
    "corpora": ["ravdess", "savee"],
    "recipes": {"linear": LINEAR},
    "systems": {"d": {"title": "(d) plain"}, "e": {"title": "(e) augmented"}},
    "protocols": {"published": {"title": "random"}},
    "figures": [
        {"figure": "Figure 1", "kind": "spectrogram", "title": "a sound file", "corpus": "ravdess", "recipe": "linear"},
        {"figure": "Figure 2", "kind": "labels", "title": "labels", "published": {"neutral": 5, "calm": 4, "happy": 9}},
        {"figure": "Figure 3", "kind": "losses", "title": "losses", "systems": ["d", "e"], **ABOUT},
        {"figure": "Figure 4", "kind": "confusion", "title": "confusions", "systems": ["e"], **ABOUT},
        {"figure": "Figure 5", "kind": "waveforms", "title": "two of one actor", "emotions": ["neutral", "calm"]},
        {"figure": "Figure 6", "kind": "training_accuracy", "title": "accuracy", "systems": ["d"]},
    ],
    "published_confusion": [
        {
            "table": "Table 1",
            "system": "e",
            **ABOUT,
            "rows": {t: {g: 80 if t == g else 15 for g in LABELS} for t in LABELS},
        }
    ],
}


def texts_of(path):
    nodes = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314
    return ["".join(node.itertext()) for node in nodes]


def assert_whole(path):
    """Nothing is cut off: there is no ink at the picture's edge."""
    pixels = imread(path)[..., :3]
    for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
        assert (edge == 1).all(), f"ink at the edge of {path.name}"


@pytest.fixture
def corpus(tmp_path):
    """Two speakers with two recordings each of a pure tone of 1 kHz; the second speaker alone has a calm one."""
    import soundfile

    rows = []
    for name, speaker, emotion in (
        ("u1", "01", "neutral"),
        ("u2", "01", "happy"),
        ("u3", "02", "calm"),
        ("u4", "02", "neutral"),
    ):
        soundfile.write(tmp_path / f"{name}.wav", 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000), 16000)
        rows.append(
            {"utterance": name, "path": f"{name}.wav", "corpus": "ravdess", "speaker": speaker}
            | {"emotion": emotion, "sha1": name}
        )
    write_csv(tmp_path / "manifest.csv", list(rows[0]), rows)
    return rows


@pytest.fixture
def runs(tmp_path):
    """Three runs: d and e on RAVDESS; e calls one of the two calm utterances neutral."""
    made = {}
    for system, seed in (("d", 0), ("d", 1), ("e", 0)):
        path = tmp_path / "runs" / system / str(seed)
        path.mkdir(parents=True)
        found = [
            ("u1", "neutral", "neutral"),
            ("u2", "calm", "calm"),
            ("u3", "calm", "neutral"),
            ("u4", "happy", "happy"),
        ]
        rows = [
            {"utterance": u, "part": "test", "label": t, "predicted": g} | {x: float(x == g) for x in LABELS}
            for u, t, g in found
        ]
        write_csv(path / "predictions.csv", list(rows[0]), rows)
        losses = [
            {
                "epoch": e,
                "train_loss": 2 / e,
                "validation_loss": 2.0,
                "train_accuracy": 1 - 1 / e,
                "validation_accuracy": 0.5,
            }
            for e in (1, 2, 3)
        ]
        write_csv(path / "history.csv", list(losses[0]), losses)
        (path / "run.json").write_text(
            json.dumps({"system": system, "seed": seed, "fold": 0, "labels": LABELS, **ABOUT})
        )
        made[system, seed] = path
    return made


@pytest.fixture
def sources(corpus, runs, tmp_path):
    """What each figure of the paper is drawn from."""
    from serflow.features import cache

    store = tmp_path / "linear" / "features.zarr"
    cache.build(LINEAR, corpus, tmp_path, store, workers=1)
    manifests = [tmp_path / "manifest.csv"]
    return {
        "figure_1": {"manifests": manifests, "store": store},
        "figure_2": {"manifests": manifests},
        "figure_3": {"runs": list(runs.values())},
        "figure_4": {"runs": [runs["e", 0]]},
        "figure_5": {"manifests": manifests, "roots": [tmp_path]},
        "figure_6": {"runs": [runs["d", 0], runs["d", 1]]},
        "table_1_confusion": {"runs": [runs["e", 0]]},
    }


def test_every_figure_of_a_paper_is_drawn_whole_and_says_which_it_is(sources, tmp_path):
    assert list(entries(PAPER)) == list(sources)
    for name, files in sources.items():
        plot_figure(PAPER, name, tmp_path / name, **files, synthetic=True)
        title = " ".join(texts_of(tmp_path / f"{name}.svg"))
        assert entries(PAPER)[name]["figure"] in title
        assert "SYNTHETIC" in title
        assert_whole(tmp_path / f"{name}.png")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("figure_1", ["Ours: utterance u1, the first by name (the paper names none); ravdess"]),
        ("figure_2", ["Published 18 utterances; ours: ravdess 4", "published", "ours: ravdess"]),
        ("figure_3", ["(d) plain (2 runs, thick: their mean)", "(e) augmented (1 run)", "training", "validation"]),
        ("figure_4", ["calm (2)", "50.0 %", "100.0 %"]),
        (
            "figure_5",
            ["neutral: u4", "calm: u3", "Ours: speaker 02 of ravdess, the first who has both; the paper names none"],
        ),
        ("figure_6", ["ravdess (2 runs, thick: their mean)", "Not run: savee"]),
        ("table_1_confusion", ["published (%)", "ours (%)", "+35.0", "-30.0", "-15.0"]),
    ],
)
def test_each_figure_shows_what_its_files_hold(sources, tmp_path, name, expected):
    plot_figure(PAPER, name, tmp_path / name, **sources[name])
    texts = texts_of(tmp_path / f"{name}.svg")
    assert [text for text in expected if not any(text in found for found in texts)] == []
    assert not any("SYNTHETIC" in text for text in texts)


def test_the_papers_own_recording_is_shown_where_the_corpus_has_it_and_else_the_first_with_the_reason():
    rows = [{"utterance": "b"}, {"utterance": "a"}]
    assert choose_utterance(rows, "b") == (0, "utterance b, the paper's own")
    assert choose_utterance(rows, "x") == (1, "utterance a, the first by name (the paper's, x, is not in this corpus)")


def test_a_corpus_without_one_of_the_emotions_is_named(corpus):
    with pytest.raises(CorpusError, match="no speaker has utterances of neutral and surprised"):
        choose_speaker(corpus, ["neutral", "surprised"])


def test_a_tone_of_1_khz_stands_at_1_khz_on_the_linear_axis(sources, corpus):
    from serflow.features import cache

    features = cache.load(sources["figure_1"]["store"], LINEAR, corpus)
    frames = features.read(np.arange(len(features.utterance)))
    loudest = np.median(frames.argmax(axis=1)).astype(int)
    assert centre_frequencies(LINEAR, frames.shape[1])[loudest] == 1000


def test_stacked_counts_of_the_corpora_add_up_to_the_printed_totals():
    figure = label_distribution({"a": {"happy": 3}, "b": {"happy": 4, "sad": 1}}, {"happy": 7, "sad": 2}, "toy")
    printed = [text.get_text() for text in figure.axes[0].texts]
    assert printed == ["7", "2", "7", "1"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.none() | st.integers(0, 1000), min_size=4, max_size=4), min_size=1, max_size=4))
def test_numbers_of_a_dumbbell_never_overlap_nor_leave_the_axes(rows):
    with style():
        figure = new_figure(3.0, row_height(4) * len(rows))
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))  # a panel of the comparison is 3 inches wide
        for y, values in enumerate(rows):
            points = [
                None if x is None else Point(x / 10, "x", max(0, x / 10 - 5), min(100, x / 10 + 5)) for x in values
            ]
            draw(axes, points, y)
        axes.set(xlim=LIMITS, ylim=(len(rows) - 0.5, -0.5))
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == sum(x is not None for values in rows for x in values)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert axes.bbox.x0 <= box.x0
        assert box.x1 <= axes.bbox.x1


def overview_row(**known):
    row = dict.fromkeys(COLUMNS, "") | {"paper": "toypaper", "corpus": "ravdess", "system": "net", "title": "Net"}
    return (
        row
        | {"metric": "UA", "part": "test", "published": "0.9", "synthetic": "0", "verdict": "not reproduced"}
        | known
    )


def test_the_picture_of_all_papers_has_a_row_per_system_with_its_values_and_verdict(tmp_path):
    rows = [
        overview_row(own_value="0.308", own_low="0.28", own_high="0.35", independent_value="0.336", leak_value="0.95"),
        overview_row(metric="macro_F1", published="0.11"),
        overview_row(corpus="savee", verdict="cannot be compared", reason="not run: SAVEE is not configured"),
    ]
    write_csv(tmp_path / "comparison.csv", COLUMNS, rows)
    plot_overview(tmp_path / "comparison.csv", tmp_path / "figure")
    texts = texts_of(tmp_path / "figure.svg")
    for number, times in (("90.0", 2), ("30.8", 1), ("33.6", 1), ("95.0", 1), ("11.0", 0)):
        assert texts.count(number) == times, number
    whole = " ".join(texts)
    for expected in ("not reproduced", "SAVEE", "toypaper on savee, UA (test)", "ours, speaker-independent"):
        assert expected in whole
    assert "SYNTHETIC" not in whole
    assert_whole(tmp_path / "figure.png")
    assert "SYNTHETIC" in overview([overview_row(synthetic="1")])._suptitle.get_text()


def test_a_system_without_a_published_number_is_drawn_without_its_point(tmp_path):
    row = overview_row(published="", verdict="no published number", independent_value="0.442", chance_uniform="0.25")
    save(overview([row]), tmp_path / "figure")
    texts = texts_of(tmp_path / "figure.svg")
    assert "44.2" in texts
    assert "published" not in texts
    assert "no published number" in " ".join(texts)
    assert_whole(tmp_path / "figure.png")


def test_the_picture_of_all_papers_is_the_same_bytes_each_time(tmp_path):
    for stem in ("a", "b"):
        save(overview([overview_row(own_value="0.5", own_low="0.4", own_high="0.6")]), tmp_path / stem)
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_the_paper_files_name_the_figures_that_the_papers_have():
    from serflow.papers.papers import PAPERS

    expected = {
        "mittal": {"figure_1": "spectrogram", "table_1_confusion": "published_confusion"},
        "deepemonet": dict(
            zip(
                [f"figure_{k}" for k in range(1, 6)],
                ("logmel", "labels", "losses", "confusion", "waveforms"),
                strict=True,
            )
        ),
        "jin": {"figure_3": "training_accuracy"},
    }
    for name, kinds in expected.items():
        paper = yaml.safe_load((PAPERS / f"{name}.yaml").read_text())
        assert {stem: entry["kind"] for stem, entry in entries(paper).items()} == kinds
