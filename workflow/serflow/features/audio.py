"""Reading an utterance's recording as a mono float signal at a recipe's sampling rate."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import soxr

from serflow.errors import CorpusError
from serflow.io.audio import open_audio
from serflow.items import Row

_FETCH_AGAIN = "Replace the file from the original archive."


def read_signal(path: Path, sample_rate: int, row: Row | None = None) -> np.ndarray:
    """Return a recording as the mean of its channels, resampled (soxr HQ) to `sample_rate` Hz.

    Parameters
    ----------
    path
        The recording.
    sample_rate
        In Hz.
    row
        Its row in the manifest, if it must be what that was made of: as long, at the same rate and, where its samples
        have 16 bits, with the same samples.

    Returns
    -------
    numpy.ndarray
        Shape (n_samples,), float32, full scale ±1.

    Raises
    ------
    CorpusError
        If the file cannot be decoded, does not say how long it is, is empty, holds values that are not finite, or is
        not what `row` says.
    """
    with open_audio(path) as sound:
        signal, native_rate = sound.read(dtype="float32", always_2d=True), sound.samplerate
        exact = sound.subtype == "PCM_16"
    mono = signal.mean(axis=1) if signal.shape[1] > 1 else signal[:, 0]
    if not len(mono) or not np.isfinite(mono).all():
        fault = "holds values that are not finite" if len(mono) else "has no samples"
        raise CorpusError(path, fault, _FETCH_AGAIN)
    if row is not None and not _is_recording_of(row, signal, native_rate, exact):
        remedy = "Put the recording back, or delete the manifest; then run snakemake again."
        raise CorpusError(path, "is not the recording that the manifest was made of", remedy)
    return mono if native_rate == sample_rate else _resample(mono, native_rate, sample_rate)


def _is_recording_of(row: Row, signal: np.ndarray, rate: int, exact: bool) -> bool:
    """Return whether a signal, (n_samples, n_channels), is that of a row; `exact`: all samples are compared.

    The manifest's SHA-1 is of samples of 16 bits. Others were rounded for it, and decoding them again takes as long as
    reading them.
    """
    if (str(rate), str(len(signal))) != (row["sample_rate"], row["samples"]):
        return False
    samples = (signal * 2**15).astype("<i2").tobytes() if exact else b""
    return not exact or hashlib.sha1(samples, usedforsecurity=False).hexdigest() == row["sha1"]


def resampled_length(n_samples: int, native_rate: int, sample_rate: int) -> int:
    """Return how many samples a signal has at another rate, in Hz."""
    return math.ceil(n_samples * (sample_rate / native_rate))


def _resample(signal: np.ndarray, native_rate: int, sample_rate: int) -> np.ndarray:
    """Return what ``librosa.resample(..., res_type="soxr_hq")`` returns, without the time that importing it takes.

    soxr itself rounds the number of samples; librosa rounds it up, padding with a zero where need be.
    """
    n_samples = resampled_length(len(signal), native_rate, sample_rate)
    made = soxr.resample(signal, native_rate, sample_rate, quality="soxr_hq")
    return np.pad(made, (0, max(0, n_samples - len(made))))[:n_samples]
