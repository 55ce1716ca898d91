"""Loss and accuracy over the epochs of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serflow.corpora.names import display_name
from serflow.figures.style import BLUE, VERMILION, name_epochs, new_figure, place_legend, save, style
from serflow.papers.model import PaperRecord, Published
from serflow.papers.names import name_protocol
from serflow.runs import RunRecord

History = Sequence[Mapping[str, float]]

#: Part -> what it is called, colour, dashes, and the marker of published values.
PARTS = {"train": ("training", BLUE, "-", "s"), "validation": ("validation", VERMILION, "--", "D")}
#: Quantity -> factor and axis label.
QUANTITIES = {"loss": (1.0, "cross-entropy (nats)"), "accuracy": (100.0, "accuracy (%)")}


def plot_curves(record: PaperRecord, runs: Sequence[RunRecord], stem: Path | str) -> None:
    """Draw the runs of one system on one corpus, a column per protocol, and save as png and svg."""
    paper, (corpus, system, _) = record.paper, runs[0].group
    histories, published = {}, {}
    for name in paper.protocols:
        mine = [run.history for run in runs if run.id.protocol == name and run.history]
        if mine:
            label = name_protocol(paper, name)
            histories[label] = mine
            published[label] = [one for one in paper.published if one.identity[:3] == (system, corpus, name)]
    title = f"{paper.title_of('systems', system)} on {display_name(corpus)}"
    save(draw_curves(histories, title, published), stem, synthetic=record.synthetic)


@style()
def draw_curves(
    histories: Mapping[str, Sequence[History]], title: str, published: Mapping[str, Sequence[Published]]
) -> Figure:
    """Draw training and validation loss and accuracy, one column per protocol.

    Parameters
    ----------
    histories
        Name of a protocol to the histories of its runs (seeds and folds): thin lines; their mean is thick.
    published
        Name of a protocol to published numbers, those of an epoch drawn as points.
    """
    n = len(histories)
    figure = new_figure(max(6.4, 0.8 + 4.2 * n), 6.2, title)
    grid = figure.subplots(len(QUANTITIES), n, sharex="col", sharey="row", squeeze=False)
    for column, (name, runs) in zip(grid.T, histories.items(), strict=True):
        column[0].set_title(f"{fill(name, 46)}\n({count_runs(runs)})", fontsize=10, va="bottom")
        for axes, quantity in zip(column, QUANTITIES, strict=True):
            draw_histories(axes, runs, quantity)
            _draw_points(axes, published.get(name, []), quantity)
        name_epochs(column[-1])
    for axes, (_, label) in zip(grid[:, 0], QUANTITIES.values(), strict=True):
        axes.set_ylabel(label)
    grid[0, 0].set_ylim(bottom=0)
    grid[1, 0].set_ylim(0, 103)
    place_legend(figure, 2 * len(PARTS))
    return figure


def draw_histories(axes: Axes, runs: Sequence[History], quantity: str, parts: Sequence[str] = tuple(PARTS)) -> None:
    """Draw one line per run and their mean over the epochs that all of them have; `quantity`: of `QUANTITIES`.

    A part that no run has is left out.
    """
    scale, _ = QUANTITIES[quantity]
    for part in parts:
        name, colour, dashes, _ = PARTS[part]
        lines = [scale * np.array([row[f"{part}_{quantity}"] for row in run]) for run in runs]
        if np.isnan(np.concatenate(lines)).all():
            continue
        for line in lines if len(lines) > 1 else []:
            axes.plot(np.arange(1, len(line) + 1), line, color=colour, alpha=0.3, linewidth=0.8)
        shortest = min(len(line) for line in lines)
        mean = np.mean([line[:shortest] for line in lines], axis=0)
        marker = "o" if shortest == 1 else None
        axes.plot(np.arange(1, shortest + 1), mean, dashes, color=colour, linewidth=2, label=name, marker=marker)
    axes.grid(axis="y")


def _draw_points(axes: Axes, entries: Sequence[Published], quantity: str) -> None:
    """Draw the published values of one quantity."""
    scale, _ = QUANTITIES[quantity]
    for part, (name, colour, _, marker) in PARTS.items():
        wanted = [one for one in entries if (one.part, one.metric) == (part, quantity) and one.epoch]
        if mine := [(one.epoch, scale * one.value) for one in wanted]:
            look: Any = {"color": "none", "edgecolors": colour, "linewidths": 1.4, "s": 34, "zorder": 3}
            axes.scatter(*zip(*mine, strict=True), marker=marker, label=f"published, {name}", clip_on=False, **look)


def count_runs(runs: Sequence[History]) -> str:
    """Return how many runs are drawn, in words."""
    return f"{len(runs)} runs, thick: their mean" if len(runs) > 1 else "1 run"
