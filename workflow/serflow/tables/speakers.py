"""The table of results by speaker: who is recognised best and worst."""

from __future__ import annotations

import statistics

from serflow.papers.model import PaperRecord
from serflow.papers.names import name_protocol
from serflow.scoring.frames import make_frame
from serflow.scoring.scores import TYPES, Score, Scores
from serflow.scoring.speakers import METRIC, speaker_name, speakers_of
from serflow.tables import texts
from serflow.tables.table import Table

NOTE = (
    "WA of each speaker on the test part, the mean over seeds. Under a random split every speaker is also trained on, "
    "and few utterances of each are tested. The CSV has a row for every speaker."
)


def speaker_table(record: PaperRecord, scores: Scores) -> Table:
    """Return one row per corpus, system and protocol: number of speakers, worst, median and best."""
    paper, groups = record.paper, speakers_of(scores)
    columns = ["Corpus", "System", "Protocol", "Speakers", "Worst", "Median", "Best"]
    rows = []
    for (corpus, system, protocol), found in groups.items():
        ordered = sorted(found, key=lambda score: score.value or 0.0)
        median = statistics.median(score.value or 0.0 for score in ordered)
        rows.append(
            [
                *(corpus, paper.title_of("systems", system), name_protocol(paper, protocol), str(len(ordered))),
                *(_name(ordered[0]), texts.of_value(METRIC, median), _name(ordered[-1])),
            ]
        )
    data = make_frame((vars(score) for found in groups.values() for score in found), TYPES)
    return Table(f"{paper.title}: speakers", columns, rows, [NOTE, *texts.score_notes(paper)], data=data)


def _name(score: Score) -> str:
    return f"{speaker_name(score)}: {texts.of_value(METRIC, score.value)}"
