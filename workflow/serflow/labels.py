"""The closed vocabulary of emotions that every corpus is mapped to and every label set is drawn from."""

from __future__ import annotations

from collections.abc import Sequence

from serflow.errors import ConfigError

#: Order is that of RAVDESS's codes 01-08, then what only EMO-DB has, then what only IEMOCAP has.
EMOTIONS = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
    "bored",
    "excited",
    "frustrated",
    "other",
    "undecided",
)

#: What says that a recording has no emotion of the vocabulary, or none for sure.
NO_EMOTIONS = ("other", "undecided")


def check_labels(labels: Sequence[str], where: object) -> tuple[str, ...]:
    """Return `labels` as a label set, in their order.

    Raises
    ------
    ConfigError
        If a label is not in `EMOTIONS`, stands twice, or fewer than two are given.
    """
    unknown = [label for label in labels if label not in EMOTIONS]
    if unknown:
        raise ConfigError(where, f"unknown emotion {unknown[0]!r}", f"Allowed: {', '.join(EMOTIONS)}.")
    if len(set(labels)) < max(2, len(labels)):
        raise ConfigError(where, f"label set {list(labels)} needs two or more different emotions", "Correct the list.")
    return tuple(labels)
