"""Segments as pictures that are cut from the frames batch by batch (Satt et al., Section 3.1)."""

from __future__ import annotations

import numpy as np

from serflow.errors import ConfigError
from serflow.training.dataset import Dataset, Inputs
from serflow.types import Count


def patch(data: Dataset, *, frames: Count) -> Inputs:
    """Return items as pictures of one channel and `frames` frames, filled with zeros at the end.

    No picture is kept: each batch is cut from the run's frames on the device.

    Parameters
    ----------
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
