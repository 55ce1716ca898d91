import numpy as np
import pytest
import torch
from torch import nn

from serflow.errors import ConfigError
from serflow.training.options import OneCycle, Phase, Training
from serflow.training.schedule import (
    best_epoch,
    find_phase,
    freeze,
    is_finished,
    learning_rates,
    make_optimiser,
    one_cycle,
)


def training(**options):
    return Training.from_plain({"epochs": 5, "batch_size": 2, "optimiser": "adam", "learning_rate": 0.1} | options)


def test_decay_is_kerass():
    """RMSprop(lr=1e-4, decay=1e-6) in Keras: lr / (1 + decay * iterations), the first batch being iteration 0."""
    options = training(learning_rate=1e-4, decay=1e-6)
    assert learning_rates(options, 1, 0, 450) == ([1e-4], 0.9)
    assert learning_rates(options, 9, 0, 450) == ([pytest.approx(1e-4 / 1.0036)], 0.9)


def test_step_decay_multiplies_every_so_many_epochs():
    options = training(learning_rate=1e-3, step_decay={"factor": 0.9, "every": 10})
    rates = [learning_rates(options, epoch, 0, 9)[0][0] for epoch in (1, 10, 11, 20, 21)]
    assert rates == pytest.approx([1e-3, 1e-3, 9e-4, 9e-4, 8.1e-4])


def test_warmup_rises_and_falls_in_equal_steps():
    options = training(epochs=6, warmup=2, learning_rate=1.0)
    rates = [learning_rates(options, epoch, batch, 9)[0][0] for epoch in range(1, 7) for batch in (0, 8)]
    assert rates == pytest.approx([one for one in (0.5, 1.0, 0.8, 0.6, 0.4, 0.2) for _ in range(2)])


def test_phases_follow_each_other():
    phases = [{"epochs": 2, "frozen": True}, {"epochs": 3, "height": 16, "width": 18}]
    found = [find_phase(training(phases=phases), epoch) for epoch in range(1, 6)]
    frozen, large = Phase(2, frozen=True), Phase(3, 16, 18)
    assert found == [(frozen, 0), (frozen, 1), (large, 0), (large, 1), (large, 2)]
    assert find_phase(training(), 3) == (Phase(5), 2)


# One cycle and layer groups


@pytest.mark.parametrize(
    ("rise", "start", "n"), [(0.25, 25.0, 100), (0.3, 5.0, 108), (0.99, 25.0, 27), (0.25, 25.0, 7)]
)
def test_one_cycle_is_torchs(rise, start, n):
    """OneCycleLR takes its last divisor from the first rate, fastai from the peak: 1e5 / start is the same."""
    optimiser = torch.optim.Adam([torch.zeros(1)], lr=9.0)
    options = {"total_steps": n, "pct_start": rise, "div_factor": start, "final_div_factor": 1e5 / start}
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, **options)
    for step in range(n):
        (group,) = optimiser.param_groups
        factor, beta1 = one_cycle(OneCycle(rise, start), step, n)
        assert 1e-3 * factor == pytest.approx(group["lr"], rel=1e-9)
        assert beta1 == pytest.approx(group["betas"][0], rel=1e-9)
        optimiser.step()
        if step + 1 < n:
            scheduler.step()


def test_one_cycle_by_hand():
    """The peak is at step 21 / 3 - 1 = 6; the ends, the peak, and half the way in time, which is half in value."""
    cycle = OneCycle(1 / 3, 25.0)
    assert one_cycle(cycle, 0, 21) == pytest.approx((1 / 25, 0.95))
    assert one_cycle(cycle, 3, 21) == pytest.approx(((1 + 1 / 25) / 2, 0.9))
    assert one_cycle(cycle, 6, 21) == pytest.approx((1, 0.85))
    assert one_cycle(cycle, 13, 21) == pytest.approx(((1 + 1e-5) / 2, 0.9))
    assert one_cycle(cycle, 20, 21) == pytest.approx((1e-5, 0.95))


def test_a_cycle_of_few_batches_is_finite():
    """torch's own divides by 0 where the rise is one batch."""
    assert one_cycle(OneCycle(0.5, 25.0), 0, 2) == pytest.approx((1, 0.85))
    assert one_cycle(OneCycle(0.5, 25.0), 1, 2) == pytest.approx((1e-5, 0.95))
    assert one_cycle(OneCycle(0.99, 25.0), 0, 1) == pytest.approx((1e-5, 0.95))


FINE_TUNE = {
    "epochs": 3,
    "layer_groups": [["conv1", "bn1", "layer1", "layer2"], ["layer3", "layer4"], ["fc"]],
    "phases": [
        {"epochs": 1, "frozen": True, "learning_rates": [1e-4, 1e-4, 1e-3], "one_cycle": {"rise": 0.99, "start": 25.0}},
        {"epochs": 2, "learning_rates": [5e-6, 5e-5, 5e-4], "one_cycle": {"rise": 0.3, "start": 5.0}},
    ],
}


def test_each_phase_has_its_own_cycle_at_the_rates_of_its_groups():
    """Of 30 batches an epoch the second phase rises over 0.3 * 60 = 18: its 18th batch has the peak."""
    options = training(**FINE_TUNE)
    assert learning_rates(options, 1, 0, 30) == (pytest.approx([4e-6, 4e-6, 4e-5]), pytest.approx(0.95))
    assert learning_rates(options, 1, 29, 30) == (pytest.approx([1e-9, 1e-9, 1e-8]), pytest.approx(0.95))
    assert learning_rates(options, 2, 0, 30) == (pytest.approx([1e-6, 1e-5, 1e-4]), pytest.approx(0.95))
    assert learning_rates(options, 2, 17, 30) == (pytest.approx([5e-6, 5e-5, 5e-4]), pytest.approx(0.85))
    assert learning_rates(options, 3, 29, 30) == (pytest.approx([5e-11, 5e-10, 5e-9]), pytest.approx(0.95))


def test_layer_groups_hold_each_parameter_of_resnet34_once():
    """ResNet-34's convolutions and batch normalisations by hand, then the last layer."""
    from torchvision.models import resnet34

    def block(n_in, n_out):
        """Two 3x3 convolutions, and where the width changes a 1x1 one, each with its batch normalisation."""
        shortcut = n_in * n_out + 2 * n_out if n_in != n_out else 0
        return 9 * n_in * n_out + 9 * n_out**2 + 4 * n_out + shortcut

    network = resnet34(num_classes=8)
    groups = make_optimiser(training(**FINE_TUNE), network).param_groups
    first = 3 * 49 * 64 + 128 + 3 * block(64, 64) + block(64, 128) + 3 * block(128, 128)
    second = block(128, 256) + 5 * block(256, 256) + block(256, 512) + 2 * block(512, 512)
    assert [sum(p.numel() for p in group["params"]) for group in groups] == [first, second, 512 * 8 + 8]
    assert sum(p.numel() for p in network.parameters()) == first + second + 512 * 8 + 8


@pytest.mark.parametrize("groups", [[["0"]], [["0", "2", "1"]], [["0"], ["0", "2"]], [["conv", "0", "2"]]], ids=str)
def test_layer_groups_are_the_parts_that_have_parameters_each_once(groups):
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    assert len(make_optimiser(training(layer_groups=[["0"], ["2"]]), network).param_groups) == 2
    with pytest.raises(ConfigError, match=r"layer_groups.* 0, 2"):
        make_optimiser(training(layer_groups=groups), network)


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


def test_adam_is_that_of_the_paper_without_decay_of_weights():
    """Kingma and Ba: the first step is the rate times the sign of the gradient, however small beside the weight."""
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[50.0, -50.0]]))
    optimiser = make_optimiser(training(optimiser="adam", learning_rate=0.1), layer)
    layer(torch.tensor([1e-3, 1e-3])).sum().backward()
    optimiser.step()
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[49.9, -50.1]]), rtol=0, atol=1e-4)


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
