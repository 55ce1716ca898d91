"""The page of results on real corpora that is kept in the repository, made from the workflow's own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serflow.evaluation.runs import ScoreError
from serflow.files import read_csv, read_json, write_text

TABLES = ("comparison", "costs")
HEAD = (
    "Made by `serflow results` from the workflow's own files: do not edit. How to read it: one row per published "
    "number, ours beside it, and a verdict by the rule below the table."
)


def write_results_page(results: Path | str, output: Path | str, command: str = "snakemake") -> None:
    """Write date, command, commit, hardware, the comparison of all papers and the costs as one Markdown page.

    Parameters
    ----------
    results
        The results folder of a finished workflow.
    output
        The page, e.g. ``docs/results.md``.
    command
        The command that made the results, which no file of the workflow holds.

    Raises
    ------
    ScoreError
        If a table is missing, there is no run, or a corpus is synthetic.
    """
    folder = Path(results)
    _refuse_synthetic(folder)
    parts = ["# Results on real corpora", "", HEAD, "", *_facts(_read_runs(folder), command), ""]
    for name in TABLES:
        parts.append(_demote(_table(folder / "tables" / f"{name}.md").read_text(encoding="utf-8")))
    write_text(output, "\n".join(parts))


def _table(path: Path) -> Path:
    if not path.is_file():
        raise ScoreError(path, "is missing", "Run the workflow to its end with these results first.")
    return path


def _refuse_synthetic(folder: Path) -> None:
    for row in read_csv(_table(folder / "tables" / "comparison.csv")):
        if row["synthetic"] != "0":
            fault = f"{row['paper']} was run on synthetic demo corpora, whose numbers say nothing about speech"
            raise ScoreError(folder, fault, "Run the workflow on real corpora into a results folder of its own.")


def _read_runs(folder: Path) -> list[dict[str, Any]]:
    runs = [read_json(path) for path in sorted((folder / "runs").glob("*/*/*/*/seed*/fold*/run.json"))]
    if not runs:
        raise ScoreError(folder / "runs", "holds no run", "Run the workflow to its end with these results first.")
    return runs


def _facts(runs: Sequence[Mapping[str, Any]], command: str) -> list[str]:
    """Return when, with what and on what the runs were made, as a list."""
    days = sorted(str(run[key])[:10] for run in runs for key in ("started", "finished"))
    date = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    machines = _count(f"{run['device_name']} ({run['device']}, {run['precision']})" for run in runs)
    return [
        f"- Date of the runs: {date}",
        f"- Command: `{command}`",
        f"- Commit: {_count(str(run['commit']) for run in runs)}",
        f"- Hardware: {machines}",
        f"- Runs: {len(runs)}",
    ]


def _count(values: Any) -> str:
    """Return the different values, each with its number of runs if there is more than one."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return ", ".join(
        value if len(counts) == 1 else f"{value} ({n} run{'s' * (n > 1)})" for value, n in sorted(counts.items())
    )


def _demote(markdown: str) -> str:
    """Return Markdown with every heading one level lower."""
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in markdown.split("\n"))
