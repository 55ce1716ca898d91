"""Scores every run of a paper in long form, with the published number beside each of ours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serflow.errors import ConfigError
from serflow.io.files import read_csv, write_csv
from serflow.protocols.protocols import holds_for
from serflow.runs import (
    Group,
    Run,
    base,
    group_runs,
    load_runs,
    pooled_confusion,
    seeds_of,
    speaker_counts,
    speaker_names,
)
from serflow.scoring.metrics import (
    METRICS,
    MIN_SPEAKERS,
    bootstrap_interval,
    confusion,
    mean_of_runs,
    scores,
    uniform_confusion,
)

Row = dict[str, Any]

#: `scope` is "all", "fold K" or "speaker CORPUS/NAME"; `epoch` is empty for the end of training.
COLUMNS = (
    *("paper", "system", "protocol", "corpus", "part", "metric", "epoch", "scope", "value", "low", "high", "sd"),
    *("n_runs", "n_folds", "n_speakers", "n_utterances", "published", "table", "source", "note"),
)

UNIFORM, MAJORITY = "chance (uniform)", "chance (majority)"

#: What a paper may print for an epoch of its training or validation part: ``{part}_{metric}`` in `history.csv`.
HISTORY_METRICS = ("accuracy", "loss")


def score_runs(
    paper: Mapping[str, Any],
    run_dirs: Iterable[Path | str],
    manifest_rows: Iterable[Mapping[str, str]],
    *,
    n_folds: Mapping[tuple[str, str], int] | None = None,
    not_run: Mapping[str, str] | None = None,
    n_resamples: int = 2000,
) -> list[Row]:
    """Score the runs of one paper.

    The folds of one seed are pooled before a metric is taken; value and sd are mean and sample standard deviation
    over seeds; low and high bound the 95 % bootstrap interval over speakers of that same mean.

    Parameters
    ----------
    paper
        The paper file. Published accuracies and F1 are fractions in 0..1.
    run_dirs
        Run directories, in any order.
    manifest_rows
        Rows of the manifests of all corpora the runs used.
    n_folds
        Number of folds of each (corpus, protocol), to tell a partial result from a whole one.
    not_run
        Corpus to the reason why nothing ran on it.
    n_resamples
        Bootstrap draws.

    Returns
    -------
    list of dict
        Rows with `COLUMNS`: test and validation at the end of training; epochs the paper prints; each fold; each
        speaker where they are fewer than six; chance; and a row with a reason for all that was not run.
    """
    groups, speakers = group_runs(load_runs(run_dirs)), speaker_names(manifest_rows)
    published = _published(paper)
    rows: list[Row] = []
    for corpus, system, protocol in _combinations(paper, groups):
        members = groups.get((corpus, system, protocol), [])
        about = {"corpus": corpus, "system": system, "protocol": protocol}
        if members:
            partial = partial_note(members, (n_folds or {}).get((corpus, protocol)))
            found = [row for part in ("test", "validation") for row in _part_rows(members, part, speakers, n_resamples)]
            found += _history_rows(members, published, system)
            rows += [row | about | {"note": _join(partial, row.get("note", ""))} for row in found]
        else:
            note = f"not run: {(not_run or {}).get(corpus, 'no run was made')}"
            blank = about | {"scope": "all", "source": "predictions", "note": note}
            rows += [blank | {"part": part, "metric": name} for part in ("test", "validation") for name in METRICS]
    _place_published(rows, published, not_run or {})
    own = {name for name, system in paper["systems"].items() if system.get("labels")}
    rows += _chance_rows({group: members for group, members in groups.items() if group[1] not in own})
    return [{column: (row | {"paper": paper["paper"]}).get(column, "") for column in COLUMNS} for row in rows]


def write_scores(rows: Iterable[Row], path: Path | str) -> None:
    """Write score rows as CSV, numbers with six significant digits."""
    write_csv(path, COLUMNS, ({key: _cell(value) for key, value in row.items()} for row in rows))


def evaluate_paper(
    paper: Mapping[str, Any],
    run_dirs: Iterable[Path | str],
    manifests: Iterable[Path | str],
    out_csv: Path | str,
    *,
    n_folds: Mapping[tuple[str, str], int] | None = None,
    not_run: Mapping[str, str] | None = None,
) -> None:
    """Score the runs of a paper and write the scores; see `score_runs`. `manifests` are manifest CSV files."""
    manifest_rows = [row for path in manifests for row in read_csv(path)]
    write_scores(score_runs(paper, run_dirs, manifest_rows, n_folds=n_folds, not_run=not_run), out_csv)


def confusion_matrix(run_dirs: Iterable[Path | str], out_csv: Path | str) -> None:
    """Pool the test predictions of runs of one system, corpus and protocol over folds and seeds and write the counts.

    The CSV has one row per true class: `truth`, then one column of counts per predicted class.

    Raises
    ------
    ConfigError
        If the runs are not all of one (corpus, system, protocol).
    """
    groups = group_runs(load_runs(run_dirs))
    if len(groups) != 1:
        fault = f"a confusion matrix needs runs of one corpus, system and protocol, found {sorted(groups)}"
        raise ConfigError(out_csv, fault, "Give the run directories of one of them.")
    (members,) = groups.values()
    labels, counts = members[0].labels, pooled_confusion(members)
    rows = [{"truth": label} | dict(zip(labels, line, strict=True)) for label, line in zip(labels, counts, strict=True)]
    write_csv(out_csv, ("truth", *labels), rows)


def partial_note(runs: Sequence[Run], n_folds: int | None) -> str:
    """Return e.g. "folds 0,1 of 6" if not every fold was run with every seed, else an empty string."""
    folds = {seed: sorted(int(run.info["fold"]) for run in members) for seed, members in seeds_of(runs).items()}
    texts = {seed: f"fold{'s' * (len(done) > 1)} {','.join(map(str, done))}" for seed, done in folds.items()}
    if n_folds is None or all(len(done) == n_folds for done in folds.values()):
        return ""
    if len(set(texts.values())) == 1:
        return f"{next(iter(texts.values()))} of {n_folds}"
    return "; ".join(f"seed {seed}: {text}" for seed, text in texts.items()) + f" of {n_folds}"


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _combinations(paper: Mapping[str, Any], groups: Mapping[Group, list[Run]]) -> list[Group]:
    """Return what the paper file asks for, its studies apart, in its order, then what was run beyond it."""
    asked = [
        (corpus, system, protocol)
        for corpus in paper["corpora"]
        for system, settings in paper["systems"].items()
        for protocol, rules in paper["protocols"].items()
        if not settings.get("study")
        and protocol in settings.get("protocols", paper["protocols"])
        and holds_for(rules, corpus)
    ]
    return [*asked, *(group for group in groups if group not in asked)]


def _published(paper: Mapping[str, Any]) -> list[Row]:
    """Return the published entries, with an empty epoch where the paper gives the end of training."""
    entries: list[Row] = [{"epoch": ""} | dict(entry) for entry in paper.get("published", [])]
    seen: set[tuple[object, ...]] = set()
    for entry in entries:
        where = f"papers/{paper['paper']}.yaml, published: {entry['table']}, {entry['system']}, {entry['metric']}"
        if entry["metric"] != "loss" and not 0 <= entry["value"] <= 1:
            fault = f"{entry['value']} is no fraction in 0..1"
            raise ConfigError(where, fault, "Write 66.1 % as 0.661.")
        if entry["metric"] in HISTORY_METRICS and entry["part"] == "test":
            raise ConfigError(where, "training logs nothing on the test part", "Use WA, UA or macro_F1.")
        if _identity(entry) in seen:
            raise ConfigError(where, "is given twice", "Keep one entry per system, corpus, protocol, part and epoch.")
        seen.add(_identity(entry))
    return entries


def _identity(row: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(row.get(key, "") for key in ("system", "corpus", "protocol", "part", "metric", "epoch"))


def _place_published(rows: list[Row], published: Sequence[Row], not_run: Mapping[str, str]) -> None:
    """Set each published value beside ours; append a row of its own where we have none."""
    ours = {_identity(row): row for row in rows if row["scope"] == "all"}
    for entry in published:
        row = ours.get(_identity(entry))
        if row is None:
            note = f"not run: {not_run.get(entry['corpus'], 'no run was made')}"
            row = {key: entry[key] for key in ("system", "corpus", "protocol", "part", "metric", "epoch")}
            row |= {"scope": "all", "source": "history" if entry["metric"] in HISTORY_METRICS else "predictions"}
            rows.append(row | {"note": note})
            row = rows[-1]
        row |= {"published": float(entry["value"]), "table": entry["table"]}
        row["note"] = _join(row.get("note", ""), entry.get("note", ""))


def _sd(values: np.ndarray) -> float | str:
    values = values[~np.isnan(values)]
    return float(np.std(values, ddof=1)) if len(values) > 1 else ""


def _part_rows(runs: Sequence[Run], part: str, speakers: Mapping[str, str], n_resamples: int) -> list[Row]:
    """Return the rows of one part at the end of training: all, each fold, and each speaker if they are few."""
    counts, names, seeds = speaker_counts(runs, part, speakers)
    if not counts.sum():
        return []
    folds = sorted({int(run.info["fold"]) for run in runs})
    utterances = {
        base(name) for run in runs for name, where in zip(run.utterances, run.parts, strict=True) if where == part
    }
    per_seed, intervals = scores(counts.sum(axis=1)), bootstrap_interval(counts, n_resamples)
    common = {"part": part, "source": "predictions", "n_runs": len(seeds)}
    rows: list[Row] = []
    for metric, value in mean_of_runs(counts.sum(axis=1)).items():
        low, high = intervals[metric] if intervals else ("", "")
        few = f"inconclusive: {len(names)} speakers are too few for an interval, see each" if not intervals else ""
        row = {"scope": "all", "metric": metric, "value": float(value), "low": low, "high": high, "note": few}
        row |= {"sd": _sd(per_seed[metric]), "n_folds": len(folds), "n_speakers": len(names)}
        rows.append(common | row | {"n_utterances": len(utterances)})
    if len(folds) > 1:
        for fold in folds:
            members = [run for run in runs if int(run.info["fold"]) == fold]
            rows += _scope_rows(f"fold {fold}", speaker_counts(members, part, speakers)[0], common | {"n_folds": 1})
    if len(names) < MIN_SPEAKERS:
        for i, name in enumerate(names):
            rows += _scope_rows(f"speaker {name}", counts[:, [i]], common | {"n_folds": len(folds)})
    return rows


def _scope_rows(scope: str, counts: np.ndarray, common: Row) -> list[Row]:
    """Return the rows of one fold or speaker from ``(n_seeds, n_speakers, C, C)`` counts."""
    per_seed = counts.sum(axis=1)
    sizes = {"n_runs": int((per_seed.sum(axis=(1, 2)) > 0).sum()), "n_speakers": counts.shape[1]}
    each = scores(per_seed)
    return [
        common | sizes | {"scope": scope, "metric": metric, "value": float(value), "sd": _sd(each[metric])}
        for metric, value in mean_of_runs(per_seed).items()
    ]


def _history_rows(runs: Sequence[Run], published: Sequence[Row], system: str) -> list[Row]:
    """Return our numbers for each epoch that the paper prints for this system, under whichever protocol ran."""
    asked = dict.fromkeys(
        (entry["part"], entry["metric"], entry["epoch"])
        for entry in published
        if entry["system"] == system and entry["metric"] in HISTORY_METRICS
    )
    return [_history_row(seeds_of(runs), *key) for key in asked]


def _history_row(seeds: Mapping[int, Sequence[Run]], part: str, metric: str, epoch: int | str) -> Row:
    """Return the mean over seeds of the mean over folds of one column of the history at one epoch."""
    runs = [run for members in seeds.values() for run in members]
    row: Row = {"scope": "all", "part": part, "metric": metric, "epoch": epoch, "source": "history"}
    row |= {"n_runs": len(seeds), "n_folds": len({run.info["fold"] for run in runs})}
    shortest = min(len(run.history) for run in runs)
    needed = 1 if epoch == "" else int(epoch)
    if shortest < needed:
        return row | {"note": f"not run: only {shortest} epochs"}
    at = -1 if epoch == "" else needed - 1
    means = np.array([np.mean([run.history[at][f"{part}_{metric}"] for run in members]) for members in seeds.values()])
    return row | {"value": float(np.mean(means)), "sd": _sd(means)}


def _chance_rows(groups: Mapping[Group, list[Run]]) -> list[Row]:
    """Return what guessing would score on each corpus and protocol: the same for all systems of the same labels."""
    shared: dict[tuple[str, str], dict[tuple[object, object], Run]] = {}
    for (corpus, _, protocol), runs in groups.items():
        for run in runs:
            shared.setdefault((corpus, protocol), {}).setdefault((run.info["seed"], run.info["fold"]), run)
    rows: list[Row] = []
    for (corpus, protocol), by_fold in shared.items():
        about = {"corpus": corpus, "protocol": protocol, "scope": "all", "source": "chance"}
        runs = list(by_fold.values())
        for part in ("test", "validation", "train"):
            rows += [about | {"part": part} | row for row in _chance(runs, part)]
    return rows


def _chance(runs: Sequence[Run], part: str) -> list[Row]:
    """Return the chance levels of one part; the loss of the uniform guesser is ln C (nats)."""
    truth = np.array([pooled_confusion(members, part) for members in seeds_of(runs).values()])
    if not truth.sum():
        return []
    majority = np.array([_majority(members, part) for members in seeds_of(runs).values()])
    rows: list[Row] = [{"system": UNIFORM, "metric": "loss", "value": math.log(len(runs[0].labels))}]
    for system, counts in ((UNIFORM, uniform_confusion(truth)), (MAJORITY, majority)):
        rows += [{"system": system, "metric": name, "value": float(x)} for name, x in mean_of_runs(counts).items()]
    return rows


def _majority(runs: Sequence[Run], part: str) -> np.ndarray:
    """Count confusions of a guesser that always says the most frequent class of the fold's training part.

    Where classes tie, it says the first of them in the label set's order.
    """
    n_classes = len(runs[0].labels)
    total = np.zeros((n_classes, n_classes), dtype=np.int64)
    for run in runs:
        best = int(np.argmax(np.bincount(run.truth[run.parts == "train"], minlength=n_classes)))
        truth = run.truth[run.parts == part]
        total += confusion(truth, np.full(len(truth), best), n_classes)
    return total
