"""What the reproduction costs: seconds and peak memory of each stage and system, from benchmarks and run.json."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serflow.io.files import read_csv, read_json, write_text
from serflow.runs import ScoreError
from serflow.tables.render import render
from serflow.tables.tables import NOTHING, SYNTHETIC, Table

TRAIN = "train"
#: First column of the last line, the sum.
ALL = "all"
COLUMNS = (
    *("Stage", "Paper or corpus", "System or recipe", "Device"),
    *("Jobs", "Seconds", "Longest job (s)", "Peak memory (MiB)"),
)
NOTES = (
    "Wall-clock seconds and peak resident memory (MiB) of each job, as Snakemake's benchmarks have them; of trainings "
    "without one, as run.json has them. A training that was interrupted and resumed counts with the seconds of all its "
    "epochs, another job from its resumption.",
    "Jobs that run side by side share the machine, so that the sum of seconds may exceed the time on the clock.",
)


@dataclass(frozen=True)
class Job:
    """One job: `subject` is its paper, or its corpus in a stage before papers; `system` a recipe in stage features."""

    stage: str
    subject: str
    system: str
    device: str
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Cost:
    """All jobs of one stage, subject, system and device; `peak_mib` is the largest of them (NaN: not measured)."""

    stage: str
    subject: str
    system: str
    device: str
    jobs: int
    seconds: float
    longest: float
    peak_mib: float


def write_costs(benchmarks: Path | str, run_dirs: Iterable[Path | str], stem: Path | str) -> None:
    """Write the table of costs as csv, md, tex and html.

    Parameters
    ----------
    benchmarks
        Folder of Snakemake's benchmark files, ``{rule}/...tsv``.
    run_dirs
        Run directories.
    stem
        Path without suffix.
    """
    folders = list(run_dirs)
    synthetic = Path(benchmarks, "demo").is_dir()
    for suffix, text in render(cost_table(read_costs(benchmarks, folders), synthetic=synthetic)).items():
        write_text(f"{stem}.{suffix}", text)


def read_costs(benchmarks: Path | str, run_dirs: Iterable[Path | str]) -> list[Cost]:
    """Return the costs of each stage, subject, system and device; see `write_costs`.

    A training counts once: by its benchmark, or by its run.json where that is missing.
    """
    folder = Path(benchmarks)
    jobs: dict[str, Job] = {}
    for path in sorted(folder.rglob("*.tsv")):
        stage, *parts = path.relative_to(folder).with_suffix("").parts
        if stage != TRAIN and (found := _read_benchmark(path)):
            recipe = parts[1] if stage == "features" else ""
            jobs[str(path)] = Job(stage, parts[0] if parts else "", recipe, "", *found)
    for run in run_dirs:
        info = read_json(Path(run, "run.json"))
        if "training_seconds" not in info:  # combined from other runs
            continue
        name = "/".join(str(info[key]) for key in ("paper", "corpus", "system", "protocol"))
        name += f"/seed{info['seed']}/fold{info['fold']}"
        jobs[f"{TRAIN}/{name}"] = _training(info, folder / TRAIN / f"{name}.tsv")
    return _sum(jobs.values())


def cost_table(costs: Sequence[Cost], *, synthetic: bool = False) -> Table:
    """Return the table of costs, the dearest first, with their sum last."""
    rows = [cost_cells(cost) for cost in sorted(costs, key=lambda cost: -cost.seconds)]
    if costs:
        jobs, seconds = sum(cost.jobs for cost in costs), sum(cost.seconds for cost in costs)
        longest, peak = max(cost.longest for cost in costs), _largest([cost.peak_mib for cost in costs])
        rows.append(cost_cells(Cost(ALL, "", "", "", jobs, seconds, longest, peak)))
    return Table("What the reproduction cost", list(COLUMNS), rows, list(NOTES), banner=SYNTHETIC if synthetic else "")


def cost_cells(cost: Cost) -> list[str]:
    """Return a cost as the cells of a line of the table: `COLUMNS`."""
    return [
        *(text or NOTHING for text in (cost.stage, cost.subject, cost.system, cost.device)),
        *(str(cost.jobs), f"{cost.seconds:.0f}", f"{cost.longest:.0f}", _mib(cost.peak_mib)),
    ]


def read_cost_table(path: Path | str) -> list[Cost]:
    """Return the costs in a csv that was written of `cost_table`, without their sum, to the second.

    Raises
    ------
    ScoreError
        If the file is missing or has not all of `COLUMNS`.
    """
    if not Path(path).is_file():
        raise ScoreError(path, "is missing", "Run the workflow to its end first.")
    costs = []
    for row in read_csv(path):
        if row.keys() != set(COLUMNS):
            raise ScoreError(path, f"expected the columns {', '.join(COLUMNS)}", "Run the workflow again.")
        stage, subject, system, device = ("" if row[column] == NOTHING else row[column] for column in COLUMNS[:4])
        seconds, longest, peak = (_float(row[column]) for column in COLUMNS[5:])
        if stage != ALL:
            costs.append(Cost(stage, subject, system, device, int(row["Jobs"]), seconds, longest, peak))
    return costs


def _read_benchmark(path: Path) -> tuple[float, float] | None:
    """Return seconds and MiB of a benchmark file; None if it holds no measurement. Short jobs have no memory (NaN)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < 2:
        return None
    row = dict(zip(lines[0].split("\t"), lines[1].split("\t"), strict=False))
    return _float(row.get("s")), _float(row.get("max_rss"))


def _float(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _training(info: Mapping[str, Any], benchmark: Path) -> Job:
    measured = _read_benchmark(benchmark) if benchmark.is_file() else None
    own = float(info["seconds"])  # of a resumed training with the epochs before, which its benchmark lacks
    seconds, peak = measured or (own, float(info.get("peak_memory_mib", math.nan)))
    device = f"{info['device']} ({info.get('device_name', 'unknown')}), {info.get('precision', 'unknown')}"
    return Job(TRAIN, info["paper"], info["system"], device, max(seconds, own), peak)


def _sum(jobs: Iterable[Job]) -> list[Cost]:
    groups: dict[tuple[str, str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.stage, job.subject, job.system, job.device), []).append(job)
    costs = []
    for key, members in groups.items():
        seconds = [job.seconds for job in members]
        costs.append(Cost(*key, len(members), sum(seconds), max(seconds), _largest([job.peak_mib for job in members])))
    return costs


def _largest(values: Sequence[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def _mib(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.0f}"
