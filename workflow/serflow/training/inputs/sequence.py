"""Utterances as sequences of one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from serflow.io.log import say
from serflow.training import dataset
from serflow.training.dataset import Dataset, Inputs, Scope
from serflow.types import Count


def sequence(
    data: Dataset,
    statistics: Mapping[str, list[float]] | None = None,
    /,
    *,
    frames: Count,
    standardise: bool = False,
    scope: Literal["train", "utterance", "speaker", "corpus"] = "train",
) -> Inputs:
    """Return utterances as sequences: longer ones are cropped at the end, shorter ones filled with zeros.

    No sequence is kept: each batch is cut from the run's frames on the device.

    Parameters
    ----------
    statistics
        ``mean`` and ``scale`` of each bin to standardise with; None: those of the training part.
    frames
        Number of frames.
    standardise
        Bring each bin to mean 0 and deviation 1 over the frames of the training part (whole utterances, before cropping
        and filling); the zeros that fill are then the mean. Without it zero is whatever the recipe makes of it: for
        decibels below the maximum it would be the loudest value.
    scope
        What mean and deviation are taken of instead of the training part: each utterance, all recordings of its speaker
        (an adaptation to test speakers), or the whole corpus (a leak: it reads the test part).

    Returns
    -------
    Inputs
        The network receives (frames, bins).
    """
    if standardise and scope != "train":
        data, statistics = _standardise_within(data, scope), None
    elif standardise and statistics is None:
        statistics = _training_statistics(data)
    values = data.frames
    if statistics:
        mean, scale = (np.asarray(statistics[key], np.float32) for key in ("mean", "scale"))
        values = (values - mean) / scale
    if data.parts:  # in training: new recordings come in many small batches
        cropped = int((np.diff(data.offsets) > frames).sum())
        say(f"sequences of {frames} frames: {cropped} of {len(data.labels)} items cropped at the end")
    return Inputs(values, (frames, values.shape[1]), statistics=statistics, offsets=data.offsets)


def _standardise_within(data: Dataset, scope: Scope) -> Dataset:
    """Return the data with all frames standardised within each utterance, speaker or corpus."""
    frames = dataset.standardise(data.frames, np.repeat(data.groups(scope), np.diff(data.offsets)))
    return replace(data, frames=frames)


def _training_statistics(data: Dataset) -> dict[str, list[float]]:
    """Return mean and standard deviation of each bin over all frames of the training part (a constant bin: scale 1)."""
    items = [data.item(n) for n in data.parts["train"]]
    count = sum(map(len, items))
    mean = sum(item.sum(axis=0, dtype=np.float64) for item in items) / count
    scale = np.sqrt(sum(((item - mean) ** 2).sum(axis=0) for item in items) / count)
    return {"mean": mean.tolist(), "scale": np.where(scale > 0, scale, 1.0).tolist()}
