"""Log-power spectrograms above a universal noise level, on a fine linear frequency grid (Satt et al., Section 3.1)."""

from __future__ import annotations

import functools

import numpy as np
import scipy.fft
from scipy.signal import get_window

from serflow.types import Count, Negative, Positive

#: Spread in dB that rounding leaves of a flat spectrum, such as that of a single sample.
FLAT = 1e-3


def frequencies(sample_rate: int, n_fft: int, fmax: float) -> np.ndarray:
    """Return the bins' frequencies in Hz, shape (bins,): multiples of sample_rate / n_fft from 0 up to below `fmax`."""
    grid = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    return grid[grid < fmax]


def count_frames(n_samples: int, win_length: int, hop_length: int) -> int:
    """Return the number of windows that lie wholly within a signal, 1 for a signal shorter than a window."""
    return 1 + max(0, n_samples - win_length) // hop_length


@functools.cache
def _window(win_length: int) -> np.ndarray:
    """Return a periodic Hamming window, shape (win_length,), whose spectrum of a full-scale sine peaks at 1."""
    window = get_window("hamming", win_length)
    return (window * 2 / window.sum()).astype(np.float32)


def level(
    signal: np.ndarray,
    *,
    sample_rate: int,
    win_length: int,
    hop_length: int,
    n_fft: int,
    fmax: float,
    floor_db: float,
) -> np.ndarray:
    """Return the log-power spectrogram, not normalised.

    Parameters
    ----------
    signal, sample_rate, win_length, hop_length, n_fft, fmax, floor_db
        See `logpower`.

    Returns
    -------
    numpy.ndarray
        Shape (n_frames, bins), float32, in dB re the power of a full-scale sine at its own frequency, at least
        `floor_db`.
    """
    padded = np.pad(signal, (0, max(0, win_length - len(signal)))).astype(np.float32, copy=False)
    windows = np.lib.stride_tricks.sliding_window_view(padded, win_length)[::hop_length]
    spectrum = scipy.fft.rfft(windows * _window(win_length), n_fft)[:, : len(frequencies(sample_rate, n_fft, fmax))]
    power = spectrum.real**2 + spectrum.imag**2
    return 10 * np.log10(np.maximum(power, np.float32(10 ** (floor_db / 10))))


def normalise(level_db: np.ndarray, floor_db: float) -> np.ndarray:
    """Return a spectrogram lifted by its floor and scaled to unit variance of its points above the floor.

    The paper does not say over what the variance is taken. Here it is the spectrogram given, one (sub-)sentence. Points
    are not centred, so that the floor stays 0; a spectrogram whose points above the floor do not vary is only lifted.

    Parameters
    ----------
    level_db
        Shape (n_frames, bins), float32, in dB, at least `floor_db`.
    floor_db
        The noise level E_noise, in dB.

    Returns
    -------
    numpy.ndarray
        Shape (n_frames, bins), float32, at least 0.
    """
    lifted = np.maximum(level_db - np.float32(floor_db), 0)
    spread = float(np.std(lifted[lifted > 0], dtype=np.float64)) if lifted.any() else 0.0
    return lifted / np.float32(spread) if spread > FLAT else lifted


def logpower(
    signal: np.ndarray,
    *,
    sample_rate: Count,
    win_length: Count,
    hop_length: Count,
    n_fft: Count,
    fmax: Positive,
    floor_db: Negative,
) -> np.ndarray:
    """Return the log-power spectrogram in dB above a universal noise level, in units of its own spread (Section 3.1).

    Hamming window (periodic), frames neither centred nor padded; a signal shorter than a window is zero-padded to one.

    Parameters
    ----------
    signal
        Shape (n_samples,), full scale ±1.
    sample_rate
        Sampling rate of the signal, in Hz.
    win_length
        Length of the window, in samples; at most `n_fft`.
    hop_length
        Step from frame to frame, in samples.
    n_fft
        Length of the DFT, in samples; the bins are sample_rate / n_fft Hz apart.
    fmax
        Bins go from 0 Hz up to, not including, this frequency in Hz; at most half the sampling rate.
    floor_db
        The noise level E_noise, below which values are clipped, in dB re the power of a full-scale sine at its own
        frequency, (sum of the window / 2)².

    Returns
    -------
    numpy.ndarray
        Shape (1 + (n_samples - win_length) // hop_length, bins), float32, at least 0; see `normalise`.
    """
    frame = {"sample_rate": sample_rate, "win_length": win_length, "hop_length": hop_length}
    return normalise(level(signal, **frame, n_fft=n_fft, fmax=fmax, floor_db=floor_db), floor_db)
