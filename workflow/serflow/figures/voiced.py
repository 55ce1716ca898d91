"""Which utterance figures of harmonic spectrograms show: one with enough voice to track its pitch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from serflow.errors import CorpusError
from serflow.features.recipes import Recipe
from serflow.features.segments import count_segments, cut
from serflow.features.transforms.harmonic import pitch
from serflow.items import Row

#: An utterance is shown whose first part holds an unbroken voiced run of at least this many seconds.
VOICED_SECONDS = 0.2


@dataclass(frozen=True)
class Speech:
    """An utterance to show: its manifest row, and its signal at the recipe's sampling rate, shape (n_samples,)."""

    row: Row
    signal: np.ndarray

    @property
    def told(self) -> str:
        """Which utterance it is, in words."""
        return (
            f"utterance {self.row['utterance']} of {self.row['corpus']}, the first by name with {VOICED_SECONDS:g} s of"
            " unbroken voice in its first part; the paper names none"
        )


def choose_speech(recordings: Iterable[tuple[Row, np.ndarray]], recipe: Recipe) -> Speech:
    """Return the first recording whose first part has a voiced run of at least `VOICED_SECONDS`.

    ``recordings``: manifest rows and signals in the order to try them in, at the sampling rate of a recipe of the
    transform ``harmonic``.

    Raises
    ------
    CorpusError
        If there is none.
    """
    for row, signal in recordings:
        start, stop = longest_run(apply(pitch, first_part(signal, recipe), recipe) > 0)
        if (stop - start) * recipe["hop_length"] >= VOICED_SECONDS * recipe["sample_rate"]:
            return Speech(row, signal)
    fault = f"no utterance has a voiced run of {VOICED_SECONDS:g} s in its first part"
    raise CorpusError("manifest", fault, "Widen the recipe's pitch_floor and pitch_ceiling, or leave this figure out.")


def first_part(signal: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Return the first of the parts that a signal, shape (n_samples,), is cut into before the recipe's transform."""
    seconds = recipe.get("segment_seconds", math.inf)
    return cut(signal, count_segments(len(signal), recipe["sample_rate"], seconds))[0]


def longest_run(voiced: np.ndarray) -> tuple[int, int]:
    """Return first and last (exclusive) frame of the first longest unbroken run of True; (0, 0) if there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], voiced, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest])


def apply(function: Callable[..., np.ndarray], signal: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Return what a function makes of a signal (or spectrum) with those of a recipe's values that it takes."""
    return function(signal, **{key: recipe[key] for key in inspect.signature(function).parameters if key in recipe})
