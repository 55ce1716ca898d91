"""Scores the runs of one paper, each number beside the published one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from serflow.papers.model import Paper, PaperRecord, Published
from serflow.runs import Group, RunRecord, read_runs
from serflow.scoring.chance import score_chance
from serflow.scoring.metrics import METRICS, MIN_SPEAKERS, bootstrap_interval, mean_of_runs, scores
from serflow.scoring.pooling import Counts, Speakers, count_confusions, group_runs, read_speakers
from serflow.scoring.scores import ALL, HISTORY, HISTORY_METRICS, NOT_RUN, PREDICTIONS, Score, Scores

#: The parts that are scored at the end of training.
PARTS = ("test", "validation")


def write_scores(
    record: PaperRecord, runs: Iterable[Path | str], manifests: Iterable[Path | str], output: Path | str
) -> None:
    """Score the runs in folders and write the scores as CSV; see `score_paper`."""
    score_paper(record, read_runs(runs), read_speakers(manifests)).write(output)


def score_paper(record: PaperRecord, runs: Iterable[RunRecord], speakers: Speakers) -> Scores:
    """Score the runs of a paper.

    The folds of one seed are pooled before a metric is taken; value and sd are mean and sample standard deviation
    over seeds; low and high bound the 95 % bootstrap interval over speakers of that same mean.

    Parameters
    ----------
    runs
        Ordered as `runs.read_runs` orders them; those of studies are scored too.
    speakers
        See `pooling.read_speakers`.

    Returns
    -------
    Scores
        Test and validation part at the end of training; epochs that the paper prints; each fold; each speaker where
        they are fewer than six; chance; and a row with a reason for all that was not run.
    """
    groups = group_runs(runs)
    asked = [group for group in asked_groups(record.paper) if not record.paper.systems[group[1]].study]
    rows = [
        row
        for group in dict.fromkeys([*asked, *groups])
        for row in score_group(record, group, groups.get(group, []), speakers)
    ]
    return Scores((*_join_published(record, rows), *score_chance(record.paper, groups)))


def asked_groups(paper: Paper, systems: Iterable[str] | None = None) -> list[Group]:
    """Return each (corpus, system, protocol) that a paper file asks for, of all or of the named systems."""
    return [
        (corpus, system, name)
        for corpus in paper.corpora
        for system in systems or paper.systems
        for name, protocol in paper.protocols.items()
        if name in paper.systems[system].protocols and protocol.applies_to(corpus)
    ]


def score_group(record: PaperRecord, group: Group, runs: Sequence[RunRecord], speakers: Speakers) -> list[Score]:
    """Return the rows of (corpus, system, protocol): the end of training, and epochs that the paper prints.

    Where nothing was run, they say why.
    """
    corpus, system, protocol = group
    if not runs:
        about = Score(record.paper.paper, system, protocol, corpus, note=reason_of(record, corpus))
        return [replace(about, part=part, metric=metric) for part in PARTS for metric in METRICS]
    partial = _describe_folds(runs, record.folds.get((corpus, protocol)))
    rows = [*(row for part in PARTS for row in score_part(runs, part, speakers)), *_score_history(record.paper, runs)]
    return [replace(row, note="; ".join(filter(None, (partial, row.note)))) for row in rows]


def score_part(runs: Sequence[RunRecord], part: str, speakers: Speakers) -> list[Score]:
    """Return the rows of one part of runs of one system: over all, each fold, and each speaker if they are few."""
    counts = count_confusions(runs, part, speakers)
    if not counts.speakers:
        return []
    corpus, system, protocol = runs[0].group
    about = Score(runs[0].id.paper, system, protocol, corpus, part)
    intervals = bootstrap_interval(counts.per_speaker)
    rows = []
    for row in _score_counts(counts, replace(about, n_utterances=counts.n_utterances)):
        low, high = intervals[row.metric] if intervals else (None, None)
        few = "" if intervals else f"inconclusive: {row.n_speakers} speakers are too few for an interval, see each"
        rows.append(replace(row, low=low, high=high, note=few))
    for fold in counts.folds if len(counts.folds) > 1 else ():
        rows += _score_counts(counts.of_fold(fold), replace(about, scope=f"fold {fold}"))
    for name in counts.speakers if len(counts.speakers) < MIN_SPEAKERS else ():
        rows += _score_counts(counts.of_speaker(name), replace(about, scope=f"speaker {name}"))
    return rows


def reason_of(record: PaperRecord, corpus: str) -> str:
    """Return why nothing was run on a corpus, as in the column ``note``."""
    return f"{NOT_RUN}{record.not_run.get(corpus, 'no run was made')}"


def _score_counts(counts: Counts, about: Score) -> list[Score]:
    each = scores(counts.per_seed)
    about = replace(about, n_runs=counts.n_runs, n_folds=len(counts.folds), n_speakers=len(counts.speakers))
    return [
        replace(about, metric=metric, value=float(value), sd=_spread(each[metric]))
        for metric, value in mean_of_runs(counts.per_seed).items()
        if not np.isnan(value)
    ]


def _spread(values: np.ndarray) -> float | None:
    """Return the sample standard deviation of what is no NaN; None of fewer than two."""
    values = values[~np.isnan(values)]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _describe_folds(runs: Sequence[RunRecord], n_folds: int | None) -> str:
    """Return e.g. "folds 0,1 of 6" if not every fold was run with every seed, else an empty string."""
    done: dict[int, list[int]] = {}
    for run in runs:
        done.setdefault(run.id.seed, []).append(run.id.fold)
    if n_folds is None or all(len(folds) == n_folds for folds in done.values()):
        return ""
    texts = {seed: f"fold{'s' * (len(folds) > 1)} {','.join(map(str, sorted(folds)))}" for seed, folds in done.items()}
    if len(set(texts.values())) == 1:
        return f"{next(iter(texts.values()))} of {n_folds}"
    return "; ".join(f"seed {seed}: {text}" for seed, text in texts.items()) + f" of {n_folds}"


def _score_history(paper: Paper, runs: Sequence[RunRecord]) -> list[Score]:
    """Return our numbers for each epoch that the paper prints for a system, under whichever protocol it ran."""
    asked = [one for one in paper.published if one.metric in HISTORY_METRICS and one.system == runs[0].id.system]
    return [_score_epoch(runs, *key) for key in dict.fromkeys((one.part, one.metric, one.epoch) for one in asked)]


def _score_epoch(runs: Sequence[RunRecord], part: str, metric: str, epoch: int | None) -> Score:
    """Return the mean over seeds of the mean over folds of one column of the history at an epoch.

    ``epoch`` None: the end of training, which is a run's ``best_epoch`` where it stopped early, else its last one.
    """
    seeds, folds = ({getattr(run.id, key) for run in runs} for key in ("seed", "fold"))
    corpus, system, protocol = runs[0].group
    about = Score(runs[0].id.paper, system, protocol, corpus, part, metric, epoch, source=HISTORY)
    about = replace(about, n_runs=len(seeds), n_folds=len(folds))
    shortest = min(len(run.history) for run in runs)
    if shortest < (epoch or 1):
        return replace(about, note=f"{NOT_RUN}only {shortest} epochs")

    def value_of(run: RunRecord) -> float:
        return run.history[(epoch or run.info.get("best_epoch", 0)) - 1][f"{part}_{metric}"]

    means = [np.mean([value_of(run) for run in runs if run.id.seed == seed]) for seed in sorted(seeds)]
    return replace(about, value=float(np.mean(means)), sd=_spread(np.array(means)))


def _join_published(record: PaperRecord, rows: Sequence[Score]) -> list[Score]:
    """Return the rows with each published number beside ours, and a row of its own where we have none."""
    published = {entry.identity: entry for entry in record.paper.published}
    ours = {row.key for row in rows if row.scope == ALL}
    joined = [_add_published(row, published.get(row.key)) if row.scope == ALL else row for row in rows]
    for key, entry in published.items():
        if key not in ours:
            source = HISTORY if entry.metric in HISTORY_METRICS else PREDICTIONS
            blank = Score(record.paper.paper, entry.system, entry.protocol, entry.corpus, entry.part, entry.metric)
            blank = replace(blank, epoch=entry.epoch, source=source, note=reason_of(record, entry.corpus))
            joined.append(_add_published(blank, entry))
    return joined


def _add_published(row: Score, entry: Published | None) -> Score:
    if entry is None:
        return row
    note = "; ".join(filter(None, (row.note, entry.note)))
    return replace(row, published=entry.value, table=entry.table, note=note)
