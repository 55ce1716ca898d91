"""The comparison table of one paper: published numbers, ours under each of its protocols, and chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import name_protocol
from serflow.scoring.gaps import Gap
from serflow.scoring.metrics import METRICS
from serflow.scoring.scores import ALL, CHANCE, MAJORITY, ORIGINALS, UNIFORM, Score, Scores
from serflow.tables import texts
from serflow.tables.gaps import of_gap
from serflow.tables.table import NOTHING, Table

GAP = "Gap: ours under the paper's protocol minus ours speaker-independent; more in the table of differences."


def comparison_table(record: PaperRecord, scores: Scores, gaps: Sequence[Gap]) -> Table:
    """Return one row per corpus, system, metric and part."""
    paper = record.paper
    labels = [name_protocol(paper, name) for name in paper.protocols]
    columns = ["Corpus", "System", "Metric (part)", "Published"]
    columns += [text for label in labels for text in (f"Ours, {label} {texts.BRACKETS}", f"n, {label}")]
    rows = []
    for corpus in dict.fromkeys(score.corpus for score in scores.select(scope=ALL)):
        mine = scores.select(scope=ALL, corpus=corpus)
        systems = dict.fromkeys(score.system for score in mine if score.source != CHANCE)
        for system in [*systems, UNIFORM, MAJORITY]:
            for metric, part in _compared(mine, corpus, system):
                title = paper.title_of("systems", system)
                cells = _cells(paper, scores, corpus, system, metric, part)
                gap = _find_gap(paper, gaps, corpus, system, metric) if part == "test" else NOTHING
                rows.append([corpus, title, texts.heading(metric, part), *cells, gap])
    notes = [*texts.score_notes(paper), texts.SIZES, GAP, *published_notes(paper, scores)]
    return Table(f"{paper.title}: published and reproduced", [*columns, "Gap (points) [95 %]"], rows, notes)


def published_notes(paper: Paper, scores: Iterable[Score]) -> list[str]:
    """Return what the paper file says of single published numbers in the tables of scores."""
    tables = {score.table for score in scores}
    told = [entry for entry in paper.published if entry.note and entry.table in tables]
    return list(dict.fromkeys(f"{one.table}, {paper.title_of('systems', one.system)}: {one.note}" for one in told))


def _compared(scores: Scores, corpus: str, system: str) -> list[tuple[str, str]]:
    """Return the metrics a system is compared by: all on the test part, and whatever was published on validation.

    Where augmented copies are tested, the original recordings alone come after the test part.
    """
    names = {score.system for score in scores}
    shown = [
        metric
        for metric in METRICS
        if any(scores.published_value(corpus, name, metric, "validation")[0] is not None for name in names)
    ]
    parts = ["test"]
    if any(score.part == ORIGINALS for score in scores if score.system == system):
        parts.append(ORIGINALS)
    both = [*((metric, part) for part in parts for metric in METRICS), *((metric, "validation") for metric in shown)]
    return both if system in names else []


def _cells(paper: Paper, scores: Scores, corpus: str, system: str, metric: str, part: str) -> list[str]:
    """Return the cells from "Published" on."""
    value, epoch = scores.published_value(corpus, system, metric, part)
    cells = [texts.of_value(metric, value) + (f" (epoch {epoch})" if epoch else "")]
    found = {name: scores.find(corpus, system, name, metric, part) for name in paper.protocols}
    for score in found.values():
        cells += [texts.of_score(score, scores), texts.of_sizes([score])]
    return cells


def _find_gap(paper: Paper, gaps: Iterable[Gap], corpus: str, system: str, metric: str) -> str:
    """Return ours under the paper's protocol minus ours on unseen speakers."""
    for gap in gaps:
        roles = [paper.protocols[name].purpose for name in (gap.first_protocol, gap.second_protocol)]
        if (gap.corpus, gap.first_system, gap.metric, *roles) == (corpus, system, metric, "published", "unseen"):
            return of_gap(gap)
    return NOTHING
