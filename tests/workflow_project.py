"""A copy of the project to run the real workflow in, with a configuration of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


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
