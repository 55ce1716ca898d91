"""Whole utterances as images of one size."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from serflow.training.dataset import Dataset, Inputs
from serflow.training.palette import paint
from serflow.types import Count, Negative, Positive

#: Mean and standard deviation of ImageNet's red, green and blue (0 to 1), which torchvision's weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def image(
    data: Dataset,
    *,
    height: Count,
    width: Count,
    floor_db: Negative,
    channels: Literal[1, 3] = 3,
    colours: Literal["grey", "magma"] = "grey",
    mel_axis: Positive | None = None,
    normalise: Literal["imagenet", "none"] = "imagenet",
) -> Inputs:
    """Return whole utterances as images: frequency upwards, time rightwards.

    The spectrogram, in dB from `floor_db` to 0, is mapped to 0-1 and resized (bilinear, antialiased) to `height` by
    `width` pixels whatever its duration, as a plotted and saved picture would be.

    Parameters
    ----------
    height, width
        In pixels.
    floor_db
        The recipe's floor in dB, which becomes 0.
    channels
        1, or 3: of grey pictures three equal ones.
    colours
        grey, or matplotlib's magma, in which librosa.display.specshow draws values of one sign; it needs 3 channels.
    mel_axis
        Upper edge of mel bands from 0 Hz, in Hz, above 1000: they are drawn on librosa.display.specshow's mel axis; by
        default all have the same height.
    normalise
        imagenet: by the mean and deviation of ImageNet's three channels; none: 0-1 as it is, which 1 channel needs.

    Returns
    -------
    Inputs
        Items of shape (1, height, width) in 0-1, in colours (3, height, width); the network receives
        (channels, height, width).
    """
    if colours == "grey":
        images = torch.empty(len(data.labels), 1, height, width)
    else:  # half precision is finer than the 256 steps of a saved picture
        images = torch.empty(len(data.labels), 3, height, width, dtype=torch.float16)
    n_bands = data.frames.shape[1]
    bands = np.arange(n_bands) if mel_axis is None else draw_mel_axis(n_bands, mel_axis)
    for n in range(len(images)):
        picture = torch.from_numpy(data.item(n).T[bands[::-1]].astype(np.float32))[None, None]
        picture = 1 - picture / floor_db
        if colours != "grey":
            picture = paint(picture[0, 0])[None]
        images[n] = F.interpolate(picture, (height, width), mode="bilinear", antialias=True, align_corners=False)[0]

    def finish(batch: torch.Tensor) -> torch.Tensor:
        if normalise == "imagenet":
            mean = torch.tensor(IMAGENET_MEAN, device=batch.device).view(1, 3, 1, 1)
            std = torch.tensor(IMAGENET_STD, device=batch.device).view(1, 3, 1, 1)
            batch = (batch - mean) / std
        return batch.expand(-1, channels, -1, -1).contiguous(memory_format=torch.channels_last)

    return Inputs(images.numpy(), (channels, height, width), finish)


def draw_mel_axis(n_bands: int, fmax: float) -> np.ndarray:
    """Return the band of each row of a picture, from below, shape (4 * n_bands,), as librosa.display.specshow draws it.

    Its axis is linear up to 1 kHz and logarithmic above, as Slaney's mel scale is, but what lies below 1 kHz takes the
    height of two octaves.

    Parameters
    ----------
    n_bands
        Number of mel bands from 0 Hz to `fmax`.
    fmax
        In Hz, above 1000.
    """
    above = math.log(fmax / 1000)
    low_height = 2 / (2 + above / math.log(2))
    low_bands = 15 / (15 + 27 * above / math.log(6.4))  # Slaney: 15 mels to 1 kHz, then 27 for each factor of 6.4
    heights = (np.arange(4 * n_bands) + 0.5) / (4 * n_bands)
    return (np.interp(heights, [0, low_height, 1], [0, low_bands, 1]) * n_bands).astype(int)
