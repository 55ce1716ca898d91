"""The table of one of a paper's studies: each variant of a system, and its difference from the first one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import name_protocol
from serflow.runs import RunRecord, read_runs
from serflow.scoring.frames import plain_rows
from serflow.scoring.metrics import METRICS, label_of
from serflow.scoring.pooling import group_runs, read_speakers
from serflow.scoring.scores import MAJORITY, UNIFORM, Scores
from serflow.scoring.studies import COMPARED, ESTIMATE, score_study, tabulate_study
from serflow.tables import texts
from serflow.tables.table import NOTHING, Table

DIFFERENCE = (
    "Difference: from the first system, in percentage points, same corpus, protocol and part; the interval is a "
    "bootstrap in which both take the same draws of speakers (of utterances where it says so). Seeds and speakers that "
    "only one of the two has are left out. Published less ours: "
    "what the paper prints of the first system; the interval takes the error of both sides, and a choice reaches the "
    "published number where it does not lie above 0."
)
EPOCHS = "Epochs: trained, median over seeds and folds, and the range; early stopping included."


def write_study(
    record: PaperRecord, study: str, runs: Iterable[Path | str], manifests: Iterable[Path | str], stem: Path | str
) -> None:
    """Write the table of one study: as csv what its figure draws, as md, tex and html for readers.

    ``runs``: folders of the runs of the study's systems; ``manifests``: those of their corpora.
    """
    found, speakers = read_runs(runs), read_speakers(manifests)
    scores = score_study(record, study, found, speakers)
    rows = tabulate_study(record, study, scores, found, speakers)
    replace(study_table(record, study, rows, scores, found), data=rows).write(stem)


def study_table(
    record: PaperRecord, study: str, rows: pd.DataFrame, scores: Scores, runs: Sequence[RunRecord]
) -> Table:
    """Return the table for readers, values in per cent; see `scoring.studies.tabulate_study`."""
    paper, content, groups = record.paper, record.paper.studies[study], group_runs(runs)
    plain, lines = plain_rows(rows), []
    printed = [metric for metric in COMPARED if rows[f"{metric}_published"].notna().any()]
    columns = ["Corpus", "Protocol", "Part", "System", *(f"{label_of(metric)} {texts.BRACKETS}" for metric in METRICS)]
    columns += [f"{metric}, difference {texts.BRACKETS}" for metric in COMPARED]
    columns += [f"{metric}, published less ours {texts.BRACKETS}" for metric in printed]
    columns += ["Parameters", "Epochs", "n"]
    for row in plain:
        place = (row["corpus"], row["system"], row["protocol"])
        found = [scores.find(*place, metric, row["part"]) for metric in METRICS]
        lines.append(
            [row["corpus"], name_protocol(paper, row["protocol"]), row["part"], row["title"]]
            + [texts.of_score(score, scores) for score in found]
            + [_format_points(row, f"{metric}_difference") for metric in COMPARED]
            + [_format_points(row, f"{metric}_gap") for metric in printed]
            + [NOTHING if row["n_parameters"] is None else f"{row['n_parameters']:,}"]
            + [_format_epochs(groups.get(place, [])), texts.of_sizes(found)]
        )
    run = dict.fromkeys((row["corpus"], row["protocol"], row["part"]) for row in plain if row["n_runs"])
    for corpus, protocol, part in run:
        for name in (UNIFORM, MAJORITY):
            cells = [texts.of_score(scores.find(corpus, name, protocol, metric, part)) for metric in METRICS]
            cells += [NOTHING] * (len(columns) - 4 - len(cells))
            lines.append([corpus, name_protocol(paper, protocol), part, name, *cells])
    told = [text for place in run for metric in COMPARED for text in _summarise(paper, plain, place, metric)]
    notes = [content.statement, *told, DIFFERENCE, EPOCHS, *texts.score_notes(paper), texts.SIZES]
    return texts.finish(Table(f"{paper.title}: {content.title}", columns, lines, notes), record, runs)


def _summarise(
    paper: Paper, rows: Sequence[Mapping[str, Any]], place: tuple[str, str, str], metric: str
) -> Iterator[str]:
    """Yield a sentence on how far choices move a metric at (corpus, protocol, part), and which reach the paper's."""
    here = [row for row in rows if (row["corpus"], row["protocol"], row["part"]) == place and row[metric] is not None]
    if len(here) < 2:
        return
    low, high = (choose(here, key=lambda row: row[metric]) for choose in (min, max))
    text = f"{metric} ({place[2]}) on {place[0]}, {name_protocol(paper, place[1])}: the choices move it by "
    text += f"{100 * (high[metric] - low[metric]):.1f} points, from {100 * low[metric]:.1f} ({low['title']}) to "
    text += f"{100 * high[metric]:.1f} ({high['title']})"
    if here[0][f"{metric}_published"] is not None:
        reached = [row["title"] for row in here if (row[f"{metric}_gap_low"] or math.inf) <= 0]
        text += f"; published: {100 * here[0][f'{metric}_published']:.1f}, reached by {'; '.join(reached) or 'none'}"
    yield f"{text}."


def _format_points(row: Mapping[str, Any], name: str) -> str:
    """Return e.g. "-3.1 [-5.0, -1.2]" of a difference and its interval, in percentage points."""
    if row[name] is None:
        return NOTHING
    value, low, high = (f"{100 * row[f'{name}{end}']:+z.1f}" for end in ESTIMATE)
    unit = " over utterances" if name.endswith("_difference") and row["unit"] == "utterances" else ""
    return f"{value} [{low}, {high}]{unit}"


def _format_epochs(runs: Sequence[RunRecord]) -> str:
    """Return e.g. "14 (9-21)"."""
    counts = [len(run.history) for run in runs]
    if not any(counts):
        return NOTHING
    spread = "" if min(counts) == max(counts) else f" ({min(counts)}-{max(counts)})"
    return f"{statistics.median(counts):g}{spread}"
