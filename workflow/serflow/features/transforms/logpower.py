"""Log-power spectrograms above a universal noise level, on a fine linear frequency grid (Satt et al., Section 3.1)."""

from __future__ import annotations

import functools

import numpy as np

from serflow.errors import ConfigError


def frequencies(sample_rate: int, n_fft: int, fmax: float) -> np.ndarray:
    """Return the rows' frequencies in Hz, shape (bins,): multiples of sample_rate / n_fft from 0 up to below `fmax`."""
    grid = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    return grid[grid < fmax]


def count_frames(n_samples: int, win_length: int, hop_length: int) -> int:
    """Return the number of windows that lie wholly within a signal, 1 for a signal shorter than a window."""
    return 1 + max(0, n_samples - win_length) // hop_length


@functools.cache
def _window(win_length: int) -> np.ndarray:
    """Return a periodic Hamming window, shape (win_length,), whose spectrum of a full-scale sine peaks at 1."""
    from scipy.signal import get_window

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

    Raises
    ------
    ConfigError
        If the window is longer than the DFT, or `fmax` above half the sampling rate.
    """
    import scipy.fft

    if win_length > n_fft or not 0 < fmax <= sample_rate / 2:
        fault = (
            f"a window of {win_length}, a DFT of {n_fft} samples and fmax of {fmax} Hz at {sample_rate} Hz do not fit"
        )
        raise ConfigError("recipe", fault, "Give win_length <= n_fft and 0 < fmax <= sample_rate / 2.")
    padded = np.pad(signal, (0, max(0, win_length - len(signal)))).astype(np.float32, copy=False)
    windows = np.lib.stride_tricks.sliding_window_view(padded, win_length)[::hop_length]
    spectrum = scipy.fft.rfft(windows * _window(win_length), n_fft)[:, : len(frequencies(sample_rate, n_fft, fmax))]
    power = spectrum.real**2 + spectrum.imag**2
    return 10 * np.log10(np.maximum(power, np.float32(10 ** (floor_db / 10))))


def normalise(level_db: np.ndarray, floor_db: float) -> np.ndarray:
    """Return a spectrogram lifted by its floor and scaled to unit variance of its points above the floor.

    The paper does not say over what the variance is taken: here over the spectrogram given, one (sub-)sentence. Points
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
    return lifted / np.float32(spread) if spread > 0 else lifted


def logpower(
    signal: np.ndarray,
    *,
    sample_rate: int,
    win_length: int,
    hop_length: int,
    n_fft: int,
    fmax: float,
    floor_db: float,
) -> np.ndarray:
    """Log-power spectrogram in dB above a universal noise level, in units of its own spread (Section 3.1).

    Hamming window (periodic), frames neither centred nor padded; a signal shorter than a window is zero-padded to one.

    Parameters
    ----------
    signal
        Shape (n_samples,), full scale ±1.
    sample_rate, fmax
        In Hz; rows go from 0 Hz up to, not including, `fmax`.
    win_length, hop_length, n_fft
        In samples; the grid is sample_rate / n_fft Hz wide.
    floor_db
        The noise level E_noise in dB re the power of a full-scale sine at its own frequency, (sum of the window / 2)²:
        what lies below is clipped.

    Returns
    -------
    numpy.ndarray
        Shape (1 + (n_samples - win_length) // hop_length, bins), float32, at least 0; see `normalise`.

    Raises
    ------
    ConfigError
        If the window is longer than the DFT, or `fmax` above half the sampling rate.
    """
    level_db = level(
        signal,
        sample_rate=sample_rate,
        win_length=win_length,
        hop_length=hop_length,
        n_fft=n_fft,
        fmax=fmax,
        floor_db=floor_db,
    )
    return normalise(level_db, floor_db)
