import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import serflow
from serflow.corpora.manifest import read_manifest
from serflow.errors import ConfigError, RunError
from serflow.features.build import build_store
from serflow.figures.published import plot_published
from serflow.papers.model import FIGURES
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
    "figure_2": ["Published 18 utterances; ours: ravdess 4", "published", "ours: ravdess"],
    "figure_3": ["(d) plain (2 runs, thick: their mean)", "(e) augmented (1 run)", "training", "validation"],
    "figure_4": ["calm (2)", "50.0 %", "100.0 %"],
    "figure_5": ["neutral: u4", "calm: u3", "speaker 02 of ravdess"],
    "figure_6": ["ravdess (2 runs, thick: their mean)", "Not run: savee"],
    "table_1_confusion": ["published (%)", "ours (%)", "+35.0", "-30.0", "-15.0"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_figure_is_drawn_whole_and_shows_what_its_files_hold(
    sources, make_record, tmp_path, texts_of, assert_whole, name
):
    record = make_record(synthetic=True, **KEYS)
    plot_published(record, name, tmp_path / name, **sources[name])
    texts = texts_of(tmp_path / name)
    entries = published_figures(record.paper) | published_confusions(record.paper)
    title = entries[name].figure if name.startswith("figure") else entries[name].table
    wanted = [title, "SYNTHETIC", *EXPECTED[name]]
    assert [text for text in wanted if not any(text in found for found in texts)] == []
    assert_whole(tmp_path / name)


@pytest.mark.parametrize(("name", "source"), [("figure_1", "features"), ("figure_4", "runs"), ("figure_5", "roots")])
def test_a_figure_without_the_files_that_its_kind_needs_is_refused(sources, make_record, tmp_path, name, source):
    given = {key: paths for key, paths in sources[name].items() if key != source}
    with pytest.raises(ConfigError, match=source):
        plot_published(make_record(**KEYS), name, tmp_path / "figure", **given)


def test_runs_of_another_system_are_no_source(sources, make_record, tmp_path):
    with pytest.raises(RunError, match="Figure 4"):
        plot_published(make_record(**KEYS), "figure_4", tmp_path / "figure", **sources["figure_6"])


def test_every_kind_says_what_it_needs():
    known = {"runs", "one_run", "manifests", "features", "roots", "sounds"}
    for kind in FIGURES.known():
        needs = FIGURES.constant(kind, "NEEDS", "").split()
        assert needs
        assert set(needs) <= known


KIND = '''"""How long recordings are."""

from matplotlib.figure import Figure

from serflow.types import Positive

NEEDS = "manifests"


def durations(request, *, bin_seconds: Positive) -> Figure:
    """Draw a histogram."""
    figure = Figure()
    seconds = [int(row["samples"]) / int(row["sample_rate"]) for row in request.read_rows()]
    figure.subplots().hist(seconds, bins=int(max(seconds) / bin_seconds))
    return figure
'''
USE = """
import sys
from pathlib import Path

from serflow.errors import ConfigError
from serflow.papers.checks import check_paper
from serflow.papers.model import PaperRecord
from serflow.io.files import read_json
from serflow.schema import check

def read(**keys):
    content = read_json("record.json")
    content["paper"]["figures"][0] |= keys
    record = check(PaperRecord, content, "toy.yaml")
    check_paper(record.paper, "toy.yaml")
    return record

for wrong in ({"bin_seconds": -1.0}, {"bins": 3}):
    try:
        read(**wrong)
    except ConfigError as error:
        print(error)
record = read()
print(sorted({"matplotlib", "librosa", "torch", "pandas"} & set(sys.modules)))
from serflow.figures.published import plot_published
plot_published(record, "figure_1", "drawn", manifests=[Path(sys.argv[1])])
"""


def test_a_kind_is_added_by_one_file_and_a_dry_run_reads_it_without_importing_it(make_record, tones, tmp_path):
    figure = {"figure": "Figure 1", "kind": "durations", "title": "lengths", "corpus": "ravdess", "bin_seconds": 0.1}
    package = tmp_path / "lib" / "serflow"
    shutil.copytree(Path(serflow.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "figures" / "kinds" / "durations.py").write_text(KIND)
    (tmp_path / "record.json").write_text(make_record(figures=[figure]).model_dump_json())
    command, environment = [sys.executable, "-c", USE, tones], os.environ | {"PYTHONPATH": str(tmp_path / "lib")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second, imported = done.stdout.splitlines()
    assert "bin_seconds" in first
    assert "'bins'" in second
    assert ast.literal_eval(imported) == []
    assert (tmp_path / "drawn.svg").is_file()
