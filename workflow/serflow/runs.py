"""One training run: its identity and path, what it is trained from, and the one reader and writer of its folder.

A folder holds ``model`` (none in a combined run), ``history.csv``, ``predictions.csv`` and, written last, ``run.json``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from serflow.errors import RunError
from serflow.io.files import atomic_path, read_csv, read_json, write_csv, write_json
from serflow.items import Item, members_of, parse_item

#: (corpus, system, protocol): what tells the cells of a comparison apart.
Group = tuple[str, str, str]

#: Parts in which an utterance is trained, validated or tested on, and the one in which it is only given posteriors.
PARTS = ("train", "validation", "test")
OTHER = "other"
HISTORY = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "validation_UA",
    "seconds",
)
RERUN = "Give a run's folder; or if this is one, train the run again."


@dataclass(frozen=True, order=True)
class RunId:
    """One training: a system on a corpus (or a union of corpora) under a protocol, for one seed and fold."""

    paper: str
    corpus: str
    system: str
    protocol: str
    seed: int
    fold: int

    @property
    def path(self) -> str:
        """The run's place below ``results/runs``."""
        return f"{self.paper}/{self.corpus}/{self.system}/{self.protocol}/seed{self.seed}/fold{self.fold}"

    @property
    def group(self) -> Group:
        """(corpus, system, protocol)."""
        return self.corpus, self.system, self.protocol

    @property
    def corpora(self) -> tuple[str, ...]:
        """The members of the corpus."""
        return members_of(self.corpus)

    def of_system(self, system: str) -> RunId:
        """Return the run of another system that is otherwise the same."""
        return replace(self, system=system)

    @classmethod
    def from_path(cls, path: Path | str) -> RunId:
        """Return the run whose folder ends in what `path` made of it.

        Raises
        ------
        RunError
            If the path does not end in paper, corpus, system, protocol, seed and fold.
        """
        found = re.search(r"([^/]+)/([^/]+)/([^/]+)/([^/]+)/seed(\d+)/fold(\d+)/?$", Path(path).as_posix())
        if found is None:
            fault = "does not end in PAPER/CORPUS/SYSTEM/PROTOCOL/seedS/foldK"
            raise RunError(path, fault, "Give the folder of a run below results/runs.")
        paper, corpus, system, protocol, seed, fold = found.groups()
        return cls(paper, corpus, system, protocol, int(seed), int(fold))

    @classmethod
    def from_plain(cls, mapping: Mapping[str, Any]) -> RunId:
        """Return the run that a mapping with its fields, such as ``run.json``, names."""
        return cls(**{field.name: mapping[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Spec:
    """All of the configuration that a run's numbers depend on, and nothing about how it is shown.

    ``labels`` are the run's own, ``others`` the rest of its paper's; ``system`` holds recipe, input, model and, where
    there are epochs, training; of a combined system combine.
    """

    run: RunId
    labels: tuple[str, ...]
    others: tuple[str, ...]
    system: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """Return it as builtins, flat, as `run.json` holds it."""
        own = {"labels": list(self.labels), "others": list(self.others), "system_config": dict(self.system)}
        return asdict(self.run) | own

    @classmethod
    def from_plain(cls, mapping: Mapping[str, Any]) -> Spec:
        """Return what `plain` made of it; other keys (a whole ``run.json``) are left alone."""
        labels, others = tuple(mapping["labels"]), tuple(mapping["others"])
        return cls(RunId.from_plain(mapping), labels, others, mapping["system_config"])


@dataclass(frozen=True)
class Predictions:
    """What a run says of its U utterances (or augmented copies).

    ``utterances``: their ids (see `serflow.items`), ``parts``, ``emotions``; ``predicted``: index into ``labels``,
    (U,); ``posteriors``: (U, C), one per label.
    """

    labels: Sequence[str]
    utterances: Sequence[str]
    parts: Sequence[str]
    emotions: Sequence[str]
    predicted: np.ndarray
    posteriors: np.ndarray


@dataclass(frozen=True)
class RunRecord:
    """A finished run: what `run.json` says (``info``), its predictions and its history.

    ``emotions``, ``parts``, ``truth`` and ``predicted`` have one entry per utterance; the latter two index ``labels``.
    Utterances of the part ``other`` have emotions of the paper that are none of the run's ``labels``: their truth is
    -1.
    """

    path: Path
    id: RunId
    info: dict[str, Any]
    labels: tuple[str, ...]
    utterances: tuple[str, ...]
    emotions: tuple[str, ...]
    parts: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    posteriors: np.ndarray
    history: list[dict[str, float]]

    @property
    def group(self) -> Group:
        """(corpus, system, protocol)."""
        return self.id.group

    def item(self, n: int) -> Item:
        """Return what the n-th prediction is of."""
        return parse_item(self.utterances[n], self.id.corpora)


def write_run(
    folder: Path,
    predictions: Predictions,
    history: Iterable[Mapping[str, float]],
    info: Mapping[str, Any],
    save_model: Callable[[Path], None] | None = None,
) -> None:
    """Write a run's folder; ``run.json`` last, so that its presence says that the rest is whole.

    Parameters
    ----------
    folder
        The run's folder.
    predictions, history
        One row per utterance, and one of `HISTORY` per epoch.
    info
        What ``run.json`` says: a `Spec` as plain builtins, and how it was computed.
    save_model
        Writes the model to a path; None: the run has none of its own.
    """
    labels = predictions.labels
    (folder / "run.json").unlink(missing_ok=True)  # an earlier run's would vouch for a mixture
    if save_model:
        with atomic_path(folder / "model") as partial:
            save_model(partial)
    rows = [
        {"utterance": name, "part": part, "label": emotion, "predicted": labels[best]}
        | {label: f"{p:.6g}" for label, p in zip(labels, posterior, strict=True)}
        for name, part, emotion, best, posterior in zip(
            predictions.utterances,
            predictions.parts,
            predictions.emotions,
            predictions.predicted,
            predictions.posteriors,
            strict=True,
        )
    ]
    write_csv(folder / "history.csv", HISTORY, [{k: f"{v:.6g}" for k, v in row.items()} for row in history])
    write_csv(folder / "predictions.csv", ["utterance", "part", "label", "predicted", *labels], rows)
    write_json(folder / "run.json", info)


def read_run(path: Path | str) -> RunRecord:
    """Read a run's folder.

    Raises
    ------
    RunError
        If a file is missing, or a key, a column or a row in one is, or a label is not in the run's label set; named
        with the file.
    """
    path = Path(path)
    suffix = ".gz" if (path / "predictions.csv.gz").is_file() else ""  # as evidence is kept
    for name in ("run.json", f"predictions.csv{suffix}", f"history.csv{suffix}"):
        if not (path / name).is_file():
            raise RunError(path, f"{name} is missing, so this run is not finished", RERUN)
    info = read_json(path / "run.json")
    for key in (*(field.name for field in fields(RunId)), "labels"):
        if key not in info:
            raise RunError(path / "run.json", f"is no run's: {key!r} is missing", RERUN)
    labels = tuple(info["labels"])
    rows = read_csv(path / f"predictions.csv{suffix}")
    where = path / f"predictions.csv{suffix}"
    _check_columns(where, rows, ("utterance", "part", "label", "predicted", *labels))
    parts = np.array([row["part"] for row in rows])
    truth = _indices(where, rows, "label", labels, optional=parts == OTHER)
    for part, expected in info.get("parts", {}).items():
        if (parts == part).sum() != expected:
            fault = f"holds {(parts == part).sum()} utterances of the part {part}, run.json says {expected}"
            raise RunError(where, fault, RERUN)
    return RunRecord(
        path=path,
        id=RunId.from_plain(info),
        info=info,
        labels=labels,
        utterances=tuple(row["utterance"] for row in rows),
        emotions=tuple(row["label"] for row in rows),
        parts=parts,
        truth=truth,
        predicted=_indices(where, rows, "predicted", labels),
        posteriors=np.array([[_number(where, row, label) for label in labels] for row in rows]),
        history=read_history(path / f"history.csv{suffix}"),
    )


def read_history(path: Path | str) -> list[dict[str, float]]:
    """Read a `history.csv`: one dict per epoch, every value a number (NaN where the cell is empty)."""
    return [{column: _number(path, row, column) for column in row} for row in read_csv(path)]


def read_runs(paths: Iterable[Path | str]) -> list[RunRecord]:
    """Read runs' folders and return them ordered by corpus, system, protocol, seed and fold."""
    return sorted((read_run(path) for path in paths), key=lambda run: (*run.group, run.id.seed, run.id.fold))


def check_folds(runs: Iterable[RunRecord]) -> None:
    """Raise a RunError if two folds of one seed test the same utterance; `runs` are of one system and protocol.

    They are of two divisions of the speakers then: an earlier one's folds are left where it had more.
    """
    tested: dict[tuple[int, str], RunRecord] = {}
    for run in runs:
        for name in np.array(run.utterances)[run.parts == "test"].tolist():
            first = tested.setdefault((run.id.seed, name), run)
            if first is not run:
                fault = f"tests {name}, as {first.path} does: the two are of different divisions into folds"
                raise RunError(run.path, fault, "Delete the folders of the folds that are configured no longer.")


def _check_columns(where: Path, rows: list[dict[str, str]], columns: Sequence[str]) -> None:
    missing = [column for column in columns if not rows or column not in rows[0]]
    if missing:
        raise RunError(where, f"column {missing[0]!r} is missing; expected {', '.join(columns)}", RERUN)


def _indices(
    where: Path, rows: list[dict[str, str]], column: str, labels: Sequence[str], optional: np.ndarray | None = None
) -> np.ndarray:
    """Return the index of each row's label; -1 for another one, which only the rows that are `optional` may have."""
    known = {label: i for i, label in enumerate(labels)}
    for n, row in enumerate(rows):
        if row[column] not in known and (optional is None or not optional[n]):
            fault = f"line {n + 2}: {column} {row[column]!r} is none of {', '.join(labels)}"
            raise RunError(where, fault, RERUN)
    return np.array([known.get(row[column], -1) for row in rows], dtype=np.int64)


def _number(where: Path | str, row: Mapping[str, str], column: str) -> float:
    try:
        return float(row[column]) if row[column] else float("nan")
    except ValueError:
        raise RunError(where, f"{column} {row[column]!r} is not a number", RERUN) from None
