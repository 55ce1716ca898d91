"""The comparison table of one paper: published numbers, ours under each of its protocols, and chance."""

from __future__ import annotations

from collections.abc import Iterable

from serflow.papers.model import Paper, PaperRecord
from serflow.scoring.metrics import METRICS
from serflow.scoring.scores import ALL, CHANCE, MAJORITY, UNIFORM, Score, Scores
from serflow.tables import texts
from serflow.tables.table import NOTHING, Table

GAP = "Gap: ours under the paper's protocol minus ours speaker-independent."


def comparison_table(record: PaperRecord, scores: Scores) -> Table:
    """Return one row per corpus, system, metric and part."""
    paper = record.paper
    labels = [texts.of_protocol(paper, name) for name in paper.protocols]
    columns = ["Corpus", "System", "Metric (part)", "Published"]
    columns += [text for label in labels for text in (f"Ours, {label} {texts.BRACKETS}", f"n, {label}")]
    rows = []
    for corpus in dict.fromkeys(score.corpus for score in scores.select(scope=ALL)):
        mine = scores.select(scope=ALL, corpus=corpus)
        systems = dict.fromkeys(score.system for score in mine if score.source != CHANCE)
        for system in [*systems, UNIFORM, MAJORITY]:
            for metric, part in _compared(mine, corpus, system):
                title = paper.title_of("systems", system)
                rows.append(
                    [corpus, title, texts.heading(metric, part), *_cells(paper, scores, corpus, system, metric, part)]
                )
    notes = [*texts.score_notes(paper), texts.SIZES, GAP, *published_notes(paper, scores)]
    return Table(f"{paper.title}: published and reproduced", [*columns, "Gap (points)"], rows, notes)


def published_notes(paper: Paper, scores: Iterable[Score]) -> list[str]:
    """Return what the paper file says of single published numbers in the tables of scores."""
    tables = {score.table for score in scores}
    told = [entry for entry in paper.published if entry.note and entry.table in tables]
    return list(dict.fromkeys(f"{one.table}, {paper.title_of('systems', one.system)}: {one.note}" for one in told))


def _compared(scores: Scores, corpus: str, system: str) -> list[tuple[str, str]]:
    """Return the metrics a system is compared by: all on the test part, and whatever was published on validation."""
    names = {score.system for score in scores}
    shown = [
        metric
        for metric in METRICS
        if any(scores.published_value(corpus, name, metric, "validation")[0] is not None for name in names)
    ]
    both = [*((metric, "test") for metric in METRICS), *((metric, "validation") for metric in shown)]
    return both if system in names else []


def _cells(paper: Paper, scores: Scores, corpus: str, system: str, metric: str, part: str) -> list[str]:
    """Return the cells from "Published" on."""
    value, epoch = scores.published_value(corpus, system, metric, part)
    cells = [texts.of_value(metric, value) + (f" (epoch {epoch})" if epoch else "")]
    found = {name: scores.find(corpus, system, name, metric, part) for name in paper.protocols}
    for score in found.values():
        cells += [texts.of_score(score, scores), texts.of_sizes([score])]
    values = {paper.protocols[name].purpose: score.value for name, score in reversed(found.items()) if score}
    own, unseen = values.get("published"), values.get("unseen")
    if own is None or unseen is None or system in (UNIFORM, MAJORITY):
        return [*cells, NOTHING]
    return [*cells, f"{100 * (own - unseen):+z.1f}"]
