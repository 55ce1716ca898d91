"""Measured runs that the repository keeps: what every number of its page on results is computed from.

A folder holds ``manifests/{corpus}.csv.gz``, ``runs/{run}/`` with ``run.json``, ``predictions.csv.gz`` and
``history.csv.gz``, and where runs are beyond what their papers ask for, ``config.yaml``, a configuration that asks for
them.
"""

from __future__ import annotations

import functools
import gzip
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serflow.config import Config, read_yaml
from serflow.corpora import CORPORA
from serflow.corpora.manifest import COLUMNS, read_manifest
from serflow.errors import RunError
from serflow.io.files import atomic_path, read_json, write_csv, write_json
from serflow.items import Row, parse_item, speaker_of
from serflow.papers.deviations import list_changes
from serflow.papers.model import PaperRecord
from serflow.papers.papers import Papers
from serflow.protocols.assignment import UNUSED
from serflow.protocols.split import split
from serflow.runs import PARTS, RunId, RunRecord, Spec, read_runs
from serflow.schema import check
from serflow.scoring.pooling import Speakers

TABLES = ("predictions.csv", "history.csv")
#: What a licensed corpus's manifest says beyond who says when which sentence with which emotion: votes are not passed
#: on. Nor are texts: sentences are numbered.
WITHHELD = ("valence", "activation", "dominance", "votes")
#: Fold -> utterance -> its part and emotion, of a run's protocol and seed.
SplitFolds = Callable[[RunId], Sequence[Mapping[str, tuple[str, str]]]]
#: What asks for runs beyond those of the papers.
CONFIG = "config.yaml"
RESTORE = "Restore the folder from the repository."


@dataclass(frozen=True)
class Evidence:
    """Kept runs, what asks for them, the papers as they were run, each utterance's speaker, and manifests by corpus."""

    runs: Sequence[RunRecord]
    papers: Papers
    records: Mapping[str, PaperRecord]
    speakers: Speakers
    manifests: Mapping[str, Sequence[Row]]


def keep(results: Path, folder: Path, command: str) -> list[RunId]:
    """Keep the finished runs of a results folder, and the manifests that they stand on.

    Parameters
    ----------
    results
        The results folder of a workflow on real corpora; it need not be finished.
    folder
        Where evidence is kept.
    command
        The command that made the results, which no file of theirs holds.

    Returns
    -------
    list of RunId
        The runs that were added.

    Raises
    ------
    RunError
        If the corpora are synthetic, there is no finished run or one that neither its paper nor the folder's
        ``config.yaml`` asks for, or another run of one identity or another version of a corpus is kept already; nothing
        is written then.
    """
    found = read_runs(path.parent for path in results.glob("runs/**/run.json"))
    if not found:
        raise RunError(results / "runs", "holds no finished run", "Run the workflow first.")
    for name in sorted({run.id.paper for run in found}):
        path = results / "papers" / f"{name}.json"
        if not path.is_file():
            raise RunError(path, "is missing, which says what corpora were run", f"Make it: snakemake {path}")
        if read_json(path)["synthetic"]:
            fault = f"{name} was run on synthetic demo corpora, whose numbers say nothing about speech"
            raise RunError(results, fault, "Run the workflow on real corpora into a results folder of its own.")
    corpora = sorted({corpus for run in found for corpus in run.id.corpora})
    papers = _read_papers(folder, corpora)
    for run in found:
        _check_asked(papers, run)
    manifests = {corpus: results / "manifests" / f"{corpus}.csv" for corpus in corpora}
    for corpus, path in manifests.items():
        kept = _manifest_path(folder, corpus)
        if kept.is_file() and read_manifest(kept) != _without_texts(path):
            raise RunError(
                path, f"is another version of the corpus than {kept}", "Keep its runs in a folder of their own."
            )
    new = [run for run in found if _is_new(run, folder)]
    _check_alike(papers, new, folder, {corpus: _without_texts(path) for corpus, path in manifests.items()})
    for corpus, path in manifests.items():
        _write_gz(_manifest_path(folder, corpus), COLUMNS, _without_texts(path))
    for run in new:
        place = folder / "runs" / run.id.path
        for name in TABLES:
            place.mkdir(parents=True, exist_ok=True)
            with atomic_path(place / f"{name}.gz") as partial:
                partial.write_bytes(_compress((run.path / name).read_bytes()))
        write_json(place / "run.json", {**run.info, "command": command})
    return [run.id for run in new]


def read_evidence(folder: Path) -> Evidence:
    """Read what `keep` wrote, and lay the paper files of this version beside it.

    Where a run was made with another configuration or another split than the paper files give today, its record tells
    so as a deviation.

    Raises
    ------
    RunError
        If a file is missing, a run stands in another's place, runs that would be averaged differ in their
        configuration, or a run is of no system of the papers.
    """
    runs = read_runs(path.parent for path in sorted(folder.glob("runs/**/run.json")))
    if not runs:
        raise RunError(folder, "holds no run", "Keep some with `serflow keep`.")
    for path in sorted(folder.glob("runs/**/*.gz")):
        if not (path.parent / "run.json").is_file():
            raise RunError(path.parent, "holds no run.json", RESTORE)
    for run in runs:
        if not run.path.as_posix().endswith(run.id.path):
            raise RunError(run.path, f"holds the run {run.id.path}", RESTORE)
    corpora = sorted({corpus for run in runs for corpus in run.id.corpora})
    manifests: dict[str, Sequence[Row]] = {corpus: read_manifest(_manifest_path(folder, corpus)) for corpus in corpora}
    papers = _read_papers(folder, corpora)
    speakers = {(row["corpus"], row["utterance"]): speaker_of(row) for rows in manifests.values() for row in rows}
    splits = functools.cache(functools.partial(_split_folds, papers, manifests))
    records = {name: _record(papers, name, runs, splits) for name in papers.papers}
    return Evidence(runs, papers, records, speakers, manifests)


def _check_alike(
    papers: Papers, new: Sequence[RunRecord], folder: Path, manifests: Mapping[str, Sequence[Row]]
) -> None:
    """Raise a RunError if new runs were made differently from each other, or from those kept of the same group."""
    groups = {"/".join((run.id.paper, *run.group)) for run in new}
    kept = [path.parent for group in sorted(groups) for path in sorted(folder.glob(f"runs/{group}/**/run.json"))]
    runs = [*read_runs(kept), *new]
    fellows = Counter((run.id.paper, run.group) for run in runs)
    splits = functools.cache(functools.partial(_split_folds, papers, manifests))
    for name in sorted({run.id.paper for run in new}):
        _record(papers, name, [run for run in runs if fellows[run.id.paper, run.group] > 1], splits)


def _read_papers(folder: Path, corpora: Sequence[str]) -> Papers:
    """Return the papers as the folder's configuration runs them; the corpora themselves need not be here."""
    sources = {corpus: {"source": str(folder) if corpus in corpora else None} for corpus in CORPORA}
    asked = read_yaml(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    config = check(Config, {**asked, "corpora": sources, "allow_partial": True}, str(folder / CONFIG))
    return Papers(config, elsewhere=True)


def _check_asked(papers: Papers, run: RunRecord) -> None:
    """Raise a RunError unless a run's system is asked to run on its corpus under its protocol."""
    paper, (corpus, system, protocol) = papers.papers.get(run.id.paper), run.group
    if paper is None or system not in paper.systems or protocol not in paper.asked(corpus, system):
        fault = f"{run.id.paper} runs no {system} on {corpus} under {protocol}"
        raise RunError(
            run.path, fault, f"Remove the run, or ask for it in the paper file or in the evidence's {CONFIG}."
        )


def _record(papers: Papers, name: str, runs: Iterable[RunRecord], splits: SplitFolds) -> PaperRecord:
    """Return a paper as its kept runs were made."""
    record = papers.record(name)
    deviations = {group: list(texts) for group, texts in record.deviations.items()}
    first: dict[str, tuple[RunRecord, list[str]]] = {}
    for run in (run for run in runs if run.id.paper == name):
        told = _deviations(papers, run, splits)
        key = "/".join(run.group)
        other, texts = first.setdefault(key, (run, told))
        if texts != told:
            fault = f"was made differently from {other.id.path}, with which it would be averaged: {told} and {texts}"
            raise RunError(run.path, fault, "Remove one of the two.")
    for key, (run, _) in first.items():
        corpus, system, protocol = run.group
        parts = (f"{corpus}/{part}/{protocol}" for part in (system, *record.paper.systems[system].parts))
        known = [text for text in deviations.get(key, []) if text.startswith("corpus: ")]
        deviations[key] = list(
            dict.fromkeys([*known, *(text for part in parts if part in first for text in first[part][1])])
        )
    return record.model_copy(update={"deviations": {key: texts for key, texts in deviations.items() if texts}})


def _deviations(papers: Papers, run: RunRecord, splits: SplitFolds) -> list[str]:
    """Return where a run departs from the paper file."""
    _check_asked(papers, run)
    expected, actual = papers.spec(run.id).plain(), Spec.from_plain(run.info).plain()
    told = list_changes(expected["system_config"], actual["system_config"])
    told += list_changes({"labels": expected["labels"]}, {"labels": actual["labels"]})
    if not _is_split_so(run, splits):
        told.append("split: of another version of the protocol or the corpus")
    return told


def _split_folds(
    papers: Papers, manifests: Mapping[str, Sequence[Row]], run: RunId
) -> list[dict[str, tuple[str, str]]]:
    """Return `SplitFolds` as the paper file and the manifests give them today."""
    paper, corpora = papers.papers[run.paper], run.corpora
    rows = [row for member in corpora for row in manifests[member]]
    select = {member: chosen.columns() for member, chosen in paper.select.items()}
    labels = paper.labels_on(run.corpus, run.protocol)
    found = split(paper.protocols[run.protocol], rows, labels, corpora, run.seed, select)
    emotions = {(row["corpus"], row["utterance"]): row["emotion"] for row in rows}
    folds: list[dict[str, tuple[str, str]]] = [{} for _ in range(1 + max(entry["fold"] for entry in found))]
    for entry in found:
        if entry["part"] != UNUSED:
            item = entry["utterance"]
            folds[entry["fold"]][item] = entry["part"], emotions[parse_item(item, corpora)[:2]]
    return folds


def _is_split_so(run: RunRecord, splits: SplitFolds) -> bool:
    """Return whether the parts of a run's utterances are those of today's split."""
    folds = splits(replace(run.id, system="", fold=0))  # which have no say in it
    fold = folds[run.id.fold] if run.id.fold < len(folds) else {}
    expected = {item: part for item, (part, emotion) in fold.items() if emotion in run.labels}
    return expected == {
        name: part for name, part in zip(run.utterances, run.parts.tolist(), strict=True) if part in PARTS
    }


def _is_new(run: RunRecord, folder: Path) -> bool:
    """Return whether a run is not kept yet; raise if another run of its identity is."""
    kept = folder / "runs" / run.id.path
    if not (kept / "run.json").is_file():
        return True
    if gzip.decompress((kept / "predictions.csv.gz").read_bytes()) == (run.path / "predictions.csv").read_bytes():
        return False
    fault = f"another run of this identity is kept in {kept}, of commit {read_json(kept / 'run.json')['commit']}"
    raise RunError(run.path, fault, "Delete the one that is not wanted: they would be two values of one seed and fold.")


def _without_texts(manifest: Path) -> list[dict[str, str]]:
    rows = read_manifest(manifest)
    said = sorted({row["statement"] for row in rows} - {""})
    numbers = {text: str(n).zfill(len(str(len(said)))) for n, text in enumerate(said, start=1)}
    return [{**row, **dict.fromkeys(WITHHELD, ""), "statement": numbers.get(row["statement"], "")} for row in rows]


def _manifest_path(folder: Path, corpus: str) -> Path:
    return folder / "manifests" / f"{corpus}.csv.gz"


def _write_gz(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "rows.csv")
        write_csv(plain, columns, rows)
        with atomic_path(path) as partial:
            partial.write_bytes(_compress(plain.read_bytes()))


def _compress(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)  # equal content, equal bytes
