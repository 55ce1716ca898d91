"""One study of a paper: WA and UA of each variant beside the first one, whose value a dashed line marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serflow.corpora.names import display_name
from serflow.figures.dumbbell import Point, draw, make_point, row_height
from serflow.figures.style import GREY, draw_rows, look_of, name_row, new_figure, place_legend, save, style, wrap
from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import name_protocol
from serflow.scoring.metrics import label_of
from serflow.scoring.scores import NOT_RUN
from serflow.scoring.studies import COMPARED, read_study

#: Share of the values' range that is kept free on either side for the numbers.
_MARGIN = 0.2


def plot_study(record: PaperRecord, study: str, table: Path | str, stem: Path | str) -> None:
    """Draw a study from its table's CSV and save it as png and svg; corpora on which nothing was run are named."""
    rows, content = read_study(table), record.paper.studies[study]
    rows = rows[rows.part == content.parts[0]]
    run = rows.corpus[rows[COMPARED[0]].notna()].unique()
    shown = rows[rows.corpus.isin(run)] if len(run) else rows
    missing = [corpus for corpus in rows.corpus.unique() if corpus not in shown.corpus.values]
    title = f"{record.paper.paper}: {content.title} ({content.parts[0]} part)\n"
    title += "bars: 95 % intervals over speakers (over utterances: fewer than six speakers); dashed: the first system"
    title += f"; not run: {', '.join(map(display_name, missing))}" if missing else ""
    save(draw_study(shown, record.paper, wrap(title, 120)), stem, synthetic=record.synthetic)


@style()
def draw_study(rows: pd.DataFrame, paper: Paper, title: str) -> Figure:
    """Draw one row per corpus and system, with a point and an interval for each protocol it was run under.

    ``rows``: with the columns of `serflow.scoring.studies.TYPES`.
    """
    lines = [mine for _, mine in rows.groupby(["corpus", "system"], sort=False)]
    corpora = [mine.corpus.iloc[0] for mine in lines]
    slots = {corpus: list(rows.protocol[rows.corpus == corpus].unique()) for corpus in corpora}
    figure = new_figure(11, 2.2 + max(0.62, row_height(max(map(len, slots.values())))) * len(lines), title)
    grid = figure.subplots(1, len(COMPARED), sharey=True, squeeze=False)[0]
    for axes, metric in zip(grid, COMPARED, strict=True):
        for y, (corpus, mine) in enumerate(zip(corpora, lines, strict=True)):
            _draw_line(axes, mine, metric, paper, slots[corpus], y)
            if y and corpora[y - 1] != corpus:
                axes.axhline(y - 0.5, color=GREY, linewidth=0.8)
        _draw_references(axes, rows, metric, paper)
        axes.set(xlim=_limits(rows, metric), xlabel=f"{label_of(metric)} (%)")
        axes.grid(axis="x")
    names = [mine.title.iloc[0] for mine in lines]
    draw_rows(grid[0], [name_row(name, corpus) for name, corpus in zip(names, corpora, strict=True)])
    place_legend(figure)
    return figure


def _draw_line(axes: Axes, rows: pd.DataFrame, metric: str, paper: Paper, protocols: Sequence[str], y: int) -> None:
    """Draw the points of one system on one corpus, a slot per protocol, or say why there is none."""
    found = {row["protocol"]: row for row in rows.to_dict("records")}
    points = [_point(found[name], metric, paper) if name in found else None for name in protocols]
    if any(points):
        draw(axes, points, y)
        return
    note = rows.note.iloc[0]
    told = fill(note[note.find(NOT_RUN) :].split(";")[0], 48)
    look: Any = {"ha": "center", "va": "center", "color": GREY, "bbox": {"facecolor": "white", "edgecolor": "none"}}
    axes.text(0.5, y, told, transform=axes.get_yaxis_transform(), **look)


def _point(row: Mapping[Any, Any], metric: str, paper: Paper) -> Point | None:
    value, low, high = (None if pd.isna(row[key]) else row[key] for key in (metric, f"{metric}_low", f"{metric}_high"))
    name = f"ours, {name_protocol(paper, row['protocol'])}"
    return make_point(name, value, low, high, _look(paper, row["protocol"]))


def _look(paper: Paper, protocol: str) -> tuple[str, str]:
    return look_of(list(paper.protocols).index(protocol))


def _draw_references(axes: Axes, rows: pd.DataFrame, metric: str, paper: Paper) -> None:
    """Mark the values of each corpus's first system over all rows of that corpus, in the colours of the protocols."""
    start = -0.5
    for _, mine in rows.groupby("corpus", sort=False):
        stop = start + mine.system.nunique()
        for row in mine[mine.system == mine.system.iloc[0]].dropna(subset=[metric]).to_dict("records"):
            look: Any = {"color": _look(paper, row["protocol"])[0], "linewidth": 1, "alpha": 0.7, "zorder": 0.5}
            axes.plot([100 * row[metric]] * 2, [start, stop], "--", **look)
        start = stop


def _limits(rows: pd.DataFrame, metric: str) -> tuple[float, float]:
    """Return limits around all values and intervals: differences of a point must be seen, so the axis is not from 0."""
    values = 100 * rows[[metric, f"{metric}_low", f"{metric}_high"]].to_numpy(dtype=float)
    if np.isnan(values).all():
        return 0.0, 100.0
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = _MARGIN * max(high - low, 5.0)
    return low - margin, high + margin
