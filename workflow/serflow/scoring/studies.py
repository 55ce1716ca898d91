"""Scores a paper's studies of single choices: each variant of a system, and its difference from the first one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serflow.config import Seeds
from serflow.papers.model import PaperRecord
from serflow.runs import RunRecord
from serflow.scoring.chance import score_chance
from serflow.scoring.frames import make_frame, read_frame
from serflow.scoring.gaps import subtract_runs
from serflow.scoring.metrics import METRICS
from serflow.scoring.overview import compare, list_published
from serflow.scoring.paper import asked_groups, score_group
from serflow.scoring.pooling import Speakers, group_runs
from serflow.scoring.scores import Scores

#: The metrics whose difference from the first system is shown.
COMPARED = ("WA", "UA")
#: Ends of the names of columns: an estimate and its interval.
ESTIMATE = ("", "_low", "_high")
#: Columns of a study's CSV: one row per corpus, protocol, part and system; values are fractions in 0..1.
#: ``{metric}_difference``: less the first system; ``{metric}_gap``: what the paper prints of the first system
#: (``{metric}_published``) less this; ``unit``: what the intervals of the differences draw.
TYPES = {
    **dict.fromkeys(("paper", "study", "corpus", "protocol", "part", "system", "title", "said"), "str"),
    **{f"{metric}{suffix}": "float" for metric in METRICS for suffix in (*ESTIMATE, "_sd")},
    **{f"{metric}_difference{end}": "float" for metric in COMPARED for end in ESTIMATE},
    **{f"{metric}_{what}": "float" for metric in COMPARED for what in ("published", "gap", "gap_low", "gap_high")},
    **{"n_parameters": "Int64", "epochs": "float", "n_speakers": "Int64", "n_runs": "Int64", "n_folds": "Int64"},
    **{"unit": "str", "note": "str"},
}


def read_study(path: Path | str) -> pd.DataFrame:
    """Read a study's CSV; see `read_frame` for errors."""
    return read_frame(path, TYPES)


def score_study(record: PaperRecord, study: str, runs: Sequence[RunRecord], speakers: Speakers) -> Scores:
    """Return the scores of the systems of a study, with chance; see `paper.score_paper`."""
    groups = group_runs(runs)
    asked = asked_groups(record.paper, study)
    seeded = record.model_copy(update={"seeds": dict.fromkeys(record.paper.protocols, Seeds().studies)})
    rows = [row for group in asked for row in score_group(seeded, group, groups.get(group, []), speakers)]
    return Scores((*rows, *score_chance(record.paper, groups)))


def tabulate_study(
    record: PaperRecord, study: str, scores: Scores, runs: Sequence[RunRecord], speakers: Speakers
) -> pd.DataFrame:
    """Return one row per corpus, protocol, part and system, all systems of one place together; columns: `TYPES`.

    ``scores``: what `score_study` returned of the study's runs.
    """
    paper, content, groups = record.paper, record.paper.studies[study], group_runs(runs)
    asked, first = asked_groups(paper, study), content.systems[0]
    places = dict.fromkeys(
        (corpus, name, part) for corpus in paper.corpora for name in paper.protocols for part in content.parts
    )
    rows = []
    for corpus, protocol, part in places:
        reference = groups.get((corpus, first, protocol), [])
        for system in [system for place, system, name in asked if (place, name) == (corpus, protocol)]:
            own = groups.get((corpus, system, protocol), [])
            row: dict[str, Any] = {"paper": paper.paper, "study": study, "corpus": corpus, "protocol": protocol}
            row |= {"part": part, "system": system, "title": paper.title_of("systems", system), "said": content.said}
            if own:
                row |= {"n_parameters": own[0].info["n_parameters"]}
                row |= {"epochs": statistics.median(len(run.history) for run in own)}
            row |= _measure(scores, row) | _compare_published(record, scores, row, first)
            row |= _subtract(own, reference, part, speakers) if system != first else {}
            rows.append({"unit": ""} | row)
    return make_frame(rows, TYPES)


def _measure(scores: Scores, place: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of one system's scores of a part."""
    found: dict[str, Any] = {}
    for metric in METRICS:
        own = scores.find(place["corpus"], place["system"], place["protocol"], metric, place["part"])
        if own:
            found |= {metric: own.value, f"{metric}_low": own.low, f"{metric}_high": own.high, f"{metric}_sd": own.sd}
            found |= {key: getattr(own, key) for key in ("n_speakers", "n_runs", "n_folds", "note")}
    return found


def _subtract(
    own: Sequence[RunRecord], reference: Sequence[RunRecord], part: str, speakers: Speakers
) -> dict[str, Any]:
    """Return the columns of the differences from the first system, with intervals; none where one was not run."""
    found: dict[str, Any] = {}
    for gap in subtract_runs(own, reference, part, speakers):
        if gap.metric in COMPARED:
            values = zip(ESTIMATE, (gap.value, gap.low, gap.high), strict=True)
            found |= {f"{gap.metric}_difference{end}": value for end, value in values} | {"unit": gap.unit}
    return found


def _compare_published(record: PaperRecord, scores: Scores, place: Mapping[str, Any], first: str) -> dict[str, Any]:
    """Return the columns of how far a system stays below what the paper prints of the first one."""
    found: dict[str, Any] = {}
    for entry in list_published(record.paper):
        wanted = (place["corpus"], first, place["protocol"], place["part"])
        if entry.metric in COMPARED and (entry.corpus, entry.system, entry.protocol, entry.part) == wanted:
            result = compare(record, entry._replace(system=place["system"]), scores)
            values = (result.difference, result.difference_low, result.difference_high)
            found |= {f"{entry.metric}_gap{end}": value for end, value in zip(ESTIMATE, values, strict=True)}
            found[f"{entry.metric}_published"] = entry.value
    return found
