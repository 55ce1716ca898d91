"""A disc that fills up under each stage: one sentence, nothing half-written, and the same command ends well after.

The discs are mounted here, which takes root, or ``unshare -rm make test-faults``.
"""

import csv
import hashlib
import itertools
import json
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from serflow.corpora import archive
from serflow.errors import ArchiveError, DownloadError
from workflow_project import environment

PAGE = 4096
#: Runs a verb in which every epoch is worth a checkpoint.
VERB = """
import sys
from serflow.training import fit

fit.CHECKPOINT_SECONDS = -1
from serflow.cli import main
sys.exit(main(sys.argv[1:]))
"""
#: What differs between two runs of one training: run.json's times, memory, and the state of the checkout.
TIMES = ("started", "finished", "seconds", "training_seconds", "peak_memory_mib")
#: The options of verbs that name what they write.
WRITTEN = ("--output", "--report", "--matrix", "--stem", "--checkpoint", "--log")


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


def find(undisturbed, stage):
    """The command line of a stage as Snakemake ran it, from the verb on."""
    kind, _, system = stage.partition(" ")
    wanted = f'"system": "{system}"'
    return next(
        command[1:] for command in undisturbed.commands if command[1] == kind and wanted * bool(system) in str(command)
    )


def moved(verb, disc):
    """The same command with all that it writes on `disc`, under the same relative paths."""
    pairs = zip(["", *verb], verb, strict=False)
    return [str(disc.path / word) if before in WRITTEN else word for before, word in pairs]


def written(folder, verb):
    """Relative path -> content of what a command has written below `folder`; without times."""
    found = {}
    for option, word in itertools.pairwise(verb):
        if option in WRITTEN and option != "--log":
            path = folder / word
            for file in [*path.parent.glob(f"{path.name}.*"), path, *path.rglob("*")]:
                if file.is_file() and not file.name.startswith(".snakemake"):
                    found[str(file.relative_to(folder))] = content(file)
    return found


def content(file):
    if file.name == "run.json":
        return {key: value for key, value in json.loads(file.read_text()).items() if key not in TIMES}
    if file.name == "history.csv":
        with file.open() as handle:
            return [{**row, "seconds": None} for row in csv.DictReader(handle)]
    if zipfile.is_zipfile(file):  # a model of scikit-learn's: dates, and numbers for names
        with zipfile.ZipFile(file) as opened:
            return sorted(opened.read(name) for name in opened.namelist() if name.endswith(".npy"))
    return file.read_bytes()


def pages(folder, names):
    """Bytes that files take on the disc."""
    return sum(-(-(folder / name).stat().st_size // PAGE) * PAGE for name in names)


def assert_told(output, stage, disc):
    """One sentence, after what the stage says anyhow: a path on the disc, the fault, what to do."""
    assert "Traceback" not in output
    last = output.splitlines()[-1]
    assert last.startswith(f"serflow {stage.split()[0]}: {disc.path}/"), output
    assert last.endswith(": No space left on device. Make room there, then run it again.")


def left_behind(disc):
    return [path for path in disc.path.rglob("*") if ".part" in path.name]


STAGES = ["demo", "manifest", "features", "split", "train resnet18", "train svm", "paper", "evaluate", "table"]
STAGES += ["table-data", "compare", "figure-confusion", "figure-curves", "figure-comparison", "figure"]
STAGES += ["figure-compare"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fills_the_disc_says_so_and_ends_well_once_there_is_room(undisturbed, disc, stage):
    folder, verb = undisturbed.folder, find(undisturbed, stage)
    expected = written(folder, verb)
    assert expected
    disc.leave(pages(folder, expected) // 2)
    status, output = run(folder, moved(verb, disc))
    assert status == 1, output
    assert_told(output, stage, disc)
    assert left_behind(disc) == []
    half = written(disc.path, verb)
    assert half.items() <= expected.items()  # whole, or not there
    assert not any(name.endswith("run.json") for name in half)
    disc.clear()
    status, output = run(folder, moved(verb, disc))
    assert status == 0, output
    assert written(disc.path, verb) == expected


def test_a_training_that_cannot_write_its_checkpoints_goes_on_and_tells_each(undisturbed, disc):
    folder, verb = undisturbed.folder, find(undisturbed, "train resnet18")
    expected = written(folder, verb)
    disc.leave(2 * pages(folder, expected))  # a checkpoint takes three times its network
    status, output = run(folder, moved(verb, disc))
    assert status == 0
    path = moved(verb, disc)[verb.index("--checkpoint") + 1]
    fault = f"{path}: No space left on device. Make room there; training goes on, and the checkpoint before stays."
    assert output.splitlines() == [f"no checkpoint of epoch {epoch}: {fault}" for epoch in (1, 2, 3)]
    assert written(disc.path, verb) == expected


def test_the_checkpoint_that_was_written_before_the_disc_filled_up_is_gone_on_from(undisturbed, disc):
    folder, verb = undisturbed.folder, find(undisturbed, "train resnet18")
    expected = written(folder, verb)
    model = pages(folder, [name for name in expected if name.endswith("model")])
    disc.leave(3 * model + model // 2)  # for the first checkpoint, neither for a second one nor the results
    status, output = run(folder, moved(verb, disc))
    assert status == 1
    assert_told(output, "train", disc)
    warnings = output.splitlines()[:-1]
    assert [line.partition(":")[0] for line in warnings] == ["no checkpoint of epoch 2", "no checkpoint of epoch 3"]
    assert left_behind(disc) == []
    disc.clear()
    assert run(folder, moved(verb, disc)) == (0, "")
    log = disc.path / verb[verb.index("--log") + 1]
    assert "resuming after epoch 1" in log.read_text()
    assert written(disc.path, verb) == expected
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


DATA = bytes(range(256)) * 16_000


class Server(BaseHTTPRequestHandler):
    """Serves DATA from where it is asked for."""

    def do_GET(self):
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.begun.append(begin)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(DATA) - begin))
        self.send_header("Content-Range", f"bytes {begin}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        self.wfile.write(DATA[begin:])

    def log_message(self, *_):
        pass


def test_a_download_that_fills_the_disc_goes_on_from_there_once_there_is_room(disc):
    target, part = disc.path / "a.zip", disc.path / "a.zip.part"
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.begun = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url, md5 = f"http://127.0.0.1:{server.server_port}/a.zip", hashlib.md5(DATA, usedforsecurity=False).hexdigest()
        disc.leave(2**20)
        with pytest.raises(DownloadError, match=r"a\.zip\.part: .*No space left on device.*free space"):
            archive.fetch(url, target, md5)
        had = part.stat().st_size
        assert had
        assert not target.exists()
        disc.clear()
        archive.fetch(url, target, md5)
        server.shutdown()
    assert target.read_bytes() == DATA
    assert server.begun == [0, had]
    assert [entry.name for entry in disc.path.iterdir()] == ["a.zip"]


def test_an_mlflow_store_that_fills_the_disc_says_so_and_is_made_anew(undisturbed, disc):
    verb = find(undisturbed, "track")
    changes = {"--uri": f"sqlite:///{disc.path}/mlflow.db", "--output": str(disc.path / "track.json")}
    verb = [changes.get(before, word) for before, word in zip(["", *verb], verb, strict=False)]
    disc.leave(50 * PAGE)
    status, output = run(undisturbed.folder, verb)
    assert status == 1
    assert output.count("\n") == 1
    assert "disk is full" in output
    assert "Make room there, then run it again." in output
    assert [path.name for path in disc.path.iterdir()] == [".filler"]
    disc.clear()
    assert run(undisturbed.folder, verb) == (0, "")
    assert json.loads((disc.path / "track.json").read_text()).keys()
