"""All papers in one picture: published, ours, ours on unseen speakers and under the leak, one row per system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serflow.corpora.names import display_name
from serflow.figures.dumbbell import LIMITS, draw, make_point, row_height
from serflow.figures.style import BLUE, GREEN, GREY, ORANGE, VERMILION, draw_rows, new_figure, place_legend, save, style
from serflow.papers.names import ROLES
from serflow.protocols.base import Role
from serflow.scoring.metrics import label_of
from serflow.scoring.results import Result, read_results
from serflow.scoring.scores import UNIFORM

TITLE = (
    "Published numbers and ours (paper's protocol: on the part named at the left; all others: test part)\n"
    "bars: 95 % bootstrap intervals over speakers (over utterances where fewer than six are tested)"
)
LOOKS: dict[Role, tuple[str, str]] = {
    "published": (BLUE, "o"),
    "unseen": (VERMILION, "s"),
    "unseen_statements": (VERMILION, "D"),
    "other_corpus": (VERMILION, "v"),
    "leak": (GREEN, "^"),
    "control": (ORANGE, "v"),
    "unseen_control": (ORANGE, "D"),
}
#: The roles that the legend names even where nothing was run.
ALWAYS: tuple[Role, ...] = ("published", "unseen", "leak")


def plot_overview(comparison: Path | str, stem: Path | str) -> None:
    """Draw the comparison of all papers from its file, ``results/tables/comparison.csv``, and save as png and svg."""
    plot_results(read_results(comparison), stem)


def plot_results(results: Sequence[Result], stem: Path | str) -> None:
    """Draw results and save as png and svg."""
    save(draw_overview(results), stem, synthetic=any(result.synthetic for result in results))


@style()
def draw_overview(results: Sequence[Result]) -> Figure:
    """Draw one row per system and corpus, of the first metric its paper prints; the verdict stands on the right."""
    lines = list({(one.paper, one.corpus, one.system): one for one in reversed(results)}.values())[::-1]
    roles = [role for role in LOOKS if role in ALWAYS or any(one.cells[role].value is not None for one in lines)]
    height = 2.1 + row_height(len(roles) + 1) * max(1, len(lines))
    figure = new_figure(11, height, TITLE)
    axes = figure.subplots()
    for y, result in enumerate(lines):
        _draw_line(axes, result, roles, y)
    axes.set(xlim=LIMITS, xticks=range(0, 101, 10), xlabel="%")
    draw_rows(axes, [_name(result) for result in lines])
    axes.grid(axis="x")
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(lines)), [_verdict(result) for result in lines])
    right.spines[:].set_visible(False)
    for one in (axes, right):
        one.tick_params(axis="y", length=0)
    place_legend(figure, 3, order=["published", *map(_legend, roles), UNIFORM].index)
    return figure


def _draw_line(axes: Axes, result: Result, roles: Sequence[Role], y: int) -> None:
    if result.chance_uniform is not None:
        level = 100 * result.chance_uniform
        axes.plot([level] * 2, [y - 0.42, y + 0.42], "--", color=GREY, linewidth=1.4, label=UNIFORM)
    cells = [(role, result.cells[role]) for role in roles]
    ours = [make_point(_legend(role), cell.value, cell.low, cell.high, LOOKS[role]) for role, cell in cells]
    draw(axes, [make_point("published", result.published), *ours], y)
    if y:
        axes.axhline(y - 0.5, color="#e3e3e3", linewidth=0.8, zorder=0)


def _legend(role: Role) -> str:
    return f"ours, {ROLES[role]}"


def _name(result: Result) -> str:
    metric = f"{label_of(result.metric)} ({result.part})"
    return f"{fill(result.title, 34)}\n{result.paper} on {result.name_place(display_name)}, {metric}"


def _verdict(result: Result) -> str:
    told = [result.verdict] if result.cells["published"].value is not None else [result.verdict, result.reason]
    return fill(": ".join(filter(None, told)), 24)
