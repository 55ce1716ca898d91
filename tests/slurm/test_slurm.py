"""One paper of the demo on a Slurm cluster: what is asked for, memory that is too little, preemption, cancellation."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EPOCHS = 4
CONFIG = f"""
papers: [deepemonet]
systems: [svm, bilstm]
protocols: [published]
allow_partial: true
results: out
corpora:
  ravdess: {{source: demo}}
seeds: {{random: [0], grouped: [0]}}
pretrained: none
device: cpu
threads: 1
overrides:
  deepemonet:
    systems:
      bilstm: {{input: {{frames: 64}}, model: {{hidden_size: 8}}, training: {{epochs: {EPOCHS}}}}}
"""
RUN = "out/runs/deepemonet/ravdess/bilstm/published/seed0/fold0"
LOG = "out/logs/train/deepemonet/ravdess/bilstm/published/seed0/fold0.log"
#: What a test cluster needs beside the profile: it has no accounting database, and answers at once.
OPTIONS = """
--workflow-profile profiles/slurm --configfile test.yaml --set-threads features=2 manifest=2 --latency-wait 5 --verbose
--slurm-status-command squeue --slurm-init-seconds-before-status-checks 5 --max-status-checks-per-second 2
--slurm-keep-successful-logs
"""
OUTAGE = 8  # questions that Slurm leaves unanswered, more than the plugin's own five
STEPS = 240  # seconds within which one step is done, on a busy machine too


class Project:
    """A copy of the project, and the workflow running in it."""

    def __init__(self, folder, cluster):
        self.folder, self.cluster = folder, cluster
        path = f"{Path(sys.executable).parent}:{cluster.env['PATH']}"
        self.env = cluster.env | {"PYTHONPATH": str(folder / "workflow"), "PATH": path}

    def snakemake(self):
        """Start the workflow; its messages go to run.log."""
        command = [sys.executable, "-m", "snakemake", *shlex.split(OPTIONS)]
        with (self.folder / "run.log").open("a") as log:
            options = {"cwd": self.folder, "env": self.env, "stdout": log, "stderr": log}
            return subprocess.Popen(command, **options)

    def read(self, path):
        """The text of a file, empty while there is none."""
        file = self.folder / path
        return file.read_text() if file.exists() else ""


@pytest.fixture(scope="module")
def project(tmp_path_factory, cluster):
    """A copy of the project whose trainings write a checkpoint after each epoch and wait there while `hold` exists."""
    folder = tmp_path_factory.mktemp("project on slurm")
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "profiles", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    fit = folder / "workflow/serflow/training/fit.py"
    text = fit.read_text()
    saved = "            saved = time.monotonic()\n"
    assert text.count("CHECKPOINT_SECONDS = 30.0") == text.count(saved) == 1
    text = text.replace("CHECKPOINT_SECONDS = 30.0", "CHECKPOINT_SECONDS = 0.0")
    fit.write_text(
        text.replace(saved, f'{saved}            while Path("hold").exists():\n                time.sleep(0.1)\n')
    )
    (folder / "hold").touch()
    profile = folder / "profiles/slurm/profile.yaml"
    settings = yaml.safe_load(profile.read_text())
    settings["set-resources"]["features"]["mem_mb"] = "300 * 5 ** (attempt - 1)"  # less than a feature job takes
    profile.write_text(yaml.safe_dump(settings))
    (folder / "test.yaml").write_text(CONFIG)
    return Project(folder, cluster)


@pytest.fixture(scope="module")
def jobs(project, cluster):
    """Run the paper; preempt its training at the first checkpoint, cancel it at the second. Rule -> its Slurm jobs."""
    running = project.snakemake()

    def held(epoch):
        """The training job that waits after an epoch."""
        assert running.poll() is None, project.read("run.log")
        checkpoint = project.folder / "out/checkpoints/deepemonet/ravdess/bilstm/published/seed0/fold0.pt"
        found = [job for job in cluster.jobs("train") if "bilstm" in job["Comment"] and job["JobState"] == "RUNNING"]
        return found[0]["JobId"] if checkpoint.exists() and f"\nepoch {epoch}/" in project.read(LOG) and found else None

    try:
        first = cluster.wait(lambda: held(1), "the first checkpoint", 2 * STEPS)
        cluster.fail(OUTAGE)
        cluster.run("sbatch", "--partition", "urgent", "--gpus", "1", "--output", "/dev/null", "--wrap", "sleep 1")
        cluster.wait(lambda: cluster.run("squeue", "-h", "-j", first, "-o", "%T") == "PENDING", "the preemption", STEPS)
        cluster.run("scontrol", "update", f"JobId={first}", "StartTime=now")  # Slurm lets it wait two minutes
        assert cluster.wait(lambda: held(2), "the second checkpoint", STEPS) == first
        (project.folder / "resumed.log").write_text(project.read(LOG))
        cluster.run("scancel", first)
        (project.folder / "hold").unlink()
        cluster.wait(lambda: running.poll() is not None, "the workflow's end", 2 * STEPS)
    finally:
        running.kill()
    assert running.returncode == 0, project.read("run.log")
    return {rule: cluster.jobs(rule) for rule in ("demo", "manifest", "features", "train")}


def test_jobs_run_where_and_with_what_the_profile_says(jobs):
    def asked(job):
        memory = re.search(r"mem=(\w+)", job["TRES"])[1]
        gpus = re.sub(r"\D", "", job.get("TresPerJob", "0"))
        return job["Partition"], memory, gpus, job["TimeLimit"]

    assert {asked(job) for job in jobs["demo"] + jobs["manifest"]} == {("cpu", "4000M", "0", "01:00:00")}
    bilstm = [job for job in jobs["train"] if "bilstm" in job["Comment"]]
    assert [asked(job) for job in bilstm] == [("gpu", "12000M", "1", "12:00:00"), ("gpu", "24000M", "1", "1-00:00:00")]
    assert [asked(job) for job in jobs["train"] if job not in bilstm] == [("cpu", "12000M", "0", "12:00:00")]


def test_a_job_killed_for_its_memory_is_submitted_again_with_more(project, jobs):
    recipes = {job["Comment"] for job in jobs["features"]}
    assert len(recipes) == 3
    for recipe in recipes:
        first, second = [job for job in jobs["features"] if job["Comment"] == recipe]
        assert (first["JobState"], second["JobState"]) == ("FAILED", "COMPLETED")
        assert re.search("exceeded memory limit", Path(first["StdOut"]).read_text())
        assert ("mem=300M" in first["TRES"], "mem=1500M" in second["TRES"]) == (True, True)


def test_a_preempted_training_is_requeued_and_goes_on_from_its_checkpoint(project, jobs):
    first = next(job for job in jobs["train"] if "bilstm" in job["Comment"])
    assert int(first["Restarts"]) == 1
    assert "resuming after epoch 1 " in project.read("resumed.log")


def test_a_cancelled_training_is_submitted_again_and_goes_on_from_its_checkpoint(project, jobs):
    bilstm = [job for job in jobs["train"] if "bilstm" in job["Comment"]]
    assert [job["JobState"] for job in bilstm] == ["CANCELLED", "COMPLETED"]
    assert "resuming after epoch 2 " in project.read(LOG)
    with (project.folder / RUN / "history.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, EPOCHS + 1))


def test_the_submitting_host_makes_tables_and_logs_to_mlflow(project, jobs, cluster):
    assert (project.folder / "out/tables/deepemonet/table_1.md").exists()
    assert json.loads(project.read("out/tracking/deepemonet.json"))
    assert not any(cluster.jobs(rule) for rule in ("split", "table", "track"))


def test_a_slurm_that_does_not_answer_for_a_while_loses_no_job(project, jobs):
    assert project.read("run.log").count("could not check status of job") == OUTAGE


def test_a_second_run_submits_nothing(project, jobs):
    assert project.snakemake().wait(STEPS) == 0
    assert "Nothing to be done" in project.read("run.log").rpartition("Building DAG")[2]
