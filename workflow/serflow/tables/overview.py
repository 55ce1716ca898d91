"""The comparison of all papers: each published number, ours by role of the protocol, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from serflow.corpora.names import display_name
from serflow.io.files import read_json
from serflow.papers.model import PaperRecord
from serflow.papers.names import ROLES
from serflow.protocols.base import Role
from serflow.scoring.conditions import describe_conditions
from serflow.scoring.gaps import Gap, find_contradictions, read_gaps
from serflow.scoring.overview import compare_papers
from serflow.scoring.results import SAME, Cell, Result, results_frame
from serflow.scoring.scores import Scores
from serflow.scoring.verdicts import EXCEEDED, RULE, list_departures
from serflow.tables import texts
from serflow.tables.table import NOTHING, SYNTHETIC, Table

PARTS = (
    "Ours under the paper's protocol is measured on the part of the published number, all others on the test part. "
    "With the leak: augmented copies of every recording are made before splitting, so that copies of test recordings "
    "are trained on, and copies are tested too; its control tests original recordings alone, so compare it with the "
    "leak's original recordings alone."
)
CHANCE = (
    "Chance: guessing all classes alike / always the training part's most frequent class, under the paper's protocol, "
    "or under the first other one where nothing was run under that."
)
STABILITY = (
    "Last epochs vary: where the last epoch is taken, the range of the validation accuracy over the last tenth of "
    "epochs, the mean over runs."
)


def write_overview(
    records: Sequence[PaperRecord],
    scores: Iterable[Path | str],
    gaps: Iterable[Path | str],
    runs: Iterable[Path | str],
    stem: Path | str,
) -> None:
    """Write the comparison: as csv the `Result`s, as md, tex and html for readers.

    Parameters
    ----------
    records
        Every paper as run; also those of which nothing could be run.
    scores, gaps
        Files of scores and differences, of those that were run.
    runs
        Folders of all runs, for what they were computed with.
    """
    results = compare_papers(records, Scores.read(*scores))
    found = [gap for path in gaps for gap in read_gaps(path)]
    notes = [*list_findings(records, results, found)]
    notes.append(describe_conditions(read_json(Path(run, "run.json")) for run in runs))
    replace(overview_table(results, notes), data=results_frame(results)).write(stem)


def list_findings(records: Iterable[PaperRecord], results: Sequence[Result], gaps: Sequence[Gap]) -> list[str]:
    """Return what is to be explained: results far above the published ones, and orders that ours contradict."""
    found = [
        f"To explain: {one.title} ({one.paper}) on {one.corpus} exceeds the published {one.metric}: {one.reason}."
        for one in results
        if one.verdict == EXCEEDED or f"would be: {EXCEEDED}" in one.reason
    ]
    for record in records:
        name = record.paper.paper
        mine = [one for one in results if one.paper == name]
        found += find_contradictions(record, [gap for gap in gaps if gap.paper == name], mine)
    return found


def overview_table(results: Sequence[Result], notes: Sequence[str] = ()) -> Table:
    """Return the table for readers, values in per cent; a role without any protocol has no column."""
    roles = [role for role in ROLES if any(one.cells[role] != Cell() for one in results)]
    columns = ["System", "Corpus", "Metric (part)", "Published"]
    columns += [f"Ours, {ROLES[role]} {texts.BRACKETS}" for role in roles]
    rows = [_line(result, roles) for result in results]
    notes = [RULE, PARTS, texts.metric_note(), texts.INTERVALS, STABILITY, CHANCE, *notes]
    banner = SYNTHETIC if any(result.synthetic for result in results) else ""
    title = "Published and reproduced, all papers"
    return Table(title, [*columns, "Chance", "Verdict", "Deviations"], rows, notes, banner=banner)


def _line(result: Result, roles: Sequence[Role]) -> list[str]:
    epoch = f" (epoch {result.epoch})" if result.epoch else ""
    chance = (result.chance_uniform, result.chance_majority)
    return [
        f"{result.title} ({result.paper})",
        result.place,
        texts.heading(result.metric, result.part),
        texts.of_value(result.metric, result.published) + epoch,
        *(_format_cell(result.cells[role], result.metric) for role in roles),
        " / ".join(texts.of_value(result.metric, value) for value in chance),
        ": ".join(filter(None, (result.verdict, result.reason))),
        "; ".join(list_deviations(result)) or NOTHING,
    ]


def list_deviations(result: Result) -> list[str]:
    """Return the deviations under the paper's protocol, then those that only others have."""
    own = result.cells["published"].deviations
    others = dict.fromkeys(text for cell in result.cells.values() for text in cell.deviations if text not in own)
    return [*own, *(f"under other protocols: {text}" for text in others)]


def _format_cell(cell: Cell, metric: str) -> str:
    """Return e.g. "72.5 ± 1.2 [65.1, 78.9]; 24 speakers; 2 of 6 folds"."""
    if cell.value is None:
        return cell.note or NOTHING
    value, low, high, sd = (texts.of_value(metric, number) for number in (cell.value, cell.low, cell.high, cell.sd))
    text = value + (f" ± {sd}" if cell.sd is not None else "") + (f" [{low}, {high}]" if cell.low is not None else "")
    text += " over utterances" if cell.unit == "utterances" else ""
    told = [text, f"{cell.speakers} speaker{'s' * (cell.speakers != 1)}", cell.missing]
    if cell.spread is not None:
        told.append(f"last epochs vary by {100 * cell.spread:.1f} points")
    if cell.collapsed:
        who = "1 run predicts" if cell.collapsed == 1 else f"{cell.collapsed} runs predict"
        told.append(f"collapsed: {who} one class")
    return "; ".join(filter(None, (*told, tell_originals(cell), cell.note)))


def percent(value: float, low: float | None, high: float | None) -> str:
    """Return a fraction and its interval in per cent, "72.5 % [65.1, 78.9]"."""
    return f"{100 * value:.1f} %" + (
        f" [{100 * low:.1f}, {100 * high:.1f}]" if low is not None and high is not None else ""
    )


def tell_ours(result: Result) -> str:
    """Return a sentence, without its full stop, on a published number and ours under each protocol.

    Where nothing was measured, and nothing is published, it is empty.
    """
    same = result.cells["unseen"].note == SAME
    told = [
        f"{tell_cell(cell)} {words}"
        for role, words in (
            ("published", f"under the paper's protocol{', on unseen speakers' if same else ''}"),
            ("random", "under a random split"),
            ("given", "under the corpus's own split"),
            ("unseen", "on unseen speakers"),
            ("unseen_statements", "on unseen speakers and sentences"),
            ("other_corpus", "on a corpus that was not trained on"),
            ("leak", "under the leak"),
            ("control", "with the same copies of the training part alone"),
            ("unseen_control", "on unseen speakers with copies of the training part"),
        )
        if (cell := result.cells[role]).value is not None  # type: ignore[index]
    ]
    printed = [] if result.published is None else [f"published {100 * result.published:.1f} %"]
    ours = [f"ours {', '.join(told)}"] if told else ["ours not run"]
    what = f"{result.title} on {result.name_place(display_name)}, {texts.heading(result.metric, result.part)}"
    return f"{what}: {'; '.join([*printed, *ours])}" if printed or told else ""


def tell_cell(cell: Cell) -> str:
    """Return ours with its interval in per cent, and in round brackets what is to be known of it."""
    text, told = percent(cell.value or 0.0, cell.low, cell.high), tell_notes(cell)
    return text + (f" ({told})" if told else "")


def tell_notes(cell: Cell) -> str:
    """Return what is to be known of ours beside its value: other emotions, original recordings, what is missing."""
    return "; ".join(filter(None, (cell.note, tell_originals(cell), cell.missing)))


def tell_departures(cell: Cell) -> str:
    """Return a sentence behind a blank on what keeps ours from being compared with the paper; else nothing."""
    found = list_departures(cell)
    return f" Ours departs from the paper ({'; '.join(found)})." if found else ""


def tell_originals(cell: Cell) -> str:
    """Return ours of the original recordings alone, where augmented copies are tested too; else nothing."""
    if cell.originals is None:
        return ""
    return f"original recordings alone {percent(cell.originals, cell.originals_low, cell.originals_high)}"
