"""Several values of one system on a row of their own: each with interval and number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from serflow.figures.style import BLACK

#: Share of a row's height that its points take up; the rest sets rows apart.
SPREAD = 0.8
#: Inches a point needs so that the numbers of neighbours, printed at 8 points, stand clear of each other.
PITCH = 0.22
#: Axis limits in per cent: room for a number right of 100.
LIMITS = (0.0, 120.0)


@dataclass(frozen=True)
class Point:
    """One value in per cent with its interval, if it has one.

    `name` stands in the legend, `note` behind the number; `face` None is `colour`.
    """

    value: float
    name: str
    low: float | None = None
    high: float | None = None
    colour: str = BLACK
    marker: str = "D"
    face: str | None = None
    note: str = ""


def make_point(
    name: str,
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    look: tuple[str, str] = (BLACK, "D"),
) -> Point | None:
    """Return the point of a fraction in 0..1 and its interval, None where there is none; `look`: colour and marker."""
    if value is None:
        return None
    colour, marker = look
    if low is None or high is None:
        return Point(100 * value, name, colour=colour, marker=marker)
    return Point(100 * value, name, 100 * low, 100 * high, colour, marker)


def row_height(n_slots: int) -> float:
    """Return the inches that a row with that many slots needs."""
    return PITCH * n_slots / SPREAD


def draw(axes: Axes, points: Sequence[Point | None], y: float, size: float = 1.0) -> None:
    """Draw the row around `y` of axes that count downwards; it is `size` high, which is `row_height` inches.

    ``points``: one per slot, from the top; None where there is nothing.
    """
    step = SPREAD * size / len(points)
    heights = [y + (i - (len(points) - 1) / 2) * step for i in range(len(points))]
    for point, height in zip(points, heights, strict=True):
        if point is None:
            continue
        if point.low is not None and point.high is not None:
            ends = [point.low, point.high]
            axes.plot(ends, [height, height], color=point.colour, linewidth=2.4, solid_capstyle="butt", zorder=2)
        look: dict[str, Any] = {"marker": point.marker, "color": point.face or point.colour, "edgecolors": point.colour}
        axes.scatter(point.value, height, s=40, label=point.name, zorder=4, **look)
        edge = max(point.value, point.value if point.high is None else point.high)
        place: Any = {"textcoords": "offset points", "ha": "left", "va": "center", "fontsize": 8, "zorder": 3}
        place["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.annotate(f"{point.value:.1f} {point.note}".rstrip(), (edge, height), (9, 0), **place)
