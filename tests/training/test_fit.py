import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.nn import functional as F

from serflow import models
from serflow.errors import ConfigError, TrainingError
from serflow.runs import HISTORY
from serflow.training import checkpoint
from serflow.training import fit as fitting
from serflow.training.dataset import prepare
from serflow.training.device import make_deterministic
from serflow.training.options import Training


def fit(system, data, seed, setup, build):
    """Train a system as its paper file has it, of two classes."""
    training = Training.from_plain(system["training"])
    return fitting.fit(training, prepare(system["input"], data), data, 2, seed, setup, build)


def numbers(result):
    """All that a run gives, but the seconds it took."""
    history = [{key: value for key, value in row.items() if key != "seconds"} for row in result.history]
    weights = {key: value.numpy().tobytes() for key, value in result.model.state_dict().items()}
    return history, weights, result.posteriors.tobytes()


@pytest.fixture
def run(system, data, setup, build):
    def start(seed=0, **changes):
        return fit(system, changes.pop("data", data), seed, dataclasses.replace(setup, **changes), build)

    make_deterministic(1)
    return start


@pytest.fixture
def watch(monkeypatch):
    """Return a function: the calls of a method of the loop, each (whether in training, first argument, result)."""

    def start(method):
        calls, original = [], getattr(fitting._Loop, method)

        def watched(self, *arguments):
            result = original(self, *arguments)
            calls.append((self.network.training, arguments[0], result))
            return result

        monkeypatch.setattr(fitting._Loop, method, watched)
        return calls

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
    assert [list(row) for row in result.history] == [list(HISTORY)] * 6
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


def test_validation_ua_is_scikit_learns_balanced_accuracy(run, system, data):
    system["training"]["epochs"] = 1  # before all is recognised
    labels = data.labels.copy()
    part = data.parts["validation"]
    labels[part] = [0, 0, 0, 0, 0, 0, 1, 1]
    result = run(data=dataclasses.replace(data, labels=labels))
    theirs = balanced_accuracy_score(labels[part], result.predicted[part])
    assert result.history[0]["validation_UA"] == pytest.approx(theirs)
    assert theirs != pytest.approx(result.history[0]["validation_accuracy"])
    labels[part] = 1  # a class that is absent has no recall
    result = run(data=dataclasses.replace(data, labels=labels))
    assert result.history[0]["validation_UA"] == result.history[0]["validation_accuracy"]


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


def test_every_training_utterance_is_seen_once_an_epoch(run, data, watch):
    picked = watch("pick")
    run()
    seen = [index.tolist() for training, index, _ in picked if training]
    assert [len(batch) for batch in seen[:5]] == [5, 5, 5, 5, 4]
    epochs = [list(itertools.chain(*seen[k : k + 5])) for k in range(0, len(seen), 5)]
    assert all(sorted(epoch) == sorted(data.parts["train"]) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6  # in another order each time


def test_each_seed_has_an_order_of_its_own(run, watch):
    picked, orders = watch("pick"), []
    for seed in (3, 4):
        run(seed=seed)
        orders.append([index.tolist() for training, index, _ in picked if training])
        picked.clear()
    assert orders[0] != orders[1]


def test_training_loss_and_accuracy_are_means_over_items(system, data, setup, watch):
    """The last of the batches of 5, 5, 5, 5 and 4 weighs less."""
    system["training"]["epochs"] = 1
    steps, forwarded = watch("step"), watch("forward")
    result = fit(system, data, 0, setup, lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    logits = torch.cat([found for training, _, found in forwarded if training]).detach()
    labels = torch.from_numpy(data.labels[np.concatenate([batch for _, batch, _ in steps])])
    assert result.history[0]["train_loss"] == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)
    assert result.history[0]["train_accuracy"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))


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


def test_a_training_tells_how_far_it_is(run, system, monkeypatch, capsys):
    monkeypatch.setattr(fitting, "HEARTBEAT_SECONDS", 0.0)
    run(name="paper/corpus/net")
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("paper/corpus/net: epoch ")]
    epochs = system["training"]["epochs"]
    assert {line.split(" of ")[0].split()[-1] for line in told} == {str(n + 1) for n in range(epochs)}
    assert told[-1].startswith(f"paper/corpus/net: epoch {epochs} of {epochs}, validation accuracy ")
    assert told[-1].endswith("about 0 min left")


@pytest.fixture
def break_step(monkeypatch):
    """Return a function: the n-th step of the training leaves NaN in the weights, behind its own finite loss."""
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", -1.0)
    original, taken = fitting._Loop.step, []

    def arm(n):
        def step(self, batch):
            result = original(self, batch)
            taken.append(batch)
            if len(taken) == n:
                with torch.no_grad():
                    self.network[-1].bias.fill_(math.nan)
            return result

        monkeypatch.setattr(fitting._Loop, "step", step)

    return arm


@pytest.mark.parametrize(("step", "epoch", "batch"), [(1, 1, 2), (14, 3, 5)])
def test_a_loss_that_is_not_finite_is_named_with_epoch_and_batch(run, break_step, setup, step, epoch, batch):
    """Five batches an epoch: the one after the broken step has no finite loss. The last checkpoint stays."""
    break_step(step)
    with pytest.raises(TrainingError, match=f"loss: is nan in epoch {epoch}, from batch {batch} of 5 on") as caught:
        run()
    assert "learning_rate" in caught.value.remedy
    state, _ = checkpoint.load(setup.checkpoint, setup.key)
    assert state["epoch"] == epoch - 1 if epoch > 1 else state is None


def test_weights_that_the_last_batch_leaves_not_finite_are_noticed_before_they_are_kept(run, break_step, setup):
    break_step(10)
    with pytest.raises(TrainingError, match="weights: are not finite after the last batch of epoch 2"):
        run()
    state, _ = checkpoint.load(setup.checkpoint, setup.key)
    assert state["epoch"] == 1
    assert all(value.isfinite().all() for value in state["network"].values())


def test_memory_that_runs_out_names_the_batch_size(system, data, setup):
    class Greedy(nn.Module):
        def __init__(self, input_shape):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, batch):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(TrainingError, match="batches of 5") as caught:
        fit(system, data, 0, setup, Greedy)
    assert caught.value.where == "training.batch_size"


# Schedules and augmentation


@pytest.fixture
def everything(system):
    """A system with all options at once."""
    system["training"] |= {
        "epochs": 6,
        "optimiser": "rmsprop",
        "decay": 0.01,
        "step_decay": {"factor": 0.5, "every": 2},
        "class_weights": "inverse",
        "oversample": True,
        "phases": [
            {"epochs": 2, "height": 6, "width": 6, "frozen": True},
            {"epochs": 1, "height": 6, "width": 6},
            {"epochs": 3},
        ],
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
    labels = data.labels.copy()
    labels[data.parts["train"]] = np.arange(24) < 7  # 17 and 7, so that weights and oversampling do something
    uneven = dataclasses.replace(data, labels=labels)

    def run(checkpoint):
        return numbers(fit(everything, uneven, 1, dataclasses.replace(setup, checkpoint=checkpoint), build_pooled))

    make_deterministic(1)
    kill_after(0)
    undisturbed = run(tmp_path / "other.pt")
    for epochs in (1, 1, 2):  # killed after epoch 1 (frozen), 2 (frozen, then thawed) and 4 (of the larger size)
        kill_after(epochs)
        with pytest.raises(Killed):
            run(setup.checkpoint)
    kill_after(0)
    assert run(setup.checkpoint) == undisturbed


@pytest.fixture
def fine_tuned(system):
    """Two cycles of which the second thaws all, with rates by layer group."""
    cycle = {"rise": 0.3, "start": 5.0}
    system["training"] |= {
        "layer_groups": [["0", "1"], ["6"]],
        "phases": [
            {"epochs": 2, "frozen": True, "one_cycle": cycle | {"rise": 0.99}},
            {"epochs": 4, "learning_rates": [1e-4, 1e-2], "one_cycle": cycle},
        ],
    }
    return system


@pytest.mark.parametrize("epochs", [1, 2, 4])  # within the first cycle, between the two, within the second
def test_a_run_killed_in_a_cycle_ends_as_an_undisturbed_one(
    fine_tuned, data, setup, build_pooled, kill_after, tmp_path, epochs
):
    def run(checkpoint):
        return numbers(fit(fine_tuned, data, 1, dataclasses.replace(setup, checkpoint=checkpoint), build_pooled))

    make_deterministic(1)
    undisturbed = run(tmp_path / "other.pt")
    kill_after(epochs)
    with pytest.raises(Killed):
        run(setup.checkpoint)
    kill_after(0)
    assert run(setup.checkpoint) == undisturbed


def test_a_cycle_is_that_of_torchs_scheduler_on_two_groups(fine_tuned, data, setup, build_pooled, monkeypatch):
    """The rates and β1 of each batch of the second phase: 4 epochs of 5 batches."""
    seen = []
    original = fitting._Loop.step

    def step(self, batch):
        seen.append([(group["lr"], *group["betas"]) for group in self.optimiser.param_groups])
        return original(self, batch)

    monkeypatch.setattr(fitting._Loop, "step", step)
    result = fit(fine_tuned, data, 0, setup, build_pooled)
    optimiser = torch.optim.Adam([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)]}], lr=9.0)
    options = {"total_steps": 20, "pct_start": 0.3, "div_factor": 5.0, "final_div_factor": 1e5 / 5}
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimiser, [1e-4, 1e-2], **options)
    for n, found in enumerate(seen[10:]):
        expected = [(group["lr"], *group["betas"]) for group in optimiser.param_groups]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        optimiser.step()
        if n < 19:
            scheduler.step()
    assert len(seen) == 30
    assert result.history[-1]["learning_rate"] == pytest.approx(1e-7)  # the head's at the end


def test_only_the_training_part_is_augmented(everything, data, setup, build_pooled, watch):
    """A training batch is changed after it is picked; what validation, test and the final posteriors see is not."""
    picked, forwarded = watch("pick"), watch("forward")
    fit(everything, data, 0, setup, build_pooled)
    for (training, index, before), (_, after, _) in zip(picked, forwarded, strict=True):
        assert torch.equal(before, after) is not training
        assert not training or set(index.tolist()) <= set(data.parts["train"].tolist())


def test_a_schedule_shows_in_sizes_and_learning_rates(everything, data, setup, build_pooled, watch):
    forwarded = watch("forward")
    result = fit(everything, data, 0, setup, build_pooled)
    sizes = [(training, items.shape[-1]) for training, items, _ in forwarded]
    assert [size for training, size in sizes if training] == [6] * 15 + [8] * 15  # 24 items in batches of 5
    assert [size for training, size in sizes if not training] == [6] * 3 + [8] * 4  # and once more at the end
    rates = [0.003 * 0.5 ** ((epoch - 1) // 2) / (1 + 0.01 * (5 * epoch - 1)) for epoch in range(1, 7)]
    assert [row["learning_rate"] for row in result.history] == pytest.approx(rates)


def test_frozen_epochs_train_the_head_and_batch_normalisation_alone(system, data, setup, build_pooled):
    def trained(epochs):
        phases = [{"epochs": min(epochs, 2), "frozen": True}, *[{"epochs": 1}] * (epochs - 2)]
        system["training"] |= {"epochs": epochs, "phases": phases}
        torch.manual_seed(0)
        return fit(system, data, 5, setup, build_pooled).model.state_dict()

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
    result = fit(system, data, 0, setup, lambda shape: models.build(system["model"], 2, shape))
    assert (result.predicted == data.labels)[data.parts["test"]].all()


# Classes of different size


def test_class_weights_weigh_each_items_loss(system, data, setup, watch):
    """The mean over a batch's items of N / (2 n_c) times loss; torch's own mean would divide by the weights instead."""
    system["training"] |= {"epochs": 1, "batch_size": 3, "class_weights": "inverse"}
    labels = data.labels.copy()
    labels[data.parts["train"]] = np.arange(24) < 6  # 18 of class 0, 6 of class 1
    data = dataclasses.replace(data, labels=labels)
    steps, forwarded = watch("step"), watch("forward")
    fit(system, data, 0, setup, lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    weight = np.array([24 / (2 * 18), 24 / (2 * 6)])
    logits_of = [logits for training, _, logits in forwarded if training]
    for (_, batch, (loss, _)), logits in zip(steps, logits_of, strict=True):
        log_p = F.log_softmax(logits.detach(), 1).numpy()
        expected = np.mean([-weight[labels[n]] * log_p[k, labels[n]] for k, n in enumerate(batch)])
        assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert len({int(labels[batch].sum()) for _, batch, _ in steps}) > 1  # where the two means differ


def test_oversampled_classes_come_equally_often(run, system, data, watch):
    system["training"]["oversample"] = True
    labels = data.labels.copy()
    labels[data.parts["train"]] = np.arange(24) < 5  # 19 and 5
    steps = watch("step")
    run(data=dataclasses.replace(data, labels=labels))
    for epoch in np.concatenate([batch for _, batch, _ in steps]).reshape(6, 2 * 19):
        assert labels[epoch].sum() == 19
        assert set(epoch) == set(data.parts["train"])


# Early stopping


@pytest.fixture
def stopping(system, monkeypatch):
    """A run whose validation accuracy is dictated: the third epoch is the best, and the last of equal ones is not."""
    system["training"] |= {"epochs": 12, "early_stopping": {"metric": "WA", "patience": 3}}
    dictated = [0.25, 0.5, 0.75, 0.5, 0.75, 0.625, 1.0]
    original = fitting._Loop.epoch

    def epoch(self, number, seed):
        return original(self, number, seed) | {"validation_accuracy": dictated[number - 1]}

    monkeypatch.setattr(fitting._Loop, "epoch", epoch)
    return system


def test_the_weights_of_the_best_epoch_are_returned(run, stopping, data):
    """They are those of a run that ends there, since an epoch depends on seed and number alone."""
    result = run()
    assert (result.best_epoch, len(result.history)) == (3, 6)
    del stopping["training"]["early_stopping"]
    stopping["training"]["epochs"] = 3
    shorter = run()
    assert shorter.best_epoch is None
    assert numbers(result)[1:] == numbers(shorter)[1:]  # weights and posteriors


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_killed_run_knows_its_best_epoch(run, stopping, kill_after, tmp_path, epochs):
    undisturbed = run(checkpoint=tmp_path / "other.pt")
    kill_after(epochs)
    with pytest.raises(Killed):
        run()
    kill_after(0)
    resumed = run()
    assert resumed.best_epoch == undisturbed.best_epoch == 3
    assert numbers(resumed) == numbers(undisturbed)


def test_early_stopping_needs_a_validation_part(run, system, data):
    system["training"]["early_stopping"] = {"metric": "WA", "patience": 2}
    parts = {**data.parts, "validation": np.array([], dtype=np.int64)}
    with pytest.raises(ConfigError, match=r"training\.early_stopping"):
        run(data=dataclasses.replace(data, parts=parts))


# Patches of segments, a part that is only given posteriors


@pytest.mark.parametrize("lstm", [{"size": 4, "layers": 1, "attention": True}, None], ids=["attention", "none"])
def test_satts_networks_train_on_half_precision_frames(data, setup, lstm):
    satt = {
        "input": {"kind": "patch", "frames": 20},
        "training": {"epochs": 12, "batch_size": 5, "optimiser": "adam", "learning_rate": 0.01},
        "model": {"module": "satt", "convolutions": [[4, 4, 6], [4, 3, 3]], "lstm": lstm, "dense": 8, "dropout": 0.2},
    }
    half = dataclasses.replace(data, frames=((data.frames + 80) / 20).astype(np.float16))
    result = fit(satt, half, 0, setup, lambda shape: models.build(satt["model"], 2, shape))
    assert (result.predicted == data.labels)[data.parts["test"]].all()


def test_the_part_other_is_given_posteriors_and_nothing_else(run, data):
    """Its items have no label; that they are there changes neither weights nor history."""
    others = data.parts["test"][:3]
    kept = {**data.parts, "test": data.parts["test"][3:]}
    labels = data.labels.copy()
    labels[others] = -1
    with_others = run(data=dataclasses.replace(data, labels=labels, parts={**kept, "other": others}))
    without = run(data=dataclasses.replace(data, parts=kept))
    assert numbers(with_others) == numbers(without)
    np.testing.assert_allclose(with_others.posteriors[others].sum(axis=1), 1)


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


@pytest.mark.parametrize("epochs", [1, 5])
def test_a_killed_run_ends_with_the_numbers_of_an_undisturbed_one(run, kill_after, setup, capsys, tmp_path, epochs):
    undisturbed = numbers(run(seed=1, checkpoint=tmp_path / "other.pt"))
    kill_after(epochs)
    with pytest.raises(Killed):
        run(seed=1)
    assert setup.checkpoint.exists()
    assert len(list(setup.checkpoint.parent.iterdir())) == min(epochs, 2)  # the last and the one before, nothing half
    kill_after(0)
    capsys.readouterr()
    resumed = run(seed=1)
    said = capsys.readouterr().err
    assert f"resuming after epoch {epochs}" in said
    assert f"epoch {epochs}/6" not in said
    assert f"epoch {epochs + 1}/6" in said
    assert numbers(resumed) == undisturbed


def test_checkpoints_are_written_now_and_then_not_each_epoch(run, setup):
    run()  # a second at most, so none is due
    assert not setup.checkpoint.exists()
