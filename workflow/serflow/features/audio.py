"""Reading an utterance's recording as a mono float signal at a recipe's sampling rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from serflow.errors import CorpusError


def read_signal(path: Path, sample_rate: int) -> np.ndarray:
    """Return a recording as mono float32, shape (n_samples,), full scale ±1, resampled (soxr HQ) to `sample_rate` Hz.

    Raises
    ------
    CorpusError
        If the file cannot be decoded, is empty or holds values that are not finite.
    """
    import soundfile

    try:
        signal, native_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise CorpusError(
            path, f"cannot be read as audio ({error})", "Replace the file from the original archive."
        ) from error
    mono = signal.mean(axis=1) if signal.shape[1] > 1 else signal[:, 0]
    if not len(mono) or not np.isfinite(mono).all():
        fault = "holds values that are not finite" if len(mono) else "has no samples"
        raise CorpusError(path, fault, "Replace the file from the original archive.")
    if native_rate != sample_rate:
        from serflow.features.kernels import librosa

        mono = librosa.resample(mono, orig_sr=native_rate, target_sr=sample_rate, res_type="soxr_hq")
    return mono
