"""Makes the comparison table, and one table per table of the paper, from the scores alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from serflow.io.files import read_csv, write_text
from serflow.runs import Run, conditions, deviations, load_runs, pooled_confusion
from serflow.scoring.metrics import METRICS
from serflow.scoring.scores import HISTORY_METRICS, MAJORITY, UNIFORM
from serflow.tables.render import render

#: Protocol keys every paper file uses: the paper's own split, and folds that share no speaker.
PUBLISHED, INDEPENDENT = "published", "speaker_independent"

NOTHING = "-"
SYNTHETIC = "Synthetic demo corpus: these numbers say nothing about speech."
INTERVALS = (
    "Square brackets: 95 % percentile-bootstrap intervals over speakers (2000 draws), of the same statistic: folds of "
    "one seed pooled, then the mean over seeds. ±: standard deviation over seeds, where there are several."
)
SIZES = "n: speakers / seeds / folds."
BRACKETS = "[95 %]"
METRIC_NOTE = "WA: overall accuracy; UA: mean of the per-class recalls; macro-F1: mean of the per-class F1; all in %."
NAMES = {"macro_F1": "macro-F1"}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table as text, ready to be rendered; `rows` have one cell per column, no `deviations` where None."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]
    assumptions: list[dict[str, str]] = field(default_factory=list)
    deviations: list[str] | None = None
    banner: str = ""


def slug(name: str) -> str:
    """Return the file stem of a table of the paper: "Table I" becomes ``table_i``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def table_stems(paper: Mapping[str, Any]) -> list[str]:
    """Return the file stems of all tables of a paper."""
    names = dict.fromkeys(slug(entry["table"]) for entry in paper.get("published", []))
    return ["comparison", *names, *published_confusions(paper)]


def published_confusions(paper: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the confusion matrices that a paper prints, by the file stem of ours beside them."""
    return {f"{slug(entry['table'])}_confusion": entry for entry in paper.get("published_confusion", [])}


def write_table(
    paper: Mapping[str, Any],
    table: str,
    scores_csv: Path | str,
    run_dirs: Iterable[Path | str],
    stem: Path | str,
    *,
    synthetic: bool = False,
) -> None:
    """Write one table as csv, md, tex and html.

    Parameters
    ----------
    paper
        The paper file: titles and assumptions are taken from it.
    table
        One of `table_stems`.
    scores_csv
        What `comparison.evaluate_paper` wrote; the only source of numbers but confusion matrices.
    run_dirs
        For confusion matrices and for what the runs say of themselves: deviations, device, precision, versions.
    stem
        Path without suffix.
    synthetic
        Whether the corpora are synthetic, which the table then says.
    """
    runs = load_runs(run_dirs)
    tables = make_tables(paper, read_csv(scores_csv), deviations(runs), [conditions(runs)], runs, synthetic=synthetic)
    for suffix, text in render(tables[table]).items():
        write_text(f"{stem}.{suffix}", text)


def make_tables(
    paper: Mapping[str, Any],
    rows: Sequence[Row],
    deviations: Sequence[str] = (),
    notes: Sequence[str] = (),
    runs: Sequence[Run] = (),
    *,
    synthetic: bool = False,
) -> dict[str, Table]:
    """Return the tables of a paper by file stem, from its score rows and runs; see `write_table`."""
    whole = [row for row in rows if row["scope"] == "all"]
    names = dict.fromkeys(entry["table"] for entry in paper.get("published", []))
    made = {"comparison": comparison_table(paper, rows)}
    made |= {slug(name): published_table(paper, whole, name) for name in names}
    made |= {stem: confusion_table(paper, entry, runs) for stem, entry in published_confusions(paper).items()}
    assumptions = [{key: str(value) for key, value in entry.items()} for entry in paper.get("assumptions", [])]
    return {
        stem: replace(
            table,
            notes=[*table.notes, *notes],
            assumptions=assumptions,
            deviations=list(deviations),
            banner=SYNTHETIC if synthetic else "",
        )
        for stem, table in made.items()
    }


def comparison_table(paper: Mapping[str, Any], rows: Sequence[Row]) -> Table:
    """Set published, ours under the paper's protocol and ours speaker-independent side by side, with chance rows.

    Parameters
    ----------
    paper
        The paper file.
    rows
        Score rows of all scopes: those of single speakers stand in for an interval where speakers are few.
    """
    whole = [row for row in rows if row["scope"] == "all"]
    protocols = list(paper["protocols"])
    titles = [_protocol(protocol) for protocol in protocols]
    columns = ["Corpus", "System", "Metric (part)", "Published"]
    columns += [text for title in titles for text in (f"Ours, {title} {BRACKETS}", f"n, {title}")]
    columns += ["Gap (points)"]
    lines: list[list[str]] = []
    for corpus in dict.fromkeys(row["corpus"] for row in whole):
        mine = [row for row in whole if row["corpus"] == corpus]
        systems = dict.fromkeys(row["system"] for row in mine if row["source"] != "chance")
        for system in [*systems, UNIFORM, MAJORITY]:
            for metric, part in _compared(mine, system):
                cells = [corpus, _title(paper, "systems", system), _heading(metric, part)]
                lines.append(cells + _compared_cells(mine, rows, protocols, (system, metric, part)))
    gap = "Gap: ours under the paper's protocol minus ours speaker-independent."
    notes = [*_protocol_notes(paper), METRIC_NOTE, INTERVALS, SIZES, gap, *_published_notes(paper, whole)]
    return Table(f"{paper['title']}: published and reproduced", columns, lines, notes)


def published_table(paper: Mapping[str, Any], rows: Sequence[Row], name: str) -> Table:
    """Set each number of one of the paper's tables beside ours, under the paper's protocol and the others.

    Parameters
    ----------
    paper
        The paper file.
    rows
        Score rows of scope "all".
    name
        Name of the paper's table, e.g. "Table I".
    """
    entries = [row for row in rows if row["table"] == name]
    metrics = list(dict.fromkeys((row["metric"], row["part"]) for row in entries))
    columns = ["Corpus", "System", "Protocol", "Epoch"]
    for metric, part in metrics:
        heading = _heading(metric, part)
        columns += [
            f"{heading}, published",
            f"{heading}, ours" + ("" if metric in HISTORY_METRICS else f" {BRACKETS}"),
        ]
    columns += ["Seeds / folds"]
    lines: list[list[str]] = []
    for corpus in dict.fromkeys(row["corpus"] for row in entries):
        mine = [row for row in rows if row["corpus"] == corpus]
        asked = dict.fromkeys((row["system"], str(row["epoch"])) for row in entries if row["corpus"] == corpus)
        for protocol in paper["protocols"]:
            for system, epoch in asked:
                found = [_find(mine, system, protocol, metric, epoch) for metric in metrics]
                if any(found):
                    cells = [corpus, _title(paper, "systems", system), _protocol(protocol)]
                    lines.append([*cells, epoch or "end", *_pairs(found), _sizes(found)])
            for chance in (UNIFORM, MAJORITY):
                found = [_find(mine, chance, protocol, _chance_metric(*metric)) for metric in metrics]
                if any(found):
                    lines.append([corpus, chance, _protocol(protocol), "", *_pairs(found), ""])
    history = "Numbers of an epoch are means over folds and seeds of what training logged; they have no interval."
    notes = [*_protocol_notes(paper), METRIC_NOTE, INTERVALS, history, *_published_notes(paper, entries)]
    return Table(f"{paper['title']}: {name}", columns, lines, notes)


def confusion_percent(entry: Mapping[str, Any], runs: Sequence[Run]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return a published confusion matrix and ours, of the test parts pooled over folds and seeds.

    Parameters
    ----------
    entry
        One of a paper's ``published_confusion``: `system`, `corpus`, `protocol`, and `rows` in per cent as printed.
    runs
        Runs of which those of that system, corpus and protocol count.

    Returns
    -------
    labels
        The C classes, in the order of the published rows.
    published, ours
        ``(C, C)`` in per cent of the true class (rows); ours is NaN where there is no utterance.
    """
    labels = list(entry["rows"])
    published = np.array([[entry["rows"][truth][guess] for guess in labels] for truth in labels], dtype=float)
    mine = [run for run in runs if run.group == (entry["corpus"], entry["system"], entry["protocol"])]
    counts = np.zeros(published.shape)
    if mine:
        order = [mine[0].labels.index(label) for label in labels]
        counts = pooled_confusion(mine)[np.ix_(order, order)]
    totals = counts.sum(axis=1, keepdims=True)
    return labels, published, np.where(totals > 0, 100 * counts / np.maximum(totals, 1), np.nan)


def confusion_table(paper: Mapping[str, Any], entry: Mapping[str, Any], runs: Sequence[Run]) -> Table:
    """Set a published confusion matrix, ours and their difference one below the other; see `confusion_percent`."""
    labels, published, ours = confusion_percent(entry, runs)
    lines = []
    for name, matrix, form in (
        ("published", published, "{:.0f}"),
        ("ours", ours, "{:.1f}"),
        ("ours minus published", ours - published, "{:+.1f}"),
    ):
        for truth, line in zip(labels, matrix, strict=True):
            lines.append([name, truth, *(NOTHING if np.isnan(x) else form.format(x) for x in (*line, line.sum()))])
    diagonals = [f"published {np.diagonal(published).mean():.1f}"]
    diagonals += [] if np.isnan(ours).all() else [f"ours {np.nanmean(np.diagonal(ours)):.1f}"]
    system, protocol = _title(paper, "systems", entry["system"]), _title(paper, "protocols", entry["protocol"])
    notes = [
        f"{system} on {entry['corpus']}; ours: {protocol}; test parts pooled over folds and seeds.",
        "Rows: true emotion; columns: predicted; in % of the true emotion, differences in percentage points.",
        f"Mean of the diagonal, which is the UA: {', '.join(diagonals)}.",
        *([entry["note"]] if entry.get("note") else []),
    ]
    return Table(f"{paper['title']}: {entry['table']}", ["Matrix", "True emotion", *labels, "Sum"], lines, notes)


def number(row: Row | None, key: str) -> float | None:
    """Return a number of a score row, in memory or read from CSV; None where it has none."""
    return None if row is None or row[key] in ("", None) else float(row[key])


def partial_folds(row: Row) -> str:
    """Return e.g. "folds 0,1 of 6" from the note of a score row; empty if all folds were run."""
    found = re.search(r"(seed \d+: )?folds? [\d,]+.*? of \d+", str(row["note"]))
    return found[0] if found else ""


def published_value(rows: Sequence[Row], system: str, metric: str, part: str) -> tuple[float | None, str]:
    """Return what was published for a metric at the end of training, and the epoch it was printed for ("" for the end).

    Where a paper prints accuracies by epoch only, the last of them stands for WA.
    """
    mine = [
        row for row in rows if (row["system"], row["part"]) == (system, part) and number(row, "published") is not None
    ]
    for row in mine:
        if (row["metric"], str(row["epoch"])) == (metric, ""):
            return number(row, "published"), ""
    epochs = [row for row in mine if row["metric"] == "accuracy" and metric == "WA"]
    last = max(epochs, key=lambda row: float(row["epoch"] or "inf"), default=None)
    return number(last, "published"), str(last["epoch"]) if last else ""


def _title(paper: Mapping[str, Any], kind: str, key: str) -> str:
    return str(paper[kind].get(key, {}).get("title", key))


def _protocol(key: str) -> str:
    return {PUBLISHED: "paper's protocol", INDEPENDENT: "speaker-independent"}.get(key, key.replace("_", " "))


def _protocol_notes(paper: Mapping[str, Any]) -> list[str]:
    return [f"{_protocol(key).capitalize()}: {_title(paper, 'protocols', key)}." for key in paper["protocols"]]


def _heading(metric: str, part: str) -> str:
    return f"{NAMES.get(metric, metric)} ({part})"


def _format(metric: str, value: float) -> str:
    return f"{value:.3f}" if metric == "loss" else f"{100 * value:.1f}"


def _find(rows: Sequence[Row], system: str, protocol: str, metric: tuple[str, str], epoch: str = "") -> Row | None:
    wanted = {"system": system, "protocol": protocol, "metric": metric[0], "part": metric[1], "epoch": epoch}
    return next((row for row in rows if all(str(row[key]) == value for key, value in wanted.items())), None)


def _chance_metric(metric: str, part: str) -> tuple[str, str]:
    return {"accuracy": "WA"}.get(metric, metric), part


def _compared(rows: Sequence[Row], system: str) -> list[tuple[str, str]]:
    """Return the metrics a system is compared by: all on the test part, and whatever was published on validation."""
    if not any(row["system"] == system for row in rows):
        return []
    test = [(metric, "test") for metric in METRICS]
    shown = [
        (metric, "validation")
        for metric in METRICS
        if any(_published_cell(rows, name, metric, "validation") != NOTHING for name in {row["system"] for row in rows})
    ]
    return test + shown


def _compared_cells(
    whole: Sequence[Row], rows: Sequence[Row], protocols: Sequence[str], wanted: tuple[str, str, str]
) -> list[str]:
    """Return the cells from "Published" on of one (system, metric, part)."""
    system, metric, part = wanted
    found = {protocol: _find(whole, system, protocol, (metric, part)) for protocol in protocols}
    cells = [_published_cell(whole, system, metric, part)]
    for row in found.values():
        cells += [_ours(row, _speaker_values(rows, row)), _sizes([row], speakers=True)]
    own, independent = (number(found.get(protocol), "value") for protocol in (PUBLISHED, INDEPENDENT))
    if own is None or independent is None or system in (UNIFORM, MAJORITY):
        return [*cells, NOTHING]
    return [*cells, f"{100 * (own - independent):+.1f}"]


def _published_cell(rows: Sequence[Row], system: str, metric: str, part: str) -> str:
    value, epoch = published_value(rows, system, metric, part)
    return NOTHING if value is None else _format(metric, value) + (f" (epoch {epoch})" if epoch else "")


def _speaker_values(rows: Sequence[Row], row: Row | None) -> list[str]:
    """Return "name value" of each speaker for a row whose speakers are too few for an interval."""
    if row is None:
        return []
    keys = ("system", "corpus", "protocol", "part", "metric")
    return [
        f"{other['scope'].rsplit('/', 1)[-1]} {_format(row['metric'], float(other['value']))}"
        for other in rows
        if other["scope"].startswith("speaker ") and all(other[key] == row[key] for key in keys)
    ]


def _ours(row: Row | None, speakers: Sequence[str] = ()) -> str:
    """Return our cell: "72.5 ± 1.2 [65.1, 78.9]", or why there is none."""
    value, low, high, sd = (number(row, key) for key in ("value", "low", "high", "sd"))
    if row is None:
        return NOTHING
    if value is None:
        note = str(row["note"])
        return note[note.find("not run") :] if "not run" in note else NOTHING
    text = _format(row["metric"], value)
    if sd is not None:
        text += f" ± {_format(row['metric'], sd)}"
    if low is not None and high is not None:
        return f"{text} [{_format(row['metric'], low)}, {_format(row['metric'], high)}]"
    return f"{text} (inconclusive; per speaker: {', '.join(speakers)})" if speakers else text


def _pairs(found: Sequence[Row | None]) -> list[str]:
    """Return the published and our cell of each row."""
    cells = []
    for row in found:
        value = number(row, "published")
        cells += [_format(row["metric"], value) if row and value is not None else NOTHING, _ours(row)]
    return cells


def _sizes(found: Sequence[Row | None], *, speakers: bool = False) -> str:
    """Return e.g. "24 / 1 / 2 (folds 0,1 of 6)" of the first row that has runs."""
    for row in found:
        if row and row["n_runs"] not in ("", None):
            keys = ("n_speakers", "n_runs", "n_folds") if speakers else ("n_runs", "n_folds")
            partial = partial_folds(row)
            return " / ".join(str(row[key]) for key in keys) + (f" ({partial})" if partial else "")
    return NOTHING


def _published_notes(paper: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """Return what the paper file says of single published numbers."""
    tables = {row["table"] for row in rows if row["table"]}
    return list(
        dict.fromkeys(
            f"{entry['table']}, {_title(paper, 'systems', entry['system'])}: {entry['note']}"
            for entry in paper.get("published", [])
            if entry.get("note") and entry["table"] in tables
        )
    )
