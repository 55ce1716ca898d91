"""A disc that fills up under each stage: one sentence, nothing half-written, and the same command ends well after.

The discs are mounted here, which takes root, or ``unshare -rm make test-faults``.
"""

import hashlib
import json
import subprocess
import sys
import zipfile

import pytest

from serflow.corpora import archive
from serflow.errors import ArchiveError, DownloadError
from workflow_project import content, environment

PAGE = 4096
#: Runs a verb in which every epoch is worth a checkpoint.
VERB = """
import sys
from serflow.training import fit

fit.CHECKPOINT_SECONDS = -1
from serflow.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Disc:
    """A file system of its own, of which only some bytes are left until `clear` is called."""

    def __init__(self, path):
        path.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", path], capture_output=True, text=True, check=False
        )
        if mounted.returncode:
            pytest.skip(f"no disc can be mounted here ({mounted.stderr.strip()}): run as root or under unshare -rm")
        self.path, self.filler = path, path / ".filler"

    def leave(self, n_bytes):
        """Fill the disc but for whole pages of `n_bytes`."""
        self.clear()
        size = 400 * 2**20 - n_bytes // PAGE * PAGE
        subprocess.run(["fallocate", "-l", str(size), self.filler], check=True)

    def clear(self):
        self.filler.unlink(missing_ok=True)


@pytest.fixture
def disc(tmp_path):
    made = Disc(tmp_path / "disc")
    yield made
    subprocess.run(["umount", made.path], check=True)


def run(folder, verb):
    """Run a verb; return its exit status and what it prints."""
    command = [sys.executable, "-c", VERB, *verb]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, cwd=folder, env=environment(folder), timeout=300, check=False, **pipes)
    return done.returncode, done.stdout


def start_on(disc, undisturbed, stage):
    """A stage's command with all that it writes on `disc`, its log too; and what it is to write, path -> content."""
    verb, made = undisturbed.verb(stage, disc.path)
    return [*verb, "--log", str(disc.path / "log")], {path: content(source) for path, source in made.items()}


def room(paths):
    """The bytes that files take on a disc, those of folders included."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return sum(-(-file.stat().st_size // PAGE) * PAGE for file in files)


def found(paths):
    """The content of what is there."""
    return {path: content(path) for path in paths if path.exists()}


def assert_told(output, stage, disc):
    """One sentence, after what the stage says anyhow: a path on the disc, the fault, what to do."""
    assert "Traceback" not in output
    last = output.splitlines()[-1]
    assert last.startswith(f"serflow {stage.split()[0]}: {disc.path}/"), output
    assert last.endswith(": No space left on device. Make room there, then run it again.")


def left_behind(disc):
    return [path for path in disc.path.rglob("*") if ".part" in path.name]


STAGES = ["demo", "manifest", "features", "split", "train", "paper", "scores", "tables", "comparison"]
STAGES += ["figures", "figure-published", "figure-overview"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fills_the_disc_says_so_and_ends_well_once_there_is_room(undisturbed, disc, stage):
    verb, whole = start_on(disc, undisturbed, stage)
    disc.leave(room(undisturbed.verb(stage, disc.path)[1].values()) // 2)
    status, output = run(undisturbed.folder, verb)
    assert status == 1, output
    assert_told(output, stage, disc)
    assert left_behind(disc) == []
    for path, half in found(whole).items():  # each file whole, or not there
        assert half.items() < whole[path].items() if path.is_dir() else half == whole[path]
        assert not (path / "run.json").exists()
    disc.clear()
    status, output = run(undisturbed.folder, verb)
    assert status == 0, output
    assert found(whole) == whole


def test_a_training_that_cannot_write_its_checkpoints_goes_on_and_tells_each(undisturbed, disc):
    verb, whole = start_on(disc, undisturbed, "train")
    disc.leave(2 * room(undisturbed.verb("train", disc.path)[1].values()))  # a checkpoint takes three times its network
    status, output = run(undisturbed.folder, verb)
    assert status == 0, output
    path = verb[verb.index("--checkpoint") + 1]
    fault = f"{path}: No space left on device. Make room there; training goes on, and the checkpoint before stays."
    assert output.splitlines() == [f"no checkpoint of epoch {epoch}: {fault}" for epoch in (1, 2, 3)]
    assert found(whole) == whole


def test_the_checkpoint_that_was_written_before_the_disc_filled_up_is_gone_on_from(undisturbed, disc):
    verb, whole = start_on(disc, undisturbed, "train")
    model = room([path / "model" for path in undisturbed.verb("train", disc.path)[1].values()])
    disc.leave(3 * model + model // 2)  # for the first checkpoint, neither for a second one nor the results
    status, output = run(undisturbed.folder, verb)
    assert status == 1
    assert_told(output, "train", disc)
    warnings = output.splitlines()[:-1]
    assert [line.partition(":")[0] for line in warnings] == ["no checkpoint of epoch 2", "no checkpoint of epoch 3"]
    assert left_behind(disc) == []
    disc.clear()
    assert run(undisturbed.folder, verb) == (0, "")
    assert "resuming after epoch 1" in (disc.path / "log").read_text()
    assert found(whole) == whole
    assert not list(disc.path.rglob("*.pt"))


@pytest.mark.parametrize("checked", [True, False], ids=["before", "meanwhile"])
def test_an_archive_that_fills_the_disc_leaves_nothing_of_its_tree(disc, tmp_path, monkeypatch, checked):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for n in range(4):
            opened.writestr(f"Actor_01/{n}.wav", bytes(2**20))
    disc.leave(2 * 2**20)
    if not checked:  # another process fills the disc after the look at it
        monkeypatch.setattr(archive, "_check_space", lambda *_: None)
    with pytest.raises(ArchiveError, match=r"\d are free\. .*Make room" if checked else r"No space left.*free space"):
        archive.extract(path, disc.path / "tree")
    assert [entry.name for entry in disc.path.iterdir()] == [".filler"]
    disc.clear()
    archive.extract(path, disc.path / "tree")
    assert len(list(disc.path.glob("tree/Actor_01/*.wav"))) == 4


def test_a_download_that_fills_the_disc_goes_on_from_there_once_there_is_room(disc, server):
    target, part = disc.path / "a.zip", disc.path / "a.zip.part"
    url = f"http://127.0.0.1:{server.server_port}/a.zip"
    md5 = hashlib.md5(server.data, usedforsecurity=False).hexdigest()
    disc.leave(2**20)
    with pytest.raises(DownloadError, match=r"a\.zip\.part: .*No space left on device.*free space"):
        archive.fetch(url, target, md5)
    had = part.stat().st_size
    assert had
    assert not target.exists()
    disc.clear()
    archive.fetch(url, target, md5)
    assert target.read_bytes() == server.data
    assert server.begun == [0, had]
    assert [entry.name for entry in disc.path.iterdir()] == ["a.zip"]


def test_an_mlflow_store_that_fills_the_disc_says_so_and_is_made_anew(undisturbed, disc):
    verb, (receipt,) = undisturbed.verb("track", disc.path)
    verb[verb.index("--uri") + 1] = f"sqlite:///{disc.path}/mlflow.db"
    disc.leave(50 * PAGE)
    status, output = run(undisturbed.folder, verb)
    assert status == 1
    assert output.count("\n") == 1
    assert "disk is full" in output
    assert "Make room there, then run it again." in output
    assert not receipt.exists()
    assert not (disc.path / "mlflow.db").exists()
    assert left_behind(disc) == []
    disc.clear()
    assert run(undisturbed.folder, verb) == (0, "")
    assert json.loads(receipt.read_text()).keys()
