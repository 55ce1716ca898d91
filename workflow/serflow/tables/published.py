"""Tables that a paper prints, each number beside ours: accuracies and losses, and confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from serflow.papers.model import PaperRecord, PublishedConfusion
from serflow.papers.names import name_protocol
from serflow.runs import RunRecord
from serflow.scoring.confusion import confusion_percent
from serflow.scoring.scores import ALL, HISTORY_METRICS, Score, Scores
from serflow.tables import texts
from serflow.tables.comparison import published_notes
from serflow.tables.table import NOTHING, Table

EPOCHS = "Numbers of an epoch are means over folds and seeds of what training logged; they have no interval."
#: What training logs -> the metric of chance that stands beside it.
GUESSED = {"accuracy": "WA"}


def published_table(record: PaperRecord, scores: Scores, name: str) -> Table:
    """Return the table that a paper calls `name`, with ours under the paper's protocol and the others."""
    paper, entries = record.paper, list(scores.select(table=name, scope=ALL))
    metrics = list(dict.fromkeys((score.metric, score.part) for score in entries))
    columns = ["Corpus", "System", "Protocol", "Epoch"]
    for metric, part in metrics:
        interval = "" if metric in HISTORY_METRICS else f" {texts.BRACKETS}"
        columns += [f"{texts.heading(metric, part)}, published", f"{texts.heading(metric, part)}, ours{interval}"]
    rows: list[list[str]] = []
    for corpus in dict.fromkeys(score.corpus for score in entries):
        asked = dict.fromkeys((score.system, score.epoch) for score in entries if score.corpus == corpus)
        for protocol in paper.protocols:
            place = [corpus, name_protocol(paper, protocol)]
            shown = len(rows)
            for system, epoch in asked:
                found = [scores.find(corpus, system, protocol, *metric, epoch) for metric in metrics]
                title = paper.title_of("systems", system)
                rows += _line(place, title, str(epoch or "end"), found, texts.of_sizes(found, speakers=False))
            guessed = [
                texts.of_guessing(scores, corpus, protocol, GUESSED.get(metric, metric), part)
                for metric, part in metrics
            ]
            if len(rows) > shown and set(guessed) != {NOTHING}:
                pairs = [cell for guess in guessed for cell in (NOTHING, guess)]
                rows.append([place[0], texts.GUESSING, place[1], "", *pairs, ""])
    notes = [*texts.score_notes(paper), EPOCHS, *published_notes(paper, entries)]
    return Table(f"{paper.title}: {name}", [*columns, "Seeds / folds"], rows, notes)


def confusion_table(record: PaperRecord, entry: PublishedConfusion, runs: Sequence[RunRecord]) -> Table:
    """Return a published confusion matrix, ours, and ours minus the published one, one below the other."""
    paper = record.paper
    labels, published, ours = confusion_percent(entry, runs)
    matrices = (
        ("published", published, ".0f"),
        ("ours", ours, ".1f"),
        ("ours minus published", ours - published, "+z.1f"),
    )
    rows = [
        [name, truth, *(NOTHING if np.isnan(x) else format(x, form) for x in (*line, line.sum()))]
        for name, matrix, form in matrices
        for truth, line in zip(labels, matrix, strict=True)
    ]
    diagonals = [f"published {np.diagonal(published).mean():.1f}"]
    diagonals += [] if np.isnan(ours).all() else [f"ours {np.nanmean(np.diagonal(ours)):.1f}"]
    system, protocol = paper.title_of("systems", entry.system), paper.title_of("protocols", entry.protocol)
    notes = [
        f"{system} on {entry.corpus}; ours: {protocol}; test parts pooled over folds and seeds.",
        "Rows: true emotion; columns: predicted; in % of the true emotion, differences in percentage points.",
        f"Mean of the diagonal, which is the UA: {', '.join(diagonals)}.",
        *([entry.note] if entry.note else []),
    ]
    return Table(f"{paper.title}: {entry.table}", ["Matrix", "True emotion", *labels, "Sum"], rows, notes)


def _line(place: Sequence[str], system: str, epoch: str, found: Sequence[Score | None], sizes: str) -> list[list[str]]:
    """Return a row with the published and our value of each score; none if there is no score at all."""
    if not any(found):
        return []
    pairs = [
        cell
        for score in found
        for cell in (texts.of_value(score.metric, score.published) if score else NOTHING, texts.of_score(score))
    ]
    return [[place[0], system, place[1], epoch, *pairs, sizes]]
