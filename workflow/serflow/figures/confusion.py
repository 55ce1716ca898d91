"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.figures.style import DIVERGING, SEQUENTIAL, new_figure, save, style, wrap
from serflow.io.files import read_csv
from serflow.runs import Run, load_runs, pooled_confusion
from serflow.tables.tables import confusion_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def confusion(counts: np.ndarray, labels: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix with counts and row percentages; the colour is the row percentage.

    Parameters
    ----------
    counts
        ``(C, C)`` counts; rows are true classes. A class without utterances has an empty row.
    labels
        The C class names.
    title
        Title, best with corpus, system and protocol.
    """
    counts = np.asarray(counts)
    totals = counts.sum(axis=1)
    percent = 100 * counts / np.maximum(totals, 1)[:, np.newaxis]
    with style():
        size = 1.6 + 0.78 * len(labels)
        figure = new_figure(size + 1.1, size)
        axes = figure.subplots()
        image = axes.imshow(percent, cmap=SEQUENTIAL, vmin=0, vmax=100)
        for i, j in np.ndindex(*counts.shape):
            text = f"{counts[i, j]}\n{percent[i, j]:.1f} %" if totals[i] else "-"
            axes.text(j, i, text, ha="center", va="center", fontsize=8.5, color=_ink(percent[i, j]))
        axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(labels)), [f"{label} ({n})" for label, n in zip(labels, totals, strict=True)])
        axes.set(xlabel="predicted emotion", ylabel="true emotion (utterances)")
        axes.set_title(wrap(title, 10 + 8 * len(labels)))
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        figure.colorbar(image, ax=axes, label="share of the true emotion (%)", shrink=0.8)
    return figure


def _ink(percent: float) -> str:
    """Return white or black, whichever contrasts more with cividis at that level (they meet at its grey middle)."""
    return "white" if percent < 47 else "black"


def confusion_difference(published: np.ndarray, ours: np.ndarray, labels: Sequence[str], title: str) -> Figure:
    """Draw a published confusion matrix, ours, and ours minus the published one.

    Parameters
    ----------
    published, ours
        ``(C, C)`` in per cent of the true class (rows); NaN where ours has no utterance.
    labels
        The C class names.
    title
        Title.
    """
    with style():
        figure = new_figure(16, 5.9)
        grid = figure.subplots(1, 3, sharey=True)
        difference = ours - published
        bound = max(25.0, float(np.nanmax(np.abs(difference), initial=0.0)))
        _percentages(figure, grid[0], published, "{:.0f}", SEQUENTIAL, (0, 100), "published (%)")
        _percentages(figure, grid[1], ours, "{:.1f}", SEQUENTIAL, (0, 100), "ours (%)")
        _percentages(
            figure, grid[2], difference, "{:+.1f}", DIVERGING, (-bound, bound), "ours minus published (points)"
        )
        for axes in grid:
            axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
            axes.set_xlabel("predicted emotion")
        grid[0].set_yticks(range(len(labels)), labels)
        grid[0].set_ylabel("true emotion")
        figure.suptitle(wrap(title, 170), fontsize=11)
    return figure


def _percentages(
    figure: Figure, axes: Axes, values: np.ndarray, form: str, colours: str, limits: tuple[float, float], name: str
) -> None:
    """Draw one matrix with its numbers."""
    image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1])
    for i, j in np.ndindex(*values.shape):
        value = float(values[i, j])
        ink = _ink(value) if colours == SEQUENTIAL else _ink_diverging(value / limits[1])
        text = "-" if np.isnan(value) else form.format(value)
        axes.text(j, i, text, ha="center", va="center", fontsize=8.5, color=ink)
    axes.set_title(name)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, shrink=0.6)


def _ink_diverging(share: float) -> str:
    """Return white on the dark ends of the diverging colours, else black."""
    return "white" if abs(share) > 0.65 else "black"


def plot_published_confusion(
    entry: Mapping[str, Any], run_dirs: Iterable[Path | str], title: str, stem: Path | str
) -> None:
    """Draw one of a paper's ``published_confusion`` beside ours and save it as png and svg."""
    runs = load_runs(run_dirs)
    labels, published, ours = confusion_percent(entry, runs)
    told = f"{describe(runs)}; per cent of the true emotion"
    save(confusion_difference(published, ours, labels, f"{title}\n{told}"), stem)


def plot_run_confusion(run_dirs: Iterable[Path | str], title: str, stem: Path | str) -> None:
    """Draw the confusions of one system, pooled over its runs' test parts, and save them as png and svg."""
    runs = load_runs(run_dirs)
    save(confusion(pooled_confusion(runs), runs[0].labels, f"{title}\n{describe(runs)}"), stem)


def describe(runs: Sequence[Run]) -> str:
    """Return what was pooled in words."""
    corpus, system, protocol = runs[0].group
    return f"Ours: {system} on {corpus}, protocol {protocol}, test parts of {len(runs)} runs pooled"


def plot_confusion(matrix_csv: Path | str, stem: Path | str, title: str) -> None:
    """Draw what `evaluation.comparison.confusion_matrix` wrote and save it as png and svg."""
    rows = read_csv(matrix_csv)
    labels = [row["truth"] for row in rows]
    counts = np.array([[int(row[label]) for label in labels] for row in rows])
    save(confusion(counts, labels, title), stem)
