"""The look all figures share, and how they are saved: the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from serflow.corpora.names import display_name
from serflow.io.files import atomic_path

#: Seven of the eight colours of Okabe & Ito, told apart with any common colour blindness: https://jfly.uni-koeln.de/color/
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    *("#000000", "#E69F00", "#56B4E9", "#009E73"),
    *("#0072B2", "#D55E00", "#CC79A7"),
)
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "v", "P")
SEQUENTIAL = "Blues"  # a share of nothing is white
DIVERGING = "RdBu_r"
GREY = "#6b6b6b"
#: What every figure of synthetic data says above its title.
SYNTHETIC = "SYNTHETIC demo corpus: this says nothing about speech."

#: Inches that a line of a title takes, and characters of a title and of a legend that fit into an inch.
LINE, TITLE_CHARACTERS, LEGEND_CHARACTERS = 0.18, 11, 13

_RC: Any = {
    "axes.grid": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,  # inches; labels of rows would else touch the edge
    "figure.constrained_layout.h_pad": 0.08,
    "figure.dpi": 100,
    "figure.titlesize": 10.5,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
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
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """Return a figure of that size in inches with nothing but its title; it needs no display and no pyplot state."""
    figure = Figure(figsize=(width, height))
    if title:
        figure.suptitle(title)
    return figure


def wrap(title: str, width: int = 100) -> str:
    """Return `title` with each of its lines broken into lines of at most `width` characters."""
    return "\n".join(fill(line, width) for line in title.split("\n"))


def look_of(number: int) -> tuple[str, str]:
    """Return colour and marker of the n-th thing that is told apart."""
    return PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]


def name_row(title: str, corpus: str, width: int = 34) -> str:
    """Return the name of a row: a system's title in lines of at most `width` characters, then the corpus."""
    return f"{fill(title, width)}\n{display_name(corpus)}"


def draw_rows(axes: Axes, names: list[str], sizes: Sequence[float] = ()) -> list[float]:
    """Make the y axis one of named rows, from the top down, each 1 high or of its own size; return their middles."""
    edges = np.cumsum([-0.5, *(sizes or [1.0] * len(names))])
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    axes.set_yticks(middles, names)
    axes.set_ylim(max(0.5, edges[-1]), edges[0])
    return middles


def name_epochs(axes: Axes) -> None:
    """Make the x axis one of epochs: whole numbers."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def place_legend(figure: Figure, n_columns: int = 2, order: Callable[[str], Any] | None = None) -> None:
    """Put one legend below all axes: each name of theirs once, as they come or sorted by `order`."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        handles, names = axes.get_legend_handles_labels()
        found |= dict(zip(names, handles, strict=True))
    names = sorted(found, key=order) if order else list(found)
    if names:
        width = int(LEGEND_CHARACTERS * figure.get_figwidth() / n_columns) - len("handle: ")
        texts = [wrap(name, width) for name in names]
        figure.legend([found[name] for name in names], texts, loc="outside lower center", ncols=n_columns)


def _say_synthetic(figure: Figure) -> None:
    """Put the notice above a figure's title, and make room for it."""
    width, height = figure.get_size_inches()
    notice = wrap(SYNTHETIC, int(TITLE_CHARACTERS * width))
    figure.set_size_inches(width, height + LINE * (1 + notice.count("\n")))
    figure.suptitle("\n".join(filter(None, [notice, figure.get_suptitle()])))


def save(figure: Figure, stem: Path | str, *, synthetic: bool) -> None:
    """Write a figure as ``{stem}.png`` (150 dpi) and ``{stem}.svg`` (text kept as text), each whole or not at all.

    ``figure`` must not be drawn any more afterwards; ``synthetic`` data is told above its title.
    """
    metadata: Any = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}
    with style():
        if synthetic:
            _say_synthetic(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # each further draw would move the axes a little
        for suffix, entries in metadata.items():
            with atomic_path(Path(f"{stem}{suffix}")) as partial:
                figure.savefig(partial, metadata=entries)
