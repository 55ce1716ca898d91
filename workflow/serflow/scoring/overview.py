"""Compares each published number of all papers with ours, by the role of the protocols it was run under."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import ROLES
from serflow.protocols.base import Role
from serflow.scoring.metrics import METRICS
from serflow.scoring.paper import reason_of
from serflow.scoring.results import SAME, Cell, Result
from serflow.scoring.scores import ALL, MAJORITY, ORIGINALS, PREDICTIONS, UNIFORM, Score, Scores
from serflow.scoring.verdicts import judge, list_departures

#: What is said where `find_headline` finds nothing.
NO_HEADLINE = "No published number stands beside a result on unseen speakers yet."


class Entry(NamedTuple):
    """What ours is compared with: a published number at the end of training or of the last epoch that is printed."""

    corpus: str
    system: str
    protocol: str
    metric: str
    part: str = "test"
    epoch: int | None = None
    value: float | None = None
    utterances: int | None = None


def compare_papers(records: Sequence[PaperRecord], scores: Scores) -> list[Result]:
    """Return one result per published accuracy, UA or F1 that is not of the training part.

    Where a paper prints a number for several epochs, the last stands. A system that was run on a corpus for which the
    paper prints no such number has one result too, its accuracy on the test part. ``records``: of all papers, also of
    those of which nothing could be run.
    """
    results = []
    for record in records:
        mine = scores.select(paper=record.paper.paper)
        printed = list_published(record.paper)
        results += [compare(record, entry, mine) for entry in printed]
        others = [compare(record, entry, mine) for entry in _list_others(record.paper, printed, mine)]
        results += [result for result in others if result.measured]
    return results


def list_published(paper: Paper) -> list[Entry]:
    """Return the published accuracies, UA and F1 that are not of the training part, the last epoch of each."""
    last: dict[tuple[object, ...], Entry] = {}
    for told in paper.published:
        metric = {"accuracy": "WA"}.get(told.metric, told.metric)
        number = (told.epoch, told.value, told.utterances)
        entry = Entry(told.corpus, told.system, told.protocol, metric, told.part, *number)
        known = last.get(entry[:5], entry)
        if metric in METRICS and told.part != "train" and (entry.epoch or math.inf) >= (known.epoch or math.inf):
            last[entry[:5]] = entry
    return list(last.values())


def _list_others(paper: Paper, printed: Iterable[Entry], scores: Scores) -> list[Entry]:
    """Return entries, without a value, for the corpora and systems of scores that have none among those printed."""
    known = {(entry.corpus, entry.system) for entry in printed}
    scored = dict.fromkeys((score.corpus, score.system) for score in scores.select(source=PREDICTIONS, scope=ALL))
    return [
        Entry(corpus, system, _first(paper, paper.asked(corpus, system), "published"), "WA")
        for corpus, system in scored
        if (corpus, system) not in known
    ]


def _first(paper: Paper, names: Iterable[str], role: Role) -> str:
    """Return the first protocol with a role, or an empty name."""
    return next((name for name in names if paper.protocols[name].purpose == role), "")


def compare(record: PaperRecord, entry: Entry, scores: Scores) -> Result:
    """Compare one published number, or the lack of one, with the scores of its paper, and judge it."""
    paper = record.paper
    asked = paper.asked(entry.corpus, entry.system)
    names = {role: _first(paper, [name for name in asked if name != entry.protocol], role) for role in ROLES}
    names["published"] = entry.protocol

    def find(system: str, protocol: str, part: str) -> Score | None:
        return scores.find(entry.corpus, system, protocol, entry.metric, part)

    cells = {
        role: make_cell(
            record, scores, find(entry.system, name, entry.part if role == "published" else "test"), name, entry
        )
        if name in asked
        else Cell(name)
        for role, name in names.items()
    }
    # Of WA it is the number of utterances.
    tested = getattr(scores.find(entry.corpus, entry.system, entry.protocol, "WA", entry.part), "n_effective", None)
    size = cells["published"].n_effective
    if entry.utterances and tested and size:
        cells["published"] = replace(cells["published"], n_effective=size * entry.utterances / tested)
    own = paper.protocols.get(entry.protocol)
    if own and own.unseen_speakers and not names["unseen"]:
        cells["unseen"] = Cell(note=SAME)
    fair, part = _find_chance(scores, entry, [name for name in names.values() if name])
    guessers = (UNIFORM, MAJORITY) if paper.systems[entry.system].labels is None else ()  # chance is among all labels
    chance = {name: found.value for name in guessers if (found := find(name, fair, part))}
    uniform = scores.find(entry.corpus, UNIFORM, fair, "WA", part)  # of C emotions 1 / C
    n_emotions = round(1 / uniform.value) if guessers and uniform and uniform.value else len(paper.labels)
    cells = {
        role: _note_emotions(cell, entry, scores, n_emotions) if guessers else cell for role, cell in cells.items()
    }
    title = paper.title_of("systems", entry.system)
    about = (paper.paper, entry.corpus, entry.system, title, entry.metric, entry.part, entry.epoch, entry.value)
    result = Result(*about, cells, chance.get(UNIFORM), chance.get(MAJORITY), synthetic=record.synthetic)
    if n_emotions != len(paper.labels):
        result = replace(result, emotions=n_emotions)
    return replace(result, **judge(result)._asdict())


def _find_chance(scores: Scores, entry: Entry, names: Iterable[str]) -> tuple[str, str]:
    """Return the protocol and part of which chance is told: the paper's own, else the first that was run."""
    places = [(entry.protocol, entry.part), *((name, "test") for name in names)]
    return next((place for place in places if scores.find(entry.corpus, UNIFORM, place[0], "WA", place[1])), places[0])


def _note_emotions(cell: Cell, entry: Entry, scores: Scores, usual: int) -> Cell:
    """Return the cell with a note where another number of emotions is told apart than elsewhere in its row."""
    found = scores.find(entry.corpus, UNIFORM, cell.protocol, "WA")
    n_emotions = round(1 / found.value) if found and found.value else usual
    return replace(cell, note=f"{n_emotions} emotions") if cell.value is not None and n_emotions != usual else cell


def make_cell(record: PaperRecord, scores: Scores, score: Score | None, protocol: str, entry: Entry) -> Cell:
    """Return the cell of a score: our value with what is missing; else why there is none."""
    told = tuple(record.deviations_of((entry.corpus, entry.system, protocol)))
    if score is None or score.value is None:
        reason = score.reason.split(";")[0] if score else ""
        return Cell(protocol, note=reason or reason_of(record, entry.corpus, entry.system))
    shared = ("value", "low", "high", "sd", "unit", "seed_variance", "n_effective", "spread", "collapsed", "missing")
    numbers = {name: getattr(score, name) for name in shared}
    alone = scores.find(entry.corpus, entry.system, protocol, entry.metric, ORIGINALS)
    if alone and score.part == "test":
        numbers |= {"originals": alone.value, "originals_low": alone.low, "originals_high": alone.high}
    return Cell(protocol, **numbers, speakers=score.n_speakers, seeds=score.n_runs, deviations=told)


def find_headline(results: Iterable[Result]) -> Result | None:
    """Return the result whose published number loses most on unseen speakers; None where nothing was measured so.

    What departs from its paper comes after all others, and there results of all folds and seeds before those of some.
    """
    known = [one for one in results if one.published is not None and one.shown("unseen").value is not None]

    def rank(one: Result) -> tuple[bool, bool, float]:
        unseen = one.shown("unseen")
        return not list_departures(unseen), not unseen.missing, (one.published or 0) - (unseen.value or 0)

    return max(known, key=rank, default=None)


def find_best(results: Iterable[Result]) -> Result | None:
    """Return the result of the highest WA on unseen speakers; None where nothing was measured so."""
    known = [one for one in results if one.metric == "WA" and one.cells["unseen"].value is not None]
    return max(known, key=lambda one: one.cells["unseen"].value or 0.0, default=None)


def tell_extremes(results: Iterable[Result]) -> list[str]:
    """Return a sentence on the results nearest to and farthest below their published numbers.

    Where all others are above them, on the nearest alone. Where none has a published number: on the best and the worst
    on unseen speakers, by WA. Nothing was measured: none.
    """

    def measured(one: Result, role: Role) -> float:
        return one.cells[role].value or 0.0

    found = list(results)

    def below(one: Result) -> float:
        return (one.published or 0.0) - measured(one, "published")

    compared = [one for one in found if one.published is not None and one.cells["published"].value is not None]
    nearest = sorted(compared, key=lambda one: abs(below(one)))[:1]
    ranked = nearest + sorted((one for one in compared if one not in nearest and below(one) > 0), key=below)
    role: Role = "published"
    heads = ("Nearest to its published number", "farthest below")
    if not ranked:
        ranked = sorted(
            (one for one in found if one.metric == "WA" and one.cells["unseen"].value is not None),
            key=lambda one: -measured(one, "unseen"),
        )
        role, heads = "unseen", ("Best on unseen speakers", "worst")
    told = []
    for head, one in zip(heads, [*ranked[:1], *ranked[1:][-1:]], strict=False):
        instead = (
            f" instead of {100 * one.published:.1f} %" if role == "published" and one.published is not None else ""
        )
        number = f"{one.metric} {100 * measured(one, role):.1f} %{instead}"
        told.append(f"{head}: {one.title} ({one.paper} on {one.place}), {number}")
    notice = (
        " The corpora are synthetic: this says nothing about speech." if any(one.synthetic for one in found) else ""
    )
    return [f"{'; '.join(told)}.{notice}"] if told else []
