"""Spectrogram transforms, computed by librosa."""

from __future__ import annotations

import functools

import numpy as np


@functools.cache
def _mel_basis(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Mel filter bank, shape (n_mels, 1 + n_fft / 2), built once: librosa.feature.melspectrogram does so per call."""
    from serflow.features.kernels import librosa

    return librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)


def mel_power(
    signal: np.ndarray, sample_rate: int, n_fft: int, hop_length: int, n_mels: int, fmin: float, fmax: float
) -> np.ndarray:
    """Return the mel power spectrogram, shape (n_frames, n_mels); parameters as of `logmel`."""
    from serflow.features.kernels import librosa

    power = np.abs(librosa.stft(signal, n_fft=n_fft, hop_length=hop_length)) ** 2
    return power.T @ _mel_basis(sample_rate, n_fft, n_mels, fmin, fmax).T


def logmel(
    signal: np.ndarray,
    *,
    sample_rate: int,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    fmin: float,
    fmax: float,
    top_db: float,
) -> np.ndarray:
    """Log-mel power spectrogram in dB below the utterance's maximum.

    The same as ``librosa.power_to_db(librosa.feature.melspectrogram(...), ref=np.max, top_db=top_db)``: Hann window of
    `n_fft` samples, centred frames (zero padded), Slaney mel scale and area normalisation.

    Parameters
    ----------
    signal
        Shape (n_samples,), mono at `sample_rate` Hz.
    sample_rate, fmin, fmax
        In Hz.
    n_fft, hop_length
        In samples.
    n_mels
        Number of mel bands.
    top_db
        Values more than this many dB below the maximum are clipped.

    Returns
    -------
    numpy.ndarray
        Shape (1 + n_samples // hop_length, n_mels), float32, in dB, from -top_db to 0.
    """
    from serflow.features.kernels import librosa

    mel = mel_power(signal, sample_rate, n_fft, hop_length, n_mels, fmin, fmax)
    return librosa.power_to_db(mel, ref=np.max, top_db=top_db).astype(np.float32, copy=False)


def logspectrogram(signal: np.ndarray, *, n_fft: int, hop_length: int, top_db: float) -> np.ndarray:
    """Power spectrogram on the linear frequency scale, in dB below the utterance's maximum.

    Hann window of `n_fft` samples, centred frames (zero padded).

    Parameters
    ----------
    signal
        Shape (n_samples,).
    n_fft, hop_length
        In samples.
    top_db
        Values more than this many dB below the maximum are clipped.

    Returns
    -------
    numpy.ndarray
        Shape (1 + n_samples // hop_length, 1 + n_fft // 2), float32, in dB, from -top_db to 0; the bins go from 0 Hz to
        half the sampling rate.
    """
    from serflow.features.kernels import librosa

    power = np.abs(librosa.stft(signal, n_fft=n_fft, hop_length=hop_length)) ** 2
    return librosa.power_to_db(power.T, ref=np.max, top_db=top_db).astype(np.float32, copy=False)
