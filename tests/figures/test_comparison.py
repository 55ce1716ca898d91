from dataclasses import replace

import numpy as np
import pytest

from serflow.figures.comparison import draw_comparison, plot_comparison
from serflow.scoring.scores import CHANCE, HISTORY, UNIFORM, Score, Scores


def score(system, metric, protocol="published", **known):
    return Score("toypaper", system, protocol, "ravdess", "test", metric, **known)


@pytest.fixture
def rows():
    found = [
        Score("toypaper", "d", "published", "ravdess", "validation", "accuracy", 50, published=0.988, source=HISTORY)
    ]
    for metric in ("WA", "UA", "macro_F1"):
        found.append(score("d", metric, value=0.845, low=0.8, high=0.9))
        found.append(score("d", metric, "speaker_independent", value=0.462))
        found.append(score(UNIFORM, metric, value=0.125, source=CHANCE))
    return found


def test_published_and_ours_stand_beside_each_other(rows, make_record, tmp_path, texts_of, assert_whole):
    Scores(tuple(rows)).write(tmp_path / "scores.csv")
    plot_comparison(make_record(synthetic=True), Scores.read(tmp_path / "scores.csv"), tmp_path / "figure")
    texts = texts_of(tmp_path / "figure")
    assert (texts.count("84.5"), texts.count("46.2"), texts.count("98.8")) == (3, 3, 1)
    assert "published, validation part" in texts
    assert "SYNTHETIC" in " ".join(texts)
    assert_whole(tmp_path / "figure")


def test_values_and_intervals_stand_where_they_belong(rows, make_record):
    axes = draw_comparison(Scores(tuple(rows)), make_record().paper).axes[0]
    drawn = [(points.get_label()[:9], points.get_offsets()) for points in axes.collections]
    points = {(round(float(x), 6), name) for name, offsets in drawn for x, _ in offsets}
    assert points == {(98.8, "published"), (84.5, "ours, pap"), (46.2, "ours, uns")}
    assert [tuple(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 2.4] == [(80, 90)]


def test_chance_among_all_labels_is_not_drawn_for_a_system_of_some(rows, make_record):
    paper = make_record().paper
    binary = paper.systems["e"].model_copy(update={"labels": ["neutral", "happy"]})
    paper = paper.model_copy(update={"systems": paper.systems | {"e": binary}})
    more = [score("e", metric, value=0.9) for metric in ("WA", "UA", "macro_F1")]
    for axes in draw_comparison(Scores((*rows, *more)), paper).axes:
        chance = [line for line in axes.lines if line.get_label().startswith("chance")]
        assert [np.mean(line.get_ydata()) for line in chance] == [0]


def test_missing_folds_stand_in_the_legend_where_all_systems_lack_them_else_at_their_points(rows, make_record):
    some = [replace(row, missing="1 of 6 folds") if row.protocol == "speaker_independent" else row for row in rows]
    legend, points = (
        {text.get_text() for text in draw_comparison(Scores(tuple(found)), make_record().paper).legends[0].get_texts()}
        for found in (some, [*some, score("e", "WA", "speaker_independent", value=0.3)])
    )
    assert any(text.endswith("(1 of 6 folds)") for text in legend)
    assert not any(text.endswith("(1 of 6 folds)") for text in points)
    figure = draw_comparison(Scores((*some, score("e", "WA", "speaker_independent", value=0.3))), make_record().paper)
    told = [text.get_text() for text in figure.axes[0].texts]
    assert "46.2 (1 of 6 folds)" in told
    assert "30.0" in told
