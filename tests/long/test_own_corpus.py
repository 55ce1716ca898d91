"""README's section on a corpus of one's own, followed word for word on generated recordings."""

import csv
import re
import shlex
import subprocess

import pytest

from serflow.corpora.demo import write
from serflow.corpora.demo.names import utterances
from serflow.corpora.demo.write import generate
from serflow.corpora.known import emodb
from workflow_project import ROOT, copy_project, environment

LABELS = {"happy": "happy", "angry": "wut"}
SPEAKERS = ("03", "08", "09", "10", "11")
#: What makes the copy's runs few and short; the section's own file is laid over it.
SHORT = """
seeds: {random: [0], grouped: [0]}
threads: 1
overrides: {jin: {systems: {resnet1d: {training: {epochs: 3}}}}}
"""


@pytest.fixture
def section():
    """The text of the section."""
    return re.search(r"^## Your own corpus\n(.*?)^## ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[1]


@pytest.fixture
def project(tmp_path, section, monkeypatch):
    """A copy of the project with the section's file, its folder of recordings and its table of labels."""
    folder = tmp_path / "clone"
    copy_project(folder, "")
    (folder / "config.yaml").write_text(SHORT)
    name, block = re.search(r"`(\w+\.yaml)`:\n\n```yaml\n(.*?)```", section, re.DOTALL).groups()
    (folder / name).write_text(block)
    chosen = [one for one in utterances("emodb") if one.emotion in LABELS and one.speaker in SPEAKERS]
    monkeypatch.setattr(write, "utterances", lambda corpus: chosen)
    generate("emodb", folder / "recordings")
    with (folder / "labels.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["path", "emotion", "speaker"])
        table.writerows([one.path, LABELS[one.emotion], one.speaker] for one in chosen)
    return folder


def test_the_commands_of_the_readme_run_the_systems_on_the_corpus(project, section):
    command = re.search(r"`(snakemake [^`]*)`", section)[1]
    done = subprocess.run(
        shlex.split(command), cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for paper, system in (("jin", "resnet1d"), ("deepemonet", "svm")):
        runs = project / "results" / "runs" / paper / "mine" / system
        protocols = {path.name for path in runs.iterdir()}
        assert protocols == {"published", "speaker_independent", "augment_then_split", "augment_training_part"}
        assert len(list(runs.glob("speaker_independent/seed0/fold*/run.json"))) == 5
        comparison = (project / "results" / "tables" / paper / "comparison.csv").read_text()
        assert "mine" in comparison
    with (project / "results" / "manifests" / "mine.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["speaker"] for row in rows} == set(SPEAKERS)
    assert {row["emotion"] for row in rows} == {"happy", "angry"}
    assert all(emodb.parse(row["path"])["emotion"] == row["emotion"] for row in rows)
