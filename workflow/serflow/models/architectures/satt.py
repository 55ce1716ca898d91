"""The networks of Satt, Rozenberg and Hoory (2017) on linear log-power spectrograms, by Figure 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serflow.errors import ConfigError
from serflow.models import initialise_as_keras

if TYPE_CHECKING:
    import torch
    from torch import nn

LSTM_OPTIONS = {"size", "layers", "attention"}


def build(
    n_classes: int,
    *,
    input_shape: Sequence[int],
    convolutions: Sequence[Sequence[int]],
    dense: int,
    dropout: float,
    lstm: Mapping[str, Any] | None = None,
) -> nn.Module:
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
        ``size`` per direction, ``layers`` and ``attention``: whether its outputs are averaged over time with weights
        (a softmax over time of a linear function of each output, Section 4) instead of taking the last state of each
        direction, Keras's default. None: the maps are flattened.

    Raises
    ------
    ConfigError
        If an option of ``lstm`` is missing or unknown.
    """
    from torch import nn

    if lstm is not None and set(lstm) != LSTM_OPTIONS:
        fault = f"{sorted(set(lstm) ^ LSTM_OPTIONS)[0]!r} is missing or is not an option"
        raise ConfigError("model.lstm", fault, f"It takes: {', '.join(sorted(LSTM_OPTIONS))}; or null.")
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
        network.add_module("lstm", _recurrent(channels * height, **lstm))
        features = 2 * lstm["size"]
    network.add_module("dense", nn.Sequential(nn.Linear(features, dense), nn.ReLU()))
    network.add_module("dropout", nn.Dropout(dropout))
    network.add_module("output", nn.Linear(dense, n_classes))
    initialise_as_keras(network)
    return network


def _convolution(channels: int, filters: int, rows: int, columns: int, pool: bool) -> nn.Sequential:
    from torch import nn

    layers: list[nn.Module] = []
    if rows % 2 == 0 or columns % 2 == 0:
        layers.append(nn.ZeroPad2d((0, 1 - columns % 2, 0, 1 - rows % 2)))
    layers.append(nn.Conv2d(channels, filters, (rows, columns), padding=((rows - 1) // 2, (columns - 1) // 2)))
    if pool:  # before the ReLU: the same values for a quarter of the work
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


def _recurrent(features: int, size: int, layers: int, attention: bool) -> nn.Module:
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(features, size, num_layers=layers, batch_first=True, bidirectional=True)
            self.attention = nn.Linear(2 * size, 1, bias=False) if attention else None

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            """From (batch, channels, rows, columns), columns being time, to (batch, 2 * size)."""
            outputs, (states, _) = self.lstm(maps.permute(0, 3, 1, 2).flatten(2))
            if self.attention is None:
                return states[-2:].transpose(0, 1).flatten(1)
            return (self.attention(outputs).float().softmax(1) * outputs).sum(1)

    return Recurrent()
