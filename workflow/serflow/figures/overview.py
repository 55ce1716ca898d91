"""All papers in one picture: published, ours, ours on unseen speakers and under the leak, one row per system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serflow.corpora.names import display_name
from serflow.figures.dumbbell import Point, draw, make_point, row_height
from serflow.figures.style import BLUE, GREEN, GREY, PURPLE, VERMILION, draw_rows, new_figure, place_legend, save, style
from serflow.papers.names import ROLES
from serflow.protocols.base import Role
from serflow.scoring.metrics import label_of
from serflow.scoring.results import Result, read_results
from serflow.scoring.scores import UNIFORM

TITLE = (
    "Published numbers and ours (paper's protocol: on the part named at the left; all others: test part)\n"
    "bars: 95 % bootstrap intervals over speakers (over utterances where fewer than six are tested)"
)
#: Axis limits in per cent: room for a number, and for the folds and seeds that are missing, right of 100.
LIMITS = (0.0, 135.0)
#: What stands in the legend behind the name of a protocol that tests augmented copies too.
ALONE = ", original recordings alone"
LOOKS: dict[Role, tuple[str, str]] = {
    "published": (BLUE, "o"),
    "random": (BLUE, "D"),
    "given": (BLUE, "P"),
    "unseen": (VERMILION, "s"),
    "unseen_statements": (VERMILION, "D"),
    "other_corpus": (VERMILION, "v"),
    "leak": (GREEN, "^"),
    "control": (PURPLE, "v"),
    "unseen_control": (PURPLE, "D"),
}


def plot_overview(comparison: Path | str, stem: Path | str) -> None:
    """Draw the comparison of all papers from its file, ``results/tables/comparison.csv``, and save as png and svg."""
    plot_results(read_results(comparison), stem)


def plot_results(results: Sequence[Result], stem: Path | str) -> None:
    """Draw results and save as png and svg."""
    save(draw_overview(results), stem, synthetic=any(result.synthetic for result in results))


@style()
def draw_overview(results: Sequence[Result]) -> Figure:
    """Draw one row per system and corpus, of the first metric its paper prints; the verdict stands on the right.

    Systems that were not run stand below the others.
    """
    first: dict[tuple[str, str, str], Result] = {}
    for one in results:
        first.setdefault((one.paper, one.corpus, one.system), one)
    lines = sorted(first.values(), key=lambda one: not one.measured)
    names, verdicts = [_name(result) for result in lines], [_verdict(result) for result in lines]
    points = [_points(result) for result in lines]
    # A line of text is about as high as a slot; one more sets rows apart.
    sizes = [
        max(len(mine), 2 + max(left.count("\n"), right.count("\n")))
        for mine, left, right in zip(points, names, verdicts, strict=True)
    ]
    figure = new_figure(11, 2.1 + row_height(max(3, sum(sizes))), TITLE)
    axes = figure.subplots()
    middles = draw_rows(axes, names, sizes)
    for result, mine, y, size in zip(lines, points, middles, sizes, strict=True):
        _draw_line(axes, result, mine, y, size)
    axes.set(xlim=LIMITS, xticks=range(0, 101, 10), xlabel="%")
    axes.grid(axis="x")
    right = axes.secondary_yaxis("right")
    right.set_yticks(middles, verdicts)
    right.spines[:].set_visible(False)
    for side in (axes, right):
        side.tick_params(axis="y", length=0)
    ours = (name for role in LOOKS for name in (_legend(role), _legend(role) + ALONE))
    place_legend(figure, 3, order=["published", *ours, UNIFORM].index)
    return figure


def _points(result: Result) -> list[Point]:
    """Return the points of a system: the published number, and ours by role."""
    points = [make_point("published", result.published)]
    for role, look in LOOKS.items():
        cell, name = result.shown(role), _legend(role)
        told = "; ".join(filter(None, (cell.note, cell.missing)))
        note = f"({told})" if told else ""
        alone = make_point(name + ALONE, cell.originals, cell.originals_low, cell.originals_high, look)
        own = make_point(name, cell.value, cell.low, cell.high, look)
        points += [replace(point, note=note) for point in (own, alone and replace(alone, face="white")) if point]
    return [point for point in points if point]


def _draw_line(axes: Axes, result: Result, points: Sequence[Point], y: float, size: float) -> None:
    if result.chance_uniform is not None:
        level = 100 * result.chance_uniform
        ends = [y - 0.42 * size, y + 0.42 * size]
        axes.plot([level] * 2, ends, "--", color=GREY, linewidth=1.4, label=UNIFORM)
    if points:
        draw(axes, points, y, size)
    axes.axhline(y + size / 2, color="#e3e3e3", linewidth=0.8, zorder=0)


def _legend(role: Role) -> str:
    return f"ours, {ROLES[role]}"


def _name(result: Result) -> str:
    metric = f"{label_of(result.metric)} ({result.part})"
    return f"{fill(result.title, 34)}\n{result.paper} on {result.name_place(display_name)}, {metric}"


def _verdict(result: Result) -> str:
    told = [result.verdict] if result.cells["published"].value is not None else [result.verdict, result.reason]
    return fill(": ".join(filter(None, told)), 24)
