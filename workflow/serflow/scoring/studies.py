"""Scores a paper's studies of single choices: each variant of a system, and its difference from the first one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serflow.papers.model import PaperRecord
from serflow.runs import RunRecord
from serflow.scoring.chance import score_chance
from serflow.scoring.frames import make_frame, read_frame
from serflow.scoring.metrics import METRICS
from serflow.scoring.paper import asked_groups, score_group
from serflow.scoring.pooling import Speakers, group_runs
from serflow.scoring.scores import Scores

#: The metrics whose difference from the first system is shown.
COMPARED = ("WA", "UA")
#: Columns of a study's CSV: one row per corpus, protocol and system; values are fractions in 0..1.
TYPES = {
    **dict.fromkeys(("paper", "study", "corpus", "protocol", "system", "title", "said"), "str"),
    **{f"{metric}{suffix}": "float" for metric in METRICS for suffix in ("", "_low", "_high", "_sd")},
    **{f"{metric}_difference": "float" for metric in COMPARED},
    **{"n_parameters": "Int64", "epochs": "float", "n_speakers": "Int64", "n_runs": "Int64", "n_folds": "Int64"},
    "note": "str",
}


def read_study(path: Path | str) -> pd.DataFrame:
    """Read a study's CSV; see `read_frame` for errors."""
    return read_frame(path, TYPES)


def score_study(record: PaperRecord, study: str, runs: Sequence[RunRecord], speakers: Speakers) -> Scores:
    """Return the scores of the systems of a study, with chance; see `paper.score_paper`."""
    groups = group_runs(runs)
    asked = asked_groups(record.paper, record.paper.studies[study].systems)
    rows = [row for group in asked for row in score_group(record, group, groups.get(group, []), speakers)]
    return Scores((*rows, *score_chance(record.paper, groups)))


def tabulate_study(record: PaperRecord, study: str, scores: Scores, runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Return one row per corpus, protocol and system, all systems of one place together; columns: `TYPES`.

    ``scores``: what `score_study` returned of the study's runs.
    """
    paper, content, groups = record.paper, record.paper.studies[study], group_runs(runs)
    places = [(corpus, name) for corpus in paper.corpora for name in paper.protocols]
    asked = asked_groups(paper, content.systems)
    rows = []
    for corpus, system, protocol in sorted(asked, key=lambda group: places.index((group[0], group[2]))):
        row: dict[str, Any] = {"paper": paper.paper, "study": study, "corpus": corpus, "protocol": protocol}
        row |= {"system": system, "title": paper.title_of("systems", system), "said": content.said}
        if members := groups.get((corpus, system, protocol)):
            row |= {"n_parameters": members[0].info["n_parameters"]}
            row |= {"epochs": statistics.median(len(run.history) for run in members)}
        rows.append(row | _measure(scores, row, content.systems[0]))
    return make_frame(rows, TYPES)


def _measure(scores: Scores, place: dict[str, Any], first: str) -> dict[str, Any]:
    """Return the columns of one system's test scores, and their differences from the first system's."""
    found: dict[str, Any] = {}
    for metric in METRICS:
        own = scores.find(place["corpus"], place["system"], place["protocol"], metric)
        if own:
            found |= {metric: own.value, f"{metric}_low": own.low, f"{metric}_high": own.high, f"{metric}_sd": own.sd}
            found |= {key: getattr(own, key) for key in ("n_speakers", "n_runs", "n_folds", "note")}
    for metric in COMPARED:
        reference = scores.find(place["corpus"], first, place["protocol"], metric)
        if place["system"] != first and reference and None not in (reference.value, found.get(metric)):
            found[f"{metric}_difference"] = found[metric] - reference.value
    return found
