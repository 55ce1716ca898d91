"""Scores the runs of one paper, each number beside the published one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from serflow.items import Item
from serflow.papers.model import Paper, PaperRecord, Published
from serflow.runs import Group, RunRecord, read_runs
from serflow.scoring.chance import score_chance
from serflow.scoring.differences import effective_size, seed_variance
from serflow.scoring.gaps import find_gaps, write_gaps
from serflow.scoring.metrics import METRICS, MIN_SPEAKERS, bootstrap_interval, mean_of_runs, scores
from serflow.scoring.pooling import Counts, Speakers, count_confusions, group_runs, read_speakers, without_copies
from serflow.scoring.scores import ALL, HISTORY, HISTORY_METRICS, NOT_RUN, ORIGINALS, PREDICTIONS, Score, Scores

#: The parts that are scored at the end of training.
PARTS = ("test", "validation")


def write_scores(
    record: PaperRecord, runs: Iterable[Path | str], manifests: Iterable[Path | str], output: Path, gaps: Path
) -> None:
    """Score the runs in folders; write scores and differences as CSV: see `score_paper` and `gaps.find_gaps`."""
    found, speakers = read_runs(runs), read_speakers(manifests)
    score_paper(record, found, speakers).write(output)
    write_gaps(find_gaps(record, found, speakers), gaps)


def score_paper(record: PaperRecord, runs: Iterable[RunRecord], speakers: Speakers) -> Scores:
    """Score the runs of a paper.

    The folds of one seed are pooled before a metric is taken; value and sd are mean and sample standard deviation
    over seeds; low and high bound the 95 % bootstrap interval of that same mean, over speakers, or over
    utterances where fewer than six speakers are tested.

    Parameters
    ----------
    runs
        Ordered as `runs.read_runs` orders them; those of studies are scored too.
    speakers
        See `pooling.read_speakers`.

    Returns
    -------
    Scores
        Test and validation part at the end of training; epochs that the paper prints; each fold; each speaker;
        chance; and a row with a reason for all that was not run.
    """
    groups = group_runs(runs)
    asked = [group for group in asked_groups(record.paper) if record.paper.in_tables(*group)]
    rows = [
        row
        for group in dict.fromkeys([*asked, *groups])
        for row in score_group(record, group, groups.get(group, []), speakers)
    ]
    return Scores((*_join_published(record, rows), *score_chance(record.paper, groups)))


def asked_groups(paper: Paper, study: str | None = None) -> list[Group]:
    """Return each (corpus, system, protocol) that a paper file asks for, in all or for one of its studies."""
    shared = paper.study_protocols(study) if study else paper.protocols
    return [
        (corpus, system, name)
        for corpus in (paper.corpora if study else paper.all_corpora)
        for system in (paper.studies[study].systems if study else paper.systems)
        for name in paper.protocols
        if name in shared and name in paper.asked(corpus, system)
    ]


def score_group(record: PaperRecord, group: Group, runs: Sequence[RunRecord], speakers: Speakers) -> list[Score]:
    """Return the rows of (corpus, system, protocol): the end of training, and epochs that the paper prints.

    Where nothing was run, they say why.
    """
    corpus, system, protocol = group
    if not runs:
        about = Score(record.paper.paper, system, protocol, corpus, note=reason_of(record, corpus, system))
        return [replace(about, part=part, metric=metric) for part in PARTS for metric in METRICS]
    missing = describe_missing(runs, record.folds.get((corpus, protocol)), record.seeds.get(protocol, ()))
    parts = (row for part in (*PARTS, ORIGINALS) for row in score_part(runs, part, speakers))
    return [replace(row, missing=missing) for row in (*parts, *_score_history(record.paper, runs))]


def score_part(runs: Sequence[RunRecord], part: str, speakers: Speakers) -> list[Score]:
    """Return the rows of one part of runs of one system: over all, each fold, and each speaker.

    The part `ORIGINALS` is the test part without augmented copies; there is none where no copy is tested.
    """
    if part == ORIGINALS:
        if not any(run.item(n).copy for run in runs for n in np.flatnonzero(run.parts == "test").tolist()):
            return []
        return [replace(row, part=part) for row in score_part(list(map(without_copies, runs)), "test", speakers)]
    counts = count_confusions(runs, part, speakers)
    if not counts.speakers:
        return []
    corpus, system, protocol = runs[0].group
    about = Score(runs[0].id.paper, system, protocol, corpus, part)
    unit, units = "speakers", counts
    if len(counts.speakers) < MIN_SPEAKERS:
        unit, units = "utterances", count_confusions(runs, part, {item: "/".join(item) for item in speakers})
    intervals = bootstrap_interval(units.per_speaker)
    known = replace(about, n_utterances=counts.n_utterances, unit=unit, spread=last_spread(runs))
    known = replace(known, collapsed=sum(_is_collapsed(run, part) for run in runs))
    rows = []
    for row in _score_counts(counts, known):
        low, high = intervals[row.metric]
        variance, size = _describe_error(runs, part, counts, row.metric)
        rows.append(replace(row, low=low, high=high, seed_variance=variance, n_effective=size))
    for fold in counts.folds if len(counts.folds) > 1 else ():
        rows += _score_counts(counts.of_fold(fold), replace(about, scope=f"fold {fold}"))
    for name in counts.speakers:
        rows += _score_counts(counts.of_speaker(name), replace(about, scope=f"speaker {name}"))
    return rows


def last_spread(runs: Sequence[RunRecord]) -> float | None:
    """Return how far the validation accuracy moves over the last tenth of epochs: its range, the mean over runs.

    None where no run takes its last epoch as it comes, or there is no validation part or only one such epoch.
    """
    ranges = [max(last) - min(last) for run in runs if (last := last_epochs(run))]
    return float(np.mean(ranges)) if ranges else None


def last_epochs(run: RunRecord) -> list[float]:
    """Return the validation accuracies of the last tenth of epochs; empty where `last_spread` leaves a run out."""
    last = [row["validation_accuracy"] for row in run.history[-math.ceil(len(run.history) / 10) :]]
    return [] if "best_epoch" in run.info or len(last) < 2 or any(map(math.isnan, last)) else last


def _is_collapsed(run: RunRecord, part: str) -> bool:
    """Return whether a run predicts one class alone though there are several."""
    here = run.parts == part
    return len(set(run.truth[here])) > 1 and len(set(run.predicted[here])) == 1


def _describe_error(runs: Sequence[RunRecord], part: str, counts: Counts, metric: str) -> tuple[float | None, float]:
    """Return the variance between seeds, None of one, and the effective size of one seed's test set."""
    tested = [
        sorted(item for run in runs if run.id.seed == seed for item in _items(run, part)) for seed in counts.seeds
    ]
    variance = seed_variance(counts.per_seed, metric, all(one == tested[0] for one in tested)) if tested[1:] else None
    size = effective_size(counts.per_seed.sum(axis=0), metric, float(np.mean([len(items) for items in tested])))
    return variance, size


def _items(run: RunRecord, part: str) -> list[Item]:
    return [run.item(n) for n in np.flatnonzero(run.parts == part).tolist()]


def reason_of(record: PaperRecord, corpus: str, system: str) -> str:
    """Return why nothing was run of a system on a corpus, as in the column ``note``."""
    reason = record.not_run.get(corpus) or record.left_out.get(system, "no run was made")
    return f"{NOT_RUN}{reason}"


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


def describe_missing(runs: Sequence[RunRecord], n_folds: int | None, seeds: Collection[int]) -> str:
    """Return e.g. "2 of 6 folds; 1 of 3 seeds" if not all folds and seeds were run, else an empty string."""
    return "; ".join(filter(None, (_describe_folds(runs, n_folds), _describe_seeds(runs, seeds))))


def _describe_folds(runs: Sequence[RunRecord], n_folds: int | None) -> str:
    """Return e.g. "2 of 6 folds" if not every fold was run with every seed, else an empty string."""
    done = Counter(run.id.seed for run in runs)
    if n_folds is None or set(done.values()) == {n_folds}:
        return ""
    if len(set(done.values())) == 1:
        return f"{done.most_common()[0][1]} of {n_folds} folds"
    return f"{done.total()} of {n_folds * len(done)} folds of {len(done)} seeds"


def _describe_seeds(runs: Sequence[RunRecord], asked: Collection[int]) -> str:
    """Return e.g. "1 of 3 seeds" if not every default seed was run, else an empty string."""
    done = {run.id.seed for run in runs}
    return "" if done.issuperset(asked) else f"{len(done)} of {len({*done, *asked})} seeds"


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
            blank = replace(blank, epoch=entry.epoch, source=source, note=reason_of(record, entry.corpus, entry.system))
            joined.append(_add_published(blank, entry))
    return joined


def _add_published(row: Score, entry: Published | None) -> Score:
    if entry is None:
        return row
    note = "; ".join(filter(None, (row.note, entry.note)))
    return replace(row, published=entry.value, table=entry.table, note=note)
