"""Published and reproduced scores side by side, one row per system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serflow.figures.dumbbell import LIMITS, Point, draw, make_point, row_height
from serflow.figures.style import BLACK, GREY, draw_rows, look_of, name_row, new_figure, place_legend, save, style
from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import name_protocol
from serflow.scoring.metrics import METRICS, label_of
from serflow.scoring.scores import ALL, MAJORITY, PREDICTIONS, UNIFORM, Scores


def plot_comparison(record: PaperRecord, scores: Scores, stem: Path | str) -> None:
    """Draw the scores of a paper and save as png and svg."""
    save(draw_comparison(scores, record.paper), stem, synthetic=record.synthetic)


@style()
def draw_comparison(scores: Scores, paper: Paper) -> Figure:
    """Draw, for each system and metric, the published value, ours under each protocol with intervals, and chance.

    Scores over all folds and speakers, on the test part, are drawn. A published value that was measured on the
    validation part is drawn hollow.
    """
    ours = scores.select(scope=ALL, part="test", source=PREDICTIONS)
    lines = list(dict.fromkeys((score.corpus, score.system) for score in ours if score.value is not None))
    told = "test part; bars: 95 % bootstrap intervals over speakers (over utterances where fewer than six are tested)"
    figure = new_figure(11, 2.3 + row_height(1 + len(paper.protocols)) * max(1, len(lines)), f"{paper.title}\n{told}")
    grid = figure.subplots(1, len(METRICS), sharey=True, squeeze=False)[0]
    for axes, metric in zip(grid, METRICS, strict=True):
        for y, (corpus, system) in enumerate(lines):
            if paper.systems[system].labels is None:  # chance is among all labels
                _draw_chance(axes, scores, corpus, metric, y)
            points = [_published_point(scores, corpus, system, metric)]
            draw(axes, points + _points(scores, paper, corpus, system, metric), y)
        axes.set(xlim=LIMITS, xticks=range(0, 101, 20), xlabel=f"{label_of(metric)} (%)")
        axes.grid(axis="x")
    draw_rows(grid[0], [name_row(paper.title_of("systems", system), corpus, 26) for corpus, system in lines])
    place_legend(figure, order=lambda name: (not name.startswith("published"), not name.startswith("ours")))
    return figure


def _draw_chance(axes: Axes, scores: Scores, corpus: str, metric: str, y: int) -> None:
    for name, dashes in ((UNIFORM, "--"), (MAJORITY, ":")):
        found = scores.select(scope=ALL, part="test", corpus=corpus, metric=metric, system=name)
        for level in sorted({round(100 * score.value, 1) for score in found if score.value is not None}):
            axes.plot([level, level], [y - 0.42, y + 0.42], dashes, color=GREY, linewidth=1.4, label=name)


def _published_point(scores: Scores, corpus: str, system: str, metric: str) -> Point | None:
    for part, name, face in (("test", "published", BLACK), ("validation", "published, validation part", "white")):
        value, _ = scores.published_value(corpus, system, metric, part)
        if value is not None:
            return Point(100 * value, name, face=face)
    return None


def _points(scores: Scores, paper: Paper, corpus: str, system: str, metric: str) -> list[Point | None]:
    """Return our value under each protocol."""
    points: list[Point | None] = []
    for n, name in enumerate(paper.protocols):
        one = scores.find(corpus, system, name, metric)
        missing = _missing(scores, name)
        shared = missing.pop() if len(missing) == 1 else ""
        told = f" ({shared})" if shared else ""
        label = f"ours, {name_protocol(paper, name)}{told}"
        point = make_point(label, one.value, one.low, one.high, look_of(n)) if one else None
        points.append(
            replace(point, note=f"({one.missing})") if one and point and one.missing and not shared else point
        )
    return points


def _missing(scores: Scores, protocol: str) -> set[str]:
    """Return which folds or seeds of a protocol are missing, "" where none is; several texts where systems differ."""
    found = scores.select(protocol=protocol, scope=ALL, part="test", source=PREDICTIONS)
    return {score.missing for score in found if score.value is not None}
