"""Reading an utterance's recording as a mono float signal at a recipe's sampling rate."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soxr

from serflow.errors import CorpusError
from serflow.io.audio import open_audio

_FETCH_AGAIN = "Replace the file from the original archive."


def read_signal(path: Path, sample_rate: int) -> np.ndarray:
    """Return a recording as the mean of its channels, resampled (soxr HQ) to `sample_rate` Hz.

    Returns
    -------
    numpy.ndarray
        Shape (n_samples,), float32, full scale ±1.

    Raises
    ------
    CorpusError
        If the file cannot be decoded, does not say how long it is, is empty or holds values that are not finite.
    """
    with open_audio(path) as sound:
        signal, native_rate = sound.read(dtype="float32", always_2d=True), sound.samplerate
    mono = signal.mean(axis=1) if signal.shape[1] > 1 else signal[:, 0]
    if not len(mono) or not np.isfinite(mono).all():
        fault = "holds values that are not finite" if len(mono) else "has no samples"
        raise CorpusError(path, fault, _FETCH_AGAIN)
    return mono if native_rate == sample_rate else _resample(mono, native_rate, sample_rate)


def _resample(signal: np.ndarray, native_rate: int, sample_rate: int) -> np.ndarray:
    """Return what ``librosa.resample(..., res_type="soxr_hq")`` returns, without the time that importing it takes.

    soxr itself rounds the number of samples; librosa rounds it up, padding with a zero where need be.
    """
    n_samples = math.ceil(len(signal) * (sample_rate / native_rate))
    made = soxr.resample(signal, native_rate, sample_rate, quality="soxr_hq")
    return np.pad(made, (0, max(0, n_samples - len(made))))[:n_samples]
