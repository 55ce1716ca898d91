"""The comparison table of one paper: published numbers, ours under each of its protocols, and chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import name_protocol
from serflow.scoring.metrics import METRICS, label_of
from serflow.scoring.scores import ALL, CHANCE, ORIGINALS, Score, Scores
from serflow.tables import texts
from serflow.tables.table import NOTHING, Table


def comparison_table(record: PaperRecord, scores: Scores) -> Table:
    """Return one row per corpus, system, protocol and part; below those of a corpus what guessing would score.

    Parts are the test part, where augmented copies are tested also the original recordings alone, and the validation
    part of a corpus on whose validation part something was published.
    """
    paper, rows = record.paper, []
    for corpus in dict.fromkeys(score.corpus for score in scores.select(scope=ALL)):
        mine = scores.select(scope=ALL, corpus=corpus)
        parts = ["test", ORIGINALS]
        parts += ["validation"] if any(row.published is not None for row in mine.select(part="validation")) else []
        systems = dict.fromkeys(score.system for score in mine if score.source != CHANCE)
        for system in [*systems, texts.GUESSING]:
            for protocol in paper.protocols:
                for part in parts:
                    cells = _cells(scores, corpus, system, protocol, part)
                    if cells:
                        place = name_protocol(paper, protocol) + (f" ({texts.name_part(part)})" * (part != "test"))
                        rows.append([corpus, paper.title_of("systems", system), place, *cells])
    columns = [
        "Corpus",
        "System",
        "Protocol",
        "Published",
        *(f"{one.label} {texts.BRACKETS}" for one in METRICS.values()),
    ]
    notes = [*texts.score_notes(paper), texts.SIZES, *published_notes(paper, scores)]
    return Table(f"{paper.title}: published and reproduced", [*columns, "n"], rows, notes)


def published_notes(paper: Paper, scores: Iterable[Score]) -> list[str]:
    """Return what the paper file says of single published numbers in the tables of scores."""
    tables = {score.table for score in scores}
    told = [entry for entry in paper.published if entry.note and entry.table in tables]
    return list(dict.fromkeys(f"{one.table}, {paper.title_of('systems', one.system)}: {one.note}" for one in told))


def _cells(scores: Scores, corpus: str, system: str, protocol: str, part: str) -> list[str]:
    """Return the cells from "Published" on; none where nothing was asked for, or on another part nothing is known."""
    if system == texts.GUESSING:
        guessed = [texts.of_guessing(scores, corpus, protocol, metric, part) for metric in METRICS]
        return [NOTHING, *guessed, NOTHING] if set(guessed) != {NOTHING} else []
    found = [scores.find(corpus, system, protocol, metric, part) for metric in METRICS]
    told = _tell_published(scores.select(protocol=protocol), corpus, system, part)
    if not any(found) or (part != "test" and told == NOTHING and not _ran(found)):
        return []
    return [told, *_values(found, scores), texts.of_sizes(found)]


def _tell_published(scores: Scores, corpus: str, system: str, part: str) -> str:
    """Return e.g. "WA 97.3, UA 96.0", or of an epoch "WA 100.0 (epoch 50)"."""
    told = []
    for metric in METRICS:
        value, epoch = scores.published_value(corpus, system, metric, part)
        if value is not None:
            told.append(f"{label_of(metric)} {texts.of_value(metric, value)}" + (f" (epoch {epoch})" if epoch else ""))
    return ", ".join(told) or NOTHING


def _values(found: Sequence[Score | None], scores: Scores) -> list[str]:
    """Return a cell for each metric; why nothing was run is said once."""
    cells = [texts.of_score(score, scores) for score in found]
    return cells if _ran(found) else [cells[0], *[NOTHING] * (len(cells) - 1)]


def _ran(found: Sequence[Score | None]) -> bool:
    return any(score and score.value is not None for score in found)
