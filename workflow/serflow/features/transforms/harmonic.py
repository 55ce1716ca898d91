"""Spectrograms rebuilt from pitch and envelope, with nothing between the harmonics (Satt et al., Section 5.2)."""

from __future__ import annotations

import numpy as np
import parselmouth

from serflow.features.transforms.logpower import count_frames, frequencies, level, normalise
from serflow.types import Count, Negative, NotNegative, Positive

#: Periods of the lowest pitch in Praat's analysis window.
PRAAT_PERIODS = 3


def pitch(
    signal: np.ndarray, *, sample_rate: int, win_length: int, hop_length: int, pitch_floor: float, pitch_ceiling: float
) -> np.ndarray:
    """Return the fundamental frequency by Praat's autocorrelation tracker at the centre of each frame.

    Praat's own frames lie symmetrically in the signal, up to half a hop from ours: between two voiced ones F0 is
    interpolated linearly, elsewhere the nearer one decides. A signal too short for Praat has no voiced frame.

    Parameters
    ----------
    signal
        Shape (n_samples,), at `sample_rate` Hz.
    win_length, hop_length
        Of the spectrogram whose frames are meant, in samples; the hop is also Praat's time step.
    pitch_floor, pitch_ceiling
        In Hz.

    Returns
    -------
    numpy.ndarray
        Shape (n_frames,), float64, in Hz; 0 where unvoiced.
    """
    n_frames = count_frames(len(signal), win_length, hop_length)
    if len(signal) <= PRAAT_PERIODS * sample_rate / pitch_floor:
        return np.zeros(n_frames)
    sound = parselmouth.Sound(signal.astype(np.float64), sampling_frequency=sample_rate)
    track = sound.to_pitch_ac(time_step=hop_length / sample_rate, pitch_floor=pitch_floor, pitch_ceiling=pitch_ceiling)
    centres = (win_length / 2 + hop_length * np.arange(n_frames)) / sample_rate
    return np.nan_to_num([track.get_value_at_time(centre) for centre in centres.tolist()])


def envelope(level_db: np.ndarray, f0: float, freqs: np.ndarray) -> np.ndarray:
    """Return the spectral envelope E(f) of one voiced frame, read off its harmonics.

    The paper does not say how it estimates E(f). Here: the highest level within F0 / 4 of each multiple of F0 is
    its value there, with straight lines (in dB) between them, and constant below the first and above the last.

    Parameters
    ----------
    level_db
        Shape (bins,), log power in dB at `freqs`.
    f0
        In Hz, at least two steps of `freqs`, so that a point lies near each harmonic.
    freqs
        Shape (bins,), equidistant from 0, in Hz.

    Returns
    -------
    numpy.ndarray
        Shape (bins,), in dB.
    """
    step = freqs[1] - freqs[0]
    harmonics = f0 * np.arange(1, max(1, int(freqs[-1] / f0)) + 1)
    first = np.ceil((harmonics - f0 / 4) / step).astype(int)
    last = np.floor((harmonics + f0 / 4) / step).astype(int)
    edges = np.minimum(np.stack([first, last + 1], axis=1), len(freqs))
    peaks = np.maximum.reduceat(np.append(level_db, -np.inf), edges.ravel())[::2]
    return np.interp(freqs, harmonics, peaks)


def harmonic_spectrum(
    envelope_db: np.ndarray,
    f0: np.ndarray | float,
    freqs: np.ndarray,
    *,
    fmax: float,
    depth_low_db: float,
    depth_high_db: float,
) -> np.ndarray:
    """Return formula (1), S(f) = E(f) - 0.5 (1 - cos(2 pi f / F0)) D(f): teeth at the harmonics under an envelope.

    Parameters
    ----------
    envelope_db
        E(f), shape (..., bins), in dB.
    f0
        F0, shape (...), in Hz, above 0.
    freqs
        f, shape (bins,), in Hz.
    fmax, depth_low_db, depth_high_db
        D(f) goes linearly from `depth_low_db` dB at 0 Hz to `depth_high_db` dB at `fmax` Hz.

    Returns
    -------
    numpy.ndarray
        S(f), shape (..., bins), in dB.
    """
    depth = depth_low_db + (depth_high_db - depth_low_db) * freqs / fmax
    return envelope_db - 0.5 * (1 - np.cos(2 * np.pi * freqs / np.asarray(f0)[..., None])) * depth


def harmonic(
    signal: np.ndarray,
    *,
    sample_rate: Count,
    win_length: Count,
    hop_length: Count,
    n_fft: Count,
    fmax: Positive,
    floor_db: Negative,
    pitch_floor: Positive,
    pitch_ceiling: Positive,
    depth_low_db: NotNegative,
    depth_high_db: NotNegative,
) -> np.ndarray:
    """Return the spectrogram of `logpower` with formula (1) in its voiced frames and silence in the others.

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
        The noise level E_noise, below which values are clipped, in dB; see `serflow.features.transforms.logpower`.
    pitch_floor
        Lowest fundamental frequency that Praat's pitch tracker looks for, in Hz; at least two bins.
    pitch_ceiling
        Highest fundamental frequency that Praat's pitch tracker looks for, in Hz; below `fmax`.
    depth_low_db
        D(f) at 0 Hz, in dB; see `harmonic_spectrum`.
    depth_high_db
        D(f) at `fmax`, in dB.

    Returns
    -------
    numpy.ndarray
        Shape (1 + (n_samples - win_length) // hop_length, bins), float32, at least 0, unvoiced frames 0.
    """
    frame = {"sample_rate": sample_rate, "win_length": win_length, "hop_length": hop_length}
    level_db = level(signal, **frame, n_fft=n_fft, fmax=fmax, floor_db=floor_db)
    f0 = pitch(signal, **frame, pitch_floor=pitch_floor, pitch_ceiling=pitch_ceiling)
    freqs, voiced = frequencies(sample_rate, n_fft, fmax), f0 > 0
    rebuilt = np.full_like(level_db, floor_db)
    if voiced.any():
        envelopes = np.stack([envelope(*one, freqs) for one in zip(level_db[voiced], f0[voiced], strict=True)])
        depths = {"fmax": fmax, "depth_low_db": depth_low_db, "depth_high_db": depth_high_db}
        rebuilt[voiced] = np.maximum(harmonic_spectrum(envelopes, f0[voiced], freqs, **depths), floor_db)
    return normalise(rebuilt, floor_db)
