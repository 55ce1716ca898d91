"""Texts that several tables share: cells and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import name_protocol
from serflow.runs import RunRecord
from serflow.scoring.conditions import describe_conditions, find_deviations
from serflow.scoring.metrics import METRICS, MIN_SPEAKERS, label_of
from serflow.scoring.scores import MAJORITY, ORIGINALS, UNIFORM, Score, Scores
from serflow.scoring.speakers import speaker_name
from serflow.tables.table import NOTHING, SYNTHETIC, Table

BRACKETS = "[95 %]"
INTERVALS = (
    "Square brackets: 95 % percentile-bootstrap interval over speakers (2000 draws) of the same statistic: folds of "
    "one seed pooled, then the mean over seeds. It leaves out what other seeds would change, and has no width at 0 and "
    f"100 %. 'over utterances': these are drawn where fewer than {MIN_SPEAKERS} speakers are tested. ±: standard "
    "deviation over seeds, where there are several."
)
SIZES = "n: speakers / seeds / folds."
#: The row of what guessing would score.
GUESSING = "chance (uniform / majority)"


def metric_note() -> str:
    """Return what the metrics mean."""
    return f"{'; '.join(f'{one.label}: {one.meaning}' for one in METRICS.values())}; all in %."


def finish(table: Table, record: PaperRecord, runs: Sequence[RunRecord]) -> Table:
    """Return a table with what its runs were computed with and depart in, the paper's assumptions, and the banner."""
    return replace(
        table,
        notes=[*table.notes, describe_conditions(run.info for run in runs)],
        assumptions=record.paper.assumptions,
        deviations=find_deviations(record, runs),
        banner=SYNTHETIC if record.synthetic else "",
    )


def heading(metric: str, part: str) -> str:
    """Return e.g. "macro-F1 (test)"."""
    return f"{label_of(metric)} ({name_part(part)})"


def name_part(part: str) -> str:
    """Return what a part is called."""
    return "test, original recordings alone" if part == ORIGINALS else part


def score_notes(paper: Paper) -> list[str]:
    """Return a sentence on each protocol, what the metrics mean, and what stands in brackets."""
    labels = {name: name_protocol(paper, name) for name in paper.protocols}
    protocols = [f"{labels[name][0].upper()}{labels[name][1:]}: {one.title}." for name, one in paper.protocols.items()]
    return [*protocols, metric_note(), INTERVALS]


def of_value(metric: str, value: float | None) -> str:
    """Return a loss in nats, all else in per cent."""
    if value is None:
        return NOTHING
    return f"{value:.3f}" if metric == "loss" else f"{100 * value:.1f}"


def of_score(score: Score | None, scores: Scores | None = None) -> str:
    """Return e.g. "72.5 ± 1.2 [65.1, 78.9]", or why there is none; of few speakers each one's value from `scores`."""
    if score is None or score.value is None:
        return score.reason or NOTHING if score else NOTHING
    text, low, high, sd = (of_value(score.metric, x) for x in (score.value, score.low, score.high, score.sd))
    text += f" ± {sd}" if score.sd is not None else ""
    if score.low is None:
        return text
    text += f" [{low}, {high}]"
    if score.unit != "utterances":
        return text
    each = [
        f"{speaker_name(one)} {of_value(one.metric, one.value)}"
        for one in (scores.speakers_of(score) if scores else [])
    ]
    return f"{text} over utterances" + (f" (per speaker: {', '.join(each)})" if each else "")


def of_guessing(scores: Scores, corpus: str, protocol: str, metric: str, part: str) -> str:
    """Return e.g. "12.5 / 13.2", what guessing all classes alike and guessing the most frequent one would score."""
    found = [scores.find(corpus, guess, protocol, metric, part) for guess in (UNIFORM, MAJORITY)]
    return " / ".join(map(of_score, found)) if any(found) else NOTHING


def of_sizes(found: Iterable[Score | None], *, speakers: bool = True) -> str:
    """Return e.g. "24 / 1 / 2 (2 of 6 folds)" of the first score that has runs."""
    for score in found:
        if score and score.n_runs is not None:
            numbers = [*([score.n_speakers] if speakers else []), score.n_runs, score.n_folds]
            return " / ".join(map(str, numbers)) + (f" ({score.missing})" if score.missing else "")
    return NOTHING
