"""The training loop: from a run's items and options to weights, history and posteriors. Needs torch alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from serflow.errors import ConfigError, TrainingError
from serflow.io.log import say, show_progress
from serflow.runs import HISTORY
from serflow.training import checkpoint
from serflow.training.augment import make_augment
from serflow.training.batches import draw_order, inverse_weights, make_picker, split_batches
from serflow.training.dataset import Dataset, Inputs
from serflow.training.device import autocast, out_of_memory_as_error, seed_all
from serflow.training.options import Training
from serflow.training.result import Fit
from serflow.training.schedule import best_epoch, find_phase, freeze, is_finished, learning_rates, make_optimiser

#: A checkpoint is written after an epoch if this long has passed since the last one.
CHECKPOINT_SECONDS = 30.0
#: How often a training says how far it is.
HEARTBEAT_SECONDS = 45.0
EVALUATION_BATCH = 64
LOWER = "Lower batch_size of this system."
NOT_FINITE = "Lower learning_rate, or set `precision: fp32`."


@dataclass(frozen=True)
class Setup:
    """Where and how to compute: device, precision (fp32 or bf16), checkpoint file, key of the run and its name."""

    device: torch.device
    precision: str
    checkpoint: Path
    key: str
    name: str = ""


def fit(
    training: Training,
    inputs: Inputs,
    data: Dataset,
    n_classes: int,
    seed: int,
    setup: Setup,
    build: Callable[[Sequence[int]], nn.Module],
) -> Fit:
    """Train a network and evaluate it on every item; the test part is touched once, at the end.

    Without ``early_stopping`` nothing is selected: the last epoch's weights are taken and the validation part is only
    watched. With it the validation part chooses the epoch.

    Parameters
    ----------
    training
        Options that fit together.
    inputs
        The items in the form that the network takes.
    data
        Items with labels and the parts train, validation and test.
    n_classes
        Number of classes.
    seed
        Of weights, order of batches, augmentation and dropout. Each epoch's draws depend on seed and epoch alone, so a
        resumed run goes on as the undisturbed one would have.
    setup
        Device, precision, checkpoint.
    build
        From the shape of an item to the network with its initial weights.

    Raises
    ------
    ConfigError
        If there is no validation part to choose the epoch by.
    TrainingError
        If the loss or the weights are not finite, or the device runs out of memory.
    """
    if training.early_stopping and not len(data.parts["validation"]):
        fault = "has no validation part to choose the epoch by"
        raise ConfigError("training.early_stopping", fault, "Remove it, or take another protocol.")
    seed_all(seed)
    network = build(inputs.shape).to(device=setup.device).to(memory_format=torch.channels_last)
    loop = _Loop(training, network, inputs, data, n_classes, setup)
    resumed_after = loop.resume()
    saved = time.monotonic()
    while not is_finished(training, loop.history):
        loop.history.append(loop.epoch(len(loop.history) + 1, seed))
        loop.keep_best()
        if time.monotonic() - saved > CHECKPOINT_SECONDS and not is_finished(training, loop.history):
            loop.save()
            saved = time.monotonic()
    chosen = best_epoch(training, loop.history)
    if chosen and training.early_stopping:
        say(f"epoch {chosen} is taken, the best on the validation part by {training.early_stopping.metric}")
        network.load_state_dict(loop.best)
    posteriors = loop.logits(np.arange(len(data.labels))).double().softmax(1).cpu().numpy()
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    return Fit(network, loop.history, posteriors, posteriors.argmax(1), n_parameters, chosen, resumed_after)


class _Loop:
    """One network with its data on the device: an epoch of training, evaluation, and what a checkpoint holds."""

    def __init__(
        self, training: Training, network: nn.Module, inputs: Inputs, data: Dataset, n_classes: int, setup: Setup
    ) -> None:
        self.training, self.network, self.data, self.setup = training, network, data, setup
        self.optimiser = make_optimiser(training, network)
        self.augment = make_augment(training.augment, n_classes)
        self.items, self.finish = make_picker(inputs, setup.device), inputs.finish
        self.labels = torch.from_numpy(data.labels).to(setup.device)
        self.weights: torch.Tensor | None = None
        if training.class_weights:
            self.weights = inverse_weights(data.labels[data.parts["train"]], n_classes).to(setup.device)
        self.phase, _ = find_phase(training, training.epochs)
        self.started = self.told = time.monotonic()
        self.done = 0.0  # epochs since then
        self.history: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] = {}

    def resume(self) -> int:
        """Take up what the run's checkpoint holds; return its number of epochs."""
        state, sentence = checkpoint.load(self.setup.checkpoint, self.setup.key)
        say(sentence)
        if state:
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.history, self.best = state["history"], state["best"]
        return len(self.history)

    def save(self) -> None:
        """Write a checkpoint; where that cannot be, say so and go on."""
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "epoch": len(self.history),
            "history": self.history,
        }
        try:
            checkpoint.save(self.setup.checkpoint, self.setup.key, state)
        except OSError as error:
            # Stopping would lose these epochs too; going on may save them: results need less room.
            fault = f"no checkpoint of epoch {len(self.history)}: {self.setup.checkpoint}: {error.strerror or error}"
            say(f"{fault}. Make room there; training goes on, and the checkpoint before stays.", aloud=True)

    def keep_best(self) -> None:
        """Copy the weights if the last epoch is the best one so far."""
        if best_epoch(self.training, self.history) == len(self.history):
            self.best = {key: value.clone() for key, value in self.network.state_dict().items()}

    def pick(self, index: torch.Tensor) -> torch.Tensor:
        """Return the items `index`, pictures in the size of the current phase."""
        items = self.items(index)
        size = (self.phase.height or items.shape[-2], self.phase.width or items.shape[-1])
        if size == items.shape[-2:]:
            return items
        return F.interpolate(items, size, mode="bilinear", antialias=True, align_corners=False)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch of items, shape (batch, n_classes), float32."""
        with autocast(self.setup.device, self.setup.precision):
            return self.network(self.finish(items)).float()

    def epoch(self, epoch: int, seed: int) -> dict[str, float]:
        """Train on each item of the training part once, or as oversampling draws them; return the history's row."""
        started, training = time.monotonic(), self.training
        seed_all(hash_seed(seed, epoch))
        items = self.data.parts["train"]
        order = draw_order(items, self.data.labels[items], training.oversample)
        self.phase, _ = find_phase(training, epoch)
        freeze(self.network, self.phase.frozen)
        trained = self.train(epoch, split_batches(order, training.batch_size))
        validated = self.evaluate(self.data.parts["validation"])
        seconds = time.monotonic() - started
        say(
            f"epoch {epoch}/{training.epochs}: train loss {trained[0]:.3f}, accuracy {trained[1]:.3f}; validation loss "
            f"{validated[0]:.3f}, accuracy {validated[1]:.3f}, UA {validated[2]:.3f}; {seconds:.1f} s"
        )
        row = (epoch, self.optimiser.param_groups[-1]["lr"], *trained, *validated, seconds)
        return dict(zip(HISTORY, row, strict=True))

    def train(self, epoch: int, batches: Sequence[np.ndarray]) -> tuple[float, float]:
        """Train on batches; return mean loss (weighted where classes are) and accuracy, as they were along the way."""
        device, size = self.setup.device, self.training.batch_size
        self.network.train()
        total, correct = torch.zeros((), device=device), torch.zeros((), device=device)
        bad = torch.full((), len(batches), device=device)  # the first batch without a finite loss: read once an epoch
        for n, batch in enumerate(_watched(batches, f"epoch {epoch}/{self.training.epochs}")):
            self.set_rates(*learning_rates(self.training, epoch, n, len(batches)))
            with out_of_memory_as_error("training.batch_size", f"on {device} with batches of {size}", LOWER):
                loss, right = self.step(batch)
            total += loss * len(batch)
            correct += right
            self.tell_progress(epoch - 1 + (n + 1) / len(batches), 1 / len(batches))
            bad = torch.where(loss.isfinite(), bad, bad.clamp(max=n))
        n_items = sum(map(len, batches))
        mean, accuracy, first = float(total) / n_items, float(correct) / n_items, int(bad)
        if first < len(batches):
            fault = f"is {mean} in epoch {epoch}, from batch {first + 1} of {len(batches)} on"
            raise TrainingError("loss", fault, NOT_FINITE)
        if not torch.stack([parameter.isfinite().all() for parameter in self.network.parameters()]).all():
            raise TrainingError("weights", f"are not finite after the last batch of epoch {epoch}", NOT_FINITE)
        return mean, accuracy

    def tell_progress(self, epochs: float, more: float) -> None:
        """Say now and then, in the workflow's log too, how far the training is, its last score and the time left.

        ``epochs``: done of all, as a fraction; ``more``: of them since the last call.
        """
        self.done += more
        now = time.monotonic()
        if now - self.told < HEARTBEAT_SECONDS:
            return
        self.told = now
        left = (now - self.started) / self.done * (self.training.epochs - epochs) / 60
        score = f", validation accuracy {self.history[-1]['validation_accuracy']:.3f}" if self.history else ""
        progress = f"epoch {math.ceil(epochs)} of {self.training.epochs}{score}, about {left:.0f} min left"
        say(f"{self.setup.name}: {progress}", aloud=True)

    def set_rates(self, rates: Sequence[float], beta1: float) -> None:
        """Set the learning rate of each group of parameters, and Adam's β1."""
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate
            if "betas" in group:
                group["betas"] = (beta1, group["betas"][1])

    def step(self, batch: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Train on one batch; return its mean loss and how many of its items were recognised."""
        index = torch.from_numpy(batch).to(self.setup.device)
        items, targets = self.augment(self.pick(index), self.labels[index])
        logits = self.forward(items)
        # The mean over items of weight times loss, as in Keras; torch's own mean would divide by the batch's weights.
        loss = F.cross_entropy(logits, targets, self.weights, reduction="none").mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach(), (logits.detach().argmax(1) == self.labels[index]).sum()

    def evaluate(self, part: np.ndarray) -> tuple[float, float, float]:
        """Return mean cross-entropy, accuracy and mean per-class recall over a part's items; NaN for an empty part."""
        if not len(part):
            return math.nan, math.nan, math.nan
        logits, labels = self.logits(part), self.data.labels[part]
        loss = float(F.cross_entropy(logits, self.labels[torch.from_numpy(part).to(self.setup.device)]))
        right = logits.argmax(1).cpu().numpy() == labels
        return loss, float(right.mean()), float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))

    def logits(self, index: np.ndarray) -> torch.Tensor:
        """Return the logits of the items `index` in evaluation mode, shape (len(index), n_classes)."""
        self.network.eval()
        with torch.inference_mode():
            parts = torch.from_numpy(index).to(self.setup.device).split(EVALUATION_BATCH)
            return torch.cat([self.forward(self.pick(part)) for part in parts])


def hash_seed(seed: int, epoch: int) -> int:
    """Return a seed for one epoch, independent between epochs and between seeds."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _watched(batches: Sequence[np.ndarray], title: str) -> Iterable[np.ndarray]:
    """Return the batches, with a bar of progress where a person watches."""
    if not show_progress():
        return batches
    from tqdm import tqdm  # a GPU node may have torch and NumPy alone

    return tqdm(batches, desc=title, unit="batch", leave=False)
