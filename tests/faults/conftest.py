"""A project in which the workflow has run undisturbed, and what it is to be compared by."""

import shlex
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
        made = {}
        for option in ("--output", "--report", "--matrix", "--stem", "--checkpoint"):
            if option in words:
                at = words.index(option) + 1
                old, new = self.folder / words[at], place / option[2:] / Path(words[at]).name
                words[at] = str(new)
                if option == "--stem":
                    made |= {new.with_name(path.name): path for path in old.parent.glob(f"{old.name}.*")}
                elif option != "--checkpoint":
                    made[new] = old
        at = words.index("--log")
        del words[at : at + 2]
        return words, made


def run_undisturbed(folder, config, *targets):
    """Run the workflow in a copy of the project."""
    copy_project(folder, config)
    lines = snakemake(folder, "--printshellcmds", *targets).splitlines()
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
