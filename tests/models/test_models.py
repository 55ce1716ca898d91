import pytest
import torch

from serflow import models
from serflow.errors import ConfigError
from serflow.models.weights import IMAGENET, file_name

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


@pytest.mark.parametrize("size", [(224, 224), (64, 96)])
def test_a_resnet_gives_a_logit_per_class_for_any_size_of_image(size):
    with torch.device("meta"):
        network = models.build({"module": "resnet", "depth": 18}, CLASSES, IMAGE)
        assert network(torch.empty(3, 3, *size)).shape == (3, CLASSES)


def test_the_weights_come_from_the_seed():
    def build(seed):
        torch.manual_seed(seed)
        return models.build({"module": "resnet", "depth": 18}, 2, IMAGE).state_dict()["layer4.1.conv2.weight"]

    first = build(0)
    assert torch.equal(build(0), first)
    assert not torch.equal(build(1), first)


@pytest.mark.parametrize(
    ("model", "found", "allowed"),
    [
        ({"module": "resnet", "depth": 19}, "19", "18, 34, 50"),
        ({"module": "resnet", "depth": "18"}, "'18'", "18, 34, 50"),
        ({"module": "resnet", "depth": 18, "dropout": 0.5}, "'dropout'", "depth"),
        ({"module": "resnext", "depth": 18}, "'resnext'", "serflow/models"),
    ],
)
def test_a_wrong_model_is_named(model, found, allowed):
    with pytest.raises(ConfigError) as caught:
        models.build(model, CLASSES, IMAGE)
    assert found in caught.value.fault
    assert allowed in caught.value.remedy


def test_a_missing_option_is_named():
    with pytest.raises(ConfigError, match="'depth'"):
        models.build({"module": "resnet"}, CLASSES, IMAGE)


def test_a_module_that_is_no_architecture_is_named():
    with pytest.raises(ConfigError, match="'weights'"):
        models.build({"module": "weights"}, CLASSES, IMAGE)


def test_the_file_of_a_systems_imagenet_weights():
    assert file_name({"module": "resnet", "depth": 18, "pretrained": "imagenet"}) == "resnet18-f37072fd.pth"


def test_a_system_without_imagenet_weights_is_named():
    with pytest.raises(ConfigError, match="resnet101"):
        file_name({"module": "resnet", "depth": 101, "pretrained": "imagenet"})


def test_the_weights_are_torchvisions():
    from torchvision.models import ResNet18_Weights, ResNet34_Weights, ResNet50_Weights

    enums = {"resnet18": ResNet18_Weights, "resnet34": ResNet34_Weights, "resnet50": ResNet50_Weights}
    assert {name: enum.IMAGENET1K_V1.url for name, enum in enums.items()} == IMAGENET
