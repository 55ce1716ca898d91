"""Training accuracy over the epochs on several corpora."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

from matplotlib.figure import Figure

from serflow.figures.curves import History, count_runs, draw_histories
from serflow.figures.request import Request
from serflow.figures.style import new_figure, wrap
from serflow.types import Names, Text

NEEDS = "runs"


def training_accuracy(request: Request, *, systems: Names, protocol: Text) -> Figure:
    """Draw the training accuracy on each corpus; corpora that were not run are named.

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
    return draw(found, request.title(f"Not run: {', '.join(missing)}" if missing else ""))


def draw(histories: Mapping[str, Sequence[History]], title: str) -> Figure:
    """Draw one panel per corpus, side by side; `histories`: corpus to those of its runs, whose mean is thick."""
    figure = new_figure(max(6.4, 0.8 + 4.2 * len(histories)), 4.0, wrap(title))
    grid = figure.subplots(1, len(histories), sharey=True, squeeze=False)[0]
    for axes, (name, runs) in zip(grid, histories.items(), strict=True):
        draw_histories(axes, runs, "accuracy", parts=["train"])
        axes.set_title(f"{fill(name, 46)} ({count_runs(runs)})", fontsize=10)
        axes.set_xlabel("epoch")
    grid[0].set_ylabel("training accuracy (%)")
    grid[0].set_ylim(0, 103)
    return figure
