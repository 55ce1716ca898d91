import pytest

from serflow.figures.curves import draw_curves, plot_curves
from serflow.papers.model import Published
from serflow.runs import read_runs

FOUND = [("u1", "test", "neutral", "neutral")]
ABOUT = {"table": "Table I", "system": "d", "corpus": "ravdess", "protocol": "published"}
PUBLISHED = [
    ABOUT | {"part": "validation", "metric": "accuracy", "epoch": 2, "value": 0.97},
    ABOUT | {"part": "train", "metric": "loss", "epoch": 2, "value": 0.47},
    ABOUT | {"part": "test", "metric": "WA", "value": 0.9},
]


def history(n_epochs, offset=0.0):
    names = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    return [{"epoch": e} | dict.fromkeys(names, offset + 0.5 / e) for e in range(1, n_epochs + 1)]


def test_there_is_a_line_per_run_their_mean_and_the_published_points():
    published = {"random": [Published(**entry) for entry in PUBLISHED]}
    figure = draw_curves({"random": [history(4), history(3, 0.2)]}, "toy", published)
    loss, accuracy = figure.axes
    lines = [line.get_ydata() for line in loss.lines]
    assert len(lines) == 6
    assert lines[2] == pytest.approx([0.5 / e + 0.1 for e in (1, 2, 3)])
    assert [points.get_offsets().tolist() for points in loss.collections] == [[[2, 0.47]]]
    assert [points.get_offsets().tolist() for points in accuracy.collections] == [[[2, 97]]]


def test_a_run_without_a_validation_part_has_no_line_of_it():
    watched = [row | dict.fromkeys(("validation_loss", "validation_accuracy"), float("nan")) for row in history(4)]
    loss, accuracy = draw_curves({"random": [watched]}, "toy", {}).axes
    assert [line.get_label() for axes in (loss, accuracy) for line in axes.lines] == ["training", "training"]


def test_protocols_stand_side_by_side(make_record, make_run, tmp_path, texts_of, assert_whole):
    runs = [make_run(FOUND), make_run(FOUND, protocol="speaker_independent")]
    plot_curves(make_record(published=PUBLISHED, synthetic=True), read_runs(runs), tmp_path / "figure")
    texts = texts_of(tmp_path / "figure")
    assert "(d) plain on RAVDESS" in texts
    assert texts.count("(1 run)") == 2
    assert {"training", "validation", "published, training", "published, validation"} <= set(texts)
    assert "SYNTHETIC" in " ".join(texts)
    assert_whole(tmp_path / "figure")
