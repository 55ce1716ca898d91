"""A corpus of one's own: README's section word for word on generated recordings, and RAVDESS as a table of labels."""

import csv
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from serflow.corpora.demo import write
from serflow.corpora.demo.names import utterances
from serflow.corpora.demo.write import generate
from serflow.corpora.known import emodb, ravdess
from serflow.io.files import read_csv, read_json
from workflow_project import DEMO, ROOT, copy_project, environment, snakemake

LABELS = {"happy": "happy", "angry": "wut"}
SPEAKERS = ("03", "08", "09", "10", "11")
#: What makes the copy's runs few and short; the section's own file is laid over it.
SHORT = """
seeds: {random: [0], grouped: [0]}
threads: 1
overrides: {jin: {systems: {resnet1d: {training: {epochs: 3}}}}}
"""
#: RAVDESS twice: by its file names, and as a table of labels.
TWICE = """
papers: [jin]
protocols: [published, speaker_independent]
run_on: {mine: [jin.resnet1d]}
overrides: {jin: {systems: {resnet1d: {training: {epochs: 1}}}}}
"""
#: What the table of RAVDESS does not give.
NOT_GIVEN = ("native_label", "repetition")


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
    results = project / re.search(r"^results: (\S+)", (project / "mine.yaml").read_text(), re.MULTILINE)[1]
    for paper, system in (("jin", "resnet1d"), ("deepemonet", "svm")):
        runs = results / "runs" / paper / "mine" / system
        protocols = {path.name for path in runs.iterdir()}
        assert protocols == {"published", "speaker_independent", "augment_then_split", "augment_training_part"}
        assert len(list(runs.glob("speaker_independent/seed0/fold*/run.json"))) == 5
        comparison = (results / "tables" / paper / "comparison.csv").read_text()
        assert "mine" in comparison
    with (results / "manifests" / "mine.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["speaker"] for row in rows} == set(SPEAKERS)
    assert {row["emotion"] for row in rows} == {"happy", "angry"}
    assert all(emodb.parse(row["path"])["emotion"] == row["emotion"] for row in rows)


def test_ravdess_as_a_table_of_labels_gives_equal_splits_features_and_predictions(tmp_path):
    generate("ravdess", tmp_path / "recordings")
    fold = {actor: n for n, actors in enumerate(ravdess.SPEAKER_FOLDS) for actor in actors}
    kept = ("path", "emotion", "speaker", "sex", "statement", "intensity")
    rows = [ravdess.parse(path) for path in sorted(map(str, (tmp_path / "recordings").rglob("*.wav")))]
    with (tmp_path / "labels.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow([*kept, "fold"])
        for row in rows:
            path = str(Path(row["path"]).relative_to(tmp_path / "recordings"))
            table.writerow([path, *(row[key] for key in kept[1:]), fold[row["speaker"]]])
    copy_project(
        tmp_path, DEMO.replace("savee: {source: null}", "mine: {source: recordings, labels: labels.csv}") + TWICE
    )
    snakemake(tmp_path, "jin")
    out = tmp_path / "out"
    for protocol in ("published", "speaker_independent"):
        splits = [out / f"splits/jin/{corpus}/{protocol}/seed0.csv" for corpus in ("ravdess", "mine")]
        assert splits[0].read_bytes() == splits[1].read_bytes()
        runs = [out / f"runs/jin/{corpus}/resnet1d/{protocol}/seed0/fold0" for corpus in ("ravdess", "mine")]
        assert (runs[0] / "predictions.csv").read_bytes() == (runs[1] / "predictions.csv").read_bytes()
        frames = [read_json(run / "run.json")["inputs"]["frames"] for run in runs]
        assert frames[0] == frames[1]
    built_in, own = (read_csv(out / f"manifests/{corpus}.csv") for corpus in ("ravdess", "mine"))
    assert len(built_in) == len(own) > 100
    for one, other in zip(built_in, own, strict=True):
        assert {key for key in one if one[key] != other[key]} <= {"corpus", "path", *NOT_GIVEN}
