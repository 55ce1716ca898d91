"""Finding the pairs of recordings whose fingerprints are alike, every one of one part with every one of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import fft

from serflow.audit.fingerprint import STEP, Fingerprint

#: Least likeness of the finest structures for the waveforms to be compared: among RAVDESS's million pairs of
#: recordings that are no copies one in 300,000 reaches it.
FINE = 0.12
#: Least likeness of warped structures to be taken for a change of tempo, pitch or speed. The likest of RAVDESS's
#: million pairs that are none reaches 0.42.
WARPED = 0.43
#: The same where the finest structures are as alike as `FINE` too: a changed tempo leaves much of them.
BOTH = 0.36
#: Largest shift of the warped structure: seven semitones, a factor of 1.5.
LARGEST = round(0.405 / STEP)
#: How many recordings are compared with how many at a time: these arrays stay in the processor's cache.
ROWS, COLUMNS = 64, 128


class Likeness(NamedTuple):
    """How alike two recordings are.

    ``fine`` and ``warped`` are correlations of the structures, ``shift`` the logarithm of the factor by which the
    frequencies of the second are those of the first.
    """

    first: int
    second: int
    fine: float
    warped: float
    shift: float


def compare_block(first: list[Fingerprint], second: list[Fingerprint]) -> Iterator[Likeness]:
    """Yield the pairs of one of `first` and one of `second` that may be copies; their indices count in these lists."""
    for begin in range(0, len(second), COLUMNS):
        others = second[begin : begin + COLUMNS]
        fine = _stack(first, "fine") @ _stack(others, "fine").T
        warped, shift = _correlate(_stack(first, "warped"), _stack(others, "warped"))
        for row, column in np.argwhere((fine >= FINE) | (warped >= WARPED)):
            at = row, column
            yield Likeness(int(row), int(column) + begin, float(fine[at]), float(warped[at]), float(shift[at]))


def _stack(fingerprints: list[Fingerprint], name: str) -> np.ndarray:
    return np.stack([getattr(one, name) for one in fingerprints]).astype(np.float32)


def _correlate(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest correlation of each row of one array with each of another over all shifts, and its shift.

    Parameters
    ----------
    first, second
        Shapes (n, size) and (m, size).

    Returns
    -------
    correlation, shift
        Both of shape (n, m); a shift counts in `STEP`, and is positive where the second has the higher frequencies.
    """
    size = fft.next_fast_len(first.shape[1] + LARGEST, real=True)
    spectra, others = np.conj(fft.rfft(first, size)), fft.rfft(second, size)
    largest, shift = np.empty((2, len(first), len(second)), np.float32)
    for row, spectrum in enumerate(spectra):
        products = fft.irfft(spectrum * others, size)
        window = np.concatenate([products[:, -LARGEST:], products[:, : LARGEST + 1]], axis=1)
        shift[row] = window.argmax(axis=1)
        largest[row] = window.max(axis=1)
    return largest, (shift - LARGEST) * STEP
