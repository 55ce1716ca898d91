"""Pools runs over seeds, folds and speakers: the one place where predictions are counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from serflow.corpora.manifest import read_manifest
from serflow.errors import RunError
from serflow.items import speaker_of
from serflow.runs import RERUN, Group, RunRecord

#: (corpus, utterance) to ``corpus/speaker``.
Speakers = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Counts:
    """Confusion counts of one part of runs of one system.

    ``array``: (n_seeds, n_folds, n_speakers, C, C) int64, the rows of a matrix are true classes. ``seeds``, ``folds``
    and ``speakers`` (those who have an utterance in the part) are sorted. ``n_utterances``: different recordings.
    """

    array: np.ndarray
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    speakers: tuple[str, ...]
    n_utterances: int

    @property
    def per_seed(self) -> np.ndarray:
        """All folds and speakers of each seed pooled, (n_seeds, C, C)."""
        return self.array.sum(axis=(1, 2))

    @property
    def per_speaker(self) -> np.ndarray:
        """All folds of each seed and speaker pooled, (n_seeds, n_speakers, C, C)."""
        return self.array.sum(axis=1)

    @property
    def n_runs(self) -> int:
        """The number of seeds that have an utterance in the part."""
        return int(self.per_seed.any(axis=(1, 2)).sum())

    def of_fold(self, fold: int) -> Counts:
        """Return the counts of one fold and of the speakers in it."""
        array = self.array[:, [self.folds.index(fold)]]
        present = np.flatnonzero(array.sum(axis=(0, 1, 3, 4)))
        speakers = tuple(self.speakers[i] for i in present)
        return replace(self, array=array[:, :, present], folds=(fold,), speakers=speakers)

    def of_speaker(self, name: str) -> Counts:
        """Return the counts of one speaker."""
        return replace(self, array=self.array[:, :, [self.speakers.index(name)]], speakers=(name,))


def group_runs(runs: Iterable[RunRecord]) -> dict[Group, list[RunRecord]]:
    """Return the runs of each (corpus, system, protocol).

    Raises
    ------
    RunError
        If runs of one group were trained on different label sets.
    """
    groups: dict[Group, list[RunRecord]] = {}
    for run in runs:
        members = groups.setdefault(run.group, [])
        if members and members[0].labels != run.labels:
            fault = f"its labels {list(run.labels)} differ from {list(members[0].labels)} of {members[0].path}"
            raise RunError(run.path / "run.json", fault, RERUN)
        members.append(run)
    return groups


def count_confusions(runs: Sequence[RunRecord], part: str, speakers: Speakers | None = None) -> Counts:
    """Count confusions of one part by seed, fold and speaker.

    Parameters
    ----------
    runs
        At least one, with the same labels.
    speakers
        See `read_speakers`; None: all utterances count as one speaker's.

    Raises
    ------
    RunError
        If `speakers` lacks an utterance.
    """
    seeds, folds = (tuple(sorted({getattr(run.id, key) for run in runs})) for key in ("seed", "fold"))
    cells: list[tuple[int, int, str, int, int]] = []
    recordings = set()
    for run in runs:
        seed, fold = seeds.index(run.id.seed), folds.index(run.id.fold)
        for n in np.flatnonzero(run.parts == part).tolist():
            recording = run.item(n)[:2]
            recordings.add(recording)
            owner = "" if speakers is None else _find_speaker(run, recording, speakers)
            cells.append((seed, fold, owner, run.truth[n], run.predicted[n]))
    names = tuple(sorted({cell[2] for cell in cells}))
    places = {name: i for i, name in enumerate(names)}
    array = np.zeros((len(seeds), len(folds), len(names), *2 * [len(runs[0].labels)]), dtype=np.int64)
    for seed, fold, owner, truth, guess in cells:
        array[seed, fold, places[owner], truth, guess] += 1
    return Counts(array, seeds, folds, names, len(recordings))


def without_copies(run: RunRecord) -> RunRecord:
    """Return a run in which augmented copies belong to no part."""
    copies = np.array([bool(run.item(n).copy) for n in range(len(run.utterances))])
    return replace(run, parts=np.where(copies, "", run.parts))


def tested_speakers(runs: Iterable[RunRecord], part: str, speakers: Speakers) -> set[str]:
    """Return who is heard in a part; see `count_confusions` for errors."""
    items = {run.item(n)[:2]: run for run in runs for n in np.flatnonzero(run.parts == part).tolist()}
    return {_find_speaker(run, recording, speakers) for recording, run in items.items()}


def of_speakers(run: RunRecord, names: Collection[str], speakers: Speakers) -> RunRecord:
    """Return a run in which utterances of other speakers belong to no part."""
    heard = np.array([speakers.get(run.item(n)[:2]) in names for n in range(len(run.utterances))])
    return replace(run, parts=np.where(heard, run.parts, ""))


def pooled_confusion(runs: Sequence[RunRecord], part: str = "test") -> np.ndarray:
    """Return the ``(C, C)`` confusion counts of one part summed over all folds and seeds."""
    return count_confusions(runs, part).per_seed.sum(axis=0)


def read_speakers(manifests: Iterable[Path | str]) -> dict[tuple[str, str], str]:
    """Return the speaker of each (corpus, utterance) in manifests as ``corpus/speaker``."""
    rows = (row for path in manifests for row in read_manifest(path))
    return {(row["corpus"], row["utterance"]): speaker_of(row) for row in rows}


def _find_speaker(run: RunRecord, recording: tuple[str, str], speakers: Speakers) -> str:
    if recording not in speakers:
        fault = f"utterance {recording[1]!r} of {recording[0]} is in none of the manifests"
        raise RunError(run.path / "predictions.csv", fault, "Make the corpus's manifest and train this run again.")
    return speakers[recording]
