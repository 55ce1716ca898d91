"""Log-mel power spectrograms, computed by librosa."""

from __future__ import annotations

import numpy as np

from serflow.features.kernels import librosa
from serflow.features.mel import mel_power
from serflow.types import Count, NotNegative, Positive


def logmel(
    signal: np.ndarray,
    *,
    sample_rate: Count,
    n_fft: Count,
    hop_length: Count,
    n_mels: Count,
    fmin: NotNegative,
    fmax: Positive,
    top_db: Positive,
) -> np.ndarray:
    """Return the log-mel power spectrogram in dB below the utterance's maximum.

    The same as ``librosa.power_to_db(librosa.feature.melspectrogram(...), ref=np.max, top_db=top_db)``; see
    `serflow.features.mel.mel_power`.

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
    top_db
        Values more than this many dB below the maximum are clipped.

    Returns
    -------
    numpy.ndarray
        Shape (1 + n_samples // hop_length, n_mels), float32, in dB, from -top_db to 0.
    """
    mel = mel_power(signal, sample_rate, n_fft, hop_length, n_mels, fmin, fmax)
    return librosa.power_to_db(mel, ref=np.max, top_db=top_db).astype(np.float32, copy=False)
