"""One table over all papers: each published number, ours under three kinds of protocol, and a verdict by a stated rule.

The rule. The verdict on a published number is

- *cannot be compared* if nothing was run for it, the corpus is synthetic, only some folds of the paper's protocol were
  run, or the runs depart from the paper in any way they recorded (corpus incomplete or partly missing, random instead
  of pretrained weights, another number of epochs, ...);
- *inconclusive* if fewer than six speakers stand behind ours, too few for an interval;
- *reproduced* if the published value lies within the 95 % interval of ours (same metric, same part, the
  paper's protocol);
- *not reproduced* otherwise. Where the published value is reached under the leak (it lies below or within that
  interval), this is said.

The first that applies holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serflow.evaluation.comparison import MAJORITY, UNIFORM
from serflow.evaluation.metrics import METRICS, MIN_SPEAKERS
from serflow.evaluation.render import render
from serflow.evaluation.runs import conditions, load_runs
from serflow.evaluation.tables import (
    BRACKETS,
    INDEPENDENT,
    INTERVALS,
    METRIC_NOTE,
    NAMES,
    NOTHING,
    SYNTHETIC,
    Table,
    number,
    partial_folds,
)
from serflow.files import read_csv, write_csv, write_text

#: What ours is shown under: the paper's own protocol, unseen speakers, and augmented copies made before splitting.
KINDS = {"own": "paper's protocol", "independent": "speaker-independent", "leak": "leak"}
CELL = ("value", "low", "high", "sd", "speakers", "note")
COLUMNS = (
    *("paper", "corpus", "system", "title", "metric", "part", "epoch", "published"),
    *(f"{kind}_{key}" for kind in KINDS for key in CELL),
    *("chance_uniform", "chance_majority", "verdict", "reason", "deviations", "synthetic"),
)
RULE = (
    "Verdict, the first that applies. Cannot be compared: nothing was run, the corpus is synthetic, only some folds of "
    "the paper's protocol were run, or the runs depart from the paper in what the last column lists. Inconclusive: "
    f"fewer than {MIN_SPEAKERS} speakers stand behind ours. Reproduced: the published value lies within the 95 % "
    "interval of ours (same metric, same part, the paper's protocol). Not reproduced: otherwise; 'reached under the "
    "leak' where it lies below or within the interval of ours under the leak."
)
PARTS = (
    "Ours under the paper's protocol is scored on the part the published number is of; the other two always on the "
    "test part. Leak: augmented copies of every recording made first, and split at random afterwards, so that copies "
    "of test recordings are trained on; '-' where that was not asked for."
)
CHANCE = "Chance: guessing all classes alike / always the training part's most frequent class, paper's protocol."
LIMITS = (
    "The interval is over speakers: it leaves out what the paper's own test set, of unknown recordings and often below "
    "150 utterances, adds."
)


@dataclass(frozen=True)
class Cell:
    """One of our values, a fraction in 0..1, or the reason in `note` why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    speakers: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Result:
    """One published number (a fraction in 0..1) and all that is set beside it.

    `deviations` are those of the runs under the paper's protocol; `elsewhere` those of the others alone.
    """

    paper: str
    corpus: str
    system: str
    title: str
    metric: str
    part: str
    epoch: str
    published: float
    cells: Mapping[str, Cell]
    chance: tuple[float | None, float | None]
    deviations: tuple[str, ...]
    elsewhere: tuple[str, ...]
    synthetic: bool
    verdict: str = ""
    reason: str = ""


def write_overview(
    records: Sequence[Mapping[str, Any]],
    scores: Iterable[Path | str],
    run_dirs: Iterable[Path | str],
    stem: Path | str,
) -> None:
    """Write the table: csv with `COLUMNS` and numbers as fractions in 0..1; md, tex and html for readers.

    Parameters
    ----------
    records
        What `serflow paper` wrote, of each paper; also of papers of which nothing could be run.
    scores
        What `comparison.evaluate_paper` wrote, in any order.
    run_dirs
        Run directories of all papers, for what they say of themselves.
    stem
        Path without suffix.
    """
    found, note = overview_of(records, scores, run_dirs)
    texts = render(overview_table(found, [note]))
    write_csv(f"{stem}.csv", COLUMNS, map(flat, found))
    for suffix in ("md", "tex", "html"):
        write_text(f"{stem}.{suffix}", texts[suffix])


def overview_of(
    records: Sequence[Mapping[str, Any]], scores: Iterable[Path | str], run_dirs: Iterable[Path | str]
) -> tuple[list[Result], str]:
    """Return the results of `write_overview`'s arguments, and the sentence on what they were computed with."""
    rows = [row for path in scores for row in read_csv(path)]
    runs = load_runs(run_dirs)
    told: dict[tuple[str, str, str, str], list[str]] = {}
    for run in runs:
        texts = told.setdefault((run.info["paper"], *run.group), [])
        texts += [text for text in run.info.get("deviations", []) if text not in texts]
    return overview(records, rows, told), conditions(runs)


def overview(
    records: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    deviations: Mapping[tuple[str, str, str, str], Sequence[str]],
) -> list[Result]:
    """Return one result per published accuracy, UA or F1 that is not of the training part.

    Where a paper prints a number for several epochs, the last stands.

    Parameters
    ----------
    records
        See `write_overview`.
    rows
        Score rows of all papers.
    deviations
        (paper, corpus, system, protocol) to what its runs recorded.
    """
    whole = [row for row in rows if row["scope"] == "all" and row["source"] in ("predictions", "chance")]
    results = []
    for record in records:
        mine = [row for row in whole if row["paper"] == record["paper"]["paper"]]
        results += [judge(_result(record, entry, mine, deviations)) for entry in _headline(record["paper"])]
    return results


def judge(result: Result) -> Result:
    """Return `result` with the verdict and its reason; the rule stands at the head of this module."""
    own, leak = result.cells["own"], result.cells["leak"]
    published = 100 * result.published
    if own.value is None:
        return replace(result, verdict="cannot be compared", reason=own.note)
    if result.synthetic:
        return replace(result, verdict="cannot be compared", reason="synthetic corpus")
    if own.note:
        return replace(result, verdict="cannot be compared", reason=f"only {own.note}")
    if result.deviations:
        return replace(result, verdict="cannot be compared", reason="the runs depart from the paper")
    if own.low is None or own.high is None:
        return replace(result, verdict="inconclusive", reason=f"{own.speakers} speakers are too few for an interval")
    low, high = 100 * own.low, 100 * own.high
    if own.low <= result.published <= own.high:
        return replace(result, verdict="reproduced", reason=f"{published:.1f} lies within [{low:.1f}, {high:.1f}]")
    side = f"{published - high:.1f} points above" if published > high else f"{low - published:.1f} points below"
    reason = f"{published:.1f} lies {side} [{low:.1f}, {high:.1f}]"
    if leak.high is not None and own.high < result.published <= leak.high:
        reason += "; reached under the leak"
    return replace(result, verdict="not reproduced", reason=reason)


def overview_table(results: Sequence[Result], notes: Sequence[str] = ()) -> Table:
    """Return the table for readers, values in per cent."""
    columns = [
        "System",
        "Corpus",
        "Metric (part)",
        "Published",
        *(f"Ours, {name} {BRACKETS}" for name in KINDS.values()),
    ]
    columns += ["Chance", "Verdict", "Deviations"]
    lines = []
    for result in results:
        metric = f"{NAMES.get(result.metric, result.metric)} ({result.part})"
        published = _percent(result.published) + (f" (epoch {result.epoch})" if result.epoch else "")
        cells = [_text(result.cells[kind]) for kind in KINDS]
        chance = " / ".join(NOTHING if level is None else _percent(level) for level in result.chance)
        verdict = f"{result.verdict}: {result.reason}"
        told = "; ".join((*result.deviations, *result.elsewhere)) or NOTHING
        lines.append(
            [f"{result.title} ({result.paper})", result.corpus, metric, published, *cells, chance, verdict, told]
        )
    banner = SYNTHETIC if any(result.synthetic for result in results) else ""
    texts = [RULE, PARTS, METRIC_NOTE, INTERVALS, LIMITS, CHANCE, *notes]
    return Table("Published and reproduced, all papers", columns, lines, texts, banner=banner)


def flat(result: Result) -> dict[str, Any]:
    """Return a result as a row of the csv: `COLUMNS`, empty where there is nothing."""
    row = {key: getattr(result, key) for key in COLUMNS if hasattr(result, key)}
    for kind, cell in result.cells.items():
        row |= {f"{kind}_{key}": getattr(cell, key) for key in CELL}
    row |= {"chance_uniform": result.chance[0], "chance_majority": result.chance[1]}
    row |= {"deviations": "; ".join((*result.deviations, *result.elsewhere)), "synthetic": int(result.synthetic)}
    return {key: "" if value is None else value for key, value in row.items()}


def _headline(paper: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the published accuracies, UA and F1 that are not of the training part, the last epoch of each."""
    last: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in paper.get("published", []):
        metric = {"accuracy": "WA"}.get(entry["metric"], entry["metric"])
        if metric in METRICS and entry["part"] != "train":
            key = (entry["system"], entry["corpus"], entry["protocol"], metric, entry["part"])
            if key not in last or _epoch(entry) > _epoch(last[key]):
                last[key] = dict(entry) | {"metric": metric}
    return list(last.values())


def _epoch(entry: Mapping[str, Any]) -> float:
    return float(entry.get("epoch", "inf"))


def _result(
    record: Mapping[str, Any],
    entry: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    deviations: Mapping[tuple[str, str, str, str], Sequence[str]],
) -> Result:
    """Set beside one published number what the score rows of its paper hold."""
    paper = record["paper"]
    name, system, corpus, metric = paper["paper"], entry["system"], entry["corpus"], entry["metric"]
    asked = paper["systems"][system].get("protocols", list(paper["protocols"]))
    leaks = [key for key in asked if paper["protocols"][key].get("kind") == "augmented"]
    protocols = {"own": entry["protocol"], "independent": INDEPENDENT, "leak": leaks[0] if leaks else ""}

    def find(who: str, protocol: str, part: str) -> Mapping[str, str] | None:
        wanted = {"system": who, "corpus": corpus, "protocol": protocol, "part": part, "metric": metric, "epoch": ""}
        return next((row for row in rows if all(row[key] == value for key, value in wanted.items())), None)

    cells = {}
    for kind, protocol in protocols.items():
        row = find(system, protocol, entry["part"] if kind == "own" else "test")
        cells[kind] = _cell(row, record["not_run"].get(corpus, "no run was made")) if protocol in asked else Cell()
    told = {kind: deviations.get((name, corpus, system, protocol), ()) for kind, protocol in protocols.items()}
    own, independent, leak = (told[kind] for kind in KINDS)
    elsewhere = [text for text in dict.fromkeys((*independent, *leak)) if text not in own]
    chance = [number(find(who, entry["protocol"], entry["part"]), "value") for who in (UNIFORM, MAJORITY)]
    return Result(
        paper=name,
        corpus=corpus,
        system=system,
        title=str(paper["systems"][system].get("title", system)),
        metric=metric,
        part=entry["part"],
        epoch=str(entry.get("epoch", "")),
        published=float(entry["value"]),
        cells=cells,
        chance=(chance[0], chance[1]),
        deviations=tuple(own),
        elsewhere=tuple(f"elsewhere: {text}" for text in elsewhere),
        synthetic=bool(record["synthetic"]),
    )


def _cell(row: Mapping[str, str] | None, reason: str) -> Cell:
    """Return our value of a score row with the folds it stands on if they are not all; else why there is none."""
    value = number(row, "value")
    if row is None or value is None:
        note = str(row["note"]) if row else ""
        return Cell(note=note[note.find("not run") :].split(";")[0] if "not run" in note else f"not run: {reason}")
    low, high, sd = (number(row, key) for key in ("low", "high", "sd"))
    return Cell(value, low, high, sd, int(row["n_speakers"]), partial_folds(row))


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _text(cell: Cell) -> str:
    """Return e.g. "72.5 ± 1.2 [65.1, 78.9]; 24 speakers; folds 0,1 of 6"."""
    if cell.value is None:
        return cell.note or NOTHING
    text = _percent(cell.value) + (f" ± {_percent(cell.sd)}" if cell.sd is not None else "")
    if cell.low is not None and cell.high is not None:
        text += f" [{_percent(cell.low)}, {_percent(cell.high)}]"
    speakers = f"{cell.speakers} speakers" + ("" if cell.low is not None else ", too few for an interval")
    return "; ".join(part for part in (text, speakers, cell.note) if part)
