"""A paper's studies of single choices: each variant of a system beside the first, with what the paper said of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from serflow.io.files import read_csv, write_csv, write_text
from serflow.protocols.protocols import holds_for
from serflow.runs import Run, conditions, deviations, group_runs, load_runs
from serflow.scoring.metrics import METRICS
from serflow.scoring.scores import MAJORITY, UNIFORM, score_runs
from serflow.tables.render import render
from serflow.tables.tables import (
    BRACKETS,
    INTERVALS,
    METRIC_NOTE,
    NAMES,
    NOTHING,
    SIZES,
    SYNTHETIC,
    Table,
    _ours,
    _protocol,
    _protocol_notes,
    _sizes,
    _speaker_values,
    _title,
    number,
)

#: What the study's figure draws: one row per corpus, protocol and system; values are fractions in 0..1.
COLUMNS = (
    *("paper", "study", "corpus", "protocol", "system", "title", "said"),
    *(f"{metric}{suffix}" for metric in METRICS for suffix in ("", "_low", "_high", "_sd")),
    *("WA_difference", "UA_difference", "n_parameters", "epochs", "n_speakers", "n_runs", "n_folds", "note"),
)
#: The metrics whose difference from the first system is shown.
COMPARED = ("WA", "UA")
DIFFERENCE = "Difference: from the first system, in percentage points, same corpus and protocol."
EPOCHS = "Epochs: trained, median over seeds and folds, and the range; early stopping included."

Row = Mapping[str, Any]
Scores = Mapping[tuple[str, str, str, str], Row]


def write_study_table(
    paper: Mapping[str, Any],
    study: str,
    runs: Sequence[Path],
    manifests: Sequence[Path],
    stem: Path | str,
    *,
    synthetic: bool,
    n_folds: Mapping[tuple[str, str], int] | None = None,
    not_run: Mapping[str, str] | None = None,
) -> None:
    """Write the table of one study: csv with `COLUMNS`; md, tex and html for readers.

    Parameters
    ----------
    paper
        The paper file; its ``studies`` are what can be asked for.
    study
        Key of one of them.
    runs
        Run directories of the study's systems.
    manifests
        Of the runs' corpora.
    stem
        Path without suffix.
    synthetic
        Whether the corpora are synthetic.
    n_folds, not_run
        See `comparison.score_runs`.
    """
    found = load_runs(runs)
    manifest_rows = [row for path in manifests for row in read_csv(path)]
    systems = {name: {**paper["systems"][name], "study": False} for name in paper["studies"][study]["systems"]}
    alone = {**paper, "systems": systems, "published": []}
    scored = score_runs(alone, runs, manifest_rows, n_folds=n_folds, not_run=not_run)
    rows = study_rows(paper, study, scored, found)
    table = replace(study_table(paper, study, rows, scored, found), banner=SYNTHETIC if synthetic else "")
    texts = render(table)
    write_csv(f"{stem}.csv", COLUMNS, rows)
    for suffix in ("md", "tex", "html"):
        write_text(f"{stem}.{suffix}", texts[suffix])


def study_rows(
    paper: Mapping[str, Any], study: str, scored: Sequence[Row], runs: Sequence[Run]
) -> list[dict[str, object]]:
    """Return the rows of the csv, `COLUMNS`, empty where there is nothing.

    Parameters
    ----------
    paper, study
        See `write_study_table`.
    scored
        What `comparison.score_runs` gives for the study's systems.
    runs
        The study's runs.
    """
    content, groups, scores = paper["studies"][study], group_runs(runs), _by_place(scored)
    rows = []
    for corpus, protocol, system in _places(paper, content["systems"]):
        whole = scores[corpus, protocol, system, "WA"]
        row: dict[str, object] = {"paper": paper["paper"], "study": study, "corpus": corpus, "protocol": protocol}
        row |= {"system": system, "title": _title(paper, "systems", system), "said": content["said"]}
        row |= {key: whole[key] for key in ("n_speakers", "n_runs", "n_folds", "note")}
        for metric in METRICS:
            own = scores[corpus, protocol, system, metric]
            row |= {f"{metric}{suffix}": own[suffix[1:] or "value"] for suffix in ("", "_low", "_high", "_sd")}
        for metric in COMPARED:
            row[f"{metric}_difference"] = _difference(scores, (corpus, protocol, system, metric), content["systems"][0])
        members = groups.get((corpus, system, protocol), [])
        if members:
            row["n_parameters"] = members[0].info["n_parameters"]
            row["epochs"] = statistics.median(len(run.history) for run in members)
        rows.append({key: row.get(key, "") for key in COLUMNS})
    return rows


def study_table(
    paper: Mapping[str, Any],
    study: str,
    rows: Sequence[Mapping[str, Any]],
    scored: Sequence[Row],
    runs: Sequence[Run],
) -> Table:
    """Return the table for readers, values in per cent; `rows` of `study_rows`, the rest as given to it."""
    content, groups, scores = paper["studies"][study], group_runs(runs), _by_place(scored)
    columns = ["Corpus", "Protocol", "System", *(f"{NAMES.get(metric, metric)} {BRACKETS}" for metric in METRICS)]
    columns += [*(f"{metric}, difference" for metric in COMPARED), "Parameters", "Epochs", "n"]
    lines = []
    for row in rows:
        place = (row["corpus"], row["protocol"], row["system"])
        found = [scores[(*place, metric)] for metric in METRICS]
        differences = [row[f"{metric}_difference"] for metric in COMPARED]
        parameters = f"{row['n_parameters']:,}" if row["n_parameters"] else NOTHING
        lines.append(
            [row["corpus"], _protocol(row["protocol"]), row["title"]]
            + [_ours(score, _speaker_values(scored, score)) for score in found]
            + [NOTHING if x == "" else f"{100 * x:+.1f}" for x in differences]
            + [parameters, _epochs(groups.get((place[0], place[2], place[1]), [])), _sizes(found, speakers=True)]
        )
    lines += [_chance_line(scores, *place, name) for place in _run_places(rows) for name in (UNIFORM, MAJORITY)]
    notes = [f"The paper: {content['said']}.".replace("..", "."), DIFFERENCE, EPOCHS, *_protocol_notes(paper)]
    notes += [METRIC_NOTE, INTERVALS, SIZES, conditions(runs)]
    assumptions = [{key: str(value) for key, value in entry.items()} for entry in paper.get("assumptions", [])]
    return Table(f"{paper['title']}: {content['title']}", columns, lines, notes, assumptions, deviations(runs))


def _places(paper: Mapping[str, Any], systems: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the (corpus, protocol, system) of a study, all its systems of one corpus and protocol together."""
    return [
        (corpus, protocol, system)
        for corpus in paper["corpora"]
        for protocol, rules in paper["protocols"].items()
        for system in systems
        if holds_for(rules, corpus) and protocol in paper["systems"][system].get("protocols", paper["protocols"])
    ]


def _run_places(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["corpus"], row["protocol"]) for row in rows if row["WA"] != ""))


def _by_place(scored: Sequence[Row]) -> Scores:
    """Return the test scores over all by (corpus, protocol, system, metric)."""
    return {
        (row["corpus"], row["protocol"], row["system"], row["metric"]): row
        for row in scored
        if (row["scope"], row["part"]) == ("all", "test")
    }


def _difference(scores: Scores, place: tuple[str, str, str, str], first: str) -> float | str:
    """Return a system's score less that of the first one; "" for itself, or where one of them has none."""
    corpus, protocol, system, metric = place
    own, reference = number(scores[place], "value"), number(scores.get((corpus, protocol, first, metric)), "value")
    return "" if own is None or reference is None or system == first else own - reference


def _epochs(runs: Sequence[Run]) -> str:
    """Return e.g. "14 (9-21)"."""
    counts = [len(run.history) for run in runs]
    if not any(counts):
        return NOTHING
    spread = "" if min(counts) == max(counts) else f" ({min(counts)}-{max(counts)})"
    return f"{statistics.median(counts):g}{spread}"


def _chance_line(scores: Scores, corpus: str, protocol: str, name: str) -> list[str]:
    cells = [_ours(scores.get((corpus, protocol, name, metric))) for metric in METRICS]
    return [corpus, _protocol(protocol), name, *cells, *[NOTHING] * (len(COMPARED) + 3)]
