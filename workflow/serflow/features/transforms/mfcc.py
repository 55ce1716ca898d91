"""Mel-frequency cepstral coefficients, computed by librosa."""

from __future__ import annotations

import numpy as np

from serflow.features.kernels import librosa
from serflow.features.mel import mel_power
from serflow.types import Count, NotNegative, Positive

# librosa loads a module at its first use. Used here, it is loaded once, before worker processes are forked.
dct_of_mel = librosa.feature.mfcc


def mfcc(
    signal: np.ndarray,
    *,
    sample_rate: Count,
    n_fft: Count,
    hop_length: Count,
    n_mels: Count,
    fmin: NotNegative,
    fmax: Positive,
    n_mfcc: Count,
    first: Count,
) -> np.ndarray:
    """Return mel-frequency cepstral coefficients `first` to `n_mfcc`, counted from 1.

    The same as ``librosa.feature.mfcc(...)[first - 1 :]``: orthonormal DCT-II of the log-mel power spectrum in dB,
    clipped 80 dB below the utterance's maximum. Coefficient 1 is the DCT's constant, the mean level; "coefficients
    2-13" are thus ``first: 2, n_mfcc: 13``, twelve of them.

    Parameters
    ----------
    signal
        Shape (n_samples,), mono at `sample_rate` Hz.
    sample_rate
        Sampling rate of the signal, in Hz.
    n_fft
        Length of the window and of the DFT, in samples.
    hop_length
        Step from frame to frame, in samples.
    n_mels
        Number of mel bands.
    fmin
        Lower edge of the lowest band, in Hz.
    fmax
        Upper edge of the highest band, in Hz.
    n_mfcc
        Number of the last coefficient that is kept, counted from 1.
    first
        Number of the first coefficient that is kept, counted from 1.

    Returns
    -------
    numpy.ndarray
        Shape (1 + n_samples // hop_length, n_mfcc - first + 1), float32.
    """
    mel = mel_power(signal, sample_rate, n_fft, hop_length, n_mels, fmin, fmax)
    coefficients = dct_of_mel(S=librosa.power_to_db(mel.T), n_mfcc=n_mfcc)
    return np.ascontiguousarray(coefficients[first - 1 :].T, dtype=np.float32)
