"""Cutting utterances into near-equal parts before any transform (Satt et al., Section 3.1)."""

from __future__ import annotations

import math

import numpy as np


def count_segments(samples: int, sample_rate: int, seconds: float) -> int:
    """Return the smallest number of equal parts of which none is longer than `seconds` s; at least 1.

    Parameters
    ----------
    samples, sample_rate
        Length of the recording, and its own sampling rate in Hz: the manifest's columns of these names.
    seconds
        The longest part allowed; infinity: one part.
    """
    parts = round(samples / (sample_rate * seconds), 9)  # 44100 * 0.7 is not quite 30870
    return max(1, math.ceil(parts))


def cut(signal: np.ndarray, n: int) -> list[np.ndarray]:
    """Return a signal, shape (n_samples,), as `n` parts in order whose lengths differ by at most one sample."""
    return np.array_split(signal, n)
