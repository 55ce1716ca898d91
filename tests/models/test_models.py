import subprocess
import sys

import pytest
import torch

from serflow import models
from serflow.errors import ConfigError
from serflow.kinds import options_model
from serflow.models import ARCHITECTURES
from serflow.schema import check

CLASSES = 8
IMAGE = (3, 224, 224)


def n_parameters(network):
    return sum(p.numel() for p in network.parameters())


# torchvision's published counts with 1000 classes; the last layer of width w has (w + 1) * 1000 of them. For 18 layers:
# 11,689,512 - 513 * 1000 + 513 * 8 = 11,180,616.
@pytest.mark.parametrize(
    ("depth", "published", "width"), [(18, 11_689_512, 512), (34, 21_797_672, 512), (50, 25_557_032, 2048)]
)
def test_a_resnet_has_torchvisions_parameters_but_for_its_last_layer(depth, published, width):
    with torch.device("meta"):
        network = models.build({"module": "resnet", "depth": depth, "pretrained": "none"}, CLASSES, IMAGE)
    assert n_parameters(network) == published - (width + 1) * 1000 + (width + 1) * CLASSES
    assert depth != 18 or n_parameters(network) == 11_180_616
    assert all(p.requires_grad for p in network.parameters())  # DeepEMO freezes nothing


def test_a_resnet_gives_a_logit_per_class_for_any_size_of_image():
    with torch.device("meta"):
        network = models.build({"module": "resnet", "depth": 18}, CLASSES, IMAGE)
        assert network(torch.empty(3, 3, 64, 96)).shape == (3, CLASSES)


def test_the_weights_come_from_the_seed():
    def build(seed):
        torch.manual_seed(seed)
        return models.build({"module": "resnet", "depth": 18}, 2, IMAGE).state_dict()["layer4.1.conv2.weight"]

    first = build(0)
    assert torch.equal(build(0), first)
    assert not torch.equal(build(1), first)


# Options


@pytest.mark.parametrize(
    "model",
    [
        {"module": "resnet"},
        {"module": "resnet", "depth": 18, "dropout": 0.5},
        {"module": "resnext", "depth": 18},
        {"module": "none.py"},
    ],
)
def test_a_model_that_cannot_be_built_is_refused(model):
    with pytest.raises(ConfigError, match=r"depth|dropout|resnext|none"):
        models.build(model, CLASSES, IMAGE)


def test_frameworks_and_inputs():
    assert models.framework({"module": "svm"}) == "sklearn"
    assert models.framework({"module": "mittal"}) == "torch"
    assert models.input_kinds({"module": "satt"}) == ["patch", "image"]
    for name in ARCHITECTURES.known():
        assert set(models.input_kinds({"module": name})) <= {"image", "patch", "sequence", "vector"}


def test_every_architecture_declares_its_options():
    """What a dry run checks: no option without a type that it knows."""
    for name in ARCHITECTURES.known():
        options = ARCHITECTURES.options(name).values()
        assert all(option.annotation is not object and option.meaning for option in options)


SATT = {"convolutions": [[16, 12, 16]], "dense": 64, "dropout": 0.5, "lstm": None}
LSTM = {"size": 128, "layers": 1, "attention": False}


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("satt", SATT, None),
        ("satt", SATT | {"lstm": LSTM}, None),
        ("satt", SATT | {"lstm": {"size": 8, "layers": 1}}, "lstm"),
        ("satt", SATT | {"lstm": LSTM | {"size": 0}}, "lstm.size"),
        ("satt", SATT | {"convolutions": [[16, 12, 16], [24, 8.5, 12]]}, "convolutions.1.1"),
        ("satt", SATT | {"dropout": 1.5}, "dropout"),
        ("resnet", {"depth": 34, "head": "fastai"}, None),
        ("resnet", {"depth": 19}, "depth"),
        ("resnet", {"depth": "18"}, "depth"),
        ("resnet1d", {"input_shape": [1, 2]}, ""),
        ("mittal", {}, ""),
        ("svm", {"C": 1.0, "gamma": "scale"}, None),
        ("svm", {"C": 0.0, "gamma": "scale"}, "C"),
        ("svm", {"C": 1.0, "gamma": "large"}, "gamma"),
    ],
)
def test_options_are_checked_without_importing_the_architecture(name, options, key):
    model = options_model(name, ARCHITECTURES.options(name).values())
    if key is None:
        check(model, options, "paper.yaml: model")
    else:
        with pytest.raises(ConfigError) as caught:
            check(model, options, "paper.yaml")
        assert caught.value.where == ("paper.yaml: " + key if key else "paper.yaml")


def test_a_models_name_and_options_are_read_without_torch():
    code = """
import sys
from serflow import models
from serflow.models import weights
models.framework({"module": "satt"}), models.ARCHITECTURES.options("satt")
weights.file_name({"module": "resnet", "depth": 18})
print(sorted({"torch", "sklearn", "pydantic", "tqdm"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
