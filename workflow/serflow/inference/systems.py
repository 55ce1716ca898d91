"""Which trained networks or estimators a name or a folder stands for, before any of them is loaded. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serflow.errors import ConfigError, SerflowError
from serflow.features.recipes import TRANSFORMS, Recipe
from serflow.io.files import read_json
from serflow.kinds import suggest
from serflow.models import ARCHITECTURES
from serflow.papers.model import PaperRecord
from serflow.protocols.base import Protocol
from serflow.runs import RunId, check_folds, read_run
from serflow.schema import check
from serflow.training.options import INPUTS

#: Where an exported folder keeps the runs of a combined one, by system, and what is known of how good it is.
PARTS, EVALUATION = "parts", "evaluation.json"


class ModelError(SerflowError):
    """There is no model where one is asked for, or it cannot be applied."""


@dataclass(frozen=True)
class TrainedRun:
    """A run's folder, what its run.json says, and the runs that a combined one is made from, the first net's first."""

    folder: Path
    info: Mapping[str, Any]
    parts: tuple[TrainedRun, ...] = ()

    @property
    def id(self) -> RunId:
        """Which run it is."""
        return RunId.from_plain(self.info)

    @property
    def exported(self) -> bool:
        """Whether `serflow export` wrote the folder."""
        return (self.folder / EVALUATION).is_file()

    @property
    def results(self) -> Path | None:
        """The results folder in which the run stands, if it does."""
        folder = self.folder.resolve()
        return folder.parents[6] if folder.as_posix().endswith(f"/runs/{self.id.path}") else None

    @property
    def models(self) -> tuple[TrainedRun, ...]:
        """The runs that have a model of their own: its parts, or itself."""
        return self.parts or (self,)

    @property
    def recipe(self) -> Recipe:
        """The recipe that all its models take."""
        return self.models[0].info["system_config"]["recipe"]

    def record(self) -> PaperRecord | None:
        """Return its paper as it was run, if its results folder has it."""
        return read_record(self.results, self.id.paper) if self.results else None


def find_run(model: str, results: Path) -> TrainedRun:
    """Return the run that a folder holds, or the first finished speaker-independent one of ``paper/system``.

    The first is that of the lowest seed and fold, on the first of the paper's corpora, its own before others.

    Parameters
    ----------
    model
        A run's folder, one that `serflow export` wrote, or ``paper/system``.
    results
        The results folder in which the latter is looked for.

    Raises
    ------
    ModelError
        If there is none, or it cannot be applied to new recordings.
    """
    folder = Path(model)
    if (folder / "run.json").is_file():
        return read_trained(folder)
    if folder.exists():
        fault = "is no folder of a run: it holds no run.json"
        raise ModelError(
            model, fault, "Give RESULTS/runs/PAPER/CORPUS/SYSTEM/PROTOCOL/seedS/foldK or an exported folder."
        )
    paper, _, system = model.partition("/")
    known = sorted({f"{path.parts[-4]}/{path.parts[-2]}" for path in (results / "runs").glob("*/*/*/*")})
    if model not in known:
        fault = f"is neither a folder nor a system with runs in {results / 'runs'}"
        raise ModelError(model, fault, suggest(model, known) if known else "Train one, or give --results.")
    return read_trained(_find_first(results, paper, system))


def _find_first(results: Path, paper: str, system: str) -> Path:
    """Return the folder of the first run of `_unseen_runs`: see `find_run`."""
    record = read_record(results, paper)
    if record is None:
        fault = "is missing, so nobody knows which protocols are speaker-independent"
        remedy = "Run the workflow to its end, or give the folder of a run by its path."
        raise ModelError(record_path(results, paper), fault, remedy)
    corpora, protocols = record.paper.all_corpora, list(record.paper.protocols)

    def place(folder: Path) -> tuple[int, str, int, int, int]:
        run = RunId.from_path(folder)
        known = run.corpus in corpora  # others are of an earlier configuration
        number = corpora.index(run.corpus) if known else len(corpora)
        return number, run.corpus, protocols.index(run.protocol), run.seed, run.fold

    found = sorted(_unseen_runs(results, record, system), key=place)
    if not found:
        fault = f"has no finished run under a speaker-independent protocol in {results}"
        remedy = "Train it under one, or give the folder of another run by its path."
        raise ModelError(f"{paper}/{system}", fault, remedy)
    return found[0]


def _unseen_runs(results: Path, record: PaperRecord, system: str) -> Iterator[Path]:
    """Yield the folder of each finished run of a paper's system that tests speakers who were not trained on."""
    for path in (results / "runs" / record.paper.paper).glob(f"*/{system}/*/seed*/fold*/run.json"):
        protocol = record.paper.protocols.get(path.parts[-4])
        if protocol and is_unseen(protocol):
            yield path.parent


def is_unseen(protocol: Protocol) -> bool:
    """Return whether a protocol tests speakers who were not trained on, for its own sake."""
    return protocol.unseen_speakers and protocol.purpose in ("unseen", "published")


def record_path(results: Path, paper: str) -> Path:
    """Return where a results folder keeps a paper as it was run."""
    return results / "papers" / f"{paper}.json"


def read_record(results: Path, paper: str) -> PaperRecord | None:
    """Return a paper as it was run, None where the results folder has it not.

    Raises
    ------
    ModelError
        If another version of serflow wrote it.
    """
    path = record_path(results, paper)
    if not path.is_file():
        return None
    try:
        return check(PaperRecord, read_json(path), "")
    except ConfigError as error:
        fault = f"was written by another version of serflow ({error.where} {error.fault})"
        raise ModelError(path, fault, "Run the workflow again; it repeats what has changed.") from error


def read_trained(folder: Path) -> TrainedRun:
    """Read what a folder says of its run, and of its parts where it is combined.

    Raises
    ------
    ModelError
        If a part is missing, the parts take different features, or the system cannot be applied to new recordings.
    """
    info = read_json(folder / "run.json")
    missing = [key for key in ("system_config", "labels", "model_format", "protocol") if key not in info]
    if missing:
        raise ModelError(folder / "run.json", f"is no run's: {missing[0]!r} is missing", "Give the folder of a run.")
    combine = info["system_config"].get("combine")
    names = (combine["first"], *combine["second"]) if combine else ()
    run = TrainedRun(folder, info, tuple(read_trained(_part(folder, info, name)) for name in names))
    if any(part.recipe != run.recipe for part in run.parts):
        raise ModelError(folder, "combines systems of different recipes", "Apply each of them by itself.")
    for model in run.models:
        _check_applies(model)
    return run


def _part(folder: Path, info: Mapping[str, Any], system: str) -> Path:
    """Return the folder of a run that a combined one is made from."""
    packed = folder / PARTS / system
    if packed.is_dir():
        return packed
    part = folder.resolve().joinpath(*[".."] * 6, RunId.from_plain(info).of_system(system).path).resolve()
    if not (part / "run.json").is_file():
        fault = f"is a combination with {system}, of which there is no run {part}"
        raise ModelError(folder, fault, "Keep its parts beside it, as they were trained, or export it there.")
    return part


def _check_applies(run: TrainedRun) -> None:
    """Raise unless a system can be applied to recordings without a corpus; a folder from elsewhere runs no code."""
    system = run.info["system_config"]
    scope = system["input"].get("scope", "train")
    if scope in ("speaker", "corpus"):
        fault = f"standardises within each {scope}, which new recordings are not part of"
        raise ModelError(run.folder, fault, "Take a system that standardises by its training part.")
    if not run.results:
        check_own_code(run)


def heard_seconds(run: TrainedRun) -> float | None:
    """Return how many seconds of a recording a system takes, from its beginning; None: all of it."""
    config, recipe = run.models[0].info["system_config"], run.recipe
    hop = recipe.get("hop_length") or int(TRANSFORMS.constant(recipe["transform"], "HOP_LENGTH", "0"))
    if config["input"]["kind"] != "sequence" or recipe.get("pooled") or not hop:
        return None
    seconds: float = config["input"]["frames"] * hop / recipe["sample_rate"]
    return seconds


def check_own_code(run: TrainedRun) -> None:
    """Raise a ModelError if applying a run would run code that is no part of serflow."""
    for name in _own_code(run):
        fault = f"names {name!r}, which is no part of serflow"
        raise ModelError(run.folder / "run.json", fault, "Such code is run only in the results folder it came from.")


def check_code_is_there(run: TrainedRun) -> None:
    """Raise a ModelError if a user's own module that a run names is not at its path from the working folder."""
    for name in (name for model in run.models for name in _own_code(model)):
        if not Path(name).is_file():
            fault = f"names {name}, which is not there"
            raise ModelError(run.folder / "run.json", fault, "Run the command in the folder in which it was trained.")


def _own_code(run: TrainedRun) -> list[str]:
    """Return the paths of a user's own modules that applying a run loads."""
    system = run.info["system_config"]
    named = [(ARCHITECTURES, system["model"]["module"]), (INPUTS, system["input"]["kind"])]
    named.append((TRANSFORMS, system["recipe"]["transform"]))
    return [name for kinds, name in named if name not in kinds.known()]


def find_folds(run: TrainedRun) -> list[TrainedRun]:
    """Return the finished runs of all folds of the same seed.

    Raises
    ------
    ModelError
        If the run does not stand among its folds, or theirs take other features or tell other classes apart.
    RunError
        If they are not of one division into folds.
    """
    if run.exported or not re.fullmatch(r"fold\d+", run.folder.resolve().name):
        raise ModelError(run.folder, "holds one fold alone", "Leave out --folds, or give a run in its results folder.")
    paths = run.folder.resolve().parent.glob("fold*/run.json")
    folds = [read_trained(path.parent) for path in sorted(paths, key=lambda path: int(path.parent.name[4:]))]
    for fold in folds:
        if fold.recipe != run.recipe or fold.info["labels"] != run.info["labels"]:
            raise ModelError(fold.folder, "takes other features or classes than its fellows", "Train the folds alike.")
    check_folds(read_run(fold.folder) for fold in folds)
    return folds
