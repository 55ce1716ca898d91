"""A copy of the project to run the real workflow in, with a configuration of its own."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Configuration: the synthetic RAVDESS alone, one fold and seed, into ``out``.
DEMO = """
results: out
allow_partial: true
corpora:
  ravdess: {source: demo}
  savee: {source: null}
seeds: {random: [0], grouped: [0]}
folds: [0]
pretrained: none
device: cpu
precision: fp32  # in bf16 a strided convolution on one point may give NaN: see docs/reliability.md, Limits
threads: 1
"""
#: What differs between two runs of one training: run.json's times, memory, and the state of the checkout.
TIMES = ("started", "finished", "seconds", "training_seconds", "peak_memory_mib")


def copy_project(folder, config):
    """Copy what the workflow needs into `folder`, with `config` as ``test.yaml``."""
    folder.mkdir(exist_ok=True)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "profiles", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "test.yaml").write_text(config)


def environment(folder):
    """The environment in which ``serflow`` is the copy's own."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": str(folder / "workflow"), "PATH": path}


def snakemake_command(*arguments):
    """The command line that runs the workflow with ``test.yaml``."""
    options = ["--configfile", "test.yaml", "--resources", "gpu=2", "--cores", "2"]
    return [sys.executable, "-m", "snakemake", *options, *arguments]


def snakemake(folder, *arguments, check=True):
    """Run the workflow; return what it prints."""
    command, env = snakemake_command(*arguments), environment(folder)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert not check or done.returncode == 0, output
    return output


def jobs(output):
    """Rule -> number of jobs, from the table that Snakemake prints."""
    table = output[output.index("Job stats:") :].splitlines()[3:]
    counts = (re.fullmatch(r"(\w+)\s+(\d+)", line.strip()) for line in table)
    return {found[1]: int(found[2]) for found in counts if found and found[1] != "total"}


def content(path):
    """The bytes of a file or of each file of a folder but Snakemake's own; without times."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".snakemake")]
        return {str(file.relative_to(path)): content(file) for file in sorted(files)}
    if path.name == "run.json":
        return {key: value for key, value in json.loads(path.read_text()).items() if key not in TIMES}
    if path.name == "history.csv":
        with path.open() as handle:
            return [{**row, "seconds": None} for row in csv.DictReader(handle)]
    return path.read_bytes()
