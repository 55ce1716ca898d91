"""Satt et al., Figure 5: an utterance's spectrogram beside its harmonic modification, clean and with sounds added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from serflow.features.noise import mix, read_sounds
from serflow.features.recipes import Recipe
from serflow.features.stand_ins import make_noise
from serflow.features.transforms.harmonic import harmonic
from serflow.features.transforms.logpower import logpower
from serflow.figures.request import Request
from serflow.figures.spectrograms import LEVEL, draw_map
from serflow.figures.style import new_figure, wrap
from serflow.figures.utterances import read_recordings
from serflow.figures.voiced import Speech, apply, choose_speech, first_part
from serflow.inference.noise import BABBLE, choose_voices, group_voices
from serflow.items import Row
from serflow.types import Names, Text

NEEDS = "manifests roots sounds"
#: The noise is drawn from this seed.
SEED = 0


def noisy_spectrograms(request: Request, *, recipe: Text, sounds: Names, snr_db: float) -> Figure:
    """Draw an utterance without and with each sound; see `serflow.figures.voiced.choose_speech`.

    The whole utterance is mixed, its first part shown, and its pitch tracked in the mixture.

    Parameters
    ----------
    recipe
        A recipe of the transform ``harmonic``.
    sounds
        Sounds to add. Where there are recordings of none of them, as many other recordings.
    snr_db
        Signal-to-noise ratio in dB.
    """
    options, rows, trees = request.paper.recipes[recipe], request.read_rows(), request.trees()
    rate = options["sample_rate"]
    speech = choose_speech(read_recordings(rows, trees, rate), options)
    if request.sounds:
        kind, said = "recorded", "recordings"
        noises = _recorded(request.sounds[0], sounds, len(speech.signal), rate)
    else:
        kind, said = "generated stand-in", "generated stand-ins, speech of other speakers of the corpus"
        noises = _made(speech, rows, trees, sounds, rate)
    signals = {"clean": speech.signal}
    for name, noise in noises.items():
        signals[f"{name} ({kind}), {snr_db:g} dB"] = mix(speech.signal, noise, snr_db)
    parts = {name: first_part(signal, options) for name, signal in signals.items()}
    pairs = {name: [apply(kind, part, options).T for kind in (logpower, harmonic)] for name, part in parts.items()}
    told = f"Ours: the first part of {speech.told}. Noise: {said}; pitch from the noisy signal itself."
    return draw(pairs, options, request.title(told))


def _recorded(folder: Path, wanted: Sequence[str], n_samples: int, sample_rate: int) -> dict[str, np.ndarray]:
    """Return recordings of sounds, each from its start and repeated to (n_samples,)."""
    found = read_sounds(folder, sample_rate)
    names = [sound for sound in wanted if sound in found] or sorted(found)[: len(wanted)]
    return {name: np.resize(found[name], n_samples) for name in names}


def _made(
    speech: Speech, rows: Sequence[Row], trees: Mapping[str, Path], wanted: Sequence[str], sample_rate: int
) -> dict[str, np.ndarray]:
    """Return stand-ins of sounds, each (n_samples,); babble is of other speakers than the utterance's."""
    chosen = choose_voices(group_voices(rows), speech.row, SEED) if BABBLE in wanted else []
    voices = [signal for _, signal in read_recordings(chosen, trees, sample_rate)]
    return {sound: make_noise(sound, len(speech.signal), sample_rate, SEED, voices) for sound in wanted}


def draw(pairs: Mapping[str, Sequence[np.ndarray]], recipe: Recipe, title: str) -> Figure:
    """Draw pairs of spectrograms ``(bins, frames)``, one pair a row: as they are, and harmonically modified."""
    figure = new_figure(10, 1 + 2.6 * len(pairs), wrap(title, 120))
    grid = figure.subplots(len(pairs), 2, sharex=True, sharey=True, squeeze=False)
    for line, (name, pair) in zip(grid, pairs.items(), strict=True):
        for axes, values, way in zip(line, pair, ("log spectrogram", "harmonically modified"), strict=True):
            draw_map(figure, axes, values, recipe, LEVEL)
            axes.set_title(f"{name}: {way}", fontsize=10)
        line[0].set_ylabel("frequency (Hz)")
    for axes in grid[-1]:
        axes.set_xlabel("time (s)")
    return figure
