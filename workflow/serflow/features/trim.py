"""Silence cut off both ends of a signal, by librosa."""

from __future__ import annotations

import numpy as np

from serflow.features.kernels import librosa
from serflow.types import Positive

# librosa loads a module at its first use. Used here, it is loaded once, before worker processes are forked.
trim_ends = librosa.effects.trim


def trim(signal: np.ndarray, *, top_db: Positive) -> np.ndarray:
    """Return a signal without the silence at its ends: what ``librosa.effects.trim(signal, top_db=top_db)`` keeps.

    Silent are frames of 2048 samples, 512 apart, whose root mean square lies more than `top_db` below the loudest's.

    Parameters
    ----------
    signal
        Shape (n_samples,).
    top_db
        In dB.
    """
    return trim_ends(signal, top_db=top_db)[0]
