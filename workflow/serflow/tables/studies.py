"""The table of one of a paper's studies: each variant of a system, and its difference from the first one."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from serflow.papers.model import PaperRecord
from serflow.runs import RunRecord, read_runs
from serflow.scoring.frames import plain_rows
from serflow.scoring.metrics import METRICS, label_of
from serflow.scoring.pooling import group_runs, read_speakers
from serflow.scoring.scores import MAJORITY, UNIFORM, Scores
from serflow.scoring.studies import COMPARED, score_study, tabulate_study
from serflow.tables import texts
from serflow.tables.table import NOTHING, Table

DIFFERENCE = "Difference: from the first system, in percentage points, same corpus and protocol."
EPOCHS = "Epochs: trained, median over seeds and folds, and the range; early stopping included."


def write_study(
    record: PaperRecord, study: str, runs: Iterable[Path | str], manifests: Iterable[Path | str], stem: Path | str
) -> None:
    """Write the table of one study: as csv what its figure draws, as md, tex and html for readers.

    ``runs``: folders of the runs of the study's systems; ``manifests``: those of their corpora.
    """
    found = read_runs(runs)
    scores = score_study(record, study, found, read_speakers(manifests))
    rows = tabulate_study(record, study, scores, found)
    replace(study_table(record, study, rows, scores, found), data=rows).write(stem)


def study_table(
    record: PaperRecord, study: str, rows: pd.DataFrame, scores: Scores, runs: Sequence[RunRecord]
) -> Table:
    """Return the table for readers, values in per cent; see `scoring.studies.tabulate_study`."""
    paper, content, groups = record.paper, record.paper.studies[study], group_runs(runs)
    columns = ["Corpus", "Protocol", "System", *(f"{label_of(metric)} {texts.BRACKETS}" for metric in METRICS)]
    columns += [*(f"{metric}, difference" for metric in COMPARED), "Parameters", "Epochs", "n"]
    plain, lines = plain_rows(rows), []
    for row in plain:
        found = [scores.find(row["corpus"], row["system"], row["protocol"], metric) for metric in METRICS]
        members = groups.get((row["corpus"], row["system"], row["protocol"]), [])
        lines.append(
            [row["corpus"], texts.of_protocol(paper, row["protocol"]), row["title"]]
            + [texts.of_score(score, scores) for score in found]
            + [_format(row[f"{metric}_difference"], "{:+z.1f}", 100) for metric in COMPARED]
            + [_format(row["n_parameters"], "{:,}"), _format_epochs(members), texts.of_sizes(found)]
        )
    for corpus, protocol in dict.fromkeys((row["corpus"], row["protocol"]) for row in plain if row["n_runs"]):
        for name in (UNIFORM, MAJORITY):
            cells = [texts.of_score(scores.find(corpus, name, protocol, metric)) for metric in METRICS]
            lines.append([corpus, texts.of_protocol(paper, protocol), name, *cells, *[NOTHING] * (len(COMPARED) + 3)])
    notes = [f"The paper: {content.said.rstrip('.')}.", DIFFERENCE, EPOCHS, *texts.score_notes(paper), texts.SIZES]
    return texts.finish(Table(f"{paper.title}: {content.title}", columns, lines, notes), record, runs)


def _format(value: float | None, form: str, factor: int = 1) -> str:
    return NOTHING if value is None else form.format(factor * value)


def _format_epochs(runs: Sequence[RunRecord]) -> str:
    """Return e.g. "14 (9-21)"."""
    counts = [len(run.history) for run in runs]
    if not any(counts):
        return NOTHING
    spread = "" if min(counts) == max(counts) else f" ({min(counts)}-{max(counts)})"
    return f"{statistics.median(counts):g}{spread}"
