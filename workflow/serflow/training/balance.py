"""Classes of different size: weights of the loss, and oversampling."""

from __future__ import annotations

import numpy as np
import torch


def inverse_weights(labels: np.ndarray, n_classes: int) -> torch.Tensor:
    """Return the weight of each class in the loss, inverse to its size, shape (n_classes,) float32.

    N / (n_classes · n_c) for a class of n_c of the N items, so that the mean over the items is 1; 0 for a class without
    items.

    Parameters
    ----------
    labels
        Of the training part's items.
    n_classes
        Number of classes.
    """
    counts = np.bincount(labels, minlength=n_classes)
    weights = np.where(counts > 0, len(labels) / (n_classes * np.maximum(counts, 1)), 0.0)
    return torch.from_numpy(weights).float()


def draw_order(items: np.ndarray, labels: np.ndarray, oversample: bool) -> np.ndarray:
    """Return the items of one epoch in a random order drawn from torch's global generator.

    Parameters
    ----------
    items, labels
        Of the training part, shape (N,) each.
    oversample
        Whether all classes come with as many items as the largest. Items of a smaller one are repeated, the whole class
        as often as it fits, then a random choice of it.
    """
    if oversample:
        classes = [items[labels == label] for label in np.unique(labels)]
        largest = max(map(len, classes))
        items = np.concatenate([_repeat(members, largest) for members in classes])
    return items[torch.randperm(len(items)).numpy()]


def _repeat(members: np.ndarray, n: int) -> np.ndarray:
    times, rest = divmod(n, len(members))
    return np.concatenate([*[members] * times, members[torch.randperm(len(members)).numpy()[:rest]]])
