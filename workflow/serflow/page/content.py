"""What the results page says, as plain values for its template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serflow.corpora.names import display_name
from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import ROLES, name_protocol
from serflow.protocols.base import Role
from serflow.runs import Group, RunRecord
from serflow.scoring.metrics import METRICS
from serflow.scoring.pooling import (
    Counts,
    Speakers,
    count_confusions,
    group_runs,
    pooled_confusion,
    without_copies,
)
from serflow.scoring.results import Cell, Result, name_corpora
from serflow.scoring.scores import ALL, ORIGINALS, PREDICTIONS, UNIFORM, Score, Scores
from serflow.scoring.verdicts import (
    CANNOT,
    COMPATIBLE,
    EXCEEDED,
    LEAK_ONLY,
    NO_NUMBER,
    NOT_REPRODUCED,
    REPRODUCED,
)
from serflow.tables.overview import list_deviations, tell_notes, tell_ours

#: The roles of protocols that are shown of each system, those after the fourth where anything was run under them.
SHOWN: tuple[Role, ...] = (
    *("published", "unseen", "leak", "control"),
    *("random", "given", "unseen_statements", "other_corpus", "unseen_control"),
)
#: The roles of protocols whose speakers are shown, where they test speakers not seen in training.
UNSEEN: tuple[Role, ...] = ("published", "unseen")
#: The tone of a verdict's badge.
TONES = {
    **dict.fromkeys((NOT_REPRODUCED, LEAK_ONLY), "bad"),
    **dict.fromkeys((CANNOT, COMPATIBLE, EXCEEDED, NO_NUMBER), "mid"),
    REPRODUCED: "good",
}
#: Wrongly recognised utterances of each paper that are listed.
N_ERRORS = 12


@dataclass(frozen=True)
class Bar:
    """A number to draw: fractions in 0..1; ``kind``: printed (the paper's number) or the role of a protocol (ours).

    ``alone``: of the original recordings alone, where augmented copies are tested too.
    """

    kind: str
    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    alone: float | None = None


@dataclass(frozen=True)
class Card:
    """A paper, its main result and in what that departs from the paper; without a result ``reason`` says why.

    ``others``: a sentence on each other result, and its verdict.
    """

    record: PaperRecord
    result: Result | None
    bars: Sequence[Bar]
    others: Sequence[tuple[str, str]]
    deviations: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One metric of a system: where, what was published, of which part, and ours on the test part by role."""

    paper: str
    place: str
    system: str
    title: str
    metric: str
    published: float | None
    published_part: str
    cells: Mapping[Role, Bar]
    chance: float | None
    verdict: str


@dataclass(frozen=True)
class Matrix:
    """Shares in 0..1 of each true class (rows) that are recognised as each class; ``n``: utterances of each."""

    labels: Sequence[str]
    shares: np.ndarray
    n: np.ndarray


@dataclass(frozen=True)
class Curve:
    """The accuracies of one run by epoch, in 0..1; ``part``: train or validation."""

    part: str
    accuracies: Sequence[float]


@dataclass(frozen=True)
class SystemResult:
    """What is shown of one system on one corpus: matrices and curves of its runs, by what the protocol is called."""

    place: str
    title: str
    paper: str
    matrices: Mapping[str, Matrix]
    curves: Mapping[str, Sequence[Curve]]


@dataclass(frozen=True)
class SpeakerRow:
    """WA of each speaker under a system, tested on speakers not seen in training."""

    title: str
    paper: str
    corpus: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Mistake:
    """A wrongly recognised test utterance: posteriors by label, and how sure the system was."""

    paper: str
    title: str
    protocol: str
    corpus: str
    utterance: str
    speaker: str
    emotion: str
    predicted: str
    posteriors: Mapping[str, float]


def shown_roles(results: Iterable[Result]) -> tuple[Role, ...]:
    """Return the roles that are shown: see `SHOWN`."""
    found = list(results)
    more = [role for role in SHOWN[4:] if any(one.cells[role].value is not None for one in found)]
    return (*SHOWN[:4], *more)


def make_card(record: PaperRecord, results: Sequence[Result]) -> Card:
    """Return the card of a paper: first comes the measured result with a published number, then what was measured."""
    mine = [one for one in results if one.paper == record.paper.paper]
    order = sorted(mine, key=lambda one: (not one.measured, one.published is None))
    main = order[0] if order else None
    reason = "; ".join(record.not_run.values()) if not (main and main.measured) else ""
    others = [(tell_ours(one), one.verdict) for one in order[1:]]
    return Card(record, main, _bars(main) if main else (), others, list_deviations(main) if main else (), reason)


def sort_cards(cards: Iterable[Card]) -> list[Card]:
    """Return the cards in their order, those of which nothing was measured last."""
    return sorted(cards, key=lambda card: not (card.result and card.result.measured))


def make_rows(records: Sequence[PaperRecord], results: Sequence[Result], scores: Scores) -> list[Row]:
    """Return one row per paper, corpus, system and metric that was measured on the test part.

    Where a paper prints a metric of one system under several protocols, or on both parts, there is a row for each.
    """
    rows, roles = [], shown_roles(results)
    for record in records:
        paper, mine = record.paper, scores.select(paper=record.paper.paper)
        measured = mine.select(source=PREDICTIONS, scope=ALL)
        systems = dict.fromkeys((one.corpus, one.system) for one in measured if one.system in paper.systems)
        for corpus, system, metric in [(*place, metric) for place in systems for metric in METRICS]:
            known = [one for one in results if (one.paper, one.corpus, one.system) == (paper.paper, corpus, system)]
            judged = [one for one in known if one.metric == metric]
            rows += [_row(record, mine, (corpus, system, metric), one, roles) for one in judged or known[:1]]
    return [row for row in rows if any(bar.value is not None for bar in row.cells.values())]


def _row(record: PaperRecord, scores: Scores, place: tuple[str, str, str], known: Result, roles: Iterable[Role]) -> Row:
    """Return the row of a corpus, system and metric; ``known``: the result of that metric, else of the system's WA."""
    corpus, system, metric = place
    judged = known if known.metric == metric else None
    own = judged.cells["published"].protocol if judged else ""
    return Row(
        record.paper.paper,
        known.name_place(display_name),
        system,
        known.title,
        metric,
        judged.published if judged else None,
        judged.part if judged and judged.published is not None else "",
        {role: _bar(role, _find(record, scores, place, role, own), scores, known.cells[role]) for role in roles},
        _chance(record, scores, corpus, metric) if record.paper.systems[system].labels is None else None,
        judged.verdict if judged else NO_NUMBER,
    )


def make_systems(records: Sequence[PaperRecord], runs: Sequence[RunRecord]) -> list[SystemResult]:
    """Return confusion matrices and training curves of each system on each corpus."""
    shown = []
    for record in records:
        paper, groups = record.paper, _groups_of(record, runs)
        for corpus, system in dict.fromkeys(group[:2] for group in groups):
            own = {group[2]: found for group, found in groups.items() if group[:2] == (corpus, system)}
            place = name_corpora(corpus, {paper.protocols[name].purpose for name in own}, display_name)
            order = sorted(own, key=lambda name: list(ROLES).index(paper.protocols[name].purpose))
            matrices = {name_protocol(paper, name): _matrix(own[name]) for name in order}
            curves = {name_protocol(paper, name): _curves(own[name]) for name in order}
            shown.append(
                SystemResult(
                    place,
                    paper.title_of("systems", system),
                    paper.paper,
                    matrices,
                    {name: lines for name, lines in curves.items() if lines},
                )
            )
    return shown


def make_speakers(records: Sequence[PaperRecord], runs: Sequence[RunRecord], speakers: Speakers) -> list[SpeakerRow]:
    """Return the accuracy of each speaker for each system that was tested on speakers not seen in training."""
    found = []
    for record in records:
        paper, groups = record.paper, _groups_of(record, runs)
        for (corpus, system, protocol), own in groups.items():
            rules = paper.protocols[protocol]
            if rules.unseen_speakers and rules.purpose in UNSEEN:
                values = _per_speaker(count_confusions(own, "test", speakers), corpus)
                found.append(SpeakerRow(paper.title_of("systems", system), paper.paper, corpus, values))
    return found


def find_mistakes(records: Sequence[PaperRecord], runs: Sequence[RunRecord], speakers: Speakers) -> list[Mistake]:
    """Return for each paper the test recordings that one system recognised wrongly and most surely, without copies.

    The system is the paper's first that was run on unseen speakers, else its first, and of its protocols the first in
    the order of `ROLES`; each recording stands once, with the run that was surest.
    """
    found = []
    for record in records:
        paper, groups = record.paper, _groups_of(record, runs)
        groups = dict(sorted(groups.items(), key=lambda item: _place_of(paper, item[0])))
        unseen = [group for group in groups if paper.protocols[group[2]].unseen_speakers]
        for group in [*unseen, *groups][:1]:
            surest: dict[str, Mistake] = {}
            for run in map(without_copies, groups[group]):
                for n in np.flatnonzero((run.parts == "test") & (run.truth != run.predicted)).tolist():
                    mistake = _mistake(record, run, n, speakers)
                    key, sure = run.utterances[n], mistake.posteriors[mistake.predicted]
                    if key not in surest or sure > surest[key].posteriors[surest[key].predicted]:
                        surest[key] = mistake
            found += sorted(surest.values(), key=lambda one: -one.posteriors[one.predicted])[:N_ERRORS]
    return found


def _groups_of(record: PaperRecord, runs: Iterable[RunRecord]) -> dict[Group, list[RunRecord]]:
    """Return the runs of a paper by group, in the order of its systems."""
    groups, order = group_runs(run for run in runs if run.id.paper == record.paper.paper), list(record.paper.systems)
    return dict(sorted(groups.items(), key=lambda item: order.index(item[0][1])))


def _place_of(paper: Paper, group: Group) -> tuple[int, int]:
    """Return where a group stands: by the order of systems, then of the roles of protocols."""
    _, system, protocol = group
    return list(paper.systems).index(system), list(ROLES).index(paper.protocols[protocol].purpose)


def _bars(result: Result) -> list[Bar]:
    part = "" if result.part == "test" else f"{result.part} part"
    bars = [Bar("printed", "published", result.published, note=part)] if result.published is not None else []
    for role in SHOWN:
        cell = result.cells[role]
        if cell.value is not None or role in ("published", "unseen"):
            own = part if role == "published" and cell.value is not None else ""
            note = "; ".join(filter(None, (own, tell_notes(cell))))
            bars.append(Bar(role, ROLES[role], cell.value, cell.low, cell.high, note))
    return bars


def _find(record: PaperRecord, scores: Scores, place: tuple[str, str, str], role: Role, own: str) -> Score | None:
    """Return ours on the test part by role, of a corpus, system and metric; `own`: the published number's protocol."""
    corpus, system, metric = place
    asked, protocols = record.paper.asked(corpus, system), record.paper.protocols
    names = [own] if own and role == "published" else [name for name in asked if protocols[name].purpose == role]
    return next((found for name in names if (found := scores.find(corpus, system, name, metric))), None)


def _bar(role: Role, score: Score | None, scores: Scores, cell: Cell) -> Bar:
    """Return the bar of a score; ``cell``: of the same protocol, which says if other emotions are told apart."""
    if score is None:
        return Bar(role, ROLES[role], None)
    alone = scores.find(score.corpus, score.system, score.protocol, score.metric, ORIGINALS)
    numbers = (score.value, score.low, score.high)
    note = "; ".join(filter(None, (cell.note if cell.value is not None else "", score.missing)))
    return Bar(role, ROLES[role], *numbers, note, alone.value if alone else None)


def _chance(record: PaperRecord, scores: Scores, corpus: str, metric: str) -> float | None:
    values = (scores.find(corpus, UNIFORM, name, metric) for name in record.paper.protocols)
    return next((found.value for found in values if found), None)


def _matrix(runs: Sequence[RunRecord]) -> Matrix:
    counts = pooled_confusion(runs)
    n = counts.sum(axis=1)
    return Matrix(runs[0].labels, counts / np.maximum(n, 1)[:, None], n)


def _curves(runs: Iterable[RunRecord]) -> list[Curve]:
    """Return the accuracies of each run by epoch: of the training part, and of the validation part if there is one."""
    curves = []
    for run in runs:
        for part in ("train", "validation"):
            values = [row[key] for row in run.history if (key := f"{part}_accuracy") in row]
            if len(values) > 1 and not np.isnan(values).any():
                curves.append(Curve(part, values))
    return curves


def _per_speaker(counts: Counts, corpus: str) -> dict[str, float]:
    matrices = counts.per_speaker.sum(axis=0)
    return {
        name.removeprefix(f"{corpus}/"): float(np.trace(matrix) / matrix.sum())
        for name, matrix in zip(counts.speakers, matrices, strict=True)
    }


def _mistake(record: PaperRecord, run: RunRecord, n: int, speakers: Speakers) -> Mistake:
    corpus, utterance, *_ = run.item(n)
    return Mistake(
        run.id.paper,
        record.paper.title_of("systems", run.id.system),
        name_protocol(record.paper, run.id.protocol),
        corpus,
        utterance,
        speakers[corpus, utterance].partition("/")[2],
        run.labels[int(run.truth[n])],
        run.labels[int(run.predicted[n])],
        dict(zip(run.labels, run.posteriors[n].tolist(), strict=True)),
    )
