"""Residual networks on images (He et al. 2016): torchvision's, the last layer replaced as in DeepEMO's Algorithm 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflow.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

DEPTHS = (18, 34, 50)


def build(n_classes: int, *, depth: int) -> nn.Module:
    """Return torchvision's ResNet of `depth` layers for images of shape (batch, 3, height, width).

    Raises
    ------
    ConfigError
        If torchvision has no such depth.
    """
    from torchvision.models import resnet

    if depth not in DEPTHS:
        raise ConfigError("model.depth", f"{depth!r} is not allowed", f"Allowed: {', '.join(map(str, DEPTHS))}.")
    return getattr(resnet, f"resnet{depth}")(weights=None, num_classes=n_classes)
