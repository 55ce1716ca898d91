"""Utterances as vectors."""

from __future__ import annotations

from typing import Literal

import numpy as np

from serflow.training.dataset import Dataset, Inputs, standardise


def vector(data: Dataset, *, scope: Literal["speaker", "corpus"] | None = None) -> Inputs:
    """Return utterances as the mean of their frames over time: items of shape (bins,).

    Parameters
    ----------
    scope
        Standardise within each speaker or corpus; by default not at all (a model may do so on its training part).
    """
    means = [data.item(n).mean(axis=0, dtype=np.float64) for n in range(len(data.labels))]
    items = np.array(means, dtype=np.float32)
    if scope:
        items = standardise(items, data.groups(scope))
    return Inputs(items, items.shape[1:])
