import numpy as np
import pytest

from serflow.figures.confusion import draw_confusion, draw_difference, plot_confusion
from serflow.runs import read_runs

FOUND = [
    ("u1", "test", "neutral", "neutral"),
    ("u2", "test", "calm", "calm"),
    ("u3", "test", "calm", "neutral"),
    ("u4", "train", "happy", "happy"),
]


def test_counts_and_row_percentages_are_printed_and_absent_classes_are_left_empty():
    figure = draw_confusion(np.array([[3, 1, 0], [0, 8, 0], [0, 0, 0]]), ["happy", "sad", "angry"], "toy")
    axes = figure.axes[0]
    cells = [text.get_text() for text in axes.texts]
    assert cells[:2] == ["3\n75.0 %", "1\n25.0 %"]
    assert cells[4] == "8\n100.0 %"
    assert cells[6:] == ["-", "-", "-"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["happy (4)", "sad (8)", "angry (0)"]


def test_the_runs_of_a_system_are_pooled_over_their_test_parts(make_record, make_run, tmp_path, texts_of, assert_whole):
    runs = [make_run(FOUND, seed=seed) for seed in (0, 1)]
    plot_confusion(make_record(synthetic=True), read_runs(runs), tmp_path / "figure")
    texts = texts_of(tmp_path / "figure")
    assert {"neutral (2)", "calm (4)", "happy (0)"} <= set(texts)
    assert "SYNTHETIC" in " ".join(texts)
    assert_whole(tmp_path / "figure")


@pytest.mark.parametrize("absent", [False, True])
def test_a_published_matrix_ours_and_their_difference(absent):
    published = np.array([[80.0, 20.0], [40.0, 60.0]])
    ours = np.array([[50.0, 50.0], [np.nan, np.nan] if absent else [30.0, 70.0]])
    axes = draw_difference(["happy", "sad"], published, ours, "toy").axes[:3]
    cells = [[text.get_text() for text in one.texts] for one in axes]
    assert cells[0] == ["80", "20", "40", "60"]
    assert cells[1] == ["50.0", "50.0", *(["-", "-"] if absent else ["30.0", "70.0"])]
    assert cells[2] == ["-30.0", "+30.0", *(["-", "-"] if absent else ["-10.0", "+10.0"])]
