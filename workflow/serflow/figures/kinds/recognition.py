"""DeepEMO's Figures 2-5: one utterance's mel-spectrogram beside the probabilities of the emotions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serflow.figures.request import Request
from serflow.figures.spectrograms import draw_spectrogram
from serflow.figures.style import BLUE, ORANGE, new_figure
from serflow.figures.utterances import choose_tested, read_frames
from serflow.types import Names, Share, Text

NEEDS = "one_run manifests features"


def recognition(
    request: Request, *, systems: Names, recipe: Text, emotion: Text, published: dict[Text, Share]
) -> Figure:
    """Draw a test utterance and what a run makes of it beside the probabilities that the paper prints for another one.

    Parameters
    ----------
    systems
        The system whose first run is shown.
    recipe
        What it was trained on, of the transform ``logmel``.
    emotion
        Of the utterance, the first by name in the run's test part.
    published
        Emotion -> published probability.
    """
    run, rows, options = request.read_runs(systems)[0], request.read_rows(), request.paper.recipes[recipe]
    n, row = choose_tested(run, rows, emotion)
    ours = dict(zip(run.labels, run.posteriors[n].tolist(), strict=True))
    told = f"Ours: test utterance {rows[row]['utterance']}. Published: a {emotion} recording the paper does not name."
    figure = new_figure(10.5, 4.6, f"{request.title()}. {told}")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    draw_spectrogram(figure, left, read_frames(request.features[0], options, rows, row), options)
    _draw_bars(right, ours, published)
    return figure


def _draw_bars(axes: Axes, ours: Mapping[str, float], published: Mapping[str, float]) -> None:
    """Draw the probability of each class, in the order of ours."""
    at = np.arange(len(ours))
    kinds = ((ours, "ours", BLUE, None, -0.2), (published, "published (another recording)", ORANGE, "///", 0.2))
    for values, name, colour, hatch, shift in kinds:
        heights = [values.get(label, np.nan) for label in ours]
        bars = axes.barh(at + shift, heights, 0.38, color=colour, hatch=hatch, edgecolor="white", label=name)
        axes.bar_label(bars, [f"{x:.4f}" for x in heights], padding=3, fontsize=8)
    axes.set_yticks(at, list(ours))
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.19), xlabel="probability", xticks=np.arange(0, 1.01, 0.2))
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2)
