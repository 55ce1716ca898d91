"""Residual networks on images (He et al. 2016): torchvision's, with its own last layer or the head of fastai."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torchvision.models import resnet

INPUTS = "image"


class ConcatPool(nn.Module):
    """Means and maxima of each channel."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """From (batch, channels, height, width) to (batch, 2 * channels)."""
        # Not adaptive_max_pool2d, which is not deterministic on CUDA.
        return torch.cat([maps.mean((-2, -1)), maps.amax((-2, -1))], 1)


def build(n_classes: int, *, depth: Literal[18, 34, 50], head: Literal["linear", "fastai"] = "linear") -> resnet.ResNet:
    """Return torchvision's ResNet for images of shape (batch, 3, height, width).

    Parameters
    ----------
    n_classes
        Width of the last layer.
    depth
        Number of layers.
    head
        What follows the convolutions. linear: mean pooling and one layer, as in DeepEMO's Algorithm 1; fastai: mean and
        maximum pooling and two layers, as in fastai's cnn_learner.
    """
    make = {18: resnet.resnet18, 34: resnet.resnet34, 50: resnet.resnet50}[depth]
    network = make(weights=None, num_classes=n_classes)
    if head == "fastai":
        network.avgpool, network.fc = ConcatPool(), make_head(2 * network.fc.in_features, n_classes)
    return network


def make_head(n_features: int, n_classes: int) -> nn.Sequential:
    """Return the head of fastai's cnn_learner: two linear layers without bias, drawn as in He et al. (2015)."""
    layers: tuple[nn.Module, ...] = (
        *(nn.BatchNorm1d(n_features), nn.Dropout(0.25), nn.Linear(n_features, 512, bias=False), nn.ReLU()),
        *(nn.BatchNorm1d(512), nn.Dropout(0.5), nn.Linear(512, n_classes, bias=False)),
    )
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
    return nn.Sequential(*layers)
