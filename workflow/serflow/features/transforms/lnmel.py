"""Natural logarithms of mel power spectrograms."""

from __future__ import annotations

import numpy as np

from serflow.features.mel import mel_power
from serflow.types import Count, NotNegative, Positive


def lnmel(
    signal: np.ndarray,
    *,
    sample_rate: Count,
    n_fft: Count,
    hop_length: Count,
    n_mels: Count,
    fmin: NotNegative,
    fmax: Positive,
    offset: Positive,
) -> np.ndarray:
    """Return ln(mel power + offset), on no utterance's own scale; see `serflow.features.mel.mel_power`.

    Parameters
    ----------
    signal
        Shape (n_samples,), mono at `sample_rate` Hz, full scale ±1.
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
    offset
        Added to the power, so that silence has a logarithm.

    Returns
    -------
    numpy.ndarray
        Shape (1 + n_samples // hop_length, n_mels), float32, at least ln(offset).
    """
    mel = mel_power(signal, sample_rate, n_fft, hop_length, n_mels, fmin, fmax)
    return np.log(mel + np.float32(offset)).astype(np.float32, copy=False)
