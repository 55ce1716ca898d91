"""One table over all papers: each published number, ours under three kinds of protocol, and a verdict by a stated rule.

The rule. The verdict on a published number is

- *no published number* where a paper prints none for a corpus and system that were run;
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

from serflow.io.files import read_csv, write_csv, write_text
from serflow.papers.papers import holds_for
from serflow.runs import ScoreError, conditions, load_runs
from serflow.scoring.metrics import METRICS, MIN_SPEAKERS
from serflow.scoring.scores import MAJORITY, UNIFORM
from serflow.tables.render import render
from serflow.tables.tables import (
    BRACKETS,
    INDEPENDENT,
    INTERVALS,
    METRIC_NOTE,
    NAMES,
    NOTHING,
    PUBLISHED,
    SYNTHETIC,
    Table,
    number,
    partial_folds,
)

#: What ours is shown under: the paper's own protocol, unseen speakers, and augmented copies made before splitting.
KINDS = {"own": "paper's protocol", "independent": "speaker-independent", "leak": "leak"}
CELL = ("protocol", "value", "low", "high", "sd", "speakers", "note", "deviations")
COLUMNS = (
    *("paper", "corpus", "system", "title", "metric", "part", "epoch", "published"),
    *(f"{kind}_{key}" for kind in KINDS for key in CELL),
    *("chance_uniform", "chance_majority", "verdict", "reason", "synthetic"),
)
#: Between the deviations of a cell of the csv.
SEPARATOR = "; "
SAME = "the paper's protocol is speaker-independent"
RULE = (
    "Verdict, the first that applies. No published number: the paper prints none for this corpus and system, which was "
    "run all the same. Cannot be compared: nothing was run, the corpus is synthetic, only some folds of "
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
CHANCE = (
    "Chance: guessing all classes alike / always the training part's most frequent class, under the paper's protocol, "
    "or on unseen speakers where that protocol is not one of the corpus."
)
LIMITS = (
    "The interval is over speakers: it leaves out what the paper's own test set, of unknown recordings and often below "
    "150 utterances, adds."
)


@dataclass(frozen=True)
class Cell:
    """One of our values, a fraction in 0..1, or the reason in `note` why there is none; `protocol` is "" if none holds.

    `deviations` are what the runs under the protocol recorded.
    """

    protocol: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    speakers: int | None = None
    note: str = ""
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """One published number (a fraction in 0..1; None: none was published) and all that is set beside it."""

    paper: str
    corpus: str
    system: str
    title: str
    metric: str
    part: str
    epoch: str
    published: float | None
    cells: Mapping[str, Cell]
    chance: tuple[float | None, float | None]
    synthetic: bool
    verdict: str = ""
    reason: str = ""

    @property
    def measured(self) -> bool:
        """Whether any run stands behind it."""
        return any(cell.value is not None for cell in self.cells.values())


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

    Where a paper prints a number for several epochs, the last stands. A system that was run on a corpus for which the
    paper prints no such number has one result too, its accuracy on the test part.

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
        printed = _headline(record["paper"])
        results += [_result(record, entry, mine, deviations) for entry in printed]
        others = [_result(record, entry, mine, deviations) for entry in _unpublished(record["paper"], printed, mine)]
        results += [result for result in others if result.measured]
    return list(map(judge, results))


def judge(result: Result) -> Result:
    """Return `result` with the verdict and its reason; the rule stands at the head of this module."""
    own, leak = result.cells["own"], result.cells["leak"]
    if result.published is None:
        return replace(result, verdict="no published number", reason="")
    published = 100 * result.published
    if own.value is None:
        return replace(result, verdict="cannot be compared", reason=own.note)
    if result.synthetic:
        return replace(result, verdict="cannot be compared", reason="synthetic corpus")
    if own.note:
        return replace(result, verdict="cannot be compared", reason=f"only {own.note}")
    if own.deviations:
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
        published = _level(result.published) + (f" (epoch {result.epoch})" if result.epoch else "")
        cells = [_text(result.cells[kind]) for kind in KINDS]
        chance = " / ".join(map(_level, result.chance))
        verdict = f"{result.verdict}: {result.reason}" if result.reason else result.verdict
        told = SEPARATOR.join(_told(result.cells)) or NOTHING
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
        row[f"{kind}_deviations"] = SEPARATOR.join(cell.deviations)
    row |= {"chance_uniform": result.chance[0], "chance_majority": result.chance[1]}
    row |= {"synthetic": int(result.synthetic)}
    return {key: "" if value is None else value for key, value in row.items()}


def read_overview(path: Path | str) -> list[Result]:
    """Return the results of a csv that was written from `flat`.

    Raises
    ------
    ScoreError
        If the file is missing or has not all of `COLUMNS`.
    """
    if not Path(path).is_file():
        raise ScoreError(path, "is missing", "Run the workflow to its end first.")
    rows = read_csv(path)
    missing = [column for column in COLUMNS if rows and column not in rows[0]]
    if missing:
        raise ScoreError(path, f"column {missing[0]!r} is missing", "Delete the file and run the workflow again.")
    return [_unflat(row) for row in rows]


def _unflat(row: Mapping[str, str]) -> Result:
    """Return what `flat` made a row of."""
    cells = {}
    for kind in KINDS:
        value, low, high, sd = (number(row, f"{kind}_{key}") for key in ("value", "low", "high", "sd"))
        speakers, told = row[f"{kind}_speakers"], row[f"{kind}_deviations"]
        cells[kind] = Cell(
            row[f"{kind}_protocol"],
            value,
            low,
            high,
            sd,
            int(speakers) if speakers else None,
            row[f"{kind}_note"],
            tuple(told.split(SEPARATOR)) if told else (),
        )
    texts = {key: row[key] for key in ("paper", "corpus", "system", "title", "metric", "part", "epoch")}
    return Result(
        **texts,
        published=number(row, "published"),
        cells=cells,
        chance=(number(row, "chance_uniform"), number(row, "chance_majority")),
        synthetic=row["synthetic"] != "0",
        verdict=row["verdict"],
        reason=row["reason"],
    )


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


def _unpublished(
    paper: Mapping[str, Any], printed: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Return entries, without a value, for the corpora and systems of score rows that have none among those printed."""
    known = {(entry["corpus"], entry["system"]) for entry in printed}
    scored = dict.fromkeys((row["corpus"], row["system"]) for row in rows if row["source"] == "predictions")
    return [
        {"corpus": corpus, "system": system, "metric": "WA", "part": "test", "value": None}
        | {"protocol": PUBLISHED if PUBLISHED in _asked(paper, system, corpus) else ""}
        for corpus, system in scored
        if (corpus, system) not in known
    ]


def _asked(paper: Mapping[str, Any], system: str, corpus: str) -> list[str]:
    """Return the protocols that a system asks for and that hold for a corpus."""
    names = paper["systems"][system].get("protocols", list(paper["protocols"]))
    return [name for name in names if holds_for(paper["protocols"][name], corpus)]


def _epoch(entry: Mapping[str, Any]) -> float:
    return float(entry.get("epoch", "inf"))


def _result(
    record: Mapping[str, Any],
    entry: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    deviations: Mapping[tuple[str, str, str, str], Sequence[str]],
) -> Result:
    """Set beside one published number, or the lack of one, what the score rows of its paper hold."""
    paper = record["paper"]
    name, system, corpus, metric = paper["paper"], entry["system"], entry["corpus"], entry["metric"]
    asked = _asked(paper, system, corpus)
    leaks = [key for key in asked if paper["protocols"][key].get("kind") == "augmented"]
    protocols = {"own": entry["protocol"], "independent": INDEPENDENT, "leak": leaks[0] if leaks else ""}

    def find(who: str, protocol: str, part: str) -> Mapping[str, str] | None:
        wanted = {"system": who, "corpus": corpus, "protocol": protocol, "part": part, "metric": metric, "epoch": ""}
        return next((row for row in rows if all(row[key] == value for key, value in wanted.items())), None)

    cells = {}
    for kind, protocol in protocols.items():
        if protocol in asked:
            row = find(system, protocol, entry["part"] if kind == "own" else "test")
            told = tuple(deviations.get((name, corpus, system, protocol), ()))
            cells[kind] = _cell(protocol, row, told, record["not_run"].get(corpus, "no run was made"))
        else:
            speakers = kind == "independent" and _keeps_speakers_apart(paper, entry["protocol"])
            cells[kind] = Cell(protocols["own"] if kind == "own" else "", note=SAME if speakers else "")
    fair = entry["protocol"] or INDEPENDENT
    guessers = () if paper["systems"][system].get("labels") else (UNIFORM, MAJORITY)  # chance is among all labels
    chance = [number(find(who, fair, entry["part"]), "value") for who in guessers] or [None, None]
    return Result(
        paper=name,
        corpus=corpus,
        system=system,
        title=str(paper["systems"][system].get("title", system)),
        metric=metric,
        part=entry["part"],
        epoch=str(entry.get("epoch", "")),
        published=None if entry["value"] is None else float(entry["value"]),
        cells=cells,
        chance=(chance[0], chance[1]),
        synthetic=bool(record["synthetic"]),
    )


def _keeps_speakers_apart(paper: Mapping[str, Any], protocol: str) -> bool:
    return paper["protocols"].get(protocol, {}).get("kind") == "speakers"


def _cell(protocol: str, row: Mapping[str, str] | None, told: tuple[str, ...], reason: str) -> Cell:
    """Return our value of a score row with the folds it stands on if they are not all; else why there is none."""
    value = number(row, "value")
    if row is None or value is None:
        note = str(row["note"]) if row else ""
        note = note[note.find("not run") :].split(";")[0] if "not run" in note else f"not run: {reason}"
        return Cell(protocol, note=note, deviations=told)
    low, high, sd = (number(row, key) for key in ("low", "high", "sd"))
    return Cell(protocol, value, low, high, sd, int(row["n_speakers"]), partial_folds(row), told)


def _told(cells: Mapping[str, Cell]) -> list[str]:
    """Return the deviations of the runs under the paper's protocol, then those that only other runs have."""
    own = list(cells["own"].deviations)
    others = dict.fromkeys(text for cell in cells.values() for text in cell.deviations if text not in own)
    return [*own, *(f"elsewhere: {text}" for text in others)]


def _level(value: float | None) -> str:
    return NOTHING if value is None else _percent(value)


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
