"""The look all figures share, and how they are saved: the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from serflow.io.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Okabe & Ito's palette, told apart with any common colour blindness: https://jfly.uni-koeln.de/color/
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    *("#000000", "#E69F00", "#56B4E9", "#009E73"),
    *("#F0E442", "#0072B2", "#D55E00", "#CC79A7"),
)
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
SEQUENTIAL = "cividis"
DIVERGING = "RdBu_r"
GREY = "#6b6b6b"

_RC: Any = {
    "axes.grid": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.fonttype": "none",
    "svg.hashsalt": "serflow",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


@contextmanager
def style() -> Iterator[None]:
    """Set the shared look for the figures made inside the block, whatever the user's own matplotlibrc says."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches; it needs no display and no pyplot state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def wrap(title: str, width: int = 100) -> str:
    """Return `title` with each of its lines broken into lines of at most `width` characters."""
    return "\n".join(fill(line, width) for line in title.split("\n"))


def save(figure: Figure, stem: Path | str) -> None:
    """Write `figure` as ``{stem}.png`` (150 dpi) and ``{stem}.svg`` (text kept as text), each whole or not at all."""
    metadata: dict[str, dict[str, str | None]] = {
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
    }
    with style():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # each further draw would move the axes a little
        for suffix, entries in metadata.items():
            with atomic_path(Path(f"{stem}{suffix}")) as partial:
                figure.savefig(partial, metadata=entries)
