"""From a signal to the frames that a feature store would hold of it. Needs no torch."""

from __future__ import annotations

import numpy as np

from serflow.features.recipes import DTYPE, Recipe, make_transform
from serflow.features.segments import count_segments, cut


def compute_frames(recipe: Recipe, signal: np.ndarray) -> list[np.ndarray]:
    """Return the frames of each segment of a signal, shape (n_frames, bins) each, in the recipe's ``dtype``.

    Parameters
    ----------
    recipe
        See `serflow.features.recipes`; its augmented copies are not made.
    signal
        Mono, shape (n_samples,), at ``recipe["sample_rate"]`` Hz, full scale ±1.
    """
    transform, dtype = make_transform(recipe), recipe.get("dtype", DTYPE)
    seconds = recipe.get("segment_seconds", np.inf)
    parts = cut(signal, count_segments(len(signal), recipe["sample_rate"], seconds))
    return [transform(part.astype(np.float32, copy=False)).astype(dtype, copy=False) for part in parts]
