"""Power spectrograms on the linear frequency scale, computed by librosa."""

from __future__ import annotations

import numpy as np

from serflow.features.kernels import librosa
from serflow.types import Count, Positive

# librosa loads a module at its first use. Used here, it is loaded once, before worker processes are forked.
stft = librosa.stft


def logspectrogram(
    signal: np.ndarray, *, sample_rate: Count, n_fft: Count, hop_length: Count, top_db: Positive
) -> np.ndarray:
    """Return the power spectrogram on the linear frequency scale, in dB below the utterance's maximum.

    Hann window of `n_fft` samples, centred frames (zero padded).

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
    top_db
        Values more than this many dB below the maximum are clipped.

    Returns
    -------
    numpy.ndarray
        Shape (1 + n_samples // hop_length, 1 + n_fft // 2), float32, in dB, from -top_db to 0; the bins go from 0 Hz to
        half the sampling rate.
    """
    power = np.abs(stft(signal, n_fft=n_fft, hop_length=hop_length)) ** 2
    return librosa.power_to_db(power.T, ref=np.max, top_db=top_db).astype(np.float32, copy=False)
