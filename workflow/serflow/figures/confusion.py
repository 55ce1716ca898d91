"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from serflow.figures.style import SEQUENTIAL, new_figure, save, style
from serflow.files import read_csv

if TYPE_CHECKING:
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
        axes.set_title(fill(title, 10 + 8 * len(labels)))
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        figure.colorbar(image, ax=axes, label="share of the true emotion (%)", shrink=0.8)
    return figure


def _ink(percent: float) -> str:
    """Return white or black, whichever contrasts more with cividis at that level (they meet at its grey middle)."""
    return "white" if percent < 47 else "black"


def plot_confusion(matrix_csv: Path | str, stem: Path | str, title: str) -> None:
    """Draw what `evaluation.comparison.confusion_matrix` wrote and save it as png and svg."""
    rows = read_csv(matrix_csv)
    labels = [row["truth"] for row in rows]
    counts = np.array([[int(row[label]) for label in labels] for row in rows])
    save(confusion(counts, labels, title), stem)
