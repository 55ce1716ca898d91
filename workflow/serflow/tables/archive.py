"""What was measured on real corpora at different times and on different machines, kept as csv and joined with more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from serflow.errors import RunError
from serflow.io.files import read_csv, read_json, write_csv
from serflow.scoring.conditions import LIBRARIES
from serflow.scoring.costs import KEY, TYPES
from serflow.scoring.frames import make_frame, write_frame
from serflow.scoring.results import Result, read_results, write_results
from serflow.scoring.verdicts import judge
from serflow.tables.costs import COLUMNS, cost_cells, read_cost_table

#: What tells the runs behind one value from those behind another.
GROUP = ("paper", "corpus", "system", "protocol")
RUN_COLUMNS = (
    *(*GROUP, "seed", "fold", "started", "finished", "device_name", "device", "precision", "libraries", "commit"),
    *("seconds", "command"),
)
Row = dict[str, str]


@dataclass(frozen=True)
class Archive:
    """Results (published numbers and what stands beside them), costs, and the runs (`RUN_COLUMNS`) behind values."""

    results: list[Result]
    costs: pd.DataFrame
    runs: list[Row]


def read_archive(folder: Path | str) -> Archive:
    """Return what `write_archive` wrote, or nothing if there is nothing yet.

    Raises
    ------
    RunError
        If one of the three files is missing, or has other columns.
    """
    results, costs, runs = (Path(folder, f"{name}.csv") for name in ("comparison", "costs", "runs"))
    if not any(Path(folder).glob("*.csv")):
        return Archive([], make_frame([], TYPES), [])
    if not runs.is_file():
        raise RunError(runs, "is missing", "Restore the folder from the repository.")
    return Archive(read_results(results), read_cost_table(costs), read_csv(runs))


def write_archive(archive: Archive, folder: Path | str) -> None:
    """Write ``comparison.csv``, ``costs.csv`` and ``runs.csv``."""
    write_results(archive.results, Path(folder, "comparison.csv"))
    write_frame(Path(folder, "costs.csv"), pd.DataFrame(cost_cells(archive.costs), columns=list(COLUMNS)))
    write_csv(Path(folder, "runs.csv"), RUN_COLUMNS, archive.runs)


def read_folder(folder: Path | str, command: str) -> Archive:
    """Return what a results folder holds: its two tables over all papers, and the runs behind their values.

    Seeds and folds that an earlier configuration left in the folder are none of them: the receipts of tracking name
    those that the last one asked for.

    ``command``: the one that made the results, which no file of the workflow holds.

    Raises
    ------
    RunError
        If a table is missing, a corpus is synthetic, or there is no run behind a value.
    """
    results = read_results(Path(folder, "tables", "comparison.csv"))
    for result in results:
        if result.synthetic:
            fault = f"{result.paper} was run on synthetic demo corpora, whose numbers say nothing about speech"
            raise RunError(folder, fault, "Run the workflow on real corpora into a results folder of its own.")
    costs = read_cost_table(Path(folder, "tables", "costs.csv"))
    asked = sorted(key for path in Path(folder, "tracking").glob("*.json") for key in read_json(path))
    runs = []
    for group in _groups(results):
        paths = [Path(folder, "runs", key, "run.json") for key in asked if key.startswith("/".join([*group, "seed"]))]
        found = [path for path in paths if path.is_file()]
        if not found:
            raise RunError(Path(folder, "runs", *group), "holds no run", "Run the workflow to its end first.")
        runs += [_run(read_json(path), command) for path in found]
    return Archive(results, costs, sorted(runs, key=_run_order))


def merge(old: Archive, new: Archive) -> Archive:
    """Join older with newer measurements, so that each value stands on the runs of one workflow.

    A value replaces the older one of the same published number and kind of protocol, and its runs replace the older
    ones; a kind of protocol that the newer results lack keeps its value and runs. What the newer results did not run
    at all stays as it was. Costs replace older ones of the same stage, paper or corpus, system and device. Verdicts
    are passed anew.
    """
    results = {_key(result): result for result in old.results}
    for result in new.results:
        results[_key(result)] = _join(results.get(_key(result), result), result)
    costs = pd.concat([old.costs, new.costs]).drop_duplicates(list(KEY), keep="last").sort_values(list(KEY))
    again = _groups(new.results)
    runs = [run for run in old.runs if group_of(run) not in again] + new.runs
    return Archive(
        [replace(one, **judge(one)._asdict()) for one in sorted(results.values(), key=lambda one: one.paper)],
        costs,
        sorted(runs, key=_run_order),
    )


def _key(result: Result) -> tuple[str, ...]:
    protocol = result.cells["published"].protocol
    return result.paper, result.corpus, result.system, protocol, result.metric, result.part


def _join(old: Result, new: Result) -> Result:
    """Return the newer result with the values of the older one that it lacks; the older one if it has no value."""
    if old.measured and not new.measured:
        return old
    kept = {role: cell for role, cell in old.cells.items() if cell.value is not None and new.cells[role].value is None}
    uniform = old.chance_uniform if new.chance_uniform is None else new.chance_uniform
    majority = old.chance_majority if new.chance_majority is None else new.chance_majority
    return replace(new, cells={**new.cells, **kept}, chance_uniform=uniform, chance_majority=majority)


def _groups(results: Iterable[Result]) -> dict[tuple[str, ...], None]:
    """Return the runs, by `GROUP`, on which any value stands."""
    return {
        (result.paper, result.corpus, result.system, cell.protocol): None
        for result in results
        for cell in result.cells.values()
        if cell.value is not None
    }


def group_of(run: Row) -> tuple[str, ...]:
    """Return what of a run is in `GROUP`."""
    return tuple(run[key] for key in GROUP)


def _run_order(run: Row) -> tuple[Any, ...]:
    return (*group_of(run), int(run["seed"]), int(run["fold"]))


def _run(info: Mapping[str, Any], command: str) -> Row:
    """Return what `run.json` says of a run as a row of `RUN_COLUMNS`."""
    versions: Mapping[str, str] = info.get("versions", {})
    known = dict(info) | {"command": command}
    known["libraries"] = ", ".join(f"{name} {versions[name]}" for name in sorted(LIBRARIES) if name in versions)
    return {column: str(known[column]) for column in RUN_COLUMNS}
