"""How many utterances of each emotion a corpus has, as published and as found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from serflow.figures.style import BLUE, ORANGE, new_figure, save, style, wrap
from serflow.io.files import read_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def label_distribution(ours: Mapping[str, Mapping[str, int]], published: Mapping[str, int], title: str) -> Figure:
    """Draw the published counts beside ours, whose bars are stacked by corpus.

    Parameters
    ----------
    ours
        Corpus to the number of utterances of each emotion.
    published
        Emotion to the published number; its order is that of the bars.
    title
        Title.
    """
    with style():
        figure = new_figure(8.6, 4.4)
        axes = figure.subplots()
        at = np.arange(len(published))
        bars = axes.bar(at - 0.2, list(published.values()), 0.38, color=ORANGE, hatch="///", edgecolor="white")
        bars.set_label("published")
        axes.bar_label(bars, fontsize=8, padding=2)
        bottom = np.zeros(len(published), dtype=int)
        for i, (corpus, counts) in enumerate(ours.items()):
            heights = np.array([counts.get(emotion, 0) for emotion in published])
            shade = 1 - 0.45 * i / max(1, len(ours) - 1)
            axes.bar(
                at + 0.2, heights, 0.38, bottom, color=BLUE, alpha=shade, edgecolor="white", label=f"ours: {corpus}"
            )
            bottom += heights
        for x, total in zip(at, bottom, strict=True):
            axes.annotate(str(total), (x + 0.2, total), (0, 2), textcoords="offset points", ha="center", fontsize=8)
        axes.set_xticks(at, list(published))
        axes.set_ylabel("utterances")
        axes.margins(y=0.1)
        figure.legend(loc="outside lower center", ncols=1 + len(ours))
        figure.suptitle(wrap(title), fontsize=10.5)
    return figure


def plot_labels(manifests: Sequence[Path | str], published: Mapping[str, int], title: str, stem: Path | str) -> None:
    """Count the emotions of manifests, draw them beside the published counts and save as png and svg."""
    ours: dict[str, dict[str, int]] = {}
    for row in (row for path in manifests for row in read_csv(path)):
        counts = ours.setdefault(row["corpus"], {})
        counts[row["emotion"]] = counts.get(row["emotion"], 0) + 1
    sizes = "; ".join(f"{corpus} {sum(counts.values())}" for corpus, counts in ours.items())
    save(
        label_distribution(ours, published, f"{title}\nPublished {sum(published.values())} utterances; ours: {sizes}"),
        stem,
    )
