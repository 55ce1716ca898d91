"""The networks of Satt, Rozenberg and Hoory (2017) on linear log-power spectrograms, by Figure 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import nn

from serflow.models.keras import initialise_as_keras
from serflow.models.lstm import run_lstm
from serflow.types import Convolution, Count, Share

INPUTS = "patch image"


class Recurrent(nn.Module):
    """A bidirectional LSTM over the columns of maps, whose last states or weighted outputs are returned."""

    def __init__(self, features: int, size: int, layers: int, attention: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, size, num_layers=layers, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * size, 1, bias=False) if attention else None

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """From (batch, channels, rows, columns), columns being time, to (batch, 2 * size)."""
        outputs, (states, _) = run_lstm(self.lstm, maps.permute(0, 3, 1, 2).flatten(2))
        if self.attention is None:
            return states[-2:].transpose(0, 1).flatten(1)
        return (self.attention(outputs).float().softmax(1) * outputs).sum(1)


def build(
    n_classes: int,
    *,
    input_shape: Sequence[int],
    convolutions: list[Convolution],
    dense: Count,
    dropout: Share,
    lstm: Annotated[dict[str, Any], "recurrent"] | None = None,
) -> nn.Sequential:
    """Return convolutions with 2:1 pooling, a bidirectional LSTM or none, a dense layer, dropout and a linear layer.

    Figure 1's sizes, 200x300 to 100x150 to 50x75 to 25x37, are those of 'same' convolutions, which for an even kernel
    pad one more after than before, as in Keras. Weights start as Keras's. The softmax is in the loss.

    Parameters
    ----------
    n_classes
        Width of the output.
    input_shape
        (1, bins, frames) of a spectrogram.
    convolutions
        Of each layer: filters, and the kernel's rows (frequency) and columns (time). Its maps are halved in both
        directions as long as both have two points.
    dense
        Width of the dense layer.
    dropout
        Probability, behind the dense layer.
    lstm
        The bidirectional LSTM behind the convolutions; null: the maps are flattened.
    """
    channels, height, width = input_shape
    network = nn.Sequential()
    for number, (filters, rows, columns) in enumerate(convolutions, start=1):
        pool = min(height, width) >= 2
        network.add_module(f"conv{number}", _convolution(channels, filters, rows, columns, pool))
        channels, height, width = filters, height // (1 + pool), width // (1 + pool)
    if lstm is None:
        network.add_module("flatten", nn.Flatten())
        features = channels * height * width
    else:
        network.add_module("lstm", recurrent(channels * height, **lstm))
        features = 2 * lstm["size"]
    network.add_module("dense", nn.Sequential(nn.Linear(features, dense), nn.ReLU()))
    network.add_module("dropout", nn.Dropout(dropout))
    network.add_module("output", nn.Linear(dense, n_classes))
    initialise_as_keras(network)
    return network


def recurrent(features: int, *, size: Count, layers: Count, attention: bool) -> Recurrent:
    """Return a bidirectional LSTM for maps of `features` values per column.

    Parameters
    ----------
    features
        Channels times rows.
    size
        Per direction.
    layers
        Number of layers.
    attention
        Whether its outputs are averaged over time with weights (a softmax over time of a linear function of each
        output, Section 4) instead of taking the last state of each direction, Keras's default.
    """
    return Recurrent(features, size, layers, attention)


def _convolution(channels: int, filters: int, rows: int, columns: int, pool: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    if rows % 2 == 0 or columns % 2 == 0:
        layers.append(nn.ZeroPad2d((0, 1 - columns % 2, 0, 1 - rows % 2)))
    layers.append(nn.Conv2d(channels, filters, (rows, columns), padding=((rows - 1) // 2, (columns - 1) // 2)))
    if pool:  # before the ReLU: the same values for a quarter of the work
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))
