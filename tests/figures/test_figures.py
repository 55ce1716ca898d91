import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from matplotlib.image import imread

from serflow.figures.comparison import comparison, plot_comparison
from serflow.figures.confusion import confusion, plot_confusion
from serflow.figures.curves import curves, plot_curves
from serflow.figures.recognition import deepemo_recognition, pick_utterance, plot_recognition
from serflow.figures.style import save
from serflow.runs import ScoreError
from serflow.scoring.scores import COLUMNS

LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
RECIPE = {"transform": "logmel", "sample_rate": 16000, "n_fft": 512, "hop_length": 256, "n_mels": 40}
RECIPE |= {"fmin": 0.0, "fmax": 8000.0, "top_db": 80.0}


def write_rows(path: Path, rows):
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def history(n_epochs, offset=0.0):
    names = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    return [{"epoch": e} | dict.fromkeys(names, offset + 0.5 / e) for e in range(1, n_epochs + 1)]


@pytest.fixture
def paper():
    def entry(part, metric, epoch, value):
        base = {"table": "Table I", "system": "net", "corpus": "toy", "protocol": "published"}
        return base | {"part": part, "metric": metric, "epoch": epoch, "value": value}

    return {
        "paper": "toypaper",
        "title": "Toy paper with a title of some length about emotion in speech",
        "corpora": ["toy"],
        "systems": {"net": {"title": "ResNet-18, ImageNet weights, all layers trained"}},
        "protocols": {
            "published": {"title": "stratified random split 80/10/10, the same speakers on all sides"},
            "speaker_independent": {"title": "six folds of four unseen actors (EmoBox)"},
        },
        "published": [entry("validation", "accuracy", 2, 0.97), entry("train", "loss", 2, 0.47)],
    }


@pytest.fixture
def scores():
    def row(**known):
        return dict.fromkeys(COLUMNS, "") | {"corpus": "toy", "scope": "all", "part": "test"} | known

    rows = []
    for metric in ("WA", "UA", "macro_F1"):
        ours = {"system": "net", "metric": metric, "source": "predictions"}
        rows.append(row(**ours, protocol="published", value=0.845, low=0.8, high=0.9))
        rows.append(row(**ours, protocol="speaker_independent", value=0.462))
        rows.append(row(system="chance (uniform)", metric=metric, source="chance", protocol="published", value=0.125))
    more = {"part": "validation", "epoch": 50, "source": "history", "value": 0.7, "published": 0.988}
    return [*rows, row(system="net", metric="accuracy", protocol="published", **more)]


@pytest.fixture
def recognition():
    rng = np.random.default_rng(0)
    ours = dict(zip(LABELS, rng.dirichlet(np.ones(8)), strict=True))
    published = dict(zip(LABELS, [0.0287, 0.8575, 0.0040, 0.1027, 0.0011, 0.0007, 0.0017, 0.0035], strict=True))
    about = {"utterance": "03-01-02-01-01-01-01", "label": "calm", "figure_name": "Figure 3"}
    spectrogram = rng.uniform(-80, 0, (60, 40))
    centres = np.linspace(40, 7800, 40)
    return lambda: (deepemo_recognition(spectrogram, 0.016, centres, ours, published, **about), ours, published)


@pytest.fixture
def draw(paper, scores, recognition):
    runs = {p["title"]: [history(5, 0.1 * k) for k in range(3)] for p in paper["protocols"].values()}
    published = {next(iter(runs)): paper["published"]}
    counts = np.random.default_rng(0).integers(0, 1000, (8, 8))
    return {
        "confusion": lambda: confusion(counts, LABELS, "A long title that has to be broken into lines to fit " * 2),
        "curves": lambda: curves(runs, "ResNet-18 on toy", published),
        "comparison": lambda: comparison(scores, paper),
        "recognition": lambda: recognition()[0],
    }


NAMES = ["confusion", "curves", "comparison", "recognition"]


def svg_texts(path: Path) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_and_drawing_again_gives_the_same_bytes(draw, name, tmp_path):
    for stem in ("a", "b"):
        save(draw[name](), tmp_path / stem)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg", "b.png", "b.svg"]
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert "<dc:date>" not in (tmp_path / "a.svg").read_text()
    pixels = imread(tmp_path / "a.png")[..., :3]
    for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
        assert (edge == 1).all(), "ink at the edge of the picture"


def test_confusion_has_counts_and_row_percentages_and_leaves_absent_classes_empty(tmp_path):
    write_rows(
        tmp_path / "confusion.csv",
        [
            {"truth": "happy", "happy": 3, "sad": 1, "angry": 0},
            {"truth": "sad", "happy": 0, "sad": 8, "angry": 0},
            {"truth": "angry", "happy": 0, "sad": 0, "angry": 0},
        ],
    )
    plot_confusion(tmp_path / "confusion.csv", tmp_path / "figure", "toy")
    texts = svg_texts(tmp_path / "figure.svg")
    for expected in ("75.0 %", "25.0 %", "100.0 %", "happy (4)", "sad (8)", "angry (0)"):
        assert any(expected in text for text in texts), expected
    assert texts.count("-") == 3


def test_curves_draw_a_line_per_run_their_mean_and_the_published_points(paper):
    figure = curves({"random": [history(4), history(3, 0.2)]}, "toy", {"random": paper["published"]})
    loss = figure.axes[0]
    lines = [line.get_ydata() for line in loss.lines]
    assert len(lines) == 6
    assert lines[2] == pytest.approx([0.5 / e + 0.1 for e in (1, 2, 3)])
    (points,) = loss.collections
    assert points.get_offsets().tolist() == [[2, 0.47]]


def test_curves_are_made_from_run_directories(paper, run_dir, tmp_path):
    plot_curves(paper, [run_dir], tmp_path / "curves")
    texts = svg_texts(tmp_path / "curves.svg")
    assert any("on toy" in text for text in texts)
    assert any("published, validation" in text for text in texts)


def test_recognition_prints_every_probability_of_both_and_says_what_is_compared(recognition, tmp_path):
    figure, ours, published = recognition()
    save(figure, tmp_path / "figure")
    texts = svg_texts(tmp_path / "figure.svg")
    for value in [*ours.values(), *published.values()]:
        assert f"{value:.4f}" in texts
    title = " ".join(texts)
    for expected in ("Figure 3", "03-01-02-01-01-01-01", "true emotion calm", "the paper does not name"):
        assert expected in title


def test_chance_among_all_labels_is_not_drawn_for_a_system_of_some(paper, scores):
    paper["systems"]["binary"] = {"title": "neutral against angry", "labels": ["neutral", "angry"]}
    more = [row | {"system": "binary"} for row in scores if row["system"] == "net" and row["source"] == "predictions"]
    for axes in comparison([*scores, *more], paper).axes:
        chance = [line for line in axes.lines if line.get_label().startswith("chance")]
        assert [np.mean(line.get_ydata()) for line in chance] == [0]


def test_comparison_prints_published_and_ours(paper, scores, tmp_path):
    write_rows(tmp_path / "scores.csv", scores)
    plot_comparison(paper, tmp_path / "scores.csv", tmp_path / "figure")
    texts = svg_texts(tmp_path / "figure.svg")
    assert (texts.count("84.5"), texts.count("46.2"), texts.count("98.8")) == (3, 3, 1)
    assert "published, validation part" in texts


@pytest.fixture
def run_dir(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    posteriors = [dict.fromkeys(LABELS, 0.05) | {"calm": 0.65}, dict.fromkeys(LABELS, 0.1) | {"sad": 0.3}]
    rows = [
        {"utterance": "u2", "part": "test", "label": "calm", "predicted": "calm"} | posteriors[0],
        {"utterance": "u1", "part": "test", "label": "calm", "predicted": "sad"} | posteriors[1],
        {"utterance": "u0", "part": "train", "label": "calm", "predicted": "calm"} | posteriors[0],
    ]
    write_rows(path / "predictions.csv", rows)
    write_rows(path / "history.csv", history(3))
    info = {"corpus": "toy", "system": "net", "protocol": "published", "seed": 0, "fold": 0, "labels": LABELS}
    (path / "run.json").write_text(json.dumps(info))
    return path


def test_the_recording_shown_is_the_first_test_utterance_by_name_right_or_wrong(run_dir):
    utterance, posteriors = pick_utterance(run_dir, "calm")
    assert (utterance, posteriors["sad"]) == ("u1", 0.3)
    with pytest.raises(ScoreError, match=r"predictions\.csv.*no utterance that is happy"):
        pick_utterance(run_dir, "happy")


def test_recognition_is_made_from_a_run_and_a_feature_cache(run_dir, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    from serflow.features import cache

    rows = []
    for k in range(3):
        signal = np.sin(2 * np.pi * 440 * (k + 1) * np.arange(8000 + 1600 * k) / 16000)
        soundfile.write(tmp_path / f"u{k}.wav", signal, 16000)
        rows.append({"utterance": f"u{k}", "path": f"u{k}.wav", "corpus": "toy", "sha1": f"{k}"})
    write_rows(tmp_path / "manifest.csv", rows)
    store = tmp_path / "cache" / "features.zarr"
    cache.build(RECIPE, rows, tmp_path, store, workers=1)
    published = {"figure": "Figure 3", "label": "calm", "posteriors": dict.fromkeys(LABELS, 0.125)}
    plot_recognition(run_dir, published, store, RECIPE, tmp_path / "manifest.csv", stem=tmp_path / "figure")
    texts = svg_texts(tmp_path / "figure.svg")
    assert any("test utterance u1" in text for text in texts)
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_the_paper_file_of_deepemo_has_what_its_four_figures_need():
    path = Path(__file__).parents[2] / "workflow" / "papers" / "deepemo.yaml"
    if not path.is_file():
        pytest.skip(f"{path} is not there yet")
    paper = yaml.safe_load(path.read_text())
    assert [entry["figure"] for entry in paper["published_posteriors"]] == [f"Figure {n}" for n in (2, 3, 4, 5)]
    for entry in paper["published_posteriors"]:
        assert set(entry["posteriors"]) == set(LABELS)
        assert sum(entry["posteriors"].values()) == pytest.approx(1, abs=1e-4)
        assert max(entry["posteriors"], key=entry["posteriors"].get) == entry["label"]
