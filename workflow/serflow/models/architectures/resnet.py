"""Residual networks on images (He et al. 2016): torchvision's, the last layer replaced as in DeepEMO's Algorithm 1."""

from __future__ import annotations

from typing import Literal

from torchvision.models import resnet

INPUTS = "image"


def build(n_classes: int, *, depth: Literal[18, 34, 50]) -> resnet.ResNet:
    """Return torchvision's ResNet for images of shape (batch, 3, height, width).

    Parameters
    ----------
    n_classes
        Width of the last layer.
    depth
        Number of layers.
    """
    make = {18: resnet.resnet18, 34: resnet.resnet34, 50: resnet.resnet50}[depth]
    return make(weights=None, num_classes=n_classes)
