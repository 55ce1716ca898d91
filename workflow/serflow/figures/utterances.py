"""Which recordings a figure shows, chosen by rule and not by how well they were recognised, and their frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from serflow.errors import CorpusError, RunError
from serflow.features.audio import read_signal
from serflow.features.recipes import Recipe
from serflow.features.store import open_store
from serflow.items import Row
from serflow.runs import RunRecord


def choose_utterance(rows: Sequence[Row], wanted: str | None) -> tuple[int, str]:
    """Return the row of the utterance to show, and which one it is in words: the wanted one, else the first by name."""
    names = [row["utterance"] for row in rows]
    if wanted in names:
        return names.index(wanted), f"utterance {wanted}, the paper's own"
    first = min(names)
    reason = f"the paper's, {wanted}, is not in this corpus" if wanted else "the paper names none"
    return names.index(first), f"utterance {first}, the first by name ({reason})"


def choose_speaker(rows: Sequence[Row], emotions: Sequence[str]) -> list[Row]:
    """Return one row per emotion, all of the first speaker by name who has them all: the first utterance of each.

    Raises
    ------
    CorpusError
        If no speaker has them all.
    """
    first: dict[tuple[str, str], dict[str, Row]] = {}
    for row in sorted(rows, key=lambda row: row["utterance"]):
        first.setdefault((row["corpus"], row["speaker"]), {}).setdefault(row["emotion"], row)
    for _, found in sorted(first.items()):
        if all(emotion in found for emotion in emotions):
            return [found[emotion] for emotion in emotions]
    fault = f"no speaker has utterances of {' and '.join(emotions)}"
    raise CorpusError("manifest", fault, "Complete the corpus (`serflow verify`), or leave this figure out.")


def choose_tested(run: RunRecord, rows: Sequence[Row], emotion: str) -> tuple[int, int]:
    """Return the first utterance by name of an emotion in a run's test part: which prediction, and which manifest row.

    ``rows``: of the manifest of a corpus of the run.

    Raises
    ------
    RunError
        If the test part has none of that emotion.
    """
    known = {(row["corpus"], row["utterance"]): number for number, row in enumerate(rows)}
    tested = np.flatnonzero((run.parts == "test") & (np.array(run.labels)[run.truth] == emotion))
    items = [(run.item(n), n) for n in tested.tolist()]
    found = [(item.utterance, n, item.corpus) for item, n in items if not item.copy and item[:2] in known]
    if not found:
        fault = f"the test part has no utterance that is {emotion}"
        raise RunError(run.path / "predictions.csv", fault, "Ask for an emotion that the corpus has.")
    utterance, n, corpus = min(found)
    return n, known[corpus, utterance]


def read_frames(store: Path, recipe: Recipe, rows: Sequence[Row], row: int, segment: int | None = None) -> np.ndarray:
    """Return the frames ``(n_frames, n_bins)`` of the utterance of a row, or of one of its segments, from a Zarr store.

    ``recipe`` and ``rows``: the store's own, and those of its manifest.
    """
    features = open_store(store, recipe, rows)
    wanted = (features.utterance == row) & (features.copy == 0)
    return features.read(np.flatnonzero(wanted if segment is None else wanted & (features.segment == segment)))


def read_recordings(
    rows: Sequence[Row], trees: Mapping[str, Path], sample_rate: int
) -> Iterator[tuple[Row, np.ndarray]]:
    """Yield each row and its signal ``(n_samples,)`` by the utterances' names; `trees`: the tree of each corpus."""
    for row in sorted(rows, key=lambda row: row["utterance"]):
        yield row, read_signal(trees[row["corpus"]] / row["path"], sample_rate)
