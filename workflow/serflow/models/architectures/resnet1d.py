"""The 1-D residual network of Jin, Sherstneva and Botygin on MFCC frames, by its Table 1."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from serflow.models.keras import initialise_as_keras

INPUTS = "sequence"


class FramesLast(nn.Module):
    """Puts time last, which torch convolves over."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """From (batch, frames, coefficients) to (batch, coefficients, frames)."""
        return frames.transpose(1, 2)


class ResidualBlock(nn.Module):
    """Section 2.1 for equal widths: the last ReLU comes before the addition, not after it as in ResNet."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*_conv(filters, filters))
        self.conv2 = nn.Sequential(*_conv(filters, filters))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """From (batch, filters, frames) to the same."""
        return maps + self.conv2(self.conv1(maps).relu()).relu()


def build(n_classes: int, *, input_shape: Sequence[int]) -> nn.Sequential:
    """Return Table 1's stack of convolutions and residual blocks with a dense layer on its flattened output.

    The layer names (padding='same', MaxPooling1D) are Keras's, so what the table leaves out is taken from Keras: 'same'
    pads an even kernel of 8 by 3 on the left and 4 on the right; batch normalisation has momentum 0.99 (0.01 as torch
    counts it) and epsilon 0.001; weights start as Keras's.

    The head is an assumption: "Dense *9" is read as row 16, one dense layer over the flattened frames, with as many
    outputs as classes. The softmax is in the loss.

    Parameters
    ----------
    n_classes
        Width of the output layer.
    input_shape
        (frames, coefficients) of a sequence; two poolings by 8 need at least 64 frames.
    """
    frames, coefficients = input_shape
    blocks: dict[str, list[nn.Module]] = {
        "frames_last": [FramesLast()],
        "conv256": [*_relu(_conv(coefficients, 256)), *_conv(256, 256), *_close(256)],
        "conv128": [
            *_relu(_conv(256, 128)),
            *_relu(_conv(128, 128)),
            *_relu(_conv(128, 128)),
            *_conv(128, 128),
            *_close(128),
        ],
        "conv64": [*_relu(_conv(128, 64)), *_relu(_conv(64, 64))],
        "residual": [ResidualBlock(64) for _ in range(10)],
        "flatten": [nn.Flatten()],
        "dense": [nn.Linear(frames // 8 // 8 * 64, n_classes)],
    }
    network = nn.Sequential(OrderedDict((name, nn.Sequential(*layers)) for name, layers in blocks.items()))
    initialise_as_keras(network)
    return network


def _conv(inputs: int, filters: int) -> list[nn.Module]:
    return [nn.ConstantPad1d((3, 4), 0.0), nn.Conv1d(inputs, filters, 8)]


def _relu(layers: list[nn.Module]) -> list[nn.Module]:
    return [*layers, nn.ReLU()]


def _close(filters: int) -> list[nn.Module]:
    """Rows 4-7 and 10-13: batch normalisation, activation, dropout, pooling."""
    return [nn.BatchNorm1d(filters, eps=1e-3, momentum=0.01), nn.ReLU(), nn.Dropout(0.2), nn.MaxPool1d(8)]
