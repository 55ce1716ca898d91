"""The three-layer CNN of Mittal (2021) on grey spectrogram images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from torch import nn

from serflow.models.keras import initialise_as_keras
from serflow.types import Count

INPUTS = "image"


def build(
    n_classes: int, *, input_shape: Sequence[int], dense: Count, padding: Literal["valid", "same"] = "valid"
) -> nn.Sequential:
    """Return Conv1, Conv2 and Conv3 (5x5; 32, 64 and 32 filters), each with ReLU and pooling, and a dense head.

    "With 0 padding" is taken as Keras's default 'valid', no padding. Images of 270x260 then shrink along 270 to 266
    by Conv1, 88 by its pooling (5 wide, every 3), 84, 27, 23 and 7, along 260 to 256, 84, 80, 26, 22 and 6, and
    7 · 6 · 32 = 1344 values are flattened. ('same' convolutions give 9 · 8 · 32 = 2304.)

    Both dropout layers stand behind the dense layer, which "is right before the dropout layers". The softmax is in the
    loss. Weights start as Keras's, with which the paper was written.

    Parameters
    ----------
    n_classes
        Width of the output layer.
    input_shape
        (channels, height, width) of an image; the paper's have one channel.
    dense
        Width of the dense layer; the paper does not say it.
    padding
        Of the convolutions, as Keras calls it.
    """
    channels, height, width = input_shape
    blocks: dict[str, list[nn.Module]] = {
        "conv1": _block(channels, 32, padding),
        "conv2": _block(32, 64, padding),
        "conv3": _block(64, 32, padding),
        "flatten": [nn.Flatten()],
        "dense": [nn.Linear(_pooled(height, padding) * _pooled(width, padding) * 32, dense), nn.ReLU()],
        "dropout": [nn.Dropout(0.25), nn.Dropout(0.5)],
        "output": [nn.Linear(dense, n_classes)],
    }
    network = nn.Sequential(OrderedDict((name, nn.Sequential(*layers)) for name, layers in blocks.items()))
    initialise_as_keras(network)
    return network


def _block(inputs: int, filters: int, padding: str) -> list[nn.Module]:
    # The pooling before the ReLU gives the same values for a ninth of the work and memory.
    return [
        nn.Conv2d(inputs, filters, 5, padding=2 if padding == "same" else 0),
        nn.MaxPool2d(5, stride=3),
        nn.ReLU(inplace=True),
    ]


def _pooled(size: int, padding: str) -> int:
    """Return what three blocks leave of `size` pixels."""
    for _ in range(3):
        size = (size - (4 if padding == "valid" else 0) - 5) // 3 + 1
    return size
