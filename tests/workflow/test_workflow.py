"""The real workflow, run whole on demo corpora from a copy of the project, and what it reruns after a change."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = """
results: out
corpora:
  ravdess: {source: demo}
  savee: {source: null}
seeds: {random: [0], grouped: [0]}
folds: [0]
pretrained: none
device: cpu
threads: 1
overrides:
  deepemo:
    systems:
      resnet18: {input: {height: 32, width: 32}, training: {epochs: 2}}
"""


def snakemake(folder, *arguments, check=True):
    env = os.environ | {
        "PYTHONPATH": str(folder / "workflow"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--configfile",
        "test.yaml",
        "--cores",
        "2",
        "--resources",
        "gpu=2",
        *arguments,
    ]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert not check or done.returncode == 0, output
    return output


def jobs(output):
    """Rule -> number of jobs, from the table that Snakemake prints."""
    table = output[output.index("Job stats:") :].splitlines()[3:]
    counts = (re.fullmatch(r"(\w+)\s+(\d+)", line.strip()) for line in table)
    return {found[1]: int(found[2]) for found in counts if found and found[1] != "total"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which the workflow has run once."""
    folder = tmp_path_factory.mktemp("serflow project")  # a space in the path, as users have
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "profiles", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "test.yaml").write_text(CONFIG)
    snakemake(folder)
    return folder


@pytest.fixture
def edited(project):
    """Edit a file of the project for one test: path, old text, new text."""
    before = {}

    def edit(path, old, new):
        file = project / path
        before[file] = (file.read_text(), file.stat())
        assert old in before[file][0]
        file.write_text(before[file][0].replace(old, new))

    yield edit
    for file, (text, status) in before.items():
        file.write_text(text)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_everything_is_made_and_a_second_run_does_nothing(project):
    tables = {path.name for path in (project / "out/tables/deepemo").iterdir()}
    assert tables == {
        f"{stem}.{suffix}" for stem in ("comparison", "table_i", "data") for suffix in ("csv", "md", "tex", "html")
    }
    figures = {
        str(path.relative_to(project / "out/figures/deepemo")) for path in (project / "out/figures").rglob("*.png")
    }
    published = {f"figure_{n}.png" for n in (2, 3, 4, 5)}
    per_system = {"ravdess/resnet18/curves.png"} | {
        f"ravdess/resnet18/{protocol}/confusion.png" for protocol in ("published", "speaker_independent")
    }
    assert figures == published | per_system | {"comparison.png"}
    assert "Synthetic demo corpus" in (project / "out/tables/deepemo/comparison.md").read_text()
    assert "Nothing to be done" in snakemake(project)


def test_each_run_says_what_it_was_and_where_it_departs_from_the_paper(project):
    run = json.loads(
        (project / "out/runs/deepemo/ravdess/resnet18/speaker_independent/seed0/fold0/run.json").read_text()
    )
    assert run["system_config"]["training"]["epochs"] == 2
    assert set(run["deviations"]) == {
        "input.height: 32 instead of 224",
        "input.width: 32 instead of 224",
        "model.pretrained: none instead of imagenet",
        "training.epochs: 2 instead of 50",
    }
    assert "training.epochs: 2 instead of 50" in (project / "out/tables/deepemo/comparison.html").read_text()


def test_every_rule_logs_and_is_benchmarked(project):
    logs = {path.relative_to(project / "out/logs").parts[0] for path in (project / "out/logs").rglob("*.log")}
    benchmarks = {
        path.relative_to(project / "out/benchmarks").parts[0] for path in (project / "out/benchmarks").rglob("*.tsv")
    }
    assert logs == benchmarks >= {"demo", "manifest", "features", "split", "train", "scores", "table", "track"}


def test_a_changed_model_file_reruns_training_but_no_features(project, edited):
    edited("workflow/serflow/models/resnet.py", "DEPTHS = (18, 34, 50)", "DEPTHS = (18, 34)")
    planned = jobs(snakemake(project, "-n"))
    assert planned["train"] == 2
    assert not planned.keys() & {"demo", "manifest", "features", "split"}


def test_a_changed_feature_parameter_reruns_that_recipe_and_what_depends_on_it(project, edited):
    edited("workflow/papers/deepemo.yaml", "hop_length: 256", "hop_length: 320")
    planned = jobs(snakemake(project, "-n"))
    assert planned["features"] == 1
    assert planned["train"] == 2
    assert not planned.keys() & {"demo", "manifest", "split", "table_data"} - {"table_data"}


def test_a_changed_figure_redraws_it_and_trains_nothing(project, edited):
    edited("workflow/serflow/figures/confusion.py", '"""', '"""Edited. ')
    assert jobs(snakemake(project, "-n")).keys() == {"figure_confusion", "track", "all"}


def test_other_words_in_a_paper_file_train_nothing(project, edited):
    edited("workflow/papers/deepemo.yaml", "why: none is mentioned", "why: the paper mentions none")
    assert "train" not in jobs(snakemake(project, "-n"))


def test_a_misspelt_key_stops_the_dry_run_and_is_named(project, edited):
    edited("test.yaml", "pretrained: none", "pretraned: none")
    output = snakemake(project, "-n", check=False)
    assert "unknown key 'pretraned'" in output
    assert "Did you mean 'pretrained'?" in output


def test_a_paper_without_its_corpus_is_left_out_and_named(project, edited):
    edited("test.yaml", "ravdess: {source: demo}", "ravdess: {source: null}")
    output = snakemake(project, "-n", check=False)
    assert "deepemo is left out: RAVDESS is not configured" in output
    assert "corpora.ravdess.source" in output


def test_the_report_opens_with_the_synthetic_notice(project):
    snakemake(project, "--report", "out/report.html")
    assert "Synthetic demo" in (project / "out/report.html").read_text()
