"""README's section on one's own recordings, word for word, on a generated corpus in RAVDESS's form."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serflow.io.files import read_csv
from workflow_project import ROOT, copy_project, environment

#: Laid over config.yaml: the demo in RAVDESS's form, one epoch, two of the six folds.
CONFIG = """
allow_partial: true
corpora: {ravdess: {source: demo}, savee: {source: null}, iemocap: {source: null}}
folds: [0, 1]
device: cpu
precision: fp32
threads: 1
overrides:
  jin:
    systems:
      resnet1d: {training: {epochs: 1}}
"""


def commands(heading):
    """The lines of the first shell block below a heading of README.md."""
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1]
    return re.search(r"```bash\n(.*?)```", section, re.DOTALL)[1].splitlines()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clone with recordings of the user's own beside it, in which README's commands have run."""
    folder = tmp_path_factory.mktemp("clone")
    copy_project(folder, "")
    (folder / "config.yaml").write_text(CONFIG)
    rng, rate = np.random.default_rng(0), 44100
    for name, seconds in {
        "recording.wav": 2,
        "recordings/a.flac": 3,
        "recordings/b.ogg": 1,
        "interview.mp3": 8,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, 0.1 * rng.standard_normal((seconds * rate, 2)), rate)
    printed = {}
    for line in commands("Your own recordings"):
        command = ["bash", "-euo", "pipefail", "-c", line]
        done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
        assert done.returncode == 0, line + done.stdout + done.stderr
        printed[line] = done.stdout + done.stderr
    return folder, printed


def test_every_command_does_what_its_comment_says(project):
    folder, printed = project
    assert [Path(row["file"]).name for row in read_csv(folder / "emotions.csv")] == ["a.flac", "b.ogg"]
    track = json.loads((folder / "track.json").read_text())
    assert [(row["start"], row["end"]) for row in track] == [(n, n + 3) for n in range(6)]
    told = next(text for line, text in printed.items() if "recording.wav" in line)
    assert re.search(r"On speakers that it was not trained on: WA \d", told)
    assert "the mean of 2 folds" in next(text for line, text in printed.items() if "--folds" in line)


def test_the_exported_model_works_elsewhere_with_equal_posteriors(project, tmp_path):
    folder, _ = project
    shutil.move(folder / "my_model", tmp_path)
    shutil.copytree(folder / "recordings", tmp_path / "recordings")
    for model, place in (("jin/resnet1d", folder), ("my_model", tmp_path)):
        command = ["serflow", "predict", model, "recordings", "--output", "again.csv"]
        subprocess.run(command, cwd=place, env=environment(folder), capture_output=True, check=True)
    assert read_csv(folder / "again.csv") == read_csv(tmp_path / "again.csv")
