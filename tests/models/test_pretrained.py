"""Weights copied into a network; what is damaged, dangerous or of another network is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from serflow import models
from serflow.errors import WeightsError
from serflow.models import pretrained

MODEL = {"module": "resnet", "depth": 18}


@pytest.fixture(scope="module")
def imagenet():
    """What stands in for the real weights: torchvision's network with 1000 classes and random weights."""
    torch.manual_seed(5)
    network = resnet18(weights=None)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    return network.state_dict()


@pytest.fixture
def network():
    torch.manual_seed(6)
    return models.build(MODEL, 8, (3, 224, 224))


def check_loaded(network, before, source):
    for key, value in network.state_dict().items():
        expected = before[key] if key.startswith("fc.") else source.get(key, torch.tensor(0))
        assert torch.equal(value, expected), key


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_everything_but_the_last_layer_is_copied(tmp_path, imagenet, network, suffix):
    from safetensors.torch import save_file

    path = tmp_path / f"own{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(imagenet, path)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pretrained.load(network, path)
    check_loaded(network, before, imagenet)
    assert network.fc.weight.shape == (8, 512)
    assert not torch.equal(network.conv1.weight, before["conv1.weight"])


def test_fastais_head_keeps_its_random_weights(tmp_path, imagenet):
    network = models.build(MODEL | {"head": "fastai"}, 8, (3, 128, 128))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch.save(imagenet, tmp_path / "own.pth")
    pretrained.load(network, tmp_path / "own.pth")
    check_loaded(network, before, imagenet)


def test_weights_without_counts_of_batches_load_as_in_torch(tmp_path, imagenet, network):
    """Files from before torch 0.4.1, torchvision's ResNets among them, have none; torch takes zeros for them."""
    old = {key: value for key, value in imagenet.items() if not key.endswith("num_batches_tracked")}
    assert len(old) == 102  # 62 parameters, 20 means and 20 variances
    torch.save(old, tmp_path / "own.pth")
    assert resnet18(weights=None).load_state_dict(torch.load(tmp_path / "own.pth"))  # strict
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pretrained.load(network, tmp_path / "own.pth")
    check_loaded(network, before, old)


def test_weights_of_another_network_do_not_fit(tmp_path, imagenet):
    torch.save(imagenet, tmp_path / "own.pth")
    with torch.device("meta"):
        deeper = models.build({"module": "resnet", "depth": 34}, 8, (3, 224, 224))
    with pytest.raises(WeightsError, match=r"does not fit the network: layer\d"):
        pretrained.load(deeper, tmp_path / "own.pth")


def test_a_file_of_ones_own_is_kept_only_if_it_fits(tmp_path, imagenet):
    torch.save(imagenet, tmp_path / "own.pth")
    pretrained.adopt(MODEL, tmp_path / "own.pth", tmp_path / "kept.pth")
    assert (tmp_path / "kept.pth").read_bytes() == (tmp_path / "own.pth").read_bytes()
    with pytest.raises(WeightsError, match="does not fit"):
        pretrained.adopt(MODEL | {"depth": 34}, tmp_path / "own.pth", tmp_path / "other.pth")
    assert not (tmp_path / "other.pth").exists()


@pytest.mark.parametrize("fault", ["other shape", "tensor too few", "tensor too many"])
def test_one_tensor_amiss_is_named_and_nothing_is_copied(tmp_path, imagenet, network, fault):
    state = dict(imagenet)
    if fault == "other shape":
        state["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    elif fault == "tensor too few":
        del state["conv1.weight"]
    else:
        state["conv1.weight2"] = torch.zeros(1)
    torch.save(state, tmp_path / "own.pth")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(WeightsError, match=r"conv1\.weight2? and 0 more") as caught:
        pretrained.load(network, tmp_path / "own.pth")
    assert caught.value.where == str(tmp_path / "own.pth")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


class Malicious:
    """A pickle that would make a file when it is opened."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("fault", ["absent", "truncated", "text", "list", "code"])
def test_a_damaged_or_dangerous_file_is_refused(tmp_path, fault):
    path, trap = tmp_path / "own.pth", tmp_path / "trap"
    if fault == "truncated":
        torch.save({"conv1.weight": torch.zeros(1000)}, path)
        path.write_bytes(path.read_bytes()[:2000])
    elif fault == "text":
        path.write_text("<html>404</html>")
    elif fault == "list":
        torch.save([1, 2, 3], path)
    elif fault == "code":
        torch.save({"conv1.weight": Malicious(trap)}, path)
    with pytest.raises(WeightsError) as caught:
        pretrained.load(nn.Linear(2, 2), path)
    assert caught.value.where == str(path)
    assert "`none`" in caught.value.remedy
    assert "\n" not in str(caught.value)
    assert not trap.exists()


def test_a_file_under_the_published_name_must_be_the_published_one(tmp_path, imagenet, network):
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(imagenet, path)
    with pytest.raises(WeightsError, match="SHA-256 does not start with f37072fd"):
        pretrained.load(network, path)
