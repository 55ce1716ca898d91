"""What is logged to MLflow: entries made from the files of runs, scores, tables and figures. Nothing is written."""

from __future__ import annotations

import datetime
import functools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from serflow.errors import RunError
from serflow.inference.systems import ModelError, check_own_code, read_trained
from serflow.io.files import digest_file, digest_value, read_csv
from serflow.papers.model import PaperRecord
from serflow.runs import Group, RunId, RunRecord
from serflow.scoring.metrics import METRICS
from serflow.scoring.metrics import scores as metrics_of
from serflow.scoring.overview import compare_papers
from serflow.scoring.pooling import group_runs, pooled_confusion
from serflow.scoring.results import read_results
from serflow.scoring.scores import ALL, Score, Scores
from serflow.scoring.verdicts import RULE
from serflow.tables.table import SYNTHETIC

#: The entry of what is made over all papers; no paper can have this name.
OVERVIEW = "all papers"
#: The folder of a run's artifacts that holds its model.
MODEL = "model"
#: What a `Group` consists of.
GROUP = ("corpus", "system", "protocol")
#: Keys of ``run.json`` that are logged as metrics, and those that are tags or times; every other one is a parameter.
COSTS = ("seconds", "training_seconds", "peak_memory_mib")
NO_PARAMETERS = ("commit", "device", "started", "finished", *COSTS)
#: Fields of a score that are logged, with what is added to the metric's name.
SCORES = {"value": "", "low": "_low", "high": "_high", "sd": "_sd", "published": "_published"}


class Metric(NamedTuple):
    """One value of a metric; ``time``: milliseconds after the entry's start."""

    name: str
    step: int
    value: float
    time: int


@dataclass(frozen=True)
class Dataset:
    """What a run was trained on: the manifests of its corpora; the split is a tag."""

    name: str
    digest: str
    source: str
    profile: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """What MLflow is to hold of one of its runs.

    ``key`` tells it apart, ``started`` and ``finished`` are milliseconds since 1970, ``artifacts`` are files and the
    folders to log them in, ``parent`` is the key of the entry above it. ``is_model``: MLflow can load
    what is in the folder `MODEL`.
    """

    key: str
    name: str
    started: int
    finished: int
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[Metric] = ()
    artifacts: Sequence[tuple[Path, str]] = ()
    config: Mapping[str, Any] | None = None
    dataset: Dataset | None = None
    is_model: bool = False
    parent: str | None = None

    @functools.cached_property
    def digest(self) -> str:
        """The digest of all that is logged but the times and the parent."""
        left_out = ("key", "started", "finished", "artifacts", "dataset", "parent")
        facts = {name: value for name, value in vars(self).items() if name not in left_out}
        files = [(folder, path.name, digest_file(path)) for path, folder in self.artifacts]
        return digest_value([facts, files, vars(self.dataset) if self.dataset else None])


def paper_entries(
    record: PaperRecord, runs: Sequence[RunRecord], scores: Scores, artifacts: Iterable[Path], results: Path
) -> list[Entry]:
    """Return the entries of one paper: one of each corpus, system and protocol, then those of its seeds and folds.

    Parameters
    ----------
    scores
        Those over all runs are logged.
    artifacts
        Tables and figures below `results`. Those in a folder ``CORPUS/SYSTEM/PROTOCOL`` of the paper, or above such a
        one, are logged with these alone, all others with every corpus, system and protocol.
    results
        The results folder, which holds manifests and splits too.

    Raises
    ------
    RunError
        If a run is of another paper, or a file is missing.
    """
    for run in runs:
        if run.id.paper != record.paper.paper:
            raise RunError(run.path, f"is a run of {run.id.paper}, not of {record.paper.paper}", "Leave it out.")
    groups, placed, entries = group_runs(runs), _place_artifacts(artifacts, results), list[Entry]()
    for group, members in groups.items():
        deviations = record.deviations_of(group)
        tags = {"paper": record.paper.paper, **dict(zip(GROUP, group, strict=True))}
        tags["data"] = "synthetic" if record.synthetic else "recorded"
        children = [_run_entry(run, deviations, tags, results) for run in members]
        mine = [(path, folder) for path, folder in placed if _is_of_group(folder, group, groups)]
        chosen = scores.select(**dict(zip(GROUP, group, strict=True)), scope=ALL)
        entries += [_group_entry(record, group, children, tags, chosen, mine), *children]
    return entries


def _run_entry(run: RunRecord, deviations: Sequence[str], tags: Mapping[str, str], results: Path) -> Entry:
    key, info = PurePosixPath(run.id.path), run.info
    started, finished = (_milliseconds(info[name]) for name in ("started", "finished"))
    files = [("run.json", ""), ("predictions.csv", ""), ("history.csv", "")]
    if info["model_format"] != "none":
        files += [(name, MODEL) for name in ("run.json", "model")]
    commit = str(info.get("commit") or "unknown")
    return Entry(
        key=str(key),
        name=f"{key.parent.name}/{key.name}",
        started=started,
        finished=finished,
        tags={
            **tags,
            "commit": commit,
            "mlflow.source.git.commit": commit,
            "device": str(info.get("device") or "unknown"),
            "deviations": _join_deviations(deviations),
        },
        parameters=_flatten({name: value for name, value in info.items() if name not in NO_PARAMETERS}),
        metrics=[*_history_metrics(run), *_final_metrics(run, finished - started)],
        artifacts=[(_existing(run.path / name), folder) for name, folder in files],
        config=info["system_config"],
        dataset=_dataset(run.id, results),
        is_model=info["model_format"] != "none" and _is_portable(run.path),
        parent=str(key.parents[1]),
    )


def _is_portable(folder: Path) -> bool:
    """Return whether a run can be applied with the files of its folder alone, without code of the user's own."""
    try:
        check_own_code(read_trained(folder))
    except ModelError:
        return False
    return True


def _group_entry(
    record: PaperRecord,
    group: Group,
    children: Sequence[Entry],
    tags: Mapping[str, str],
    scores: Scores,
    artifacts: Sequence[tuple[Path, str]],
) -> Entry:
    started, finished = min(child.started for child in children), max(child.finished for child in children)
    corpus, system, protocol = group
    deviations = record.deviations_of(group)
    return Entry(
        key=str(children[0].parent),
        name=f"{system}/{protocol} ({corpus})",
        started=started,
        finished=finished,
        tags={
            **tags,
            "mlflow.note.content": _describe_group(record, group, scores),
            "deviations": _join_deviations(deviations),
            "n_runs": str(len(children)),
        },
        parameters=dict(zip(GROUP, group, strict=True)),
        metrics=list(_score_metrics(scores, finished - started)),
        artifacts=artifacts,
    )


def describe_paper(record: PaperRecord, scores: Scores) -> str:
    """Return in Markdown what a paper is, and each published number beside ours, with the verdict."""

    def percent(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.1f}"

    rows = [
        f"| {one.title}, {one.place} | {one.metric} ({one.part}) | {percent(one.published)} | "
        f"{percent(one.cells['published'].value)} | {percent(one.cells['unseen'].value)} | {one.verdict} |"
        for one in compare_papers([record], scores)
    ]
    head = ["| system | metric (part) | published, % | paper's protocol, % | unseen speakers, % | verdict |"]
    parts = [record.paper.title, *([f"**{SYNTHETIC}**"] if record.synthetic else [])]
    return "\n\n".join([*parts, *(["\n".join([*head, "|---|---|---|---|---|---|", *rows])] if rows else [])])


def _describe_group(record: PaperRecord, group: Group, scores: Scores) -> str:
    """Return in Markdown what a system is, its scores beside the published ones, and where it deviates."""
    _, system, protocol = group
    rows = [one for one in scores if one.value is not None and one.metric in METRICS]
    table = [
        f"| {one.metric} ({one.part}) | {'' if one.published is None else f'{100 * one.published:.1f}'} | "
        f"{100 * (one.value or 0):.1f} | {_interval(one)} |"
        for one in rows
    ]
    deviations = record.deviations_of(group)
    parts = [
        *([f"**{SYNTHETIC}**"] if record.synthetic else []),
        f"{record.paper.title_of('systems', system)}: {record.paper.title_of('protocols', protocol)}.",
        "\n".join(["| metric (part) | published, % | ours, % | 95 % interval |", "|---|---|---|---|", *table]),
        "Deviates from the paper:\n\n" + "\n".join(f"- {text}" for text in deviations)
        if deviations
        else "No deviations.",
    ]
    return "\n\n".join(parts)


def _interval(score: Score) -> str:
    return "" if score.low is None or score.high is None else f"{100 * score.low:.1f} to {100 * score.high:.1f}"


def overview_entry(artifacts: Iterable[Path], results: Path) -> Entry:
    """Return the entry of the comparison of all papers, ``tables/comparison.csv`` below `results`.

    Its metrics are the published values and ours by role of the protocol, ``published/PAPER.CORPUS.SYSTEM.PART_METRIC``
    and ``ours_ROLE/...``; the verdicts are tags. Its time is that of the file. ``artifacts``: tables and figures over
    all papers, below `results`.
    """
    table = results / "tables" / "comparison.csv"
    found = read_results(table)
    time = int(1000 * table.stat().st_mtime)
    values: dict[str, float | None] = {}
    verdicts: dict[str, str] = {}
    for row in found:
        name = re.sub(r"[^\w. -]", "_", f"{row.paper}.{row.corpus}.{row.system}.{row.part}_{row.metric}")
        values[f"published/{name}"] = row.published
        values |= {f"ours_{role}/{name}": cell.value for role, cell in row.cells.items()}
        verdicts[f"verdict.{name}"] = ": ".join(filter(None, (row.verdict, row.reason)))
    synthetic = any(row.synthetic for row in found)
    return Entry(
        key=OVERVIEW,
        name="comparison",
        started=time,
        finished=time,
        tags={"mlflow.note.content": f"{SYNTHETIC}\n\n{RULE}" if synthetic else RULE, **verdicts},
        metrics=[Metric(name, 0, value, 0) for name, value in values.items() if value is not None],
        artifacts=_place_artifacts(artifacts, results),
    )


def _join_deviations(deviations: Sequence[str]) -> str:
    """Return deviations as a JSON list, which no text in it can break; "none" to filter by."""
    return json.dumps(deviations, ensure_ascii=False) if deviations else "none"


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the leaves of nested mappings as text under dotted names, sorted."""
    flat: dict[str, str] = {}
    for name, value in sorted(tree.items()):
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat


def _history_metrics(run: RunRecord) -> Iterator[Metric]:
    """Yield the numbers of each epoch, stamped with the time at which it ended."""
    elapsed = 0.0
    for row in run.history:
        elapsed += row["seconds"]
        for name, value in row.items():
            if name != "epoch" and not math.isnan(value):
                yield Metric(name, int(row["epoch"]), value, int(1000 * elapsed))


def _final_metrics(run: RunRecord, time: int) -> Iterator[Metric]:
    """Yield WA, UA and macro-F1 of the validation and test part, and what the run cost."""
    for part in ("validation", "test"):
        for name, value in metrics_of(pooled_confusion([run], part)).items():
            if not math.isnan(value):
                yield Metric(f"{part}_{name}", 0, float(value), time)
    for cost in COSTS:
        if run.info.get(cost) is not None:
            yield Metric(f"run_{cost}", 0, float(run.info[cost]), time)


def _score_metrics(scores: Scores, time: int) -> Iterator[Metric]:
    """Yield value, bounds, spread and published number of each score, such as ``test_UA_low``."""
    for score in scores:
        for name, suffix in SCORES.items():
            if (value := getattr(score, name)) is not None:
                yield Metric(f"{score.part}_{score.metric}{suffix}", score.epoch or 0, value, time)


def _place_artifacts(paths: Iterable[Path], results: Path) -> list[tuple[Path, str]]:
    """Return files of the results folder, sorted, each with its folder below `results`."""
    root, placed = results.absolute(), []
    for path in sorted(paths):
        if not path.absolute().is_relative_to(root):
            raise RunError(path, f"is not below {results}", "Give tables and figures of the results folder alone.")
        placed.append((_existing(path), path.absolute().relative_to(root).parent.as_posix()))
    return placed


def _is_of_group(folder: str, group: Group, groups: Iterable[Group]) -> bool:
    """Return whether a folder, ``figures/PAPER/...``, is one of a group's, or of no group in particular."""
    place = PurePosixPath(folder).parts[2:]
    return group[: len(place)] == place or all(other[: len(place)] != place for other in groups)


def _dataset(run: RunId, results: Path) -> Dataset:
    manifests = [_existing(results / "manifests" / f"{corpus}.csv") for corpus in run.corpora]
    split = _existing(results / "splits" / run.paper / run.corpus / run.protocol / f"seed{run.seed}.csv")
    return Dataset(
        name=run.corpus,
        digest=digest_value([digest_file(path) for path in manifests])[:12],
        source=json.dumps({"uri": " ".join(path.as_posix() for path in manifests)}),
        profile=json.dumps({"num_rows": sum(map(_count_rows, manifests))}),
        tags={
            "mlflow.data.context": run.protocol,
            "split": split.as_posix(),
            "split_digest": digest_file(split)[:12],
        },
    )


@functools.cache  # all runs of a corpus have the same manifests
def _count_rows(path: Path) -> int:
    return len(read_csv(path))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise RunError(path, "no such file", "Run the workflow, which makes it.")
    return path


def _milliseconds(time: str) -> int:
    """Return a time in ISO 8601 as milliseconds since 1970."""
    return int(1000 * datetime.datetime.fromisoformat(time).timestamp())
