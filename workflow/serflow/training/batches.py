"""Batches of a run's items."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from serflow.training.dataset import Inputs


def make_picker(inputs: Inputs, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """Put all items on a device; return the function from indices there to a batch of items, float32."""
    items = torch.from_numpy(inputs.items).to(device)
    if inputs.offsets is None:
        return lambda index: items[index]
    offsets = torch.from_numpy(inputs.offsets).to(device)
    return lambda index: _cut_patches(items, offsets, index, inputs.shape[-1])


def _cut_patches(frames: torch.Tensor, offsets: torch.Tensor, index: torch.Tensor, length: int) -> torch.Tensor:
    """Return the items `index` of flat frames (T, bins) as pictures (B, 1, bins, length), filled with zeros."""
    rows = offsets[index, None] + torch.arange(length, device=index.device)
    beyond = rows >= offsets[index + 1, None]
    pictures = frames[rows.clamp(max=len(frames) - 1)].float().masked_fill_(beyond[..., None], 0.0)
    return pictures.transpose(1, 2)[:, None].contiguous()


def split_batches(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return `order` in batches of `batch_size`, the last one smaller; a last one of one item joins the one before.

    Batch normalisation cannot train on a single item.
    """
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches
