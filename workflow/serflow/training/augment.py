"""Augmentation of the training part's batches, on the device, each item with its own random draw.

Each kind is a function of its name. Draws come from torch's global generator on the CPU, so that a seed gives the same
ones on every device. Pictures are (batch, channels, height, width) with values from 0 to 1. Whatever the order of the
options, geometry comes first, all of it in one bilinear resampling about the picture's centre (beyond the border its
last values go on, as in Keras), then brightness, then mixup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from serflow.kinds import split_kind
from serflow.types import NotNegative, Positive, Share

#: From items (B, ...) and labels (B,) to items and targets: labels (B,) or, after mixup, weights (B, n_classes).
Augment = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def make_augment(entries: Sequence[Mapping[str, Any]], n_classes: int) -> Augment:
    """Return the function that augments a batch.

    Parameters
    ----------
    entries
        ``training.augment`` of a system: each with ``kind`` and its options, each kind once (see
        `serflow.training.options`).
    n_classes
        Number of classes.
    """
    options = dict(map(split_kind, entries))
    geometry = {kind: rest for kind, rest in options.items() if kind in GEOMETRY}

    def augment(items: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if geometry:
            items = resample(items, draw_geometry(len(items), geometry))
        if "brightness" in options:
            items = brightness(items, **options["brightness"])
        if "mixup" in options:
            return mixup(items, labels, n_classes, **options["mixup"])
        return items, labels

    return augment


def draw_geometry(n: int, kinds: Mapping[str, Mapping[str, Any]]) -> torch.Tensor:
    """Return n random matrices, shape (n, 2, 2), that take places of the new picture to places of the old one.

    Places are (x, y) in pixels from the centre, x rightwards, y downwards. Of several kinds the first acts first.
    """
    matrices = torch.eye(2).expand(n, 2, 2)
    for kind, options in kinds.items():
        matrices = matrices @ GEOMETRY[kind](n, **options)
    return matrices


def resample(pictures: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Return pictures whose value at a place is the old one's at ``matrix @ place``; see `draw_geometry`.

    torchvision's v2 transforms would take one matrix for the whole batch.
    """
    height, width = pictures.shape[-2:]
    half = torch.tensor([width / 2, height / 2])  # affine_grid counts in half widths and half heights
    theta = F.pad(matrices * half / half[:, None], (0, 1)).to(pictures)
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _draw_acting(n: int, probability: float) -> torch.Tensor:
    """Return for each of n pictures whether it is changed, shape (n, 1, 1)."""
    return torch.rand(n, 1, 1) < probability


def flip(n: int, *, probability: Share = 0.5) -> torch.Tensor:
    """Return n matrices (see `draw_geometry`) that mirror left and right.

    Parameters
    ----------
    probability
        Of each picture to be changed.
    """
    return torch.where(_draw_acting(n, probability), torch.diag(torch.tensor([-1.0, 1.0])), torch.eye(2))


def zoom(n: int, *, low: Positive, high: Positive, per_axis: bool = False, probability: Share = 1.0) -> torch.Tensor:
    """Return n matrices (see `draw_geometry`) that enlarge by a random factor.

    Parameters
    ----------
    low, high
        Range of the factor.
    per_axis
        Whether it is drawn anew for each axis, as in Keras.
    probability
        Of each picture to be changed.
    """
    acts, factors = _draw_acting(n, probability), torch.empty(n, 2).uniform_(low, high)
    matrices = torch.diag_embed(1 / (factors if per_axis else factors[:, :1].expand(n, 2)))
    return torch.where(acts, matrices, torch.eye(2))


def shear(n: int, *, degrees: NotNegative, probability: Share = 1.0) -> torch.Tensor:
    """Return n matrices (see `draw_geometry`) that slant the vertical.

    Parameters
    ----------
    degrees
        Largest angle, to either side.
    probability
        Of each picture to be changed.
    """
    acts, matrices = _draw_acting(n, probability), torch.eye(2).repeat(n, 1, 1)
    matrices[:, 0, 1] = torch.empty(n).uniform_(-degrees, degrees).deg2rad().tan()
    return torch.where(acts, matrices, torch.eye(2))


def rotate(n: int, *, degrees: NotNegative, probability: Share = 1.0) -> torch.Tensor:
    """Return n matrices (see `draw_geometry`) that rotate.

    Parameters
    ----------
    degrees
        Largest angle, to either side.
    probability
        Of each picture to be changed.
    """
    acts, angles = _draw_acting(n, probability), torch.empty(n).uniform_(-degrees, degrees).deg2rad()
    cos, sin = angles.cos(), angles.sin()
    matrices = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
    return torch.where(acts, matrices, torch.eye(2))


def brightness(pictures: torch.Tensor, *, low: Positive, high: Positive, probability: Share = 1.0) -> torch.Tensor:
    """Multiply each picture by a random factor and clip it to 0-1 (torchvision's adjust_brightness).

    Parameters
    ----------
    pictures
        Shape (n, channels, height, width).
    low, high
        Range of the factor.
    probability
        Of each picture to be changed.
    """
    n = len(pictures)
    acts = torch.rand(n) < probability
    factors = torch.where(acts, torch.empty(n).uniform_(low, high), 1.0).to(pictures)
    return (pictures * factors.view(n, 1, 1, 1)).clamp(0, 1)


def mixup(
    items: torch.Tensor, labels: torch.Tensor, n_classes: int, *, alpha: Positive
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix each item with another of its batch (Zhang et al. 2018), with a weight λ for each item.

    As in fastai, λ is replaced by 1 - λ where that is larger, so that an item's own label weighs most.

    Parameters
    ----------
    items, labels
        Shapes (n, ...) and (n,).
    n_classes
        Number of classes.
    alpha
        λ is drawn from Beta(alpha, alpha).
    """
    n = len(items)
    drawn = torch.distributions.Beta(alpha, alpha).sample((n,))
    weight = torch.maximum(drawn, 1 - drawn).to(items)
    other = torch.randperm(n).to(items.device)
    own = weight.view(n, *[1] * (items.ndim - 1))
    targets = F.one_hot(labels, n_classes).to(items)
    mixed = own * items + (1 - own) * items[other]
    return mixed, weight[:, None] * targets + (1 - weight[:, None]) * targets[other]


GEOMETRY: dict[str, Callable[..., torch.Tensor]] = {"flip": flip, "zoom": zoom, "shear": shear, "rotate": rotate}
