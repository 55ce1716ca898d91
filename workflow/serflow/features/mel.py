"""What the mel transforms share: the mel power spectrogram, computed by librosa."""

from __future__ import annotations

import functools

import numpy as np

from serflow.features.kernels import librosa

# librosa loads a module at its first use. Used here, it is loaded once, before worker processes are forked.
mel_filters, stft = librosa.filters.mel, librosa.stft


@functools.cache
def mel_basis(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Return a mel filter bank, shape (n_mels, 1 + n_fft // 2).

    It is built once; librosa.feature.melspectrogram builds it at each call.
    """
    return mel_filters(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)


def mel_power(
    signal: np.ndarray, sample_rate: int, n_fft: int, hop_length: int, n_mels: int, fmin: float, fmax: float
) -> np.ndarray:
    """Return the mel power spectrogram, shape (1 + n_samples // hop_length, n_mels).

    Hann window of `n_fft` samples, centred frames (zero padded), Slaney mel scale and area normalisation.

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
    """
    power = np.abs(stft(signal, n_fft=n_fft, hop_length=hop_length)) ** 2
    return power.T @ mel_basis(sample_rate, n_fft, n_mels, fmin, fmax).T
