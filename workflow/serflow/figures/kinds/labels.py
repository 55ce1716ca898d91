"""How many utterances of each emotion a corpus has, as published and as found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from serflow.corpora.names import display_name
from serflow.figures.request import Request
from serflow.figures.style import BLUE, ORANGE, new_figure, place_legend, wrap
from serflow.types import Index, Text

NEEDS = "manifests"


def labels(request: Request, *, published: dict[Text, Index]) -> Figure:
    """Draw the counts of the manifests beside the published ones.

    Parameters
    ----------
    published
        Emotion -> published number of utterances.
    """
    ours: dict[str, Counter[str]] = {}
    for row in request.read_rows():
        ours.setdefault(row["corpus"], Counter())[row["emotion"]] += 1
    sizes = "; ".join(f"{display_name(corpus)} {counts.total()}" for corpus, counts in ours.items())
    return draw(ours, published, request.title(f"Published {sum(published.values())} utterances; ours: {sizes}"))


def draw(ours: Mapping[str, Mapping[str, int]], published: Mapping[str, int], title: str) -> Figure:
    """Draw the published counts beside ours, whose bars are stacked by corpus.

    ``ours``: corpus to the number of utterances of each emotion; ``published``: emotion to the published number, in the
    order of the bars.
    """
    figure = new_figure(8.6, 4.4, wrap(title))
    axes = figure.subplots()
    at = np.arange(len(published))
    bars = axes.bar(at - 0.2, list(published.values()), 0.38, color=ORANGE, hatch="///", edgecolor="white")
    bars.set_label("published")
    axes.bar_label(bars, fontsize=8, padding=2)
    bottom = np.zeros(len(published), dtype=int)
    for i, (corpus, counts) in enumerate(ours.items()):
        heights = np.array([counts.get(emotion, 0) for emotion in published])
        look: Any = {"color": BLUE, "alpha": 1 - 0.45 * i / max(1, len(ours) - 1), "edgecolor": "white"}
        axes.bar(at + 0.2, heights, 0.38, bottom, label=f"ours: {display_name(corpus)}", **look)
        bottom += heights
    for x, total in zip(at, bottom, strict=True):
        axes.annotate(str(total), (x + 0.2, total), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xticks(at, list(published))
    axes.set_ylabel("utterances")
    axes.margins(y=0.1)
    place_legend(figure, 1 + len(ours))
    return figure
