"""Waveforms of one speaker's recordings, an emotion each."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from serflow.corpora.names import display_name
from serflow.features.audio import read_signal
from serflow.figures.request import Request
from serflow.figures.style import BLUE, new_figure, wrap
from serflow.figures.utterances import choose_speaker
from serflow.types import Names

NEEDS = "manifests roots"


def waveforms(request: Request, *, emotions: Names) -> Figure:
    """Draw the first recording of each emotion by the first speaker who has them all, the mean of its channels.

    Parameters
    ----------
    emotions
        One recording of each is shown.
    """
    trees, chosen = request.trees(), choose_speaker(request.read_rows(), emotions)
    signals = {}
    for row in chosen:
        rate = int(row["sample_rate"])
        signals[f"{row['emotion']}: {row['utterance']}"] = read_signal(trees[row["corpus"]] / row["path"], rate), rate
    speaker, corpus = chosen[0]["speaker"], chosen[0]["corpus"]
    told = f"Ours: speaker {speaker} of {display_name(corpus)}, the first who has them all; the paper names none"
    figure = new_figure(8, 0.9 + 1.9 * len(signals), wrap(request.title(told)))
    grid = figure.subplots(len(signals), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (name, (samples, rate)) in zip(grid, signals.items(), strict=True):
        axes.plot(np.arange(len(samples)) / rate, samples, color=BLUE, linewidth=0.6)
        axes.set_title(name, fontsize=10)
        axes.set_ylabel("amplitude")
    grid[-1].set_xlabel("time (s)")
    grid[-1].set_xlim(left=0)
    return figure
