"""Reads what training runs left behind and pools it over folds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serflow.errors import SerflowError
from serflow.io.files import read_csv, read_json
from serflow.scoring.metrics import confusion

#: What tells the cells of a comparison apart.
Group = tuple[str, str, str]

#: The part of utterances that a run only gave posteriors.
OTHER = "other"
RERUN = "Delete the run directory and train this run again."


class ScoreError(SerflowError):
    """A run directory or manifest cannot be scored."""


@dataclass(frozen=True)
class Run:
    """One training run: what `run.json` says, its predictions and its history.

    ``parts``, ``truth`` and ``predicted`` have one entry per utterance; the latter two index ``labels``. Utterances of
    the part ``other`` have emotions of the paper that are none of the run's ``labels``: their truth is -1.
    """

    path: Path
    info: dict[str, Any]
    labels: tuple[str, ...]
    utterances: tuple[str, ...]
    parts: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    posteriors: np.ndarray
    history: list[dict[str, float]]

    @property
    def group(self) -> Group:
        """(corpus, system, protocol)."""
        return self.info["corpus"], self.info["system"], self.info["protocol"]

    @property
    def order(self) -> tuple[str, str, str, int, int]:
        """Sorting key, so that results do not depend on the order in which run directories are given."""
        return *self.group, int(self.info["seed"]), int(self.info["fold"])


def load_run(path: Path | str) -> Run:
    """Read a run directory.

    Raises
    ------
    ScoreError
        If a file is missing, a column or a row is, or a label is not in the run's label set; named with the file.
    """
    path = Path(path)
    for name in ("run.json", "predictions.csv", "history.csv"):
        if not (path / name).is_file():
            raise ScoreError(path, f"{name} is missing, so this run is not finished", RERUN)
    info = read_json(path / "run.json")
    labels = tuple(info["labels"])
    rows = read_csv(path / "predictions.csv")
    where = path / "predictions.csv"
    _check_columns(where, rows, ("utterance", "part", "label", "predicted", *labels))
    parts = np.array([row["part"] for row in rows])
    truth = _indices(where, rows, "label", labels, optional=parts == OTHER)
    for part, expected in info.get("parts", {}).items():
        if (parts == part).sum() != expected:
            fault = f"holds {(parts == part).sum()} utterances of the part {part}, run.json says {expected}"
            raise ScoreError(where, fault, RERUN)
    return Run(
        path=path,
        info=info,
        labels=labels,
        utterances=tuple(row["utterance"] for row in rows),
        parts=parts,
        truth=truth,
        predicted=_indices(where, rows, "predicted", labels),
        posteriors=np.array([[_number(where, row, label) for label in labels] for row in rows]),
        history=load_history(path / "history.csv"),
    )


def load_history(path: Path | str) -> list[dict[str, float]]:
    """Read a `history.csv`: one dict per epoch, every value a number (NaN where the cell is empty)."""
    return [{column: _number(path, row, column) for column in row} for row in read_csv(path)]


def load_runs(paths: Iterable[Path | str]) -> list[Run]:
    """Read run directories and return them ordered by corpus, system, protocol, seed and fold."""
    return sorted((load_run(path) for path in paths), key=lambda run: run.order)


def group_runs(runs: Iterable[Run]) -> dict[Group, list[Run]]:
    """Return the runs of each (corpus, system, protocol).

    Raises
    ------
    ScoreError
        If runs of one group were trained on different label sets.
    """
    groups: dict[Group, list[Run]] = {}
    for run in runs:
        members = groups.setdefault(run.group, [])
        if members and members[0].labels != run.labels:
            fault = f"its labels {list(run.labels)} differ from {list(members[0].labels)} of {members[0].path}"
            raise ScoreError(run.path / "run.json", fault, RERUN)
        members.append(run)
    return groups


def seeds_of(runs: Sequence[Run]) -> dict[int, list[Run]]:
    """Return the runs of each seed; the folds of one seed are pooled into one result."""
    seeds: dict[int, list[Run]] = {}
    for run in runs:
        seeds.setdefault(int(run.info["seed"]), []).append(run)
    return seeds


def base(item: str) -> str:
    """Return the utterance that an item is of: ``UTT#noise``, an augmented copy, is of ``UTT``."""
    return item.partition("#")[0]


def speaker_names(manifest_rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the speaker of each utterance as ``corpus/speaker``, unique in a union of corpora too."""
    return {row["utterance"]: f"{row['corpus']}/{row['speaker']}" for row in manifest_rows}


def speaker_counts(
    runs: Sequence[Run], part: str, speakers: Mapping[str, str]
) -> tuple[np.ndarray, list[str], list[int]]:
    """Count confusions per seed and speaker, pooled over the folds of each seed.

    Returns
    -------
    counts
        ``(n_seeds, n_speakers, C, C)`` int64; rows of a matrix are true classes.
    names
        The speakers that have any utterance in this part, sorted.
    seeds
        The seeds, ascending.

    Raises
    ------
    ScoreError
        If the manifest lacks an utterance.
    """
    n_classes, seeds = len(runs[0].labels), seeds_of(runs)
    found: dict[tuple[int, str], np.ndarray] = {}
    for i, members in enumerate(seeds.values()):
        for run in members:
            chosen = np.flatnonzero(run.parts == part)
            owners = np.array([_speaker(run, run.utterances[j], speakers) for j in chosen])
            for owner in np.unique(owners):
                mine = chosen[owners == owner]
                counts = confusion(run.truth[mine], run.predicted[mine], n_classes)
                found[i, str(owner)] = found.get((i, str(owner)), 0) + counts
    names = sorted({name for _, name in found})
    empty = np.zeros((n_classes, n_classes), dtype=np.int64)
    shape = (len(seeds), len(names), n_classes, n_classes)
    stacked = [[found.get((i, name), empty) for name in names] for i in range(len(seeds))]
    return np.array(stacked, dtype=np.int64).reshape(shape), names, list(seeds)


def pooled_confusion(runs: Sequence[Run], part: str = "test") -> np.ndarray:
    """Return the ``(C, C)`` confusion counts of one part summed over all folds and seeds."""
    n_classes = len(runs[0].labels)
    return sum(
        (confusion(run.truth[run.parts == part], run.predicted[run.parts == part], n_classes) for run in runs),
        np.zeros((n_classes, n_classes), dtype=np.int64),
    )


def deviations(runs: Sequence[Run]) -> list[str]:
    """Return every deviation from the paper that a run recorded; those that touch only some runs say how many."""
    counts: dict[str, int] = {}
    for run in runs:
        for text in dict.fromkeys(run.info.get("deviations", [])):
            counts[text] = counts.get(text, 0) + 1
    return [text if n == len(runs) else f"{text} ({n} of {len(runs)} runs)" for text, n in counts.items()]


def conditions(runs: Sequence[Run]) -> str:
    """Return one sentence on what the runs were computed with, since numbers depend on it."""
    if not runs:
        return "No run was made."

    def values(key: str) -> str:
        return ", ".join(sorted({str(run.info.get(key) or "unknown") for run in runs}))

    libraries = {
        f"{name} {run.info['versions'][name]}"
        for run in runs
        for name in ("torch", "scikit-learn")
        if name in run.info.get("versions", {})
    }
    commits = {str(run.info.get("commit") or "unknown") for run in runs}
    short = ", ".join(sorted(commit[:10] + "+" * commit.endswith("+") for commit in commits))
    return (
        f"Runs: {len(runs)}; device: {values('device')} ({values('device_name')}); precision: {values('precision')}; "
        f"libraries: {', '.join(sorted(libraries)) or 'unknown'}; commit: {short}."
    )


def _speaker(run: Run, item: str, speakers: Mapping[str, str]) -> str:
    utterance = base(item)
    if utterance not in speakers:
        fault = f"utterance {utterance!r} stands in no manifest that was given"
        raise ScoreError(run.path / "predictions.csv", fault, "Make the corpus's manifest and train this run again.")
    return speakers[utterance]


def _check_columns(where: Path, rows: list[dict[str, str]], columns: Sequence[str]) -> None:
    missing = [column for column in columns if not rows or column not in rows[0]]
    if missing:
        raise ScoreError(where, f"column {missing[0]!r} is missing; expected {', '.join(columns)}", RERUN)


def _indices(
    where: Path, rows: list[dict[str, str]], column: str, labels: Sequence[str], optional: np.ndarray | None = None
) -> np.ndarray:
    """Return the index of each row's label; -1 for another one, which only the rows that are `optional` may have."""
    known = {label: i for i, label in enumerate(labels)}
    for n, row in enumerate(rows):
        if row[column] not in known and (optional is None or not optional[n]):
            fault = f"line {n + 2}: {column} {row[column]!r} is none of {', '.join(labels)}"
            raise ScoreError(where, fault, RERUN)
    return np.array([known.get(row[column], -1) for row in rows], dtype=np.int64)


def _number(where: Path | str, row: Mapping[str, str], column: str) -> float:
    try:
        return float(row[column]) if row[column] else float("nan")
    except ValueError:
        raise ScoreError(where, f"{column} {row[column]!r} is not a number", RERUN) from None
