"""What one result of a paper is above another, with intervals: ``results/scores/{paper}_gaps.csv``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from serflow.items import Item
from serflow.papers.model import PaperRecord
from serflow.protocols.base import Role
from serflow.runs import RunRecord
from serflow.scoring.differences import Estimate, bootstrap_difference, holm, mcnemar_p
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

#: Roles of the protocols whose results are subtracted, the one expected to be higher first.
PAIRS: tuple[tuple[Role, Role], ...] = (
    ("published", "unseen"),
    ("random", "unseen"),
    ("random", "published"),
    ("leak", "control"),
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
    alone: McNemar's exact test on the mean posteriors over seeds, where both sides have as many seeds and the same
    recordings are predicted, without augmented copies; ``p_holm``: the same, corrected for the number of tests within
    a protocol and corpus.
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
            originals = [without_copies(run) for run in members]
            gaps += [gap for second in seconds for gap in subtract_runs(originals, second, "test", speakers)]
    for corpus, protocol in dict.fromkeys((corpus, protocol) for corpus, _, protocol in groups):
        own = [members for group, members in groups.items() if (group[0], group[2]) == (corpus, protocol)]
        printed = any((one.protocol, one.part) == (protocol, "validation") for one in paper.published)
        for part in ("test", "validation") if printed else ("test",):
            pairs = [subtract_runs(first, second, part, speakers) for first, second in itertools.combinations(own, 2)]
            gaps += _correct([gap for pair in pairs for gap in pair])
    return gaps


def subtract_runs(first: Sequence[RunRecord], second: Sequence[RunRecord], part: str, speakers: Speakers) -> list[Gap]:
    """Return the gap of each metric between the runs of two systems or protocols; none if they cannot be compared.

    They can if both have runs, of the same labels, that have the part. If some speakers are tested on both sides, as
    where folds of one are missing, these alone are compared. So are shared seeds under one protocol: they decide what
    a random split tests.
    """
    first, second = _of_shared_speakers(*_of_shared_seeds(first, second), part, speakers)
    found = bootstrap_runs(first, second, part, speakers)
    if not found:
        return []
    recognised = [_recognise(map(without_copies, runs), part) for runs in (first, second)]
    same = recognised[0].keys() == recognised[1].keys()
    p = None
    # A mean over several seeds recognises more than each of them: against fewer seeds that is no difference of systems.
    if same and len({run.id.seed for run in first}) == len({run.id.seed for run in second}):
        p = mcnemar_p(*(np.array([known[item] for item in recognised[0]]) for known in recognised))
    method = PAIRED if same else INDEPENDENT if not found.joint else JOINT if found.unit == "speakers" else PARTLY
    about = [(runs[0].id.system, runs[0].id.protocol) for runs in (first, second)]
    return [
        Gap(
            first[0].id.paper,
            first[0].id.corpus,
            *about[0],
            *about[1],
            part,
            metric,
            *estimate,
            method,
            found.unit,
            found.n_units,
            p if metric == "WA" else None,
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


def find_contradictions(
    record: PaperRecord, gaps: Iterable[Gap], obstacles: Mapping[tuple[object, ...], Sequence[str]]
) -> list[str]:
    """Return a sentence for each order of two published numbers that ours contradicts.

    It does where the paper prints one system above another (same corpus, protocol, part and metric) and the interval
    of our difference lies beyond 0 on the other side.

    Parameters
    ----------
    record
        The paper as run.
    gaps
        Its gaps.
    obstacles
        Why ours cannot be compared with a published number (see `verdicts.find_obstacles`), by its `identity`.
    """
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
        if (theirs > 0 > gap.high) or (theirs < 0 < gap.low):
            told = list(dict.fromkeys(text for key in keys for text in obstacles.get(key, ())))
            names = [record.paper.title_of("systems", name) for name in (gap.first_system, gap.second_system)]
            numbers = [f"{100 * number:+.1f}" for number in (theirs, gap.value, gap.low, gap.high)]
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
    aligned[:, [names.index(name) for name in counts.speakers]] = array
    return aligned


def _of_shared_seeds(
    first: Sequence[RunRecord], second: Sequence[RunRecord]
) -> tuple[Sequence[RunRecord], Sequence[RunRecord]]:
    """Return both sides without seeds that one alone has; as they are between protocols, or if none is shared."""
    shared = {run.id.seed for run in first} & {run.id.seed for run in second}
    if not shared or len({run.id.protocol for run in (*first, *second)}) > 1:
        return first, second
    return [run for run in first if run.id.seed in shared], [run for run in second if run.id.seed in shared]


def _of_shared_speakers(
    first: Sequence[RunRecord], second: Sequence[RunRecord], part: str, speakers: Speakers
) -> tuple[Sequence[RunRecord], Sequence[RunRecord]]:
    """Return both sides without the speakers that one alone tests; as they are if all are shared, or none."""
    tested = [tested_speakers(runs, part, speakers) for runs in (first, second)]
    shared = tested[0] & tested[1]
    if not shared or tested[0] == tested[1]:
        return first, second
    return [of_speakers(run, shared, speakers) for run in first], [of_speakers(run, shared, speakers) for run in second]


def _recognise(runs: Iterable[RunRecord], part: str) -> Mapping[Item, bool]:
    """Return for each item of a part whether the mean posterior over seeds (and folds) recognises it."""
    sums: dict[Item, np.ndarray] = {}
    truth: dict[Item, int] = {}
    for run in runs:
        for n in np.flatnonzero(run.parts == part).tolist():
            item = run.item(n)
            sums[item] = sums.get(item, 0) + run.posteriors[n]
            truth[item] = int(run.truth[n])
    return {item: int(total.argmax()) == truth[item] for item, total in sorted(sums.items())}


def _correct(gaps: Sequence[Gap]) -> list[Gap]:
    """Return gaps of one corpus, protocol and part with Holm's correction of their tests."""
    corrected = iter(holm([gap.p for gap in gaps if gap.p is not None]))
    return [gap if gap.p is None else replace(gap, p_holm=next(corrected)) for gap in gaps]
