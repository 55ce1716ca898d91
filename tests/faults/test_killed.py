"""Each stage killed at each of its moves from a temporary name to its own, and the workflow as a whole.

The same command goes on or begins anew, and ends with the bytes of an undisturbed run.
"""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from serflow.tracking.store import COMPLETE, KEY
from workflow_project import content, copy_project, environment, snakemake, snakemake_command

#: Runs a verb in a process that gets a signal just before its n-th move. Every epoch is worth a checkpoint.
KILLED = """
import os, signal, sys
from pathlib import Path
from serflow.training import fit

fit.CHECKPOINT_SECONDS = 0
number, left = signal.Signals[sys.argv[1]], int(sys.argv[2])

def deadly(move):
    def before(*arguments):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)
        return move(*arguments)
    return before

for name in ("replace", "rename", "hardlink_to"):
    setattr(Path, name, deadly(getattr(Path, name)))
from serflow.cli import main
sys.exit(main(sys.argv[3:]))
"""
NEVER = 10**9

#: Runs a verb whose worker processes are killed at their twentieth recording.
WORKER_KILLED = """
import itertools, os, signal, sys
from serflow.cli import main
from serflow.features import build

read, calls = build.read_signal, itertools.count(1)

def deadly(*arguments):
    if next(calls) == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(*arguments)

build.read_signal = deadly
sys.exit(main(sys.argv[1:]))
"""


def start(folder, verb, number="SIGKILL", move=NEVER):
    """Start a verb that is killed before its n-th move, in a process group of its own."""
    command = [sys.executable, "-c", KILLED, number, str(move), *verb]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment(folder), start_new_session=True, **pipes)


def run(folder, verb, number="SIGKILL", move=NEVER):
    """Run such a verb to its end; return its exit status and what it prints."""
    process = start(folder, verb, number, move)
    output = process.communicate(timeout=300)[0]
    return process.returncode, output


def left_behind(folder):
    """What no undisturbed run leaves: temporary names, checkpoints."""
    return [path for path in folder.rglob("*") if ".part" in path.name or path.suffix in (".pt", ".db-journal")]


STAGES = ["demo", "manifest", "features", "split", "train", "paper", "scores", "tables", "comparison"]
STAGES += ["figures", "figure-published", "figure-overview"]


@pytest.mark.parametrize(
    ("stage", "project"),
    [*((stage, "undisturbed") for stage in STAGES), ("combine", "undisturbed_satt"), ("noisy", "undisturbed_satt")],
)
def test_a_stage_killed_before_any_of_its_moves_ends_well_the_next_time(request, tmp_path, stage, project):
    undisturbed = request.getfixturevalue(project)
    verb, made = undisturbed.verb(stage, tmp_path)
    whole = {path: content(source) for path, source in made.items()}
    assert run(undisturbed.folder, verb, "SIGTERM", 1)[0] == 128 + signal.SIGTERM
    assert left_behind(tmp_path) == []
    for move in itertools.count(1):
        status, output = run(undisturbed.folder, verb, "SIGKILL", move)
        if status != -signal.SIGKILL:
            break
        for path in made:  # whole at any time, or not there
            assert not path.is_file() or content(path) == whole[path]
            assert not (path / "run.json").exists()
    assert status == 0, output
    assert move > 1
    assert {path: content(path) for path in made} == whole
    assert left_behind(tmp_path) == []


def wait_until(condition, seconds=300):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_for(condition, process):
    """Wait until something holds while a process runs."""

    def holds():
        assert process.poll() is None, process.communicate()[0]
        return condition()

    wait_until(holds)


def alive(group):
    """The processes of a group."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    return [stat for stat in stats if int(stat.rpartition(")")[2].split()[2]) == group]


@pytest.mark.parametrize(
    ("stage", "number", "whom"),
    [
        ("demo", signal.SIGKILL, "the process"),
        ("features", signal.SIGKILL, "the process"),
        ("features", signal.SIGKILL, "its group"),
        ("features", signal.SIGTERM, "the process"),
        ("features", signal.SIGTERM, "its group"),
        ("features", signal.SIGINT, "its group"),
    ],
)
def test_a_stage_killed_halfway_leaves_no_process_and_ends_well_the_next_time(
    undisturbed, tmp_path, stage, number, whom
):
    verb, made = undisturbed.verb(stage, tmp_path)
    [(path, source)] = made.items()
    process = start(undisturbed.folder, verb)
    partial = f".{path.name}.*.partial/{path.name}"
    wait_for(lambda: sum(len(list(found.rglob("*"))) for found in path.parent.glob(partial)) > 3, process)
    (os.kill if whom == "the process" else os.killpg)(process.pid, number)
    output = process.communicate()[0]
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert number == signal.SIGKILL or output == ""
    assert not path.exists()
    wait_until(lambda: not alive(process.pid))
    assert run(undisturbed.folder, verb) == (0, "")
    assert content(path) == content(source)
    assert left_behind(tmp_path) == []


def test_a_worker_that_is_killed_ends_its_stage_with_a_sentence(undisturbed, tmp_path):
    verb, _ = undisturbed.verb("features", tmp_path)
    command = [sys.executable, "-c", WORKER_KILLED, *verb]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, cwd=undisturbed.folder, env=environment(undisturbed.folder), check=False, **pipes)
    output = done.stdout
    assert done.returncode == 1
    assert output.startswith("serflow features: a worker process: was killed (as when memory runs out)")
    assert output.count("\n") == 1
    assert list(tmp_path.glob("output/*")) == []


def logged(store):
    """How often each run of ours stands in an MLflow store, and how often complete."""
    query = "SELECT value, run_uuid FROM tags JOIN runs USING (run_uuid) WHERE key = ? AND lifecycle_stage = 'active'"
    with contextlib.closing(sqlite3.connect(store)) as opened:
        found = opened.execute(query, (KEY,)).fetchall()
        whole = {run for (run,) in opened.execute("SELECT run_uuid FROM tags WHERE key = ?", (COMPLETE,))}
    return Counter(key for key, _ in found), Counter(key for key, run in found if run in whole)


def begun(store):
    """Whether a run stands in a store; a store that is being written to or is not there has none."""
    try:
        return store.exists() and bool(logged(store)[0])
    except sqlite3.OperationalError:
        return False


def test_a_killed_replay_logs_each_run_once_the_next_time(undisturbed, tmp_path):
    shutil.copytree(undisturbed.folder / "out", tmp_path / "out")
    verb, _ = undisturbed.verb("track", tmp_path)
    store = tmp_path / "new" / "mlflow.db"
    verb[verb.index("--uri") + 1] = f"sqlite:///{store}"
    assert run(tmp_path, verb, "SIGKILL", 1)[0] == -signal.SIGKILL  # before the empty store is in its place
    assert not store.exists()
    process = start(tmp_path, verb)
    wait_for(lambda: begun(store), process)
    process.kill()
    process.communicate()
    assert run(tmp_path, verb, "SIGKILL", 1)[0] == -signal.SIGKILL  # before the receipt is
    status, output = run(tmp_path, verb)
    assert status == 0, output
    receipt = json.loads((tmp_path / "output" / "deepemo.json").read_text())
    assert logged(store) == (Counter(receipt.keys()), Counter(receipt.keys()))
    assert len(receipt) == 2  # the system under its protocol, and its one run
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_extraction_killed_halfway_ends_well_the_next_time(undisturbed, tmp_path, number):
    tree, archive = undisturbed.folder / "out/corpora/ravdess", tmp_path / "ravdess.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(tree.rglob("*.wav")):
            opened.write(path, path.relative_to(tree))
    verb = ["extract", "--archive", str(archive), "--output", str(tmp_path / "ravdess")]
    process = start(undisturbed.folder, verb)
    wait_for(lambda: len(list(tmp_path.glob(".ravdess.*.partial/*/*"))) > 2, process)
    process.send_signal(number)
    process.communicate()
    assert not (tmp_path / "ravdess").exists()
    assert run(undisturbed.folder, verb)[0] == 0
    assert content(tmp_path / "ravdess") == {k: v for k, v in content(tree).items() if k.endswith(".wav")}
    assert {path.name for path in tmp_path.iterdir()} == {"ravdess.zip", "ravdess"}


FETCH = """
import sys
from pathlib import Path
from serflow.corpora.archive import fetch
fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
"""


def start_fetch(server, target):
    md5 = hashlib.md5(server.data, usedforsecurity=False).hexdigest()
    command = [sys.executable, "-c", FETCH, f"http://127.0.0.1:{server.server_port}/a.zip", str(target), md5]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_download_goes_on_where_it_was(server, tmp_path, number):
    target, part = tmp_path / "a.zip", tmp_path / "a.zip.part"
    process = start_fetch(server, target)
    wait_for(lambda: part.exists() and part.stat().st_size > 3 * 10**6, process)
    process.send_signal(number)
    process.communicate()
    had = part.stat().st_size
    assert not target.exists()
    assert start_fetch(server, target).wait() == 0
    assert target.read_bytes() == server.data
    assert server.begun == [0, had]
    assert list(tmp_path.iterdir()) == [target]


def test_two_downloads_of_one_file_fetch_it_once(server, tmp_path):
    target = tmp_path / "a.zip"
    first, second = start_fetch(server, target), start_fetch(server, target)
    outputs = [process.communicate()[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert target.read_bytes() == server.data
    assert server.begun == [0]
    assert sum("waiting for another process" in output for output in outputs) == 1
    assert list(tmp_path.iterdir()) == [target]


def start_workflow(folder, *arguments):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = snakemake_command(*arguments)
    return subprocess.Popen(command, cwd=folder, env=environment(folder), start_new_session=True, **pipes)


TARGETS = ["out/tables/deepemo/table_i.html", "out/figures/deepemo/comparison.png"]
COMPARED = ("corpora", "manifests", "features", "splits", "runs", "scores", "tables/deepemo", "figures/deepemo")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_workflow_ends_as_an_undisturbed_one(undisturbed, tmp_path, config, number):
    """Killed as a training begins: with -9 all at once; with SIGTERM Snakemake alone, which leaves no job running."""
    copy_project(tmp_path, config)
    process = start_workflow(tmp_path, *TARGETS)
    wait_for(lambda: list(tmp_path.glob("out/logs/train/**/*.log")), process)
    (os.killpg if number == signal.SIGKILL else os.kill)(process.pid, number)
    process.communicate()
    assert process.returncode
    wait_until(lambda: not alive(process.pid), seconds=20)
    if number == signal.SIGKILL:
        assert "--unlock" in snakemake(tmp_path, *TARGETS, check=False)
        snakemake(tmp_path, "--unlock")
    snakemake(tmp_path, *TARGETS, "--rerun-incomplete")
    for name in COMPARED:
        whole = content(undisturbed.folder / "out" / name)
        made = content(tmp_path / "out" / name)
        assert made == {path: whole[path] for path in made}, name
    assert all((tmp_path / target).exists() for target in TARGETS)
    assert left_behind(tmp_path / "out") == []
    assert "Nothing to be done" in snakemake(tmp_path, *TARGETS)
