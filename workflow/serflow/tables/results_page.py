"""The page of results on real corpora that is kept in the repository, made from the workflow's own files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from serflow.errors import RunError
from serflow.io.files import write_text
from serflow.scoring.conditions import short_commit
from serflow.tables.archive import Row, group_of, merge, read_archive, read_folder, write_archive
from serflow.tables.costs import cost_table
from serflow.tables.overview import overview_table
from serflow.tables.table import SYNTHETIC, Table

HEAD = (
    "Made by `serflow results` from the workflow's own files and from what it kept of earlier ones beside this page: "
    "do not edit. How to read it: one row per published number, ours beside it, and a verdict by the rule below the "
    "table."
)
MERGED = (
    "What stands in one row of the comparison may have been measured at different times and on different machines, "
    "each kind of protocol as this table says. A newer measurement of a paper, corpus, system and protocol replaces "
    "the older one whole; what the newer results did not run keeps its value. Verdicts are passed on what stands there."
)


def write_results_page(
    results: Path | str | None,
    output: Path | str,
    command: str = "snakemake",
    *,
    archive: Path | str,
    tables: Sequence[Path] = (),
) -> None:
    """Write the comparison of all papers, where and when it was measured, and the costs as one Markdown page.

    What `results` holds is first joined to the archive, which is what the page is made from.

    Parameters
    ----------
    results
        The results folder of a finished workflow; None: the page is made anew from the archive.
    command
        The command that made the results, which no file of the workflow holds.
    archive
        Folder of the csv files that keep all measurements so far, e.g. ``docs/results``.
    tables
        Tables of single papers, ``.../PAPER/TABLE.md``, to keep beside them as they are; the page points to them.

    Raises
    ------
    RunError
        If a table is missing, there is no run, or a corpus is synthetic.
    """
    others = {f"{path.parent.name}_{path.name}": _real(path) for path in tables}
    kept = read_archive(archive)
    if results is not None:
        kept = merge(kept, read_folder(results, command))
    if not kept.runs:
        raise RunError(archive if results is None else results, "holds no run", "Run the workflow to its end first.")
    shown = [overview_table(kept.results), _measured(kept.runs), cost_table(kept.costs)]
    write_archive(kept, archive)
    for name, text in others.items():
        write_text(Path(archive, name), text)
    parts = ["# Results on real corpora", "", HEAD, "", *_facts(kept.runs), *_others(Path(archive), Path(output)), ""]
    write_text(output, "\n".join([*parts, *(_demote(table.to_markdown()) for table in shown)]))


def _real(table: Path) -> str:
    """Return a table in Markdown, unless it is of synthetic corpora."""
    if not table.is_file():
        raise RunError(table, "is missing", "Run the workflow to its end first.")
    text = table.read_text(encoding="utf-8")
    if SYNTHETIC in text:
        raise RunError(table, "is of synthetic demo corpora", "Run the workflow on real corpora.")
    return text


def _others(archive: Path, output: Path) -> list[str]:
    """Return a pointer to each table of a single paper that the archive keeps."""
    folder = Path(os.path.relpath(archive, output.parent)).as_posix()
    paths = sorted(path for path in archive.glob("*.md") if path.name != "README.md")
    return [f"- More: [{path.stem.replace('_', ' ')}]({folder}/{path.name})" for path in paths]


def _facts(runs: Sequence[Row]) -> list[str]:
    """Return when, with what and on what the runs were made, as a list."""
    commands = _commands(runs)
    return [
        f"- Date of the runs: {_days(runs)}",
        *(f"- Command {number}: `{command}`" for command, number in commands.items()),
        f"- Commit: {_count([run['commit'] for run in runs])}",
        f"- Hardware: {_count([_machine(run) for run in runs])}",
        f"- Runs: {len(runs)}",
    ]


def _measured(runs: Sequence[Row]) -> Table:
    """Return the table of where and when the runs of each paper, corpus, system and protocol were made."""
    columns = ["Paper", "Corpus", "System", "Protocol", "Seeds", "Folds", "Date"]
    columns += ["Hardware", "Libraries", "Commit", "Command"]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for run in runs:
        groups.setdefault(group_of(run), []).append(run)
    commands, lines = _commands(runs), []
    for group, members in groups.items():
        sets = [_all(run[key] for run in members) for key in ("seed", "fold")]
        machines, libraries = _all(map(_machine, members)), _all(run["libraries"] for run in members)
        commits = _all(short_commit(run["commit"]) for run in members)
        numbers = _all(commands[run["command"]] for run in members)
        lines.append([*group, *sets, _days(members), machines, libraries, commits, numbers])
    return Table("Where and when it was measured", columns, lines, [MERGED])


def _commands(runs: Sequence[Row]) -> dict[str, str]:
    """Return the number of each command, from 1 in the order of the runs."""
    return {command: str(i) for i, command in enumerate(dict.fromkeys(run["command"] for run in runs), start=1)}


def _days(runs: Sequence[Row]) -> str:
    days = sorted(run[key][:10] for run in runs for key in ("started", "finished"))
    return days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"


def _machine(run: Row) -> str:
    return f"{run['device_name']} ({run['device']}, {run['precision']})"


def _all(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _count(values: Sequence[str]) -> str:
    """Return the different values, each with its number of runs if there is more than one."""
    counts = sorted(Counter(values).items())
    told = [f"{value} ({n} run{'s' * (n > 1)})" for value, n in counts]
    return ", ".join(told) if len(told) > 1 else counts[0][0]


def _demote(markdown: str) -> str:
    """Return Markdown with every heading one level lower."""
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in markdown.split("\n"))
