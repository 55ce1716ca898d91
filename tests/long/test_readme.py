"""The commands of README and of the tutorials, word for word, on a generated archive in RAVDESS's form."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serflow.corpora.demo.write import generate
from serflow.io.files import read_csv
from workflow_project import ROOT, copy_project, environment

ARCHIVE = "Audio_Speech_Actors_01-24.zip"
#: In place of config.yaml: the archive, which README's readers have or download; short trainings, two of the six folds.
CONFIG = f"""
papers: [jin]
protocols: [published, speaker_independent]
corpora: {{ravdess: {{source: {ARCHIVE}}}, savee: {{source: null}}, iemocap: {{source: null}}}}
seeds: {{random: [0], grouped: [0]}}
folds: [0, 1]
device: cpu
precision: fp32
threads: 1
overrides:
  jin: {{systems: {{resnet1d: {{input: {{frames: 64}}, training: {{epochs: 1}}}}}}}}
"""


def read_blocks(page, language, heading=""):
    """The blocks of a language in a page of the documentation, below a heading."""
    text = (ROOT / page).read_text()
    if heading:
        text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run(folder, page, heading=""):
    """Run each shell block of a page as a user pastes it; return what each line printed."""
    blocks = read_blocks(page, "bash", heading)
    assert blocks
    printed = {}
    for line in "".join(blocks).replace("\\\n", "").splitlines():
        command = ["bash", "-euo", "pipefail", "-c", line]
        done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
        assert done.returncode == 0, line + done.stdout + done.stderr
        printed[line] = done.stdout + done.stderr
    return printed


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone with an archive in RAVDESS's form and recordings of the user's own beside it."""
    folder = tmp_path_factory.mktemp("clone")
    copy_project(folder, "")
    (folder / "config.yaml").write_text(CONFIG)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").touch()  # the environment of these tests is active already
    generate("ravdess", folder / "corpus")
    shutil.make_archive(str(folder / Path(ARCHIVE).stem), "zip", folder / "corpus")
    rng, rate = np.random.default_rng(0), 44100
    for name, seconds in {
        "recording.wav": 2,
        "recordings/a.flac": 3,
        "recordings/b.ogg": 1,
        "interview.mp3": 8,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, 0.1 * rng.standard_normal((seconds * rate, 2)), rate)
    return folder


@pytest.fixture(scope="module")
def predicted(clone):
    """What README's commands on one's own recordings printed."""
    return run(clone, "README.md", "Your own recordings")


def test_every_command_on_recordings_does_what_its_comment_says(clone, predicted):
    assert [Path(row["file"]).name for row in read_csv(clone / "emotions.csv")] == ["a.flac", "b.ogg"]
    track = json.loads((clone / "track.json").read_text())
    assert [(row["start"], row["end"]) for row in track] == [(n, n + 3) for n in range(6)]
    told = next(text for line, text in predicted.items() if "recording.wav" in line)
    assert re.search(r"On speakers that it was not trained on: WA \d", told)
    assert "the mean of 2 folds" in next(text for line, text in predicted.items() if "--folds" in line)


def test_the_exported_model_works_elsewhere_with_equal_posteriors(clone, predicted, tmp_path):
    shutil.move(clone / "my_model", tmp_path)
    shutil.copytree(clone / "recordings", tmp_path / "recordings")
    for model, place in (("jin/resnet1d", clone), ("my_model", tmp_path)):
        command = ["serflow", "predict", model, "recordings", "--output", "again.csv"]
        subprocess.run(command, cwd=place, env=environment(clone), capture_output=True, check=True)
    assert read_csv(clone / "again.csv") == read_csv(tmp_path / "again.csv")


def test_the_reproduction_of_the_readme_and_of_the_tutorial_ends_with_page_and_report(clone, predicted):
    printed = run(clone, "README.md", "Reproduce the papers")
    told = next(text for line, text in printed.items() if line.startswith("snakemake --cores 8 --resources"))
    assert "Results: open results/index.html" in told
    assert "1-D residual CNN" in (clone / "results/index.html").read_text()
    assert (clone / "results/report.html").is_file()
    assert "trainings" in next(text for line, text in printed.items() if line.startswith("serflow plan"))
    printed = run(clone, "docs/tutorials/ravdess.md")
    assert "Nothing to be done" in list(printed.values())[-1]  # all of it has run


def test_the_system_of_the_tutorial_is_trained_and_recognises(clone, predicted):
    page = "docs/tutorials/own_system.md"
    (clone / "mine").mkdir()
    (clone / "mine/network.py").write_text(*read_blocks(page, "python"))
    (clone / "mine.yaml").write_text(*read_blocks(page, "yaml"))
    run(clone, page)
    assert "a small network" in (clone / "results/tables/jin/comparison.csv").read_text()
    command = re.search(r"`(serflow predict [^`]*)`", (ROOT / page).read_text())[1].split()
    done = subprocess.run(
        [*command, "recording.wav"], cwd=clone, env=environment(clone), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
