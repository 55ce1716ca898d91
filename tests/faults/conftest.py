"""A project in which the workflow has run undisturbed, and what it is to be compared by."""

import contextlib
import shlex
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workflow_project import DEMO, copy_project, snakemake

CONFIG = f"""
papers: [deepemo]
protocols: [published]
resources: out/resources
{DEMO}
overrides:
  deepemo:
    systems:
      resnet18: {{input: {{height: 32, width: 32}}, training: {{epochs: 4}}}}
"""

#: As small as Satt's systems get: what combines runs, and what hears them in noise.
SATT = """
papers: [satt]
results: out
resources: out/resources
corpora:
  iemocap: {source: demo}
  ravdess: {source: null}
seeds: {random: [0], grouped: [0]}
folds: [0]
device: cpu
threads: 1
overrides:
  satt:
    systems:
      cnn_10hz:
        model: {convolutions: [[2, 3, 3], [2, 3, 3], [2, 3, 3]]}
        training: {epochs: 1}
      cnn_lstm_10hz:
        model: {convolutions: [[2, 3, 3], [2, 3, 3], [2, 3, 3]], lstm: {size: 4}}
"""


class Undisturbed:
    """The project's folder, and the commands that Snakemake has run in it, each a list of words."""

    def __init__(self, folder, commands):
        self.folder, self.commands = folder, commands

    def verb(self, stage, place):
        """A stage's command that writes below `place`, and without a log; and its outputs there -> the project's."""
        words = next(list(words) for words in self.commands if words[0] == stage)
        stems = {self.folder / c[c.index("--stem") + 1] for c in self.commands if "--stem" in c}  # of other stages
        made = {}
        for option in ("--output", "--report", "--matrices", "--stem", "--folder", "--checkpoint"):
            if option in words:
                at = words.index(option) + 1
                old, new = self.folder / words[at], place / option[2:] / Path(words[at]).name
                words[at] = str(new)
                if option == "--stem":
                    made |= {new.with_name(path.name): path for path in old.parent.glob(f"{old.name}.*")}
                elif option in ("--folder", "--matrices"):
                    files = [path for path in old.rglob("*") if path.is_file()]
                    made |= {new / path.relative_to(old): path for path in files if path.with_suffix("") not in stems}
                elif option != "--checkpoint":
                    made[new] = old
        at = words.index("--log")
        del words[at : at + 2]
        return words, made


def run_undisturbed(folder, config, *targets):
    """Run the workflow in a copy of the project."""
    copy_project(folder, config)
    lines = snakemake(folder, *targets, "--printshellcmds", "--quiet", "host").splitlines()
    prefix = "Shell command: serflow "
    return Undisturbed(folder, [shlex.split(line.removeprefix(prefix)) for line in lines if line.startswith(prefix)])


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A project in which the workflow has run; tests only read it."""
    return run_undisturbed(tmp_path_factory.mktemp("undisturbed"), CONFIG)


@pytest.fixture(scope="session")
def undisturbed_satt(tmp_path_factory):
    """A project with a run of Satt's that is combined from others, and one that has heard noise."""
    run = "satt/iemocap/{}/published/seed0/fold0"
    targets = [f"out/runs/{run.format('two_step')}/run.json", f"out/noise/{run.format('cnn_lstm_10hz')}.csv"]
    return run_undisturbed(tmp_path_factory.mktemp("satt"), SATT, *targets)


@pytest.fixture
def config():
    """The configuration of `undisturbed`."""
    return CONFIG


class RangeServer(BaseHTTPRequestHandler):
    """Sends its server's data from where a request asks, 1 MB in 0.1 s, and notes where that is."""

    def do_GET(self):
        data, begin = self.server.data, int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.begun.append(begin)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for at in range(begin, len(data), 10**6):
                self.wfile.write(data[at : at + 10**6])
                time.sleep(0.1)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """A server of `data`, 10 MB, that notes in `begun` from where it was asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), RangeServer)
    server.data, server.begun = bytes(range(256)) * 40_000, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
