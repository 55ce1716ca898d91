"""The table of what the reproduction costs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from serflow.scoring.costs import TYPES, read_costs, sum_costs
from serflow.tables.table import NOTHING, SYNTHETIC, Table

#: First column of the last line, the sum.
ALL = "all"
COLUMNS = (
    *("Stage", "Paper or corpus", "System or recipe", "Device"),
    *("Jobs", "Seconds", "Longest job (s)", "Peak memory (MiB)"),
)
NOTES = (
    "Wall-clock seconds and peak resident memory of each job, from Snakemake's benchmarks; of trainings without one, "
    "from run.json. A resumed training counts with all its epochs, any other resumed job from its resumption. "
    f"{NOTHING}: not measured, and left out of the sum.",
    "Stages other than train count each job whose benchmark is in the results folder: also those of papers that are no "
    "longer configured.",
    "Jobs that run side by side share the machine: the sum of seconds may exceed the time on the clock.",
)


def write_costs(
    benchmarks: Path | str, runs: Iterable[Path | str], stem: Path | str, *, synthetic: bool = False
) -> None:
    """Write the table of costs as csv, md, tex and html; see `scoring.costs.read_costs`."""
    cost_table(read_costs(benchmarks, runs), synthetic=synthetic).write(stem)


def cost_table(costs: pd.DataFrame, *, synthetic: bool = False) -> Table:
    """Return the table of costs, the most expensive first, with their sum last."""
    rows = cost_cells(costs.sort_values("seconds", ascending=False, kind="stable"))
    if len(costs):
        total = pd.DataFrame([{"stage": ALL, "subject": "", "system": "", "device": "", **sum_costs(costs)}])
        rows += cost_cells(total)
    return Table("What the reproduction cost", COLUMNS, rows, NOTES, banner=SYNTHETIC if synthetic else "")


def cost_cells(costs: pd.DataFrame) -> list[list[str]]:
    """Return costs as the cells of `COLUMNS`."""
    return [[_format(value) for value in row] for row in costs[list(TYPES)].itertuples(index=False)]


def _format(value: Any) -> str:
    if isinstance(value, str):
        return value or NOTHING
    return NOTHING if pd.isna(value) else f"{value:.0f}"
