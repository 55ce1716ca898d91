"""Batches of a run's items, and what makes up for classes of different size: weights of the loss, oversampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from serflow.training.dataset import Inputs


def make_picker(inputs: Inputs, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """Put all items on a device; return the function from indices there to a batch of items, float32."""
    items = torch.from_numpy(inputs.items).to(device)
    if inputs.offsets is None:
        return lambda index: items[index].float()
    offsets = torch.from_numpy(inputs.offsets).to(device)
    if len(inputs.shape) == 2:
        return lambda index: _cut(items, offsets, index, inputs.shape[0])
    return lambda index: _cut(items, offsets, index, inputs.shape[-1]).transpose(1, 2)[:, None].contiguous()


def _cut(frames: torch.Tensor, offsets: torch.Tensor, index: torch.Tensor, length: int) -> torch.Tensor:
    """Return the first `length` frames of the items `index` of flat frames (T, bins), filled with zeros at the end.

    Shape (B, length, bins), float32.
    """
    rows = offsets[index, None] + torch.arange(length, device=index.device)
    beyond = rows >= offsets[index + 1, None]
    return frames[rows.clamp(max=len(frames) - 1)].float().masked_fill_(beyond[..., None], 0.0)


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


def split_batches(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return `order` in batches of `batch_size`, the last one smaller; a last one of one item joins the one before.

    Batch normalisation cannot train on a single item.
    """
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches
