"""Classes of different size: weights of the loss, and oversampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.errors import ConfigError

if TYPE_CHECKING:
    import torch


def class_weights(options: Mapping[str, Any], labels: np.ndarray, n_classes: int) -> torch.Tensor | None:
    """Return the weight of each class in the loss, shape (n_classes,) float32; None where all weigh the same.

    Parameters
    ----------
    options
        ``class_weights: inverse``: N / (n_classes · n_c) for a class of n_c of the N items, so that the mean over the
        items is 1 (a class without items: 0).
    labels
        Of the training part's items.
    n_classes
        Number of classes.

    Raises
    ------
    ConfigError
        If ``class_weights`` is something else.
    """
    import torch

    kind = options.get("class_weights")
    if kind is None:
        return None
    if kind != "inverse":
        raise ConfigError("training.class_weights", f"is {kind!r}", "Allowed: inverse.")
    counts = np.bincount(labels, minlength=n_classes)
    weights = np.where(counts > 0, len(labels) / (n_classes * np.maximum(counts, 1)), 0.0)
    return torch.from_numpy(weights).float()


def draw_order(options: Mapping[str, Any], items: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the items of one epoch in a random order drawn from torch's global generator.

    Parameters
    ----------
    options
        ``oversample``: whether all classes come with as many items as the largest. Items of a smaller one are repeated,
        the whole class as often as it fits, then a random choice of it.
    items, labels
        Of the training part, shape (N,) each.
    """
    import torch

    if options.get("oversample"):
        classes = [items[labels == label] for label in np.unique(labels)]
        largest = max(map(len, classes))
        items = np.concatenate([_repeat(members, largest) for members in classes])
    return items[torch.randperm(len(items)).numpy()]


def _repeat(members: np.ndarray, n: int) -> np.ndarray:
    import torch

    times, rest = divmod(n, len(members))
    return np.concatenate([*[members] * times, members[torch.randperm(len(members)).numpy()[:rest]]])
