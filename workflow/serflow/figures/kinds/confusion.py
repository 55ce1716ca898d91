"""The confusion matrix that a paper shows as a figure."""

from __future__ import annotations

from typing import Literal

from matplotlib.figure import Figure

from serflow.figures.confusion import describe_pooled, draw_confusion
from serflow.figures.request import Request
from serflow.scoring.pooling import pooled_confusion
from serflow.types import Names, Text

NEEDS = "runs"


def confusion(
    request: Request, *, systems: Names, protocol: Text, part: Literal["validation", "test"] = "test"
) -> Figure:
    """Draw the confusions of a system, pooled over its runs.

    Parameters
    ----------
    systems
        The system; of several the first.
    protocol
        The protocol of the runs.
    part
        The part that is counted.
    """
    runs = request.read_runs(systems[:1], protocol)
    title = request.title(describe_pooled(runs, part))
    return draw_confusion(pooled_confusion(runs, part), runs[0].labels, title)
