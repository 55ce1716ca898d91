import copy
import shutil
from pathlib import Path

import pytest
import yaml

from serflow.config import check_config
from serflow.errors import ConfigError

ROOT = Path(__file__).parents[1]


def config_file():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def test_config_yaml_is_valid_and_says_every_key():
    assert check_config(config_file()) == config_file()


def test_defaults_are_those_of_config_yaml():
    assert check_config({}) == config_file()


def test_the_configuration_given_is_left_as_it_is():
    given = {"seeds": {"random": ["1"]}, "overrides": {"deepemo": {"year": "2020"}}}
    before = copy.deepcopy(given)
    result = check_config(given)
    result["overrides"]["deepemo"]["year"] = 0
    assert given == before
    check_config({})["seeds"]["random"].append(99)
    assert check_config({})["seeds"]["random"] == [0, 1, 2]


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
    noise = {"source": str(recording.parent)}
    result = check_config({"corpora": corpora, "pretrained": str(weights), "noise": noise})
    assert (result["corpora"], result["noise"]) == (corpora, noise)
    assert result["pretrained"] == str(weights)


def test_text_from_the_command_line_is_read_as_yaml():
    """Snakemake's ``--config key=value`` gives every number, truth value and null as text, in lists too."""
    given = {
        "threads": "4",
        "folds": ["0", "1"],
        "papers": "null",
        "pretrained": "none",
        "corpora": {"ravdess": {"source": "demo"}, "savee": {"source": "null"}},
        "seeds": {"random": ["7"]},
        "overrides": {"deepemo": {"systems": {"resnet18": {"training": {"epochs": "5", "learning_rate": "3.0e-5"}}}}},
    }
    result = check_config(given)
    assert (result["threads"], result["folds"], result["papers"]) == (4, [0, 1], None)
    assert result["pretrained"] == "none"
    assert result["corpora"]["savee"]["source"] is None
    assert result["seeds"] == {"random": [7], "grouped": [0]}
    training = result["overrides"]["deepemo"]["systems"]["resnet18"]["training"]
    assert training == {"epochs": 5, "learning_rate": 3e-5}
    with pytest.raises(ConfigError, match="threads"):
        check_config({"threads": "four"})
