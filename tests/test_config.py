import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from serflow.config import Config, check_config
from serflow.corpora.registry import use_tables
from serflow.errors import ConfigError

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def forget_tables():
    yield
    use_tables({})


def config_file():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def test_config_yaml_says_every_key_and_its_default():
    assert config_file().keys() == Config.model_fields.keys()
    given, default = check_config(config_file()), check_config({})
    assert given.model_copy(update={"corpora": {}}) == default.model_copy(update={"corpora": {}})
    assert {name for name in given.corpora if given.source(name)} == {"ravdess"} == default.corpora.keys()


@pytest.mark.parametrize("name", ["ravdess.zip", "ravdess.tar", "ravdess.tgz"])
def test_an_archive_folders_and_a_weights_file_may_be_named(tmp_path, name):
    weights, recording = tmp_path / "resnet18.pth", tmp_path / "savee/AudioData/DC/a01.WAV"
    recording.parent.mkdir(parents=True)
    recording.touch()
    weights.touch()
    kind = {".zip": "zip", ".tar": "tar", ".tgz": "gztar"}[Path(name).suffix]
    archive = Path(shutil.make_archive(str(tmp_path / "made"), kind, tmp_path / "savee")).rename(tmp_path / name)
    sources = {"ravdess": str(archive), "savee": str(tmp_path / "savee"), "iemocap": "demo"}
    corpora = {corpus: {"source": source} for corpus, source in sources.items()}
    result = check_config({"corpora": corpora, "pretrained": str(weights), "noise": {"source": str(recording.parent)}})
    assert {name: result.source(name) for name in result.corpora} == sources
    assert (result.noise.source, result.pretrained) == (str(recording.parent), str(weights))


def test_a_link_to_a_recording_that_was_not_fetched_is_named(tmp_path):
    tree = tmp_path / "savee/DC"
    tree.mkdir(parents=True)
    (tree / "a01.wav").touch()
    (tree / "notes.txt").symlink_to("nowhere.txt")  # which nobody reads
    corpora = {"savee": {"source": str(tmp_path / "savee")}}
    check_config({"corpora": corpora})
    (tree / "a02.wav").symlink_to(".git/annex/objects/a02.wav")
    with pytest.raises(ConfigError, match=r"corpora\.savee\.source: 'DC/a02\.wav' in .* not there"):
        check_config({"corpora": corpora})
    (tree / "a02.wav").unlink()
    (tree / "a03.mp3").symlink_to("nowhere.mp3")  # which is no file of SAVEE's, but one of the table
    rows = [f"DC/a0{n}.{'mp3' if n == 3 else 'wav'},{'happy' if n < 3 else 'sad'},s{n % 3}\n" for n in range(6)]
    (tmp_path / "labels.csv").write_text("path,emotion,speaker\n" + "".join(rows))
    own = {"source": str(tmp_path / "savee"), "labels": str(tmp_path / "labels.csv")}
    with pytest.raises(ConfigError, match=r"corpora\.mine\.source: 'DC/a03\.mp3' in .* not there"):
        check_config({"corpora": {"mine": own}})


def test_a_folder_of_a_corpus_that_may_not_be_listed_is_named(tmp_path, monkeypatch):
    locked = tmp_path / "savee/DC"
    locked.mkdir(parents=True)
    listing = os.scandir

    def refuse(path):  # as for all but root, who reads every folder
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(locked))
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ConfigError, match=r"corpora\.savee\.source: '.*savee/DC' cannot be read \(Permission denied\)"):
        check_config({"corpora": {"savee": {"source": str(tmp_path / "savee")}}})


#: What Snakemake parses the rules with; each takes half a second to two and a half seconds to import.
HEAVY = ("torch", "librosa", "matplotlib", "pandas", "scipy", "sklearn", "mlflow", "zarr", "soundfile")
PARSE = """
import json, sys
from pathlib import Path
from snakemake.cli import main
try:
    config = ["corpora={ravdess: {source: demo}}", "papers=[jin]", "overrides={deepemo: {year: 1}}"]
    main(["-n", "--quiet", "all", "--snakefile", sys.argv[1], "--config", *config])
except SystemExit:
    pass
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def imported(folder, snakefile):
    """The packages that Snakemake has imported after a dry run, and what that said."""
    command = [sys.executable, "-c", PARSE, str(snakefile)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1])), done.stderr


def test_a_dry_run_imports_nothing_heavy_and_tells_overrides_that_change_nothing(tmp_path):
    """Nothing heavy beyond what Snakemake and its plugins import themselves."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    (tmp_path / "empty.smk").write_text("rule all:\n    input: []\n")
    packages, said = imported(tmp_path, ROOT / "Snakefile")
    ours = packages - imported(tmp_path, tmp_path / "empty.smk")[0]
    assert "serflow" in ours
    assert not ours.intersection(HEAVY)
    assert "config.yaml: overrides.deepemo changes nothing, since papers is jin." in said
