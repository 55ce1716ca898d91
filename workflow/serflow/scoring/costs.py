"""What the reproduction costs: seconds and peak memory of each job, from benchmarks and run.json, and their sums."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from serflow.io.files import read_json
from serflow.runs import RunId

TRAIN = "train"
#: What is summed: ``subject`` is a paper, or a corpus in a stage before papers; ``system`` a recipe in stage features.
KEY = ("stage", "subject", "system", "device")
#: Columns of costs; a missing number was not measured.
TYPES = {**dict.fromkeys(KEY, "str"), "jobs": "Int64", "seconds": "float", "longest": "float", "peak_mib": "float"}


def read_costs(benchmarks: Path | str, runs: Iterable[Path | str]) -> pd.DataFrame:
    """Return the costs of each stage, subject, system and device, with the columns `TYPES`.

    Parameters
    ----------
    benchmarks
        Folder of Snakemake's benchmark files, ``{rule}/...tsv``.
    runs
        Folders of runs. A training counts once: by its benchmark, or by its run.json where that is missing.
    """
    folder = Path(benchmarks)
    jobs = [job for path in sorted(folder.rglob("*.tsv")) if (job := _read_job(path, folder))]
    infos = (read_json(Path(run, "run.json")) for run in runs)
    jobs += [_read_training(info, folder) for info in infos if "training_seconds" in info]  # the others are combined
    return _sum(pd.DataFrame(jobs, columns=[*KEY, "seconds", "peak_mib"]))


def sum_costs(costs: pd.DataFrame) -> dict[str, float]:
    """Return the sum of jobs and seconds, and the largest of the others; what was not measured is left out."""
    peaks = {key: costs[key].max() for key in ("longest", "peak_mib")}
    return {"jobs": costs["jobs"].sum(), "seconds": costs["seconds"].sum(), **peaks}


def _sum(jobs: pd.DataFrame) -> pd.DataFrame:
    groups = jobs.groupby(list(KEY), sort=False)
    seconds = groups["seconds"]
    sums = {"jobs": groups.size(), "seconds": seconds.sum(min_count=1), "longest": seconds.max()}
    return pd.DataFrame(sums | {"peak_mib": groups["peak_mib"].max()}).reset_index().astype(TYPES)


def _read_job(path: Path, folder: Path) -> dict[str, Any] | None:
    """Return the job of a benchmark file; None of a training or if it holds no measurement."""
    stage, *parts = path.relative_to(folder).with_suffix("").parts
    measured = _read_benchmark(path)
    if stage == TRAIN or not measured:
        return None
    recipe = parts[1] if stage == "features" else ""
    return {"stage": stage, "subject": parts[0] if parts else "", "system": recipe, "device": "", **measured}


def _read_training(info: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / TRAIN / f"{RunId.from_plain(info).path}.tsv"
    measured = _read_benchmark(path) if path.is_file() else {}
    own = info["seconds"]  # of a resumed training with the epochs before, which its benchmark lacks
    seconds = float(np.fmax(own, measured.get("seconds", math.nan)))
    peak = measured.get("peak_mib", math.nan)  # which a job too short for psutil lacks
    peak = info.get("peak_memory_mib", math.nan) if math.isnan(peak) else peak
    device = f"{info['device']} ({info.get('device_name', 'unknown')}), {info.get('precision', 'unknown')}"
    about = {"stage": TRAIN, "subject": info["paper"], "system": info["system"], "device": device}
    return {**about, "seconds": seconds, "peak_mib": peak}


def _read_benchmark(path: Path) -> dict[str, float]:
    """Return the seconds and MiB of a benchmark file, NaN where a short job has none; nothing if it holds no line."""
    with path.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"), None)
    if row is None:
        return {}
    numbers = pd.to_numeric(pd.Series(row), errors="coerce")
    return {"seconds": numbers.get("s", math.nan), "peak_mib": numbers.get("max_rss", math.nan)}
