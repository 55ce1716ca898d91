"""Training and validation loss over the epochs of several systems."""

from __future__ import annotations

from textwrap import fill

from matplotlib.figure import Figure

from serflow.figures.curves import QUANTITIES, History, count_runs, draw_histories
from serflow.figures.request import Request
from serflow.figures.style import name_epochs, new_figure, place_legend, wrap
from serflow.types import Names, Text

NEEDS = "runs"


def losses(request: Request, *, systems: Names, protocol: Text) -> Figure:
    """Draw the losses of each system under one protocol, one panel below the other on the same axes.

    Parameters
    ----------
    systems
        One panel each: thin lines are runs, the thick one is their mean.
    protocol
        The protocol of the runs.
    """
    shown: dict[str, list[History]] = {}
    for run in sorted(request.read_runs(systems, protocol), key=lambda run: systems.index(run.id.system)):
        shown.setdefault(request.paper.title_of("systems", run.id.system), []).append(run.history)
    figure = new_figure(8, 1.4 + 2.6 * len(shown), wrap(request.title()))
    grid = figure.subplots(len(shown), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (name, histories) in zip(grid, shown.items(), strict=True):
        draw_histories(axes, histories, "loss")
        axes.set_title(f"{fill(name, 90)} ({count_runs(histories)})", fontsize=10)
        axes.set_ylabel(QUANTITIES["loss"][1])
    name_epochs(grid[-1])
    grid[0].set_ylim(bottom=0)
    place_legend(figure)
    return figure
