import numpy as np
import pytest

from serflow.errors import ConfigError
from serflow.kinds import Kinds, options_model
from serflow.schema import check

NETWORK = '''
import no_such_library
FRAMEWORK = "sklearn"

def build(
    n_classes: int,
    *,
    input_shape,
    size: Count,
    gamma: Positive | Literal["scale"] = 1.0,
    lstm: Annotated[dict[str, Any], "recurrent"] | None = None,
    anything: numpy.ndarray = None,
):
    """Return a network.

    Parameters
    ----------
    size, gamma
        In pixels.
    lstm
        Of `recurrent`.

    Returns
    -------
    nothing
    """

def recurrent(inputs, *, layers: Count, attention: bool = False): ...
'''
KINDS = Kinds("serflow.models.architectures", "build", given=("input_shape",))


@pytest.fixture
def network(tmp_path):
    (tmp_path / "net.py").write_text(NETWORK)
    return str(tmp_path / "net.py")


def test_a_file_may_import_files_beside_it(tmp_path):
    (tmp_path / "blocks_of_a_test.py").write_text("def make(): return 'a block'\n")
    (tmp_path / "net.py").write_text("from blocks_of_a_test import make\n\ndef build(): return make()\n")
    assert KINDS.load(str(tmp_path / "net.py"))() == "a block"


def test_a_file_may_hold_a_dataclass(tmp_path):
    """A dataclass looks up its module by name where annotations are texts."""
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\nclass Size:\n    n: int\n"
    )
    (tmp_path / "net.py").write_text(f"{source}\ndef build(): return Size(3).n\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/net.py").write_text("def build(): return 'another of its name'\n")
    assert KINDS.load(str(tmp_path / "net.py"))() == 3
    assert KINDS.load(str(tmp_path / "other/net.py"))() == "another of its name"


def test_a_file_of_a_kind_without_a_shared_name_has_a_function_of_its_own_name(tmp_path):
    from serflow.features.recipes import TRANSFORMS

    path = tmp_path / "energy.py"
    path.write_text(
        "def energy(signal, sample_rate, *, hop_length: int):\n    return signal[::hop_length, None] ** 2\n"
    )
    assert list(TRANSFORMS.options(str(path))) == ["hop_length"]
    assert TRANSFORMS.load(str(path))(np.full(4, 3.0), 16000, hop_length=2).tolist() == [[9.0], [9.0]]
    path.write_text("def power(signal): ...\n")
    with pytest.raises(ConfigError, match="has no function energy"):
        TRANSFORMS.load(str(path))


def test_options_are_read_without_importing(network):
    options = KINDS.options(network)
    assert list(options) == ["size", "gamma", "lstm", "anything"]
    assert [option.required for option in options.values()] == [True, False, False, False]
    assert [options[name].meaning for name in options] == ["In pixels.", "In pixels.", "Of `recurrent`.", ""]
    assert KINDS.constant(network, "FRAMEWORK", "torch") == "sklearn"
    assert KINDS.constant(network, "OTHER", "torch") == "torch"


@pytest.mark.parametrize(
    "given",
    [
        {"size": 3, "gamma": "scale", "lstm": None},
        {"size": 3, "gamma": 2, "lstm": {"layers": 1, "attention": True}, "anything": [1, {}]},
    ],
)
def test_options_that_fit_are_taken(network, given):
    check(options_model("net", tuple(KINDS.options(network).values())), given, "here")


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "here"),
        ({"size": 0}, "here: size"),
        ({"size": 3, "gamma": "auto"}, "here: gamma"),
        ({"size": 3, "sise": 3}, "here"),
        ({"size": 3, "lstm": {"layers": 1, "atention": True}}, "here: lstm"),
        ({"size": 3, "lstm": {"layers": 0}}, "here: lstm.layers"),
        ({"size": 3, "input_shape": [1]}, "here"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_their_key(network, given, where):
    with pytest.raises(ConfigError) as caught:
        check(options_model("net", tuple(KINDS.options(network).values())), given, "here")
    assert caught.value.where == where


def test_a_name_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(ConfigError) as caught:
        KINDS.file("resnet81")
    assert "resnet" in caught.value.remedy
    with pytest.raises(ConfigError):
        KINDS.file("no/such/file.py")


def test_every_built_in_kind_declares_all_its_options_with_types():
    from serflow.features.recipes import COPIES, TRANSFORMS
    from serflow.training.options import AUGMENTATIONS, INPUTS

    for kinds in (KINDS, TRANSFORMS, COPIES, INPUTS, AUGMENTATIONS):
        assert kinds.known()
        for name in kinds.known():
            assert all(option.annotation is not object for option in kinds.options(name).values()), name
