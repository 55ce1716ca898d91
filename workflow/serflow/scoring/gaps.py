"""What one result of a paper is above another, with intervals: ``results/scores/{paper}_gaps.csv``."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from serflow.items import Item
from serflow.papers.model import PaperRecord
from serflow.protocols.base import Role
from serflow.runs import RunRecord
from serflow.scoring.differences import Estimate, Z, bootstrap_difference, holm, mcnemar_p
from serflow.scoring.frames import column_types, make_frame, plain_rows, read_frame, write_frame
from serflow.scoring.metrics import METRICS, MIN_SPEAKERS, label_of
from serflow.scoring.pooling import (
    Counts,
    Speakers,
    count_confusions,
    group_runs,
    of_speakers,
    tested_speakers,
    without_copies,
)
from serflow.scoring.results import Result
from serflow.scoring.verdicts import find_obstacles

#: Roles of the protocols whose results are subtracted, the one expected to be higher first.
PAIRS: tuple[tuple[Role, Role], ...] = (
    ("published", "unseen"),
    ("random", "unseen"),
    ("given", "unseen"),
    ("random", "published"),
    ("leak", "control"),
    ("control", "random"),
    ("control", "published"),
    ("unseen_control", "unseen"),
)
#: What both sides of a difference share, and so take each draw of together.
PAIRED, JOINT, PARTLY, INDEPENDENT = "same recordings", "same speakers", "some recordings", "nothing"


@dataclass(frozen=True)
class Gap:
    """One metric of a system under a protocol, less that of another one.

    ``value``, ``low``, ``high``: difference of fractions and its 95 % interval; ``method``: what both sides share;
    ``unit``: what the bootstrap resamples (speakers; utterances where fewer than six speakers are tested); ``p``, of WA
    alone: McNemar's exact test on the mean posteriors over seeds, where both sides predict the same recordings, each
    by as many networks, without augmented copies; ``p_holm``: the same, corrected for the number of tests within
    a protocol and corpus; ``second_paper``, ``second_corpus``: those of the second side where they are others.
    """

    paper: str
    corpus: str
    first_system: str
    first_protocol: str
    second_system: str
    second_protocol: str
    part: str
    metric: str
    value: float
    low: float
    high: float
    method: str
    unit: str
    n_units: int
    p: float | None = None
    p_holm: float | None = None
    second_paper: str = ""
    second_corpus: str = ""


TYPES = column_types(Gap) | dict.fromkeys(("value", "low", "high"), "float") | {"n_units": "Int64"}


def write_gaps(gaps: Iterable[Gap], path: Path | str) -> None:
    """Write gaps as CSV with the columns `TYPES`."""
    write_frame(path, make_frame(map(vars, gaps), TYPES))


def read_gaps(path: Path | str) -> list[Gap]:
    """Read what `write_gaps` wrote; see `read_frame` for errors."""
    return [Gap(**row) for row in plain_rows(read_frame(path, TYPES))]


def find_gaps(record: PaperRecord, runs: Iterable[RunRecord], speakers: Speakers) -> list[Gap]:
    """Return the gaps of a paper's systems.

    Between protocols: see `PAIRS`; of the test part, where augmented copies are tested of the original recordings
    alone. Between systems that tell the same labels apart: each pair under each protocol on each corpus, also of the
    validation part under a protocol for which the paper prints numbers of it.

    Parameters
    ----------
    record
        The paper as run.
    runs
        Its runs; those of studies are left out.
    speakers
        See `pooling.read_speakers`.
    """
    paper = record.paper
    groups = {group: members for group, members in group_runs(runs).items() if paper.in_tables(*group)}
    gaps: list[Gap] = []
    for (corpus, system, protocol), members in groups.items():
        role = paper.protocols[protocol].purpose
        for other in [second for first, second in PAIRS if first == role]:
            names = [name for name, rules in paper.protocols.items() if rules.purpose == other]
            seconds = [groups.get((corpus, system, name), []) for name in names]
            originals = list(map(without_copies, members))
            for second in seconds:
                gaps += subtract_runs(originals, list(map(without_copies, second)), "test", speakers)
    for corpus, protocol in dict.fromkeys((corpus, protocol) for corpus, _, protocol in groups):
        own = [members for group, members in groups.items() if (group[0], group[2]) == (corpus, protocol)]
        printed = any((one.protocol, one.part) == (protocol, "validation") for one in paper.published)
        for part in ("test", "validation") if printed else ("test",):
            pairs = [subtract_runs(first, second, part, speakers) for first, second in itertools.combinations(own, 2)]
            gaps += _correct([gap for pair in pairs for gap in pair])
    return gaps


def subtract_runs(first: Sequence[RunRecord], second: Sequence[RunRecord], part: str, speakers: Speakers) -> list[Gap]:
    """Return the gap of each metric between the runs of two systems or protocols; none if they cannot be compared.

    They can if both have runs, of the same labels, that have the part. Where folds or seeds are missing, the runs are
    compared of which both sides have the like (see `_of_like_runs`), on the speakers that both test.
    """
    first, second = _of_shared_speakers(*_of_like_runs(first, second), part, speakers)
    found = bootstrap_runs(first, second, part, speakers)
    if not found:
        return []
    (recognised, networks), (others, other_networks) = (
        _recognise(map(without_copies, runs), part) for runs in (first, second)
    )
    same = networks.keys() == other_networks.keys()
    p = None
    # A mean over several seeds recognises more than each of them: against fewer seeds that is no difference of systems.
    if networks == other_networks:
        p = mcnemar_p(*(np.array([known[item] for item in recognised]) for known in (recognised, others)))
    method = PAIRED if same else INDEPENDENT if not found.joint else JOINT if found.unit == "speakers" else PARTLY
    one, other = first[0].id, second[0].id
    return [
        Gap(
            one.paper,
            one.corpus,
            one.system,
            one.protocol,
            other.system,
            other.protocol,
            part,
            metric,
            *estimate,
            method,
            found.unit,
            found.n_units,
            p if metric == "WA" else None,
            second_paper=other.paper if other.paper != one.paper else "",
            second_corpus=other.corpus if other.corpus != one.corpus else "",
        )
        for metric, estimate in found.estimates.items()
        if metric in METRICS and not np.isnan(estimate.value)
    ]


@dataclass(frozen=True)
class Difference:
    """The difference of each metric; the resampled ``unit``, their number, and whether both sides share them."""

    estimates: Mapping[str, Estimate]
    unit: str
    n_units: int
    joint: bool


def bootstrap_runs(
    first: Sequence[RunRecord], second: Sequence[RunRecord], part: str, speakers: Speakers
) -> Difference | None:
    """Return what runs score above others in a part, with intervals over speakers; None if they cannot be compared.

    With fewer than six speakers utterances are resampled. See `subtract_runs` for what can be compared.
    """
    if not first or not second or first[0].labels != second[0].labels:
        return None
    unit, counts = "speakers", [count_confusions(runs, part, speakers) for runs in (first, second)]
    if not all(one.speakers for one in counts):
        return None
    if min(len(one.speakers) for one in counts) < MIN_SPEAKERS:
        unit = "utterances"
        alone = {item: "/".join(item) for item in speakers}
        counts = [count_confusions(runs, part, alone) for runs in (first, second)]
    names = sorted({*counts[0].speakers, *counts[1].speakers})
    joint = len(names) < sum(len(one.speakers) for one in counts)
    arrays = [_align(one, names) if joint else one.per_speaker for one in counts]
    return Difference(bootstrap_difference(arrays[0], arrays[1], joint), unit, len(names), joint)


def find_contradictions(record: PaperRecord, gaps: Iterable[Gap], results: Iterable[Result]) -> list[str]:
    """Return a sentence for each order of two published numbers that ours contradicts.

    It does where the paper prints one system above another (same corpus, protocol, part and metric) and the interval
    of our difference, with the variance between seeds of both sides, lies beyond 0 on the other side.

    Parameters
    ----------
    record
        The paper as run.
    gaps
        Its gaps.
    results
        Its results: why one cannot be compared with its published number, and how it varies between seeds.
    """
    ours = {
        (one.system, one.corpus, one.cells["published"].protocol, one.part, one.metric, one.epoch): one
        for one in results
    }
    printed = {entry.identity: entry.value for entry in record.paper.published if entry.epoch is None}
    found = []
    for gap in gaps:
        keys = [
            (system, gap.corpus, protocol, gap.part, gap.metric, None)
            for system, protocol in ((gap.first_system, gap.first_protocol), (gap.second_system, gap.second_protocol))
        ]
        if gap.first_protocol != gap.second_protocol or not all(key in printed for key in keys):
            continue
        theirs = printed[keys[0]] - printed[keys[1]]
        both = [ours[key] for key in keys if key in ours]
        cells = [one.cells["published"] for one in both]
        extra = Z * math.sqrt(sum((cell.seed_variance or 0.0) / (cell.seeds or 1) for cell in cells))
        low = gap.value - math.hypot(gap.value - gap.low, extra)
        high = gap.value + math.hypot(gap.high - gap.value, extra)
        if (theirs > 0 > high) or (theirs < 0 < low):
            told = list(dict.fromkeys(text for one in both for text in find_obstacles(one)))
            names = [record.paper.title_of("systems", name) for name in (gap.first_system, gap.second_system)]
            numbers = [f"{100 * number:+.1f}" for number in (theirs, gap.value, low, high)]
            verdict = f"not judged ({'; '.join(told)})" if told else "contradicted"
            found.append(
                f"The paper's order is {verdict}: "
                f"{label_of(gap.metric)} of {names[0]} less that of {names[1]} on {gap.corpus}: published "
                f"{numbers[0]}, ours {numbers[1]} [{numbers[2]}, {numbers[3]}] points."
            )
    return found


def _align(counts: Counts, names: Sequence[str]) -> np.ndarray:
    """Return counts with one place for each name, (n_seeds, n_names, C, C)."""
    array = counts.per_speaker
    aligned = np.zeros((array.shape[0], len(names), *array.shape[2:]), dtype=array.dtype)
    places = {name: n for n, name in enumerate(names)}
    aligned[:, [places[name] for name in counts.speakers]] = array
    return aligned


def _of_like_runs(
    first: Sequence[RunRecord], second: Sequence[RunRecord]
) -> tuple[Sequence[RunRecord], Sequence[RunRecord]]:
    """Return both sides without what would make them unlike where seeds or folds are missing.

    Under one protocol of a paper on a corpus: the seeds and folds that both sides have, since a seed decides what a
    random split tests. Else, or if they share none: of each side the seeds that have as many folds as any of it.
    """
    keys = [{(run.id.seed, run.id.fold) for run in runs} for runs in (first, second)]
    shared = keys[0] & keys[1]
    if not shared or len({(run.id.paper, run.id.corpus, run.id.protocol) for run in (*first, *second)}) > 1:
        return _of_complete_seeds(first), _of_complete_seeds(second)
    sides = [[run for run in runs if (run.id.seed, run.id.fold) in shared] for runs in (first, second)]
    return sides[0], sides[1]


def _of_complete_seeds(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs of the seeds that have all folds of the seed that has most."""
    folds = {run.id.seed: {other.id.fold for other in runs if other.id.seed == run.id.seed} for run in runs}
    most = max(folds.values(), key=len, default=set())
    return [run for run in runs if folds[run.id.seed] == most]


def _of_shared_speakers(
    first: Sequence[RunRecord], second: Sequence[RunRecord], part: str, speakers: Speakers
) -> tuple[Sequence[RunRecord], Sequence[RunRecord]]:
    """Return both sides without the speakers that one alone tests; as they are if all are shared, or none."""
    tested = [tested_speakers(runs, part, speakers) for runs in (first, second)]
    shared = tested[0] & tested[1]
    if not shared or tested[0] == tested[1]:
        return first, second
    return [of_speakers(run, shared, speakers) for run in first], [of_speakers(run, shared, speakers) for run in second]


def _recognise(runs: Iterable[RunRecord], part: str) -> tuple[Mapping[Item, bool], Mapping[Item, int]]:
    """Return for each item of a part whether it is recognised, and by how many runs: of several the mean posterior.

    Of one run its own prediction counts, which of an SVM need not have the largest posterior (see `classical.fit`).
    """
    sums: dict[Item, np.ndarray] = {}
    recognised: dict[Item, bool] = {}
    networks: Counter[Item] = Counter()
    for run in runs:
        for n in np.flatnonzero(run.parts == part).tolist():
            item = run.item(n)
            sums[item] = sums.get(item, 0) + run.posteriors[n]
            networks[item] += 1
            guess = run.predicted[n] if networks[item] == 1 else sums[item].argmax()
            recognised[item] = bool(guess == run.truth[n])
    return recognised, networks


def _correct(gaps: Sequence[Gap]) -> list[Gap]:
    """Return gaps of one corpus, protocol and part with Holm's correction of their tests."""
    corrected = iter(holm([gap.p for gap in gaps if gap.p is not None]))
    return [gap if gap.p is None else replace(gap, p_holm=next(corrected)) for gap in gaps]
