"""Augmented copies of an utterance, made from its signal before any transform: noise, stretch, pitch.

A cache of a recipe with ``copies`` holds several items per utterance (`serflow.protocols.protocols.item_ids`): the recording,
then its copies in the alphabetical order of their names. Copies made before a split let siblings of one recording stand
on both of its sides: they exist here to measure that leak.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from serflow.errors import ConfigError

Copies = Mapping[str, Mapping[str, Any]]


def check_copies(copies: Copies, where: object) -> None:
    """Raise a ConfigError unless every copy is a key of `COPIES` with exactly its parameters."""
    for name, options in copies.items():
        if name not in COPIES:
            raise ConfigError(where, f"unknown copy {name!r}", f"Allowed: {', '.join(COPIES)}.")
        expected = set(inspect.signature(COPIES[name]).parameters) - {"signal", "sample_rate", "seed"}
        for key in sorted(expected ^ set(options)):
            fault = "is missing" if key in expected else "is not a parameter"
            raise ConfigError(where, f"{key!r} {fault} of copy {name}", f"It takes: {', '.join(sorted(expected))}.")


def make_items(signal: np.ndarray, sample_rate: int, utterance: str, copies: Copies) -> list[np.ndarray]:
    """Return an utterance's signal and its copies, in alphabetical order.

    Random numbers are seeded by the utterance's id, so that a copy depends neither on order nor on other utterances.
    """
    seed = int.from_bytes(hashlib.sha256(utterance.encode()).digest()[:8])
    made = (COPIES[name](signal, sample_rate=sample_rate, seed=seed, **copies[name]) for name in sorted(copies))
    return [signal, *made]


def noise(signal: np.ndarray, *, sample_rate: int, seed: int, snr_db: float) -> np.ndarray:
    """Return the signal plus white Gaussian noise at exactly `snr_db` dB below its mean power; shape (n_samples,)."""
    sound = signal.astype(np.float64)
    drawn = np.random.default_rng(seed).standard_normal(len(sound))
    wanted = np.mean(sound**2) / 10 ** (snr_db / 10)
    return (sound + drawn * np.sqrt(wanted / np.mean(drawn**2))).astype(np.float32)


def stretch(signal: np.ndarray, *, sample_rate: int, seed: int, rate: float) -> np.ndarray:
    """Return the signal `rate` times as fast at the same pitch (phase vocoder); round(n_samples / rate) samples."""
    from serflow.features.kernels import librosa

    return librosa.effects.time_stretch(signal, rate=rate)


def pitch(signal: np.ndarray, *, sample_rate: int, seed: int, semitones: float) -> np.ndarray:
    """Return the signal shifted by `semitones` at the same duration, shape (n_samples,)."""
    from serflow.features.kernels import librosa

    return librosa.effects.pitch_shift(signal, sr=sample_rate, n_steps=semitones)


COPIES: dict[str, Callable[..., np.ndarray]] = {"noise": noise, "stretch": stretch, "pitch": pitch}
