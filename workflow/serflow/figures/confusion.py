"""Confusion matrices, alone or beside a published one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from serflow.corpora.names import display_name
from serflow.figures.style import DIVERGING, SEQUENTIAL, TITLE_CHARACTERS, new_figure, save, style, wrap
from serflow.papers.model import PaperRecord, PublishedConfusion
from serflow.papers.names import name_protocol
from serflow.runs import RunRecord, read_runs
from serflow.scoring.confusion import confusion_percent
from serflow.scoring.pooling import pooled_confusion

#: Of a published matrix beside ours: what differs by less looks alike.
LEAST_BOUND = 25.0


def plot_confusion(record: PaperRecord, runs: Sequence[RunRecord], stem: Path | str) -> None:
    """Draw the confusions of one system on one corpus under one protocol, pooled over the runs' test parts."""
    paper, (corpus, system, protocol) = record.paper, runs[0].group
    pooled = f"{name_protocol(paper, protocol)}, {count_pooled(runs)}"
    title = f"{paper.title_of('systems', system)} on {display_name(corpus)}\n{pooled}"
    figure = draw_confusion(pooled_confusion(runs), runs[0].labels, title)
    save(figure, stem, synthetic=record.synthetic)


def plot_published_confusion(
    record: PaperRecord, entry: PublishedConfusion, runs: Sequence[Path], stem: Path | str
) -> None:
    """Draw a published confusion matrix beside ours and their difference."""
    found = read_runs(runs)
    told = (
        f"{record.paper.title}\n{entry.table}: confusion matrix\n{describe_pooled(found)}; per cent of the true emotion"
    )
    save(draw_difference(*confusion_percent(entry, found), told), stem, synthetic=record.synthetic)


def describe_pooled(runs: Sequence[RunRecord], part: str = "test") -> str:
    """Return what was pooled in words."""
    corpus, system, protocol = runs[0].group
    return f"Ours: {system} on {display_name(corpus)}, protocol {protocol}, {count_pooled(runs, part)}"


def count_pooled(runs: Sequence[RunRecord], part: str = "test") -> str:
    """Return e.g. "test parts of 2 runs pooled (seed 0; folds 0, 1)"."""
    kinds = {"seed": sorted({run.id.seed for run in runs}), "fold": sorted({run.id.fold for run in runs})}
    told = "; ".join(f"{kind}{'s' * (len(n) > 1)} {', '.join(map(str, n))}" for kind, n in kinds.items())
    return f"{part} parts of {len(runs)} runs pooled ({told})" if len(runs) > 1 else f"{part} part of 1 run ({told})"


@style()
def draw_confusion(counts: np.ndarray, labels: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix with counts and row percentages; the colour is the row percentage; 0 is blank.

    Parameters
    ----------
    counts
        ``(C, C)`` counts; rows are true classes. A class without utterances has an empty row.
    labels
        The C class names.
    """
    totals = counts.sum(axis=1)
    percent = 100 * counts / np.maximum(totals, 1)[:, np.newaxis]

    def text_of(i: int, j: int) -> str:
        return f"{counts[i, j]}\n{percent[i, j]:.1f} %" if counts[i, j] else "" if totals[i] else "-"

    size = 1.6 + 0.78 * len(labels)
    figure = new_figure(size + 1.1, size, wrap(title, int(TITLE_CHARACTERS * (size + 1.1))))
    axes = figure.subplots()
    image = _draw_matrix(axes, percent, text_of)
    _name_predicted(axes, labels)
    axes.set_yticks(range(len(labels)), [f"{label} ({n})" for label, n in zip(labels, totals, strict=True)])
    axes.set_ylabel("true emotion (utterances)")
    figure.colorbar(image, ax=axes, label="share of the true emotion (%)", shrink=0.8)
    return figure


@style()
def draw_difference(labels: Sequence[str], published: np.ndarray, ours: np.ndarray, title: str) -> Figure:
    """Draw a published confusion matrix, ours, and ours minus the published one.

    Parameters
    ----------
    labels
        The C class names.
    published, ours
        ``(C, C)`` in per cent of the true class (rows); NaN where ours has no utterance.
    """
    difference = ours - published
    bound = max(LEAST_BOUND, float(np.nanmax(np.abs(difference), initial=0.0)))
    panels = (
        ("published (%)", published, "{:.0f}", None),
        ("ours (%)", ours, "{:.1f}", None),
        ("ours minus published (points)", difference, "{:+z.1f}", bound),
    )
    figure = new_figure(16, 5.9, wrap(title, 170))
    grid = figure.subplots(1, len(panels), sharey=True)
    for axes, (name, values, form, limit) in zip(grid, panels, strict=True):
        image = _draw_matrix(axes, values, _printer(values, form), limit)
        _name_predicted(axes, labels)
        axes.set_title(name)
        figure.colorbar(image, ax=axes, shrink=0.6)
    grid[0].set_yticks(range(len(labels)), labels)
    grid[0].set_ylabel("true emotion")
    return figure


def _printer(values: np.ndarray, form: str) -> Callable[[int, int], str]:
    return lambda i, j: "-" if np.isnan(values[i, j]) else form.format(values[i, j]) if values[i, j] else ""


def _draw_matrix(
    axes: Axes, values: np.ndarray, text_of: Callable[[int, int], str], bound: float | None = None
) -> AxesImage:
    """Draw a matrix with a text in each cell: per cent, or differences up to `bound` points."""
    low, high, colours = (0.0, 100.0, SEQUENTIAL) if bound is None else (-bound, bound, DIVERGING)
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high)
    for i, j in np.ndindex(*values.shape):
        # The colours are dark at their ends.
        dark = values[i, j] > 55 if bound is None else abs(values[i, j]) > 0.65 * bound
        axes.text(j, i, text_of(i, j), ha="center", va="center", fontsize=8.5, color="white" if dark else "black")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image


def _name_predicted(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_xlabel("predicted emotion")
