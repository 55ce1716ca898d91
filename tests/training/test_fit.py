import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from serflow import models
from serflow.errors import ConfigError, TrainingError
from serflow.training import checkpoint
from serflow.training import fit as fitting
from serflow.training.device import make_deterministic
from serflow.training.fit import fit

COLUMNS = [
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "seconds",
]


def numbers(result):
    """All that a run gives, but the seconds it took."""
    history = [{key: value for key, value in row.items() if key != "seconds"} for row in result.history]
    weights = {key: value.numpy().tobytes() for key, value in result.model.state_dict().items()}
    return history, weights, result.posteriors.tobytes()


@pytest.fixture
def run(system, data, setup, build):
    def start(seed=0, **changes):
        return fit(system, changes.pop("data", data), 2, seed, dataclasses.replace(setup, **changes), build)

    make_deterministic(1)
    return start


def test_the_same_seed_gives_the_same_numbers_and_another_others(run):
    first = numbers(run(seed=3))
    torch.rand(100)  # whatever was drawn before
    np.random.default_rng()
    assert numbers(run(seed=3)) == first
    for ours, theirs in zip(first, numbers(run(seed=4)), strict=True):
        assert ours != theirs


def test_a_separable_problem_is_learnt(run, system, data):
    system["training"]["epochs"] = 25
    result = run()
    predicted = result.posteriors.argmax(axis=1)
    assert (predicted[data.parts["test"]] == data.labels[data.parts["test"]]).all()
    assert result.history[-1]["train_loss"] < 0.2 * result.history[0]["train_loss"]
    assert result.history[-1]["validation_accuracy"] == 1


def test_history_and_posteriors(run, system, data, build):
    result = run()
    assert [list(row) for row in result.history] == [COLUMNS] * 6
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4, 5, 6]
    assert {row["learning_rate"] for row in result.history} == {0.003}
    assert all(0 <= row[key] <= 1 for row in result.history for key in ("train_accuracy", "validation_accuracy"))
    assert (result.posteriors.shape, result.posteriors.dtype) == ((40, 2), np.float64)
    np.testing.assert_allclose(result.posteriors.sum(axis=1), 1, rtol=1e-12)
    assert result.n_parameters == (3 * 9 + 1) * 4 + 2 * 4 + 145 * 2  # convolution, batch norm, linear


def test_the_last_row_is_of_the_network_that_is_returned(run, data):
    """Validation loss and accuracy worked out from the posteriors."""
    result = run()
    part = data.parts["validation"]
    of_label = result.posteriors[part, data.labels[part]]
    assert result.history[-1]["validation_loss"] == pytest.approx(-np.log(of_label).mean(), rel=1e-4, abs=1e-6)
    assert result.history[-1]["validation_accuracy"] == pytest.approx((of_label > 0.5).mean())


def test_nothing_is_learnt_from_validation_and_test(run, data):
    """Other frames and labels there leave weights and training history as they were."""
    frames, labels = data.frames.copy(), data.labels.copy()
    for n in np.concatenate([data.parts["validation"], data.parts["test"]]):
        frames[data.offsets[n] : data.offsets[n + 1]] = -33
        labels[n] = 1 - labels[n]
    history, weights, _ = numbers(run())
    other_history, other_weights, _ = numbers(run(data=dataclasses.replace(data, frames=frames, labels=labels)))
    assert other_weights == weights
    for key in ("train_loss", "train_accuracy"):
        assert [row[key] for row in other_history] == [row[key] for row in history]
    assert other_history[-1]["validation_loss"] != history[-1]["validation_loss"]


def test_every_training_utterance_is_seen_once_an_epoch(run, data, monkeypatch):
    seen = []
    original = fitting._Loop.pick

    def watched(self, index):
        if self.network.training:
            seen.append(index.tolist())
        return original(self, index)

    monkeypatch.setattr(fitting._Loop, "pick", watched)
    run()
    assert [len(batch) for batch in seen[:5]] == [5, 5, 5, 5, 4]
    epochs = [list(itertools.chain(*seen[k : k + 5])) for k in range(0, len(seen), 5)]
    assert all(sorted(epoch) == sorted(data.parts["train"]) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6  # in another order each time


def test_an_empty_validation_part_is_watched_as_nan(run, data):
    parts = {**data.parts, "validation": np.array([], dtype=np.int64)}
    result = run(data=dataclasses.replace(data, parts=parts))
    assert math.isnan(result.history[-1]["validation_loss"])
    assert math.isfinite(result.history[-1]["train_loss"])


def test_bf16_trains_too(run):
    result = run(precision="bf16")
    np.testing.assert_allclose(result.posteriors.sum(axis=1), 1, rtol=1e-12)
    assert numbers(result)[0] != numbers(run(precision="fp32"))[0]
    assert {value.dtype for value in result.model.parameters()} == {torch.float32}


def test_a_loss_that_is_not_finite_stops_the_run(system, data, setup, build, monkeypatch):
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", -1.0)

    def broken(input_shape):
        network = build(input_shape)
        with torch.no_grad():
            network[-1].bias.fill_(math.nan)
        return network

    with pytest.raises(TrainingError, match="nan in epoch 1") as caught:
        fit(system, data, 2, 0, setup, broken)
    assert "learning_rate" in caught.value.remedy
    assert not setup.checkpoint.exists()


def test_memory_that_runs_out_names_the_batch_size(system, data, setup):
    class Greedy(nn.Module):
        def __init__(self, input_shape):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, batch):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(TrainingError, match="batches of 5") as caught:
        fit(system, data, 2, 0, setup, Greedy)
    assert caught.value.where == "training.batch_size"


def test_an_unknown_optimiser_is_named(system, data, setup, build):
    system["training"]["optimiser"] = "adamm"
    with pytest.raises(ConfigError, match=r"'adamm'.*Allowed: adam"):
        fit(system, data, 2, 0, setup, build)


# Schedules and augmentation


@pytest.fixture
def everything(system):
    """A system with all options at once."""
    system["training"] |= {
        "epochs": 6,
        "optimiser": "rmsprop",
        "decay": 0.01,
        "step_decay": {"factor": 0.5, "every": 2},
        "freeze_epochs": 2,
        "stages": [{"epochs": 3, "height": 6, "width": 6}, {"epochs": 3, "height": 8, "width": 8}],
        "augment": [
            {"kind": "flip"},
            {"kind": "zoom", "low": 0.8, "high": 1.2, "per_axis": True},
            {"kind": "shear", "degrees": 5.0},
            {"kind": "rotate", "degrees": 10.0, "probability": 0.75},
            {"kind": "brightness", "low": 0.8, "high": 1.2},
            {"kind": "mixup", "alpha": 0.4},
        ],
    }
    return system


@pytest.fixture
def build_pooled():
    """As `build`, for pictures of any size."""

    def make(input_shape):
        layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(4, 2))

    return make


def test_with_all_options_a_killed_run_ends_as_an_undisturbed_one(
    everything, data, setup, build_pooled, kill_after, tmp_path
):
    def run(checkpoint):
        return numbers(fit(everything, data, 2, 1, dataclasses.replace(setup, checkpoint=checkpoint), build_pooled))

    make_deterministic(1)
    kill_after(0)
    undisturbed = run(tmp_path / "other.pt")
    for epochs in (1, 1, 2):  # killed after epoch 1 (frozen), 2 (frozen, then thawed) and 4 (of the second stage)
        kill_after(epochs)
        with pytest.raises(Killed):
            run(setup.checkpoint)
    kill_after(0)
    assert run(setup.checkpoint) == undisturbed


def test_only_the_training_part_is_augmented(everything, data, setup, build_pooled, monkeypatch):
    """A training batch is changed after it is picked; what validation, test and the final posteriors see is not."""
    picked, forwarded = [], []
    originals = fitting._Loop.pick, fitting._Loop.forward

    def pick(self, index):
        items = originals[0](self, index)
        picked.append((self.network.training, index.tolist(), items.clone()))
        return items

    def forward(self, items):
        forwarded.append(items.clone())
        return originals[1](self, items)

    monkeypatch.setattr(fitting._Loop, "pick", pick)
    monkeypatch.setattr(fitting._Loop, "forward", forward)
    fit(everything, data, 2, 0, setup, build_pooled)
    assert len(picked) == len(forwarded)
    for (training, index, before), after in zip(picked, forwarded, strict=True):
        assert torch.equal(before, after) is not training
        assert not training or set(index) <= set(data.parts["train"].tolist())


def test_a_schedule_shows_in_sizes_and_learning_rates(everything, data, setup, build_pooled, monkeypatch):
    sizes = []
    original = fitting._Loop.forward

    def forward(self, items):
        sizes.append((self.network.training, items.shape[-1]))
        return original(self, items)

    monkeypatch.setattr(fitting._Loop, "forward", forward)
    result = fit(everything, data, 2, 0, setup, build_pooled)
    assert [size for training, size in sizes if training] == [6] * 15 + [8] * 15  # 24 items in batches of 5
    assert [size for training, size in sizes if not training] == [6] * 3 + [8] * 4  # and once more at the end
    rates = [0.003 * 0.5 ** ((epoch - 1) // 2) / (1 + 0.01 * (5 * epoch - 1)) for epoch in range(1, 7)]
    assert [row["learning_rate"] for row in result.history] == pytest.approx(rates)


def test_frozen_epochs_train_the_head_and_batch_normalisation_alone(system, data, setup, build_pooled):
    def trained(epochs):
        system["training"] |= {"epochs": epochs, "freeze_epochs": 2}
        torch.manual_seed(0)
        return fit(system, data, 2, 5, setup, build_pooled).model.state_dict()

    one, two, three = (trained(epochs) for epochs in (1, 2, 3))
    assert torch.equal(one["0.weight"], two["0.weight"])
    assert not torch.equal(two["0.weight"], three["0.weight"])
    assert not torch.equal(one["6.weight"], two["6.weight"])
    assert not torch.equal(one["1.weight"], two["1.weight"])


def test_a_sequence_system_trains(data, setup):
    system = {
        "input": {"kind": "sequence", "frames": 16, "standardise": True},
        "training": {"epochs": 8, "batch_size": 5, "optimiser": "adam", "learning_rate": 0.01},
        "model": {"module": "bilstm", "hidden_size": 4, "dropout": 0.1},
    }
    result = fit(system, data, 2, 0, setup, lambda shape: models.build(system["model"], 2, shape))
    assert (result.predicted == data.labels)[data.parts["test"]].all()
    assert result.inputs.shape == (16, 12)


# Resuming


class Killed(BaseException):
    """What stands in for kill -9: nothing catches it."""


@pytest.fixture
def kill_after(monkeypatch):
    """Return a function: the run dies right after the n-th checkpoint, which is written after every epoch."""
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", -1.0)
    original = checkpoint.save

    def arm(n):
        saved = []

        def save(path, key, state):
            original(path, key, state)
            saved.append(state["epoch"])
            if len(saved) == n:
                raise Killed

        monkeypatch.setattr(checkpoint, "save", save)

    yield arm


@pytest.mark.parametrize("epochs", [1, 3, 5])
def test_a_killed_run_ends_with_the_numbers_of_an_undisturbed_one(run, kill_after, setup, capsys, tmp_path, epochs):
    undisturbed = numbers(run(seed=1, checkpoint=tmp_path / "other.pt"))
    kill_after(epochs)
    with pytest.raises(Killed):
        run(seed=1)
    assert setup.checkpoint.exists()
    assert list(setup.checkpoint.parent.iterdir()) == [setup.checkpoint]
    kill_after(0)
    capsys.readouterr()
    resumed = run(seed=1)
    said = capsys.readouterr().err
    assert f"resuming after epoch {epochs}" in said
    assert f"epoch {epochs}/6" not in said
    assert f"epoch {epochs + 1}/6" in said
    assert numbers(resumed) == undisturbed


def test_a_run_killed_twice_resumes_twice(run, kill_after, tmp_path):
    undisturbed = numbers(run(checkpoint=tmp_path / "other.pt"))
    for _ in range(2):
        kill_after(2)
        with pytest.raises(Killed):
            run()
    kill_after(0)
    assert numbers(run()) == undisturbed


def test_a_checkpoint_of_other_settings_is_not_used(run, kill_after, capsys, tmp_path):
    kill_after(3)
    with pytest.raises(Killed):
        run(seed=1, key="key of another run")
    kill_after(0)
    result = run(seed=0)
    assert "starting from epoch 1" in (said := capsys.readouterr().err)
    assert "of other settings" in said
    assert numbers(result) == numbers(run(seed=0, checkpoint=tmp_path / "other.pt"))


def test_a_damaged_checkpoint_is_not_used(run, kill_after, setup, capsys, tmp_path):
    kill_after(3)
    with pytest.raises(Killed):
        run()
    kill_after(0)
    setup.checkpoint.write_bytes(setup.checkpoint.read_bytes()[:-500])
    capsys.readouterr()
    result = run()
    assert "cannot be read" in capsys.readouterr().err
    assert numbers(result) == numbers(run(checkpoint=tmp_path / "other.pt"))


def test_checkpoints_are_written_now_and_then_not_each_epoch(run, setup):
    run()  # a second at most, so none is due
    assert not setup.checkpoint.exists()
