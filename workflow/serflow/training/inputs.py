"""From cached frames to the arrays a system takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.errors import ConfigError
from serflow.io.log import say

if TYPE_CHECKING:
    import torch

#: Mean and standard deviation of ImageNet's red, green and blue (0 to 1), which torchvision's weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Dataset:
    """The N items of one run: U utterances or augmented copies of them, or the segments that these were cut into.

    ``frames`` (T, bins), in the dtype in which the cache stores them, ``offsets`` (N + 1,): item n is
    ``frames[offsets[n]:offsets[n + 1]]``; ``labels`` (N,) int64, index into the run's labels, -1 for items of the part
    ``other``; ``parts``: part name -> item indices; ``utterances`` (U,): their ids; ``owner`` (N,) int64: which of them
    an item is of; ``emotions`` (U,): their emotions.
    """

    frames: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    parts: Mapping[str, np.ndarray]
    utterances: Sequence[str]
    owner: np.ndarray
    emotions: Sequence[str]

    def item(self, n: int) -> np.ndarray:
        """Return the frames of item `n`, shape (n_frames, bins)."""
        return self.frames[self.offsets[n] : self.offsets[n + 1]]

    def average(self, posteriors: np.ndarray) -> np.ndarray:
        """Return the mean over each utterance's items: from posteriors (N, C) to (U, C)."""
        sums = np.zeros((len(self.utterances), posteriors.shape[1]))
        np.add.at(sums, self.owner, posteriors)
        return sums / np.bincount(self.owner)[:, None]


def _unchanged(batch: torch.Tensor) -> torch.Tensor:
    return batch


@dataclass(frozen=True)
class Inputs:
    """All items of a run as one array, and what is left to do with each batch of them on the device.

    ``items`` (N, ...) float32, or where there are ``offsets`` (N + 1,) the run's frames as they are, of which batches
    are made one by one; ``shape``: of one item as the network receives it; ``finish``: from a batch of items to a batch
    for the network; ``statistics``: the training part's, with which the items were standardised, if they were.
    """

    items: np.ndarray
    shape: tuple[int, ...]
    finish: Callable[[torch.Tensor], torch.Tensor] = _unchanged
    statistics: Mapping[str, list[float]] | None = None
    offsets: np.ndarray | None = None

    def picker(self, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        """Put all items on a device; return the function from indices there to a batch of items, float32."""
        import torch

        items = torch.from_numpy(self.items).to(device)
        if self.offsets is None:
            return lambda index: items[index]
        offsets = torch.from_numpy(self.offsets).to(device)
        return lambda index: _patches(items, offsets, index, self.shape[-1])


def _patches(frames: torch.Tensor, offsets: torch.Tensor, index: torch.Tensor, length: int) -> torch.Tensor:
    """Return the items `index` of flat frames (T, bins) as pictures (B, 1, bins, length), filled with zeros."""
    import torch

    rows = offsets[index, None] + torch.arange(length, device=index.device)
    beyond = rows >= offsets[index + 1, None]
    pictures = frames[rows.clamp(max=len(frames) - 1)].float().masked_fill_(beyond[..., None], 0.0)
    return pictures.transpose(1, 2)[:, None].contiguous()


def prepare(
    input_options: Mapping[str, Any], data: Dataset, statistics: Mapping[str, list[float]] | None = None
) -> Inputs:
    """Return a run's items in the form that its system takes.

    Parameters
    ----------
    input_options
        ``kind``: a key of `KINDS`; the rest: options of that function.
    data
        The run's items.
    statistics
        Those of an earlier run's training part, as `run.json` keeps them: taken instead of this data's own.

    Raises
    ------
    ConfigError
        If the kind is unknown or its options do not fit.
    """
    options = dict(input_options)
    kind = options.pop("kind", None)
    if kind not in KINDS:
        raise ConfigError("input.kind", f"unknown kind {kind!r}", f"Allowed: {', '.join(KINDS)}.")
    given = (data,) if statistics is None else (data, statistics)
    signature = inspect.signature(KINDS[kind])
    try:
        signature.bind(*given, **options)
    except TypeError as error:
        allowed = ", ".join(sorted(name for name, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY))
        raise ConfigError("input", f"{error} for kind {kind}", f"It takes: {allowed or 'nothing'}.") from error
    return KINDS[kind](*given, **options)


def image(
    data: Dataset, *, height: int, width: int, floor_db: float, channels: int = 3, normalise: str = "imagenet"
) -> Inputs:
    """Whole utterances as images: frequency upwards, time rightwards.

    The spectrogram, in dB from `floor_db` to 0, is mapped to 0-1 and resized (bilinear, antialiased) to `height` by
    `width` pixels whatever its duration, as a plotted and saved picture would be.

    Parameters
    ----------
    data
        The run's items.
    height, width
        In pixels.
    floor_db
        The recipe's floor in dB, which becomes 0.
    channels
        1, or 3 equal ones.
    normalise
        ``imagenet``: by the mean and deviation of ImageNet's three channels; ``none``: 0-1 as it is.

    Returns
    -------
    Inputs
        Items of shape (1, height, width) in 0-1; the network receives (channels, height, width).
    """
    import torch
    from torch.nn import functional as F

    if channels not in (1, 3) or normalise not in ("imagenet", "none") or (channels == 1 and normalise != "none"):
        fault = f"{channels} channels with normalise: {normalise}"
        raise ConfigError("input", fault, "Allowed: 3 channels with imagenet or none, 1 channel with none.")
    images = torch.empty(len(data.labels), 1, height, width)
    for n in range(len(images)):
        picture = torch.from_numpy(np.ascontiguousarray(data.item(n).T[::-1], dtype=np.float32))[None, None]
        picture = 1 - picture / floor_db
        images[n] = F.interpolate(picture, (height, width), mode="bilinear", antialias=True, align_corners=False)[0]

    def finish(batch: torch.Tensor) -> torch.Tensor:
        if normalise == "imagenet":
            mean = torch.tensor(IMAGENET_MEAN, device=batch.device).view(1, 3, 1, 1)
            std = torch.tensor(IMAGENET_STD, device=batch.device).view(1, 3, 1, 1)
            batch = (batch - mean) / std
        return batch.expand(-1, channels, -1, -1).contiguous(memory_format=torch.channels_last)

    return Inputs(images.numpy(), (channels, height, width), finish)


def sequence(
    data: Dataset,
    statistics: Mapping[str, list[float]] | None = None,
    /,
    *,
    frames: int,
    standardise: bool = False,
) -> Inputs:
    """Utterances as sequences of `frames` frames: longer ones are cropped at the end, shorter ones filled with zeros.

    Parameters
    ----------
    data
        The run's items.
    statistics
        ``mean`` and ``scale`` of each bin to standardise with; None: those of the training part.
    frames
        Number of frames.
    standardise
        Bring each bin to mean 0 and deviation 1 over the frames of the training part (whole utterances, before cropping
        and filling); the zeros that fill are then the mean. Without it zero is whatever the recipe makes of it: for
        decibels below the maximum it would be the loudest value.

    Returns
    -------
    Inputs
        Items of shape (frames, bins).
    """
    if standardise and statistics is None:
        statistics = _training_statistics(data)
    mean, scale = (np.asarray(statistics[key], np.float32) for key in ("mean", "scale")) if statistics else (0.0, 1.0)
    items = np.zeros((len(data.labels), frames, data.frames.shape[1]), dtype=np.float32)
    for n, item in enumerate(items):
        kept = data.item(n)[:frames]
        item[: len(kept)] = (kept - mean) / scale
    cropped = int((np.diff(data.offsets) > frames).sum())
    say(f"sequences of {frames} frames: {cropped} of {len(items)} items cropped at the end")
    return Inputs(items, items.shape[1:], statistics=statistics)


def vector(data: Dataset) -> Inputs:
    """Utterances as the mean of their frames over time: items of shape (bins,)."""
    means = [data.item(n).mean(axis=0, dtype=np.float64) for n in range(len(data.labels))]
    items = np.array(means, dtype=np.float32)
    return Inputs(items, items.shape[1:])


def patch(data: Dataset, *, frames: int) -> Inputs:
    """Items as pictures of one channel and `frames` frames, filled with zeros at the end (Satt et al., Section 3.1).

    No picture is kept: each batch is cut from the run's frames on the device.

    Parameters
    ----------
    data
        The run's items.
    frames
        Number of frames, which no item may exceed.

    Returns
    -------
    Inputs
        The network receives (1, bins, frames): row n is bin n, the lowest frequency first.

    Raises
    ------
    ConfigError
        If an item is longer.
    """
    longest = int(np.diff(data.offsets).max())
    if longest > frames:
        remedy = "Raise it, or cut utterances into shorter parts by `segment_seconds` of the recipe."
        raise ConfigError("input.frames", f"is {frames}, but an item has {longest} frames", remedy)
    return Inputs(data.frames, (1, data.frames.shape[1], frames), offsets=data.offsets)


def _training_statistics(data: Dataset) -> dict[str, list[float]]:
    """Return mean and standard deviation of each bin over all frames of the training part (a constant bin: scale 1)."""
    items = [data.item(n) for n in data.parts["train"]]
    count = sum(map(len, items))
    mean = sum(item.sum(axis=0, dtype=np.float64) for item in items) / count
    scale = np.sqrt(sum(((item - mean) ** 2).sum(axis=0) for item in items) / count)
    return {"mean": mean.tolist(), "scale": np.where(scale > 0, scale, 1.0).tolist()}


KINDS: dict[str, Callable[..., Inputs]] = {"image": image, "patch": patch, "sequence": sequence, "vector": vector}
