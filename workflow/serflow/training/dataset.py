"""The items of one run, and the form in which its system takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from serflow.errors import ConfigError
from serflow.kinds import split_kind
from serflow.training.options import INPUTS

if TYPE_CHECKING:
    import torch


#: Where mean and deviation are taken from instead of the training part: from each utterance itself, from all recordings
#: of its speaker (an adaptation, since those of test speakers are used, without labels), or from the whole corpus (a
#: leak, since the test part is read).
Scope = Literal["utterance", "speaker", "corpus"]


@dataclass(frozen=True)
class Dataset:
    """The N items of one run: U utterances or augmented copies of them, or the segments that these were cut into.

    ``frames`` (T, bins), in the dtype in which the cache stores them, ``offsets`` (N + 1,): item n is
    ``frames[offsets[n]:offsets[n + 1]]``; ``labels`` (N,) int64, index into the run's labels, -1 for items of the part
    ``other``; ``parts``: part name -> item indices; ``utterances`` (U,): their ids; ``owner`` (N,) int64: which of them
    an item is of; ``emotions`` (U,): their emotions; ``speakers`` (U,): ``corpus/speaker``, empty where nobody knows.
    """

    frames: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    parts: Mapping[str, np.ndarray]
    utterances: Sequence[str]
    owner: np.ndarray
    emotions: Sequence[str]
    speakers: Sequence[str] = ()

    def item(self, n: int) -> np.ndarray:
        """Return the frames of item `n`, shape (n_frames, bins)."""
        return self.frames[self.offsets[n] : self.offsets[n + 1]]

    def groups(self, scope: Scope) -> np.ndarray:
        """Return which group each item belongs to, (N,) int64: one group per utterance, speaker or corpus.

        Raises
        ------
        ConfigError
            If the speakers are not known.
        """
        if scope == "utterance":
            return self.owner
        if not self.speakers:
            remedy = "Take a system that standardises by its training part."
            raise ConfigError("input.scope", f"is {scope}, but these recordings come without speakers", remedy)
        names = [name if scope == "speaker" else name.partition("/")[0] for name in self.speakers]
        return np.unique(names, return_inverse=True)[1][self.owner]

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

    ``items`` (N, ...) float32 or float16, or where there are ``offsets`` (N + 1,) the run's frames (T, bins), from
    which batches are cut one by one (see `serflow.training.batches`): sequences (frames, bins) or pictures (1, bins,
    frames); ``shape``: of one item as the network receives it; ``finish``: from a batch of items to a batch for the
    network; ``statistics``: the training part's, with which the items were standardised, if they were.
    """

    items: np.ndarray
    shape: tuple[int, ...]
    finish: Callable[[torch.Tensor], torch.Tensor] = _unchanged
    statistics: Mapping[str, list[float]] | None = None
    offsets: np.ndarray | None = None


def standardise(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return values (n, bins) brought to mean 0 and deviation 1 within each group (n,) of rows; float32.

    A bin that is constant within a group becomes 0.
    """
    result = np.empty(values.shape, dtype=np.float32)
    order = np.argsort(groups, kind="stable")  # a group's rows stay in their order, so that sums are the same
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        own = values[rows].astype(np.float64)
        scale = own.std(axis=0)
        result[rows] = (own - own.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    return result


def prepare(
    input_options: Mapping[str, Any], data: Dataset, statistics: Mapping[str, list[float]] | None = None
) -> Inputs:
    """Return a run's items in the form that its system takes.

    Parameters
    ----------
    input_options
        ``kind``: one of `INPUTS`; the rest: its options.
    data
        The run's items.
    statistics
        Those of an earlier run's training part, as `run.json` keeps them: taken instead of this data's own.

    Raises
    ------
    ConfigError
        If there is no such kind, or the items do not suit it.
    """
    kind, options = split_kind(input_options)
    given = (data,) if statistics is None else (data, statistics)
    inputs: Inputs = INPUTS.load(kind)(*given, **options)
    return inputs
