"""From cached frames to the tensors a network takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.errors import ConfigError

if TYPE_CHECKING:
    import torch

#: Mean and standard deviation of ImageNet's red, green and blue (0 to 1), which torchvision's weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Dataset:
    """The utterances of one run.

    ``frames`` (T, bins), ``offsets`` (N + 1,): item n is ``frames[offsets[n]:offsets[n + 1]]``; ``labels`` (N,) int64,
    index into the label set; ``parts``: part name -> item indices; ``utterances`` (N,): their ids.
    """

    frames: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    parts: Mapping[str, np.ndarray]
    utterances: Sequence[str]

    def item(self, n: int) -> np.ndarray:
        """Return the frames of item `n`, shape (n_frames, bins)."""
        return self.frames[self.offsets[n] : self.offsets[n + 1]]


def prepare(
    input_options: Mapping[str, Any], data: Dataset
) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    """Return all items as one tensor kept in memory, and the function that finishes a batch of it on the device.

    Parameters
    ----------
    input_options
        ``kind``: a key of `KINDS`; the rest: options of that function.
    data
        The run's utterances.

    Raises
    ------
    ConfigError
        If the kind is unknown or its options do not fit.
    """
    options = dict(input_options)
    kind = options.pop("kind", None)
    if kind not in KINDS:
        raise ConfigError("input.kind", f"unknown kind {kind!r}", f"Allowed: {', '.join(KINDS)}.")
    return KINDS[kind](data, **options)


def image(
    data: Dataset, *, height: int, width: int, floor_db: float
) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    """Whole utterances as images: frequency upwards, time rightwards, three equal channels, ImageNet's normalisation.

    The spectrogram, in dB from `floor_db` to 0, is mapped to 0-1 and resized (bilinear, antialiased) to `height` by
    `width` pixels whatever its duration, as a plotted and saved picture would be.

    Returns
    -------
    tuple
        Tensor of shape (N, 1, height, width), float32, and a function from a batch of it to (B, 3, height, width).
    """
    import torch
    from torch.nn import functional as F

    images = torch.empty(len(data.labels), 1, height, width)
    for n in range(len(images)):
        picture = torch.from_numpy(np.ascontiguousarray(data.item(n).T[::-1], dtype=np.float32))[None, None]
        picture = 1 - picture / floor_db
        images[n] = F.interpolate(picture, (height, width), mode="bilinear", antialias=True, align_corners=False)[0]

    def finish(batch: torch.Tensor) -> torch.Tensor:
        mean = torch.tensor(IMAGENET_MEAN, device=batch.device).view(1, 3, 1, 1)
        std = torch.tensor(IMAGENET_STD, device=batch.device).view(1, 3, 1, 1)
        return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)

    return images, finish


KINDS = {"image": image}
