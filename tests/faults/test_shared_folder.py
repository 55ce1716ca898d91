"""Two processes at one folder, a reader beside a writer, and folders that cannot be written to."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recordings import facts
from serflow.errors import CacheError
from serflow.features.build import build_store
from serflow.features.store import open_store
from workflow_project import ROOT, copy_project, environment, snakemake_command

PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def tree(folder):
    """The bytes of each file below a folder but Snakemake's own."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".snakemake")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


VERB = [sys.executable, "-m", "serflow.cli"]


def start(folder, command):
    return subprocess.Popen(command, cwd=folder, env=environment(folder), **PIPES)


# --- two workflows -------------------------------------------------------------------------------------------------


def test_a_second_workflow_in_one_folder_is_refused_and_one_with_other_results_is_not(undisturbed, tmp_path, config):
    copy_project(tmp_path, config)
    target = "out/runs/deepemo/ravdess/resnet18/published/seed0/fold0/run.json"
    first = start(tmp_path, snakemake_command(target))
    while not list(tmp_path.glob("out/logs/demo/*")):
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.02)
    second = start(tmp_path, snakemake_command(target))
    elsewhere = start(tmp_path, snakemake_command(target.replace("out/", "other/"), "--config", "results=other"))
    refused = second.communicate()[0]
    assert second.returncode == 1
    assert "cannot be locked" in refused
    for process in (first, elsewhere):
        output = process.communicate()[0]
        assert process.returncode == 0, output
    right = (undisturbed.folder / target).with_name("predictions.csv").read_bytes()
    for results in ("out", "other"):
        assert (tmp_path / target.replace("out/", f"{results}/")).with_name("predictions.csv").read_bytes() == right


@pytest.mark.parametrize("stage", ["demo", "features", "manifest", "split"])
def test_two_processes_that_make_the_same_leave_it_whole(undisturbed, tmp_path, stage):
    verb, made = undisturbed.verb(stage, tmp_path)
    both = [start(undisturbed.folder, [*VERB, *verb]) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert {path for folder in tmp_path.iterdir() for path in folder.iterdir()} == set(made)
    for path, source in made.items():
        assert path.read_bytes() == source.read_bytes() if source.is_file() else tree(path) == tree(source)


def test_two_extractions_of_one_archive_leave_its_tree_whole(undisturbed, tmp_path):
    corpus = undisturbed.folder / "out/corpora/ravdess"
    archive = Path(shutil.make_archive(str(tmp_path / "ravdess"), "zip", corpus))
    command = [*VERB, "extract", "--archive", str(archive), "--output", str(tmp_path / "tree")]
    both = [start(undisturbed.folder, command) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert 0 in [process.returncode for process in both], printed
    for process, output in zip(both, printed, strict=True):  # the slower may have begun when all was done
        assert process.returncode == 0 or "is there already and not empty" in output
    assert tree(tmp_path / "tree") == tree(corpus)
    assert {path.name for path in tmp_path.iterdir()} == {"ravdess.zip", "tree"}


# --- a reader beside a writer --------------------------------------------------------------------------------------

RATE = 8000
RECIPE = {"transform": "logmel", "sample_rate": RATE, "n_fft": 256, "n_mels": 20, "fmin": 0.0, "fmax": 4000.0}
RECIPE |= {"top_db": 60.0, "hop_length": 80}
WRITER = """
import json, sys
from pathlib import Path
from serflow.features.build import build_store
recipes, rows, root, store = json.loads(sys.stdin.read())
for n in range(24):
    build_store(recipes[n % len(recipes)], rows, Path(root), Path(store), 1)
"""


@pytest.fixture
def corpus(tmp_path):
    """A tree of seven noises, and its manifest's rows."""
    rows, rng = [], np.random.default_rng(1)
    for n, length in enumerate((800, 1234, 400, 2000, 81, 1600, 999)):
        samples = rng.integers(-8000, 8000, length).astype(np.int16)
        soundfile.write(tmp_path / f"u{n}.wav", samples, RATE)
        rows.append({"corpus": "toy", "utterance": f"u{n}", "path": f"u{n}.wav"} | facts(tmp_path / f"u{n}.wav"))
    return tmp_path, rows


@pytest.mark.parametrize("hops", [[80], [80, 40], [40]], ids=["the same", "in turn", "another recipe elsewhere"])
def test_who_reads_a_cache_while_it_is_written_gets_its_frames_or_a_sentence(corpus, hops):
    """A store rewritten as it was, one that two recipes take in turn, and another recipe's store beside it."""
    root, rows = corpus
    store = root / "features" / "features.zarr"
    build_store(RECIPE, rows, root, store, 1)
    features = open_store(store, RECIPE, rows)
    items = np.arange(len(rows))
    right = features.read(items)
    written = store if 80 in hops else root / "features" / "another.zarr"
    job = json.dumps([[RECIPE | {"hop_length": hop} for hop in hops], rows, str(root), str(written)])
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, text=True, env=environment(ROOT), stderr=subprocess.PIPE
    )
    writer.stdin.write(job)
    writer.stdin.close()
    read, refused = 0, 0
    while writer.poll() is None:
        for opened in (features, None):  # open for long, and anew
            try:
                found = (opened or open_store(store, RECIPE, rows)).read(items)
            except CacheError:
                refused += 1
                continue
            assert np.array_equal(found, right)
            read += 1
    assert writer.returncode == 0, writer.stderr.read()
    assert read > 10
    assert refused == 0 or 80 in hops
    assert [path.name for path in written.parent.glob(".*")] == []


# --- folders that cannot be written to -----------------------------------------------------------------------------

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


@pytest.fixture(params=["mounted read-only", "another user's"])
def closed(request):
    """A folder that cannot be written to, and what stands before a command for which that holds."""
    if os.geteuid() != 0:
        pytest.skip("needs root: to mount, and to become another user")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    if request.param == "another user's":
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv")
        yield folder, NOBODY
    else:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=False).returncode:
            pytest.skip("needs the right to mount")
        yield folder, []
        subprocess.run(["umount", folder], check=True)
    assert list(folder.iterdir()) == []
    folder.rmdir()


STAGES = ["demo", "manifest", "features", "split", "train", "paper", "scores", "tables", "figures"]


@pytest.fixture(scope="module")
def readable(undisturbed):
    """The project where every user can read it."""
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(undisturbed.folder, folder, dirs_exist_ok=True)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def run_closed(readable, closed, verb):
    folder, before = closed
    env = environment(readable) | {"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*before, *VERB, *verb], cwd=readable, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith(f"serflow {verb[0]}: ")
    assert str(folder) in sentence
    assert "Read-only file system" in sentence or "cannot be written to" in sentence or "denied" in sentence
    assert done.stdout == ""


@pytest.mark.parametrize("stage", STAGES)
def test_results_that_cannot_be_written_are_told_in_a_sentence(undisturbed, readable, closed, stage):
    """The sentence alone: of a training not even its first line, which it prints before the first epoch."""
    verb, _ = undisturbed.verb(stage, closed[0] / "new")
    run_closed(readable, closed, verb)


def test_a_store_of_mlflow_that_cannot_be_written_is_told_in_a_sentence(undisturbed, readable, closed, tmp_path):
    verb, _ = undisturbed.verb("track", tmp_path)
    verb[verb.index("--uri") + 1] = f"sqlite:///{closed[0]}/mlflow.db"
    run_closed(readable, closed, verb)


@pytest.mark.parametrize("option", ["--checkpoint", "--log"])
def test_logs_and_checkpoints_that_cannot_be_written_are_told_before_a_training(undisturbed, readable, closed, option):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        verb, _ = undisturbed.verb("train", Path(folder))
        run_closed(readable, closed, [*verb, option, str(closed[0] / "new" / "x")])  # the last one counts
        assert [path for path in Path(folder).rglob("*") if path.is_file()] == []


def test_resources_that_cannot_be_written_are_told_in_a_sentence(undisturbed, readable, closed):
    archive = shutil.make_archive(str(readable / "ravdess"), "zip", readable / "out/corpora/ravdess")
    run_closed(readable, closed, ["extract", "--archive", archive, "--output", str(closed[0] / "tree")])
    run_closed(readable, closed, ["fetch", "ravdess", "--output", str(closed[0] / "a.zip")])


def test_a_workflow_whose_results_cannot_be_written_names_the_folder_and_trains_nothing(tmp_path, config, closed):
    folder, before = closed
    if before:
        pytest.skip("Snakemake as root needs a read-only mount")
    copy_project(tmp_path, config.replace("results: out\n", f"results: {folder}\n"))
    done = start(tmp_path, snakemake_command())
    output = done.communicate()[0]
    assert done.returncode == 1
    assert f"Read-only file system: '{folder}" in output
    assert "Training" not in output
