import numpy as np
import pytest
import torch
from torch import nn

from serflow.errors import ConfigError
from serflow.training.schedule import check_stages, freeze, learning_rate, make_optimiser, stage_size


def test_decay_is_kerass():
    """RMSprop(lr=1e-4, decay=1e-6) in Keras: lr / (1 + decay * iterations), the first batch being iteration 0."""
    options = {"learning_rate": 1e-4, "decay": 1e-6}
    assert learning_rate(options, 1, 0) == 1e-4
    assert learning_rate(options, 9, 3600) == pytest.approx(1e-4 / 1.0036)


def test_step_decay_multiplies_every_so_many_epochs():
    options = {"learning_rate": 1e-3, "step_decay": {"factor": 0.9, "every": 10}}
    rates = [learning_rate(options, epoch, 0) for epoch in (1, 10, 11, 20, 21)]
    assert rates == pytest.approx([1e-3, 1e-3, 9e-4, 9e-4, 8.1e-4])


def test_stages_follow_each_other():
    stages = [{"epochs": 2, "height": 8, "width": 9}, {"epochs": 3, "height": 16, "width": 18}]
    sizes = [stage_size({"stages": stages}, epoch) for epoch in range(1, 6)]
    assert sizes == [(8, 9)] * 2 + [(16, 18)] * 3
    assert stage_size({}, 1) is None
    image = {"kind": "image", "height": 16, "width": 18}
    check_stages({"epochs": 5, "stages": stages}, image)
    with pytest.raises(ConfigError, match=r"sum to 5, but training\.epochs is 6"):
        check_stages({"epochs": 6, "stages": stages}, image)
    with pytest.raises(ConfigError, match=r"\(16, 18\), but the input of \(16, 16\)"):
        check_stages({"epochs": 5, "stages": stages}, image | {"width": 16})
    with pytest.raises(ConfigError, match="input kind image"):
        check_stages({"epochs": 5, "stages": stages}, {"kind": "sequence", "frames": 9})


def test_freezing_leaves_the_head_and_batch_normalisation():
    """Of torchvision's ResNet-18 its 20 batch normalisations and the last layer train, the 20 convolutions do not."""
    from torchvision.models import resnet18

    network = resnet18()
    freeze(network, True)
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert {"fc.weight", "fc.bias", "bn1.weight", "layer4.1.bn2.bias"} <= trained
    assert not {name for name in trained if "conv" in name or name.endswith("downsample.0.weight")}
    assert len(trained) == 20 * 2 + 2
    freeze(network, False)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_rmsprop_is_kerass():
    """Keras: m = 0.9 m + 0.1 g², w = w - rate g / (sqrt(m) + 1e-7)."""
    layer = nn.Linear(3, 1, bias=False)
    weight, mean = layer.weight.detach().numpy().astype(float).copy(), np.zeros((1, 3))
    optimiser = make_optimiser({"optimiser": "rmsprop", "learning_rate": 0.01}, layer)
    x = torch.tensor([1.0, -2.0, 1e-4])
    for _ in range(5):
        optimiser.zero_grad()
        (layer(x) ** 2).sum().backward()
        gradient = 2 * (weight @ x.numpy()) * x.numpy()
        optimiser.step()
        mean = 0.9 * mean + 0.1 * gradient**2
        weight = weight - 0.01 * gradient / (np.sqrt(mean) + 1e-7)
        np.testing.assert_allclose(layer.weight.detach().numpy(), weight, rtol=1e-4)
