"""serflow as a module of another workflow, in another folder, under other rule names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNAKEFILE = """
configfile: "mine.yaml"


module serflow:
    snakefile:
        "../serflow/Snakefile"
    config:
        config["serflow"]


use rule * from serflow as serflow_*


rule count:
    default_target: True
    input:
        "out/manifests/ravdess.csv",
    output:
        "utterances.txt",
    shell:
        "wc -l < {input} > {output}"
"""
CONFIG = """
serflow:
  papers: [deepemo]
  protocols: [published]
  results: out
  corpora: {ravdess: {source: demo}}
  seeds: {random: [0], grouped: [0]}
  pretrained: none
  precision: fp32  # see workflow_project.py
  overrides: {deepemo: {systems: {resnet18: {input: {height: 16, width: 16}, training: {epochs: 1}}}}}
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """Another workflow's folder, beside a clone of this one."""
    root = tmp_path_factory.mktemp("module")
    clone, mine = root / "serflow", root / "mine"
    mine.mkdir()
    (mine / "Snakefile").write_text(SNAKEFILE)
    (mine / "mine.yaml").write_text(CONFIG)
    clone.mkdir()
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, clone)
    for name in ("workflow", "envs"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    snakemake(mine)
    return mine


def snakemake(folder, *arguments):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PYTHONPATH": str(folder.parent / "serflow/workflow"), "PATH": path}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_another_workflow_takes_what_serflow_makes(mine):
    assert (mine / "utterances.txt").read_text().split() == ["386"]
    planned = snakemake(mine, "-n", "serflow_deepemo")
    for rule in ("serflow_features", "serflow_train", "serflow_figures_deepemo", "serflow_track"):
        assert rule in planned
    assert "not present in the Snakefile" not in planned  # what a misspelt localrules directive is answered with


def test_a_change_in_the_clone_reruns_that_stage_for_the_other_workflow(mine):
    assert "Nothing to be done" in snakemake(mine, "-n")
    source = mine.parent / "serflow/workflow/serflow/corpora/scan.py"
    before = source.read_text()
    try:
        source.write_text(before + "\n# edited\n")
        assert "Nothing to be done" in snakemake(mine, "-n")
        source.write_text(before + "\nEDITED = 1\n")
        assert "serflow_manifest" in snakemake(mine, "-n")
    finally:
        source.write_text(before)


def test_tables_stand_in_the_other_workflows_report_with_their_captions(mine):
    snakemake(mine, "out/tables/deepemo/data.html")
    snakemake(mine, "--report", "report.html", "out/tables/deepemo/data.html")
    assert "Synthetic demo" in (mine / "report.html").read_text()
