import copy
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


#: What a user may write -> the key that is named, the value found, and a word of what is allowed.
BAD = [
    ({"devise": "cpu"}, "config.yaml", "'devise'", "Did you mean 'device'?"),
    ({"seed": 3}, "config.yaml", "'seed'", "Did you mean 'seeds'?"),
    ({"xyz": 3}, "config.yaml", "'xyz'", "pretrained"),
    ({"seeds": {"randon": [0]}}, "config.yaml: seeds", "'randon'", "Did you mean 'random'?"),
    ({"corpora": {"ravdes": {"source": "demo"}}}, "config.yaml: corpora", "'ravdes'", "Did you mean 'ravdess'?"),
    ({"corpora": {"savee": {"path": "x"}}}, "config.yaml: corpora.savee", "'path'", "Allowed: source."),
    ({"tracking": {"url": "x"}}, "config.yaml: tracking", "'url'", "'uri'"),
    ({"device": "gpu"}, "config.yaml: device", "'gpu'", '["auto", "cpu", "cuda"]'),
    ({"precision": "fp16"}, "config.yaml: precision", "'fp16'", '["auto", "fp32", "bf16"]'),
    ({"threads": 0}, "config.yaml: threads", "0", "minimum 1"),
    ({"threads": "many"}, "config.yaml: threads", "'many'", "integer"),
    ({"papers": "deepemo"}, "config.yaml: papers", "'deepemo'", "array"),
    ({"papers": []}, "config.yaml: papers", "[]", "minItems 1"),
    ({"protocols": [1]}, "config.yaml: protocols.0", "1", "string"),
    ({"folds": [-1]}, "config.yaml: folds.0", "-1", "minimum 0"),
    ({"folds": [0, 0]}, "config.yaml: folds", "[0, 0]", "uniqueItems"),
    ({"folds": [0.5]}, "config.yaml: folds.0", "0.5", "integer"),
    ({"seeds": {"random": []}}, "config.yaml: seeds.random", "[]", "minItems 1"),
    ({"seeds": {"grouped": [0, -3]}}, "config.yaml: seeds.grouped.1", "-3", "minimum 0"),
    ({"seeds": None}, "config.yaml: seeds", "None", "object"),
    ({"corpora": {"ravdess": "demo"}}, "config.yaml: corpora.ravdess", "'demo'", "object"),
    ({"corpora": {"ravdess": {"source": 3}}}, "config.yaml: corpora.ravdess.source", "3", "string"),
    ({"corpora": {"savee": {"source": "download"}}}, "config.yaml: corpora.savee.source", "'download'", "licence"),
    ({"corpora": {"iemocap": {"source": "/no/such.tgz"}}}, "config.yaml: corpora.iemocap.source", "such.tgz", "demo"),
    ({"pretrained": "image-net"}, "config.yaml: pretrained", "'image-net'", "imagenet, none"),
    ({"overrides": {"deepemo": 5}}, "config.yaml: overrides.deepemo", "5", "object"),
    ({"results": 7}, "config.yaml: results", "7", "string"),
]


@pytest.mark.parametrize(("changes", "key", "found", "allowed"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_value_is_named_with_its_key_and_what_is_allowed(changes, key, found, allowed):
    with pytest.raises(ConfigError) as caught:
        check_config(config_file() | changes)
    message = str(caught.value)
    assert caught.value.where == key
    assert found in message
    assert allowed in message
    assert "\n" not in message


def test_an_archive_a_folder_and_a_weights_file_may_be_named(tmp_path):
    archive, weights = tmp_path / "ravdess.zip", tmp_path / "resnet18.pth"
    archive.touch()
    weights.touch()
    corpora = {"ravdess": {"source": str(archive)}, "savee": {"source": str(tmp_path)}, "iemocap": {"source": "demo"}}
    result = check_config({"corpora": corpora, "pretrained": str(weights)})
    assert result["corpora"] == corpora
    assert result["pretrained"] == str(weights)
    with pytest.raises(ConfigError, match="pretrained"):
        check_config({"pretrained": str(tmp_path)})  # a folder is no weights file


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
