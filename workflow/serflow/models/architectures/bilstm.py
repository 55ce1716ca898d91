"""The LSTM of DeepEmoNet (Vu 2023): two bidirectional layers, dropout, linear, on log-mel frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from serflow.models.lstm import run_lstm
from serflow.types import Count, Share

INPUTS = "sequence"


class BiLSTM(nn.Module):
    """Two bidirectional LSTM layers, whose last states are classified."""

    def __init__(self, bins: int, hidden_size: int, dropout: float, n_classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(bins, hidden_size, num_layers=2, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * hidden_size, n_classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """From (batch, frames, bins) to logits (batch, n_classes)."""
        # (layers * directions, batch, hidden), forwards and backwards last
        _, (states, _) = run_lstm(self.lstm, frames)
        return self.linear(self.dropout(states[-2:].transpose(0, 1).flatten(1)))


def build(n_classes: int, *, input_shape: Sequence[int], hidden_size: Count, dropout: Share) -> BiLSTM:
    """Return "2 bidirectional LSTM layers, followed by a dropout layer, a linear layer" (the softmax is in the loss).

    The linear layer takes the last states of both directions of the second layer, which the paper does not say.

    Parameters
    ----------
    n_classes
        Width of the output.
    input_shape
        (frames, bins) of a sequence; any number of frames will do.
    hidden_size
        Per direction.
    dropout
        Probability.
    """
    return BiLSTM(input_shape[1], hidden_size, dropout, n_classes)
