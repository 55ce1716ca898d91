"""Published and reproduced scores side by side, one row per system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from serflow.figures.dumbbell import LIMITS, Point, draw, row_height
from serflow.figures.style import BLACK, GREY, PALETTE, new_figure, save, style
from serflow.io.files import read_csv
from serflow.scoring.metrics import METRICS
from serflow.scoring.scores import MAJORITY, UNIFORM
from serflow.tables.tables import NAMES, number, published_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

_MARKERS = ("o", "s", "^", "v", "P")


def comparison(rows: Sequence[Row], paper: Mapping[str, Any]) -> Figure:
    """Draw, for each system and metric, the published value, ours under each protocol with intervals, and chance.

    Parameters
    ----------
    rows
        Score rows; those of scope "all" on the test part are drawn. A published value that was measured on the
        validation part is drawn hollow.
    paper
        The paper file, for titles and the order of systems and protocols.
    """
    whole = [row for row in rows if row["scope"] == "all"]
    scored = [row for row in whole if row["source"] == "predictions" and row["part"] == "test"]
    lines = list(dict.fromkeys((row["corpus"], row["system"]) for row in scored if number(row, "value") is not None))
    with style():
        figure = new_figure(11, 2.3 + row_height(1 + len(paper["protocols"])) * max(1, len(lines)))
        grid = figure.subplots(1, len(METRICS), sharey=True, squeeze=False)[0]
        for axes, metric in zip(grid, METRICS, strict=True):
            for y, line in enumerate(lines):
                _line(axes, [row for row in whole if row["corpus"] == line[0]], paper, (line[1], metric), y)
            axes.set(xlim=LIMITS, xticks=range(0, 101, 20), xlabel=f"{NAMES.get(metric, metric)} (%)")
            axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        titles = [f"{paper['systems'].get(system, {}).get('title', system)}\n{corpus}" for corpus, system in lines]
        grid[0].set_yticks(range(len(lines)), [_wrap(title) for title in titles])
        grid[0].set_ylim(len(lines) - 0.5, -0.5)
        handles = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels())}  # noqa: B905
        names = sorted(handles, key=lambda name: (not name.startswith("published"), not name.startswith("ours")))
        figure.legend([handles[name] for name in names], names, loc="outside lower center", ncols=2)
        figure.suptitle(
            f"{paper['title']}\ntest part; bars: 95 % bootstrap intervals over speakers; no bar: too few speakers",
            fontsize=11,
        )
    return figure


def _wrap(text: str) -> str:
    return "\n".join(fill(part, 26) for part in text.split("\n"))


def _line(axes: Axes, rows: Sequence[Row], paper: Mapping[str, Any], wanted: tuple[str, str], y: int) -> None:
    """Draw one system in one panel: the published value, then ours under each protocol."""
    system, metric = wanted
    test = [row for row in rows if row["part"] == "test" and row["metric"] == metric and row["source"] != "history"]
    some = paper["systems"].get(system, {}).get("labels")  # chance is among all labels
    for name, dashes in () if some else ((UNIFORM, "--"), (MAJORITY, ":")):
        levels = {round(100 * float(row["value"]), 1) for row in test if row["system"] == name}
        for level in sorted(levels):
            axes.plot([level, level], [y - 0.42, y + 0.42], dashes, color=GREY, linewidth=1.4, label=name)
    points = [_published(rows, system, metric)]
    for i, (protocol, settings) in enumerate(paper["protocols"].items()):
        row = next((r for r in test if r["system"] == system and r["protocol"] == protocol), None)
        look = (PALETTE[i % len(PALETTE)], _MARKERS[i % len(_MARKERS)])
        points.append(_ours(row, f"ours: {settings.get('title', protocol)}", look))
    draw(axes, points, y)


def _published(rows: Sequence[Row], system: str, metric: str) -> Point | None:
    for part, face in (("test", BLACK), ("validation", "white")):
        value, _ = published_value(rows, system, metric, part)
        if value is not None:
            return Point(100 * value, "published" if part == "test" else "published, validation part", face=face)
    return None


def _ours(row: Row | None, name: str, look: tuple[str, str]) -> Point | None:
    value, low, high = (number(row, key) for key in ("value", "low", "high"))
    if value is None:
        return None
    ends = (None, None) if low is None or high is None else (100 * low, 100 * high)
    return Point(100 * value, name, ends[0], ends[1], look[0], look[1])


def plot_comparison(paper: Mapping[str, Any], scores_csv: Path | str, stem: Path | str) -> None:
    """Draw what `evaluation.comparison.evaluate_paper` wrote and save it as png and svg."""
    save(comparison(read_csv(scores_csv), paper), stem)
