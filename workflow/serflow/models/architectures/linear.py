"""The head that SUPERB (Yang et al. 2021) and EmoBox put on a frozen encoder: linear, ReLU, mean over time, linear."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from serflow.types import Count

INPUTS = "sequence"


class Linear(nn.Module):
    """Two linear layers on frames, of which either the mean or a weighted mean is taken."""

    def __init__(self, shape: Sequence[int], hidden_size: int, weighted: bool, n_classes: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(shape[0])) if weighted else None
        self.hidden = nn.Linear(shape[1], hidden_size)
        self.output = nn.Linear(hidden_size, n_classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """From (batch, frames, bins) to logits (batch, n_classes)."""
        if self.weights is not None:
            return self.output(self.hidden((self.weights.softmax(0)[:, None] * frames).sum(1)).relu())
        # Frames of zeros are what shorter recordings were filled up with.
        kept = (frames != 0).any(2, keepdim=True)
        return self.output((self.hidden(frames).relu() * kept).sum(1) / kept.sum(1).clamp(min=1))


def build(n_classes: int, *, input_shape: Sequence[int], hidden_size: Count, weighted: bool = False) -> Linear:
    """Return a linear layer and ReLU on each frame, the mean over a recording's frames, and a linear layer.

    Parameters
    ----------
    n_classes
        Width of the output.
    input_shape
        (frames, bins) of a sequence.
    hidden_size
        Width of the first layer.
    weighted
        Take, before the first layer, a mean over the frames whose weights are learned, as SUPERB does over the layers
        of an encoder: for a recipe whose frames are layers (`layer: all`).
    """
    return Linear(input_shape, hidden_size, weighted, n_classes)
