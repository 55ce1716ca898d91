"""Satt et al., Figure 4: one voiced frame's log-power spectrum and its harmonic modification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from serflow.features.recipes import Recipe
from serflow.features.transforms.harmonic import envelope, harmonic_spectrum, pitch
from serflow.features.transforms.logpower import frequencies, level
from serflow.figures.request import Request
from serflow.figures.style import BLUE, GREY, VERMILION, new_figure, wrap
from serflow.figures.utterances import read_recordings
from serflow.figures.voiced import apply, choose_speech, first_part, longest_run
from serflow.types import Text

NEEDS = "manifests roots"


def harmonic_frame(request: Request, *, recipe: Text) -> Figure:
    """Draw the frame in the middle of the longest voiced run; see `serflow.figures.voiced.choose_speech`.

    Parameters
    ----------
    recipe
        A recipe of the transform ``harmonic``.
    """
    options = request.paper.recipes[recipe]
    speech = choose_speech(read_recordings(request.read_rows(), request.trees(), options["sample_rate"]), options)
    frame = middle_frame(first_part(speech.signal, options), options)
    told = f"Ours: F0 {frame.f0:.1f} Hz, the frame at {frame.time:.2f} s, in the middle of the longest voiced run;"
    figure = new_figure(8.5, 4.8, wrap(request.title(f"{told} {speech.told}")))
    axes = figure.subplots()
    axes.plot(frame.freqs, frame.original, color=BLUE, linewidth=1.1, label="original")
    axes.plot(frame.freqs, frame.modified, color=VERMILION, linewidth=1.1, label="modified, S(f)")
    axes.plot(frame.freqs, frame.envelope, color=GREY, linewidth=0.9, linestyle="--", label="envelope, E(f)")
    axes.set(xlabel="frequency (Hz)", ylabel="level re a full-scale sine (dB)")
    axes.set_xlim(0, frame.freqs[-1] + frame.freqs[1])
    axes.legend(loc="upper right")
    return figure


@dataclass(frozen=True)
class Frame:
    """A voiced frame: F0 in Hz, time in s; ``freqs`` in Hz, the rest in dB re a full-scale sine, all (bins,)."""

    freqs: np.ndarray
    original: np.ndarray
    envelope: np.ndarray
    modified: np.ndarray
    f0: float
    time: float


def middle_frame(signal: np.ndarray, recipe: Recipe) -> Frame:
    """Return the frame in the middle of the longest voiced run, modified by formula (1).

    ``signal``: shape (n_samples,), at the sampling rate of a recipe of the transform ``harmonic``, with a voiced frame.
    """
    track = apply(pitch, signal, recipe)
    start, stop = longest_run(track > 0)
    n = (start + stop - 1) // 2
    f0, freqs = float(track[n]), frequencies(recipe["sample_rate"], recipe["n_fft"], recipe["fmax"])
    original = apply(level, signal, recipe)[n]
    outline = envelope(original, f0, freqs)
    depths = {key: recipe[key] for key in ("fmax", "depth_low_db", "depth_high_db")}
    modified = np.maximum(harmonic_spectrum(outline, f0, freqs, **depths), recipe["floor_db"])
    time = (n * recipe["hop_length"] + recipe["win_length"] / 2) / recipe["sample_rate"]
    return Frame(freqs, original, outline, modified, f0, time)
