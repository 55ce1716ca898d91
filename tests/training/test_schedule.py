import numpy as np
import pytest
import torch
from torch import nn

from serflow.training.options import Training
from serflow.training.schedule import best_epoch, freeze, is_finished, learning_rate, make_optimiser, stage_size


def training(**options):
    return Training.from_plain({"epochs": 5, "batch_size": 2, "optimiser": "adam", "learning_rate": 0.1} | options)


def test_decay_is_kerass():
    """RMSprop(lr=1e-4, decay=1e-6) in Keras: lr / (1 + decay * iterations), the first batch being iteration 0."""
    options = training(learning_rate=1e-4, decay=1e-6)
    assert learning_rate(options, 1, 0) == 1e-4
    assert learning_rate(options, 9, 3600) == pytest.approx(1e-4 / 1.0036)


def test_step_decay_multiplies_every_so_many_epochs():
    options = training(learning_rate=1e-3, step_decay={"factor": 0.9, "every": 10})
    rates = [learning_rate(options, epoch, 0) for epoch in (1, 10, 11, 20, 21)]
    assert rates == pytest.approx([1e-3, 1e-3, 9e-4, 9e-4, 8.1e-4])


def test_stages_follow_each_other():
    stages = [{"epochs": 2, "height": 8, "width": 9}, {"epochs": 3, "height": 16, "width": 18}]
    sizes = [stage_size(training(stages=stages), epoch) for epoch in range(1, 6)]
    assert sizes == [(8, 9)] * 2 + [(16, 18)] * 3
    assert stage_size(training(), 1) is None


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
    optimiser = make_optimiser(training(optimiser="rmsprop", learning_rate=0.01), layer)
    x = torch.tensor([1.0, -2.0, 1e-4])
    for _ in range(5):
        optimiser.zero_grad()
        (layer(x) ** 2).sum().backward()
        gradient = 2 * (weight @ x.numpy()) * x.numpy()
        optimiser.step()
        mean = 0.9 * mean + 0.1 * gradient**2
        weight = weight - 0.01 * gradient / (np.sqrt(mean) + 1e-7)
        np.testing.assert_allclose(layer.weight.detach().numpy(), weight, rtol=1e-4, atol=1e-7)


# Early stopping

ACCURACIES = [0.25, 0.5, 0.5, 0.375, 0.5]


def history_of(column, values):
    return [{"validation_loss": 9.0, "validation_accuracy": 0.0, "validation_UA": 0.0, column: v} for v in values]


@pytest.mark.parametrize(
    ("metric", "column", "values", "best"),
    [
        ("WA", "validation_accuracy", ACCURACIES, 2),  # of equal ones the first
        ("UA", "validation_UA", [0.1, 0.3, 0.2], 2),
        ("loss", "validation_loss", [1.5, 1.2, 1.3, 1.1, 1.1], 4),
    ],
)
def test_the_best_epoch_is_the_first_of_the_best(metric, column, values, best):
    options = training(epochs=9, early_stopping={"metric": metric, "patience": 3})
    assert best_epoch(options, history_of(column, values)) == best
    assert best_epoch(options, []) is None
    assert best_epoch(training(epochs=9), history_of(column, values)) is None


@pytest.mark.parametrize(("patience", "last"), [(1, 3), (4, 6)])
def test_training_ends_after_so_many_epochs_without_a_better_one(patience, last):
    """Epoch 2 is the best of the first six; in the seventh it would have been better still."""
    options = training(epochs=9, early_stopping={"metric": "WA", "patience": patience})
    history = history_of("validation_accuracy", [*ACCURACIES, 0.0, 0.9])
    assert [is_finished(options, history[:n]) for n in range(last + 1)] == [False] * last + [True]


def test_training_ends_after_its_epochs_at_the_latest():
    history = history_of("validation_accuracy", [0.1, 0.2, 0.3])
    assert is_finished(training(epochs=3, early_stopping={"metric": "WA", "patience": 5}), history)
    assert is_finished(training(epochs=3), history)
    assert not is_finished(training(epochs=4), history)
