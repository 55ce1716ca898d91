"""Augmented copies of an utterance, made from its signal before any transform: noise, stretch, pitch.

A store of a recipe with ``copies`` holds several items per utterance: the recording, then its copies in the
alphabetical order of their names (`serflow.items.items_of`). Copies that are made before a split let siblings of one
recording occur in both training and test: they exist here to measure that leak.
"""

from __future__ import annotations

import numpy as np

from serflow.features.kernels import librosa
from serflow.types import Positive

# librosa loads a module at its first use. Used here, it is loaded once, before worker processes are forked.
pitch_shift, time_stretch = librosa.effects.pitch_shift, librosa.effects.time_stretch


def noise(signal: np.ndarray, *, sample_rate: int, seed: int, snr_db: float) -> np.ndarray:
    """Return the signal plus white Gaussian noise, shape (n_samples,).

    Parameters
    ----------
    signal
        Shape (n_samples,), at `sample_rate` Hz.
    seed
        Of the noise.
    snr_db
        Signal-to-noise ratio: how far the noise lies below the signal's mean power, in dB.
    """
    sound = signal.astype(np.float64)
    drawn = np.random.default_rng(seed).standard_normal(len(sound))
    wanted = np.mean(sound**2) / 10 ** (snr_db / 10)
    return (sound + drawn * np.sqrt(wanted / np.mean(drawn**2))).astype(np.float32)


def stretch(signal: np.ndarray, *, sample_rate: int, seed: int, rate: Positive) -> np.ndarray:
    """Return the signal at another tempo and the same pitch (phase vocoder), shape (round(n_samples / rate),).

    Parameters
    ----------
    signal
        Shape (n_samples,), at `sample_rate` Hz.
    rate
        How many times as fast.
    """
    return time_stretch(signal, rate=rate)


def pitch(signal: np.ndarray, *, sample_rate: int, seed: int, semitones: float) -> np.ndarray:
    """Return the signal at another pitch and the same duration, shape (n_samples,).

    Parameters
    ----------
    signal
        Shape (n_samples,), at `sample_rate` Hz.
    semitones
        How far it is shifted, upwards where positive.
    """
    return pitch_shift(signal, sr=sample_rate, n_steps=semitones)
