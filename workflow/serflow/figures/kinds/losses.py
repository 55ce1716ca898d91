"""Training and validation loss over the epochs of several systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

from matplotlib.figure import Figure

from serflow.figures.curves import QUANTITIES, History, count_runs, draw_histories
from serflow.figures.request import Request
from serflow.figures.style import new_figure, place_legend, wrap
from serflow.types import Names, Text

NEEDS = "runs"


def losses(request: Request, *, systems: Names, protocol: Text) -> Figure:
    """Draw the losses of each system under one protocol.

    Parameters
    ----------
    systems
        One panel each.
    protocol
        The protocol of the runs.
    """
    runs = request.read_runs(systems, protocol)
    found = {name: [run.history for run in runs if run.id.system == name] for name in systems}
    titles = {request.paper.title_of("systems", name): histories for name, histories in found.items() if histories}
    return draw(titles, request.title())


def draw(histories: Mapping[str, Sequence[History]], title: str) -> Figure:
    """Draw one panel per system, one below the other on the same axes.

    Parameters
    ----------
    histories
        Title of a system to the histories of its runs: thin lines; their mean is thick.
    """
    figure = new_figure(8, 1.4 + 2.6 * len(histories), wrap(title))
    grid = figure.subplots(len(histories), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (name, runs) in zip(grid, histories.items(), strict=True):
        draw_histories(axes, runs, "loss")
        axes.set_title(f"{fill(name, 90)} ({count_runs(runs)})", fontsize=10)
        axes.set_ylabel(QUANTITIES["loss"][1])
    grid[-1].set_xlabel("epoch")
    grid[0].set_ylim(bottom=0)
    place_legend(figure)
    return figure
