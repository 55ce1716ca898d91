"""What stages hand to each other, damaged: each stage that reads it answers with one sentence that names the file."""

import itertools
import subprocess
import sys
from types import SimpleNamespace

import pytest

from serflow.io.files import read_csv, write_csv
from workflow_project import environment

WRITTEN = ("--output", "--report", "--matrices", "--stem", "--folder", "--checkpoint", "--log")
RUN = "out/runs/deepemo/ravdess/resnet18/published/seed0/fold0"
STORE = "out/features/ravdess/logmel128/features.zarr"
PREDICTIONS = f"{RUN}/predictions.csv"
SPLIT = "out/splits/deepemo/ravdess/published/seed0.csv"
MANIFEST = "out/manifests/ravdess.csv"
SCORES = "out/scores/deepemo.csv"
#: A manifest's report is found beside it.
BESIDE = {"out/manifests/ravdess.json": MANIFEST}
#: File -> the stages that read it.
READERS = {
    MANIFEST: ["features", "split", "train", "scores", "figure-published"],
    SPLIT: ["train"],
    f"{RUN}/run.json": ["scores", "figures", "figure-published", "comparison", "costs", "track"],
    PREDICTIONS: ["scores", "tables", "figures", "figure-published", "track"],
    f"{RUN}/history.csv": ["scores", "figures", "track"],
    SCORES: ["tables", "figures", "comparison", "track"],
    "out/tables/comparison.csv": ["figure-overview", "track-overview"],
    "out/manifests/ravdess.json": ["tables"],
    "out/splits/deepemo/ravdess/published/seed0.json": ["tables"],
    f"{STORE}/zarr.json": ["train", "figure-published"],
    f"{STORE}/frames/zarr.json": ["train"],
    f"{STORE}/offsets/zarr.json": ["train"],
}


@pytest.fixture
def project(undisturbed, tmp_path):
    """The project of `undisturbed`; `damage` changes one of its files for the length of a test."""
    folder, kept = undisturbed.folder, {}

    def damage(file, content):
        path = folder / file
        kept[path] = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)

    def run(stage, file):
        """Run a stage that reads `file`, or what it belongs to, with its outputs elsewhere."""
        whole = next((parent for parent in (RUN, STORE) if file.startswith(parent)), BESIDE.get(file, file))
        reading = [c for c in undisturbed.commands if c[0] == stage and any(word.endswith(whole) for word in c)]
        pairs = itertools.pairwise(["", *reading[0]])
        verb = [str(tmp_path / "new" / word) if before in WRITTEN else word for before, word in pairs]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        command = [sys.executable, "-m", "serflow.cli", *verb]
        done = subprocess.run(command, cwd=folder, env=environment(folder), check=False, **pipes)
        return done.returncode, done.stdout

    def new():
        """What the stage has written but its log."""
        files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
        return [path for path in files if "logs" not in path.parts]

    yield SimpleNamespace(folder=folder, damage=damage, run=run, new=new)
    for path, content in kept.items():
        path.write_bytes(content)


def assert_told(project, stage, file, named):
    status, output = project.run(stage, file)
    assert status == 1, output
    assert output.count("\n") == 1, output
    assert output.startswith(f"serflow {stage}: ")
    assert "This is a bug" not in output
    assert named in output
    assert project.new() == []


@pytest.mark.parametrize(("file", "stage"), [(file, stage) for file, stages in READERS.items() for stage in stages])
def test_a_file_that_is_cut_is_named_and_nothing_written(project, file, stage):
    whole = (project.folder / file).read_bytes()
    project.damage(file, whole[: len(whole) * 2 // 3])
    assert_told(project, stage, file, STORE if file.startswith(STORE) else file)


@pytest.mark.parametrize(("file", "stage"), [(file, stages[0]) for file, stages in READERS.items()])
def test_a_file_that_is_empty_is_named_and_nothing_written(project, file, stage):
    project.damage(file, b"")
    assert_told(project, stage, file, STORE if file.startswith(STORE) else file)


def without_a_row(path, tmp_path):
    """The bytes of a table without its first row (of the test part, where it has parts)."""
    rows = read_csv(path)
    lost = next(row for row in rows if row.get("part", "test") == "test")
    write_csv(tmp_path / "short.csv", list(rows[0]), [row for row in rows if row is not lost])
    return (tmp_path / "short.csv").read_bytes()


@pytest.mark.parametrize(
    ("file", "stage", "named"),
    [
        (MANIFEST, "features", MANIFEST),
        (MANIFEST, "split", MANIFEST),
        (MANIFEST, "train", MANIFEST),
        (SPLIT, "train", SPLIT),
        (PREDICTIONS, "scores", PREDICTIONS),
        (PREDICTIONS, "track", PREDICTIONS),
        (PREDICTIONS, "figures", PREDICTIONS),
    ],
)
def test_a_row_that_is_missing_is_noticed(project, tmp_path, file, stage, named):
    project.damage(file, without_a_row(project.folder / file, tmp_path))
    assert_told(project, stage, file, named)


@pytest.mark.parametrize("damage", ["flipped", "lost", "cut"])
@pytest.mark.parametrize("array", ["frames", "offsets", "utterance", "sha256"])
def test_a_damaged_chunk_of_the_cache_is_never_trained_on(project, array, damage):
    path = next(path for path in sorted((project.folder / STORE / array / "c").rglob("*")) if path.is_file())
    whole = bytearray(path.read_bytes())
    flipped = whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 16]) + whole[len(whole) // 2 + 1 :]
    content = {"flipped": flipped, "lost": None, "cut": whole[: len(whole) // 2]}[damage]
    project.damage(str(path.relative_to(project.folder)), content)
    assert_told(project, "train", STORE, STORE)
