"""Augmentation of the training part's batches, on the device, each item with its own random draw.

Draws come from torch's global generator on the CPU, so that a seed gives the same ones on every device. Pictures are
(batch, channels, height, width) with values from 0 to 1. Whatever the order of the options, geometry comes first, all
of it in one bilinear resampling about the picture's centre (beyond the border its last values go on, as in Keras), then
brightness, then mixup.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serflow.errors import ConfigError

if TYPE_CHECKING:
    import torch

    #: From items (B, ...) and labels (B,) to items and targets: labels (B,) or, after mixup, weights (B, n_classes).
    Augment = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def make_augment(kinds: Sequence[Mapping[str, Any]], input_kind: str, n_classes: int) -> Augment:
    """Return the function that augments a batch.

    Parameters
    ----------
    kinds
        ``training.augment`` of a system: each with ``kind``, a key of `GEOMETRY`, ``brightness`` or ``mixup``; the
        rest: options of that function. A kind is applied to each item with ``probability``, where it has one.
    input_kind
        ``input.kind`` of the system: sequences can only be mixed.
    n_classes
        Number of classes.

    Raises
    ------
    ConfigError
        If a kind is unknown, comes twice, does not suit the input or has options that do not fit.
    """
    options: dict[str, dict[str, Any]] = {}
    for entry in kinds:
        rest = dict(entry)
        kind = rest.pop("kind", None)
        allowed = [*GEOMETRY, "brightness", "mixup"] if input_kind == "image" else ["mixup"]
        if kind not in allowed or kind in options:
            fault = f"kind {kind!r} is unknown, comes twice or does not suit input kind {input_kind}"
            raise ConfigError("training.augment", fault, f"Allowed, once each: {', '.join(allowed)}.")
        _check_options(kind, rest)
        options[kind] = rest
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


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    functions: dict[str, Callable[..., Any]] = {**GEOMETRY, "brightness": brightness, "mixup": mixup}
    keywords = {
        name: p for name, p in inspect.signature(functions[kind]).parameters.items() if p.kind is p.KEYWORD_ONLY
    }
    required = {name for name, parameter in keywords.items() if parameter.default is parameter.empty}
    for name in sorted((required - set(options)) | (set(options) - set(keywords))):
        fault = "is missing" if name in required else "is not an option"
        raise ConfigError("training.augment", f"{name!r} {fault} of {kind}", f"It takes: {', '.join(keywords)}.")


def draw_geometry(n: int, kinds: Mapping[str, Mapping[str, Any]]) -> torch.Tensor:
    """Return n random matrices, shape (n, 2, 2), that take places of the new picture to places of the old one.

    Places are (x, y) in pixels from the centre, x rightwards, y downwards. Of several kinds the first acts first.
    """
    import torch

    matrices = torch.eye(2).expand(n, 2, 2)
    for kind, options in kinds.items():
        rest = dict(options)
        acts = torch.rand(n, 1, 1) < rest.pop("probability", 1.0)
        matrices = matrices @ torch.where(acts, GEOMETRY[kind](n, **rest), torch.eye(2))
    return matrices


def resample(pictures: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Return pictures whose value at a place is the old one's at ``matrix @ place``; see `draw_geometry`.

    torchvision's v2 transforms would take one matrix for the whole batch.
    """
    import torch
    from torch.nn import functional as F

    height, width = pictures.shape[-2:]
    half = torch.tensor([width / 2, height / 2])  # affine_grid counts in half widths and half heights
    theta = F.pad(matrices * half / half[:, None], (0, 1)).to(pictures)
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def flip(n: int, *, probability: float = 0.5) -> torch.Tensor:
    """Matrices that mirror left and right."""
    import torch

    return torch.diag(torch.tensor([-1.0, 1.0])).expand(n, 2, 2)


def zoom(n: int, *, low: float, high: float, per_axis: bool = False, probability: float = 1.0) -> torch.Tensor:
    """Matrices that enlarge by a factor from `low` to `high`, drawn anew for each axis if `per_axis` (as in Keras)."""
    import torch

    factors = torch.empty(n, 2).uniform_(low, high)
    return torch.diag_embed(1 / (factors if per_axis else factors[:, :1].expand(n, 2)))


def shear(n: int, *, degrees: float, probability: float = 1.0) -> torch.Tensor:
    """Matrices that slant the vertical by up to `degrees` to either side."""
    import torch

    matrices = torch.eye(2).repeat(n, 1, 1)
    matrices[:, 0, 1] = torch.empty(n).uniform_(-degrees, degrees).deg2rad().tan()
    return matrices


def rotate(n: int, *, degrees: float, probability: float = 1.0) -> torch.Tensor:
    """Matrices that rotate by up to `degrees` to either side."""
    import torch

    angles = torch.empty(n).uniform_(-degrees, degrees).deg2rad()
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)


def brightness(pictures: torch.Tensor, *, low: float, high: float, probability: float = 1.0) -> torch.Tensor:
    """Multiply each picture by a factor from `low` to `high` and clip it to 0-1 (torchvision's adjust_brightness)."""
    import torch

    n = len(pictures)
    acts = torch.rand(n) < probability
    factors = torch.where(acts, torch.empty(n).uniform_(low, high), 1.0).to(pictures)
    return (pictures * factors.view(n, 1, 1, 1)).clamp(0, 1)


def mixup(
    items: torch.Tensor, labels: torch.Tensor, n_classes: int, *, alpha: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix each item with another of its batch (Zhang et al. 2018): weight λ from Beta(`alpha`, `alpha`), one an item.

    As in fastai, λ is replaced by 1 - λ where that is larger, so that an item's own label weighs most.
    """
    import torch
    from torch.nn import functional as F

    n = len(items)
    drawn = torch.distributions.Beta(alpha, alpha).sample((n,))
    weight = torch.maximum(drawn, 1 - drawn).to(items)
    other = torch.randperm(n).to(items.device)
    own = weight.view(n, *[1] * (items.ndim - 1))
    targets = F.one_hot(labels, n_classes).to(items)
    mixed = own * items + (1 - own) * items[other]
    return mixed, weight[:, None] * targets + (1 - weight[:, None]) * targets[other]


GEOMETRY: dict[str, Callable[..., Any]] = {"flip": flip, "zoom": zoom, "shear": shear, "rotate": rotate}
