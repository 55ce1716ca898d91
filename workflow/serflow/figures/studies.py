"""One study of a paper: WA and UA of each variant beside the first one, whose value a dashed line marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from serflow.figures.dumbbell import Point, draw, row_height
from serflow.figures.style import GREY, PALETTE, new_figure, save, style, wrap
from serflow.io.files import read_csv
from serflow.tables.studies import COMPARED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, str]

_MARKERS = ("o", "s", "^", "v", "P")
#: Share of the values' range that is kept free on either side for the numbers.
_MARGIN = 0.2


def study(rows: Sequence[Row], paper: Mapping[str, Any], title: str) -> Figure:
    """Draw one row per corpus and system, with a point and an interval for each protocol it was run under.

    Parameters
    ----------
    rows
        As `evaluation.studies.write_study_table` writes them as csv: fractions in 0..1, empty where there is none.
    paper
        The paper file, for the titles of its protocols.
    title
        Title.
    """
    lines = list(dict.fromkeys((row["corpus"], row["system"]) for row in rows))
    looks = {
        name: (PALETTE[i % len(PALETTE)], _MARKERS[i % len(_MARKERS)]) for i, name in enumerate(paper["protocols"])
    }
    slots = {corpus: list(dict.fromkeys(r["protocol"] for r in rows if r["corpus"] == corpus)) for corpus, _ in lines}
    with style():
        figure = new_figure(11, 2.2 + max(0.62, row_height(max(map(len, slots.values())))) * len(lines))
        grid = figure.subplots(1, len(COMPARED), sharey=True, squeeze=False)[0]
        for axes, metric in zip(grid, COMPARED, strict=True):
            for y, line in enumerate(lines):
                mine = {row["protocol"]: row for row in rows if (row["corpus"], row["system"]) == line}
                points = [_point(mine.get(name), metric, paper, looks[name]) for name in slots[line[0]]]
                if any(points):
                    draw(axes, points, y)
                else:
                    _absent(axes, next(iter(mine.values())), y)
            for y in range(1, len(lines)):
                if lines[y][0] != lines[y - 1][0]:
                    axes.axhline(y - 0.5, color=GREY, linewidth=0.8)
            _references(axes, rows, lines, looks, metric)
            axes.set(xlim=_limits(rows, metric), xlabel=f"{metric} (%)")
            axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        names = {(row["corpus"], row["system"]): f"{fill(row['title'], 34)}\n{row['corpus']}" for row in rows}
        grid[0].set_yticks(range(len(lines)), [names[line] for line in lines])
        grid[0].set_ylim(len(lines) - 0.5, -0.5)
        handles = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels())}  # noqa: B905
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=2)
        figure.suptitle(title, fontsize=10.5)
    return figure


def _percent(row: Row | None, key: str) -> float | None:
    return 100 * float(row[key]) if row and row[key] else None


def _point(row: Row | None, metric: str, paper: Mapping[str, Any], look: tuple[str, str]) -> Point | None:
    value = _percent(row, metric)
    if row is None or value is None:
        return None
    name = f"ours: {paper['protocols'][row['protocol']].get('title', row['protocol'])}"
    return Point(value, wrap(name, 70), _percent(row, f"{metric}_low"), _percent(row, f"{metric}_high"), *look)


def _absent(axes: Axes, row: Row, y: int) -> None:
    """Say in the row of a system without any value why it has none."""
    note = fill(row["note"][row["note"].find("not run") :].split(";")[0], 48)
    look: Any = {"ha": "center", "va": "center", "color": GREY, "bbox": {"facecolor": "white", "edgecolor": "none"}}
    axes.text(0.5, y, note, transform=axes.get_yaxis_transform(), **look)


def _references(
    axes: Axes,
    rows: Sequence[Row],
    lines: Sequence[tuple[str, str]],
    looks: Mapping[str, tuple[str, str]],
    metric: str,
) -> None:
    """Mark the value of each corpus's first system over all rows of that corpus, in the colour of its protocol."""
    for row in rows:
        corpus, value = row["corpus"], _percent(row, metric)
        mine = [y for y, line in enumerate(lines) if line[0] == corpus]
        if value is not None and (corpus, row["system"]) == lines[mine[0]]:
            ends, colour = [mine[0] - 0.5, mine[-1] + 0.5], looks[row["protocol"]][0]
            axes.plot([value, value], ends, "--", color=colour, linewidth=1, alpha=0.7, zorder=0.5)


def _limits(rows: Sequence[Row], metric: str) -> tuple[float, float]:
    """Return limits around all values and intervals: differences of a point must be seen, so the axis is not from 0."""
    keys = (metric, f"{metric}_low", f"{metric}_high")
    values = [value for row in rows for key in keys if (value := _percent(row, key)) is not None]
    if not values:
        return 0.0, 100.0
    span = max(max(values) - min(values), 5.0)
    return min(values) - _MARGIN * span, max(values) + _MARGIN * span


def plot_study(
    paper: Mapping[str, Any], study_name: str, csv: Path | str, stem: Path | str, *, synthetic: bool
) -> None:
    """Draw what `evaluation.studies.write_study_table` wrote as csv and save it as png and svg.

    Corpora on which nothing was run are named in the title.
    """
    rows, content = read_csv(csv), paper["studies"][study_name]
    run = {row["corpus"] for row in rows if row["WA"]} or {row["corpus"] for row in rows}
    missing = list(dict.fromkeys(row["corpus"] for row in rows if row["corpus"] not in run))
    notice = "SYNTHETIC demo corpus. " if synthetic else ""
    title = f"{notice}{paper['title']}: {content['title']}\nThe paper: {content['said']}\n"
    title += "bars: 95 % bootstrap intervals over speakers, none where speakers are too few; dashed: the first system"
    title += f"\nNot run: {', '.join(missing)}" if missing else ""
    save(study([row for row in rows if row["corpus"] in run], paper, wrap(title, 120)), stem)
