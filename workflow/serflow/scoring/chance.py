"""What guessing would score: all classes alike, or always the most frequent class of the training part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from serflow.papers.model import Paper
from serflow.runs import Group, RunRecord
from serflow.scoring.metrics import mean_of_runs, uniform_confusion
from serflow.scoring.pooling import count_confusions
from serflow.scoring.scores import CHANCE, MAJORITY, UNIFORM, Score


def score_chance(paper: Paper, groups: Mapping[Group, Sequence[RunRecord]]) -> list[Score]:
    """Return the chance levels of each corpus and protocol: the same for all systems that tell all labels apart."""
    shared: dict[tuple[str, str], list[RunRecord]] = {}
    for (corpus, system, protocol), runs in groups.items():
        if system not in paper.systems or paper.systems[system].labels is None:
            shared.setdefault((corpus, protocol), []).extend(runs)
    parts = ("test", "validation", "train")
    return [row for runs in shared.values() for part in parts for row in score_guessing(runs, part)]


def score_guessing(runs: Sequence[RunRecord], part: str) -> list[Score]:
    """Return the chance levels of one part of runs on one corpus and protocol.

    Runs of several systems share their splits: the first of each seed and fold stands for all. The loss of guessing
    all classes alike is ln C (nats).
    """
    first = {(run.id.seed, run.id.fold): run for run in reversed(runs)}
    runs = [first[key] for key in sorted(first)]
    truth = count_confusions(runs, part).per_seed
    if not truth.any():
        return []

    def row(system: str, metric: str, value: float) -> Score:
        place = runs[0].id
        return Score(place.paper, system, place.protocol, place.corpus, part, metric, value=value, source=CHANCE)

    seeds = sorted({run.id.seed for run in runs})
    majority = np.array([sum(_majority(run, part) for run in runs if run.id.seed == seed) for seed in seeds])
    rows = [row(UNIFORM, "loss", math.log(len(runs[0].labels)))]
    for system, counts in ((UNIFORM, uniform_confusion(truth)), (MAJORITY, majority)):
        rows += [row(system, metric, float(value)) for metric, value in mean_of_runs(counts).items()]
    return rows


def _majority(run: RunRecord, part: str) -> np.ndarray:
    """Count confusions of always guessing the training part's most frequent class, of several the first label."""
    n_classes = len(run.labels)
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    best = np.argmax(np.bincount(run.truth[run.parts == "train"], minlength=n_classes))
    counts[:, best] = np.bincount(run.truth[run.parts == part], minlength=n_classes)
    return counts
