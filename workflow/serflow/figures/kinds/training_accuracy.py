"""Training accuracy over the epochs on several corpora."""

from __future__ import annotations

from matplotlib.figure import Figure

from serflow.corpora.names import display_name
from serflow.figures.curves import History, count_runs, draw_histories
from serflow.figures.request import Request
from serflow.figures.style import name_epochs, new_figure, wrap
from serflow.types import Names, Text

NEEDS = "runs"


def training_accuracy(request: Request, *, systems: Names, protocol: Text) -> Figure:
    """Draw the training accuracy on each corpus, one panel beside the other; corpora that were not run are named.

    Parameters
    ----------
    systems
        The systems whose runs are shown.
    protocol
        The protocol of the runs.
    """
    found: dict[str, list[History]] = {}
    for run in request.read_runs(systems, protocol):
        found.setdefault(run.id.corpus, []).append(run.history)
    missing = [corpus for corpus in request.figure.shown if corpus not in found]
    title = request.title(f"Not run: {', '.join(map(display_name, missing))}" if missing else "")
    figure = new_figure(max(6.4, 0.8 + 4.2 * len(found)), 4.0, wrap(title))
    grid = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (name, histories) in zip(grid, found.items(), strict=True):
        draw_histories(axes, histories, "accuracy", parts=["train"])
        axes.set_title(f"{display_name(name)} ({count_runs(histories)})", fontsize=10)
        name_epochs(axes)
    grid[0].set_ylabel("training accuracy (%)")
    grid[0].set_ylim(0, 103)
    return figure
