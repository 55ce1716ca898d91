"""Mel-frequency cepstral coefficients, computed by librosa."""

from __future__ import annotations

import numpy as np

from serflow.features.transforms.spectrogram import mel_power


def mfcc(
    signal: np.ndarray,
    *,
    sample_rate: int,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    fmin: float,
    fmax: float,
    n_mfcc: int,
    first: int,
) -> np.ndarray:
    """Mel-frequency cepstral coefficients `first` to `n_mfcc`, counted from 1.

    The same as ``librosa.feature.mfcc(...)[first - 1 :]``: orthonormal DCT-II of the log-mel power spectrum in dB,
    clipped 80 dB below the utterance's maximum. Coefficient 1 is the DCT's constant, the mean level; "coefficients
    2-13" are thus ``first: 2, n_mfcc: 13``, twelve of them.

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
    n_mfcc, first
        Number of the last and of the first coefficient kept.

    Returns
    -------
    numpy.ndarray
        Shape (1 + n_samples // hop_length, n_mfcc - first + 1), float32.
    """
    from serflow.features.kernels import librosa

    mel = mel_power(signal, sample_rate, n_fft, hop_length, n_mels, fmin, fmax)
    coefficients = librosa.feature.mfcc(S=librosa.power_to_db(mel.T), n_mfcc=n_mfcc)
    return np.ascontiguousarray(coefficients[first - 1 :].T, dtype=np.float32)
