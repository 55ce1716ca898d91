"""The training loop: from a dataset and a system to weights, history and posteriors. Needs torch alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.errors import TrainingError
from serflow.log import say, show_progress
from serflow.training import checkpoint
from serflow.training.augment import make_augment
from serflow.training.device import seed_all
from serflow.training.inputs import Dataset, prepare
from serflow.training.result import HISTORY, Fit
from serflow.training.schedule import check_stages, freeze, learning_rate, make_optimiser, stage_size

if TYPE_CHECKING:
    import torch
    from torch import nn

    from serflow.training.augment import Augment

#: A checkpoint is written after an epoch if this long has passed since the last one.
CHECKPOINT_SECONDS = 30.0
EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Setup:
    """Where and how to compute: device, precision (fp32 or bf16), checkpoint file, key of the run."""

    device: torch.device
    precision: str
    checkpoint: Path
    key: str


def fit(
    system: Mapping[str, Any],
    data: Dataset,
    n_classes: int,
    seed: int,
    setup: Setup,
    build: Callable[[Sequence[int]], nn.Module],
) -> Fit:
    """Train a network for a fixed number of epochs and evaluate the last epoch's weights on every item.

    Nothing is selected: the validation part is only watched, the test part is touched once, at the end.

    Parameters
    ----------
    system
        ``input`` (see `serflow.training.inputs`) and ``training``: epochs, batch_size, optimiser and learning_rate;
        where wanted, decay, step_decay and stages (see `serflow.training.schedule`), augment (see
        `serflow.training.augment`), and freeze_epochs: the first epochs, in which only the head is trained.
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
        If an option is unknown or does not fit.
    TrainingError
        If the loss is not finite, or the device runs out of memory.
    """
    import torch

    options = system["training"]
    check_stages(options, system["input"])
    augment = make_augment(options.get("augment", ()), system["input"]["kind"], n_classes)
    inputs = prepare(system["input"], data)
    items, labels = (torch.from_numpy(array).to(setup.device) for array in (inputs.items, data.labels))
    seed_all(seed)
    network = build(inputs.shape).to(device=setup.device).to(memory_format=torch.channels_last)
    optimiser = make_optimiser(options, network)
    history: list[dict[str, float]] = []
    state, sentence = checkpoint.load(setup.checkpoint, setup.key)
    say(sentence)
    if state:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        history = state["history"]
    loop = _Loop(network, optimiser, items, labels, inputs.finish, augment, setup, options)
    saved = time.monotonic()
    for epoch in range(len(history) + 1, options["epochs"] + 1):
        history.append(loop.epoch(epoch, seed, data))
        if time.monotonic() - saved > CHECKPOINT_SECONDS and epoch < options["epochs"]:
            states = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            checkpoint.save(setup.checkpoint, setup.key, {**states, "epoch": epoch, "history": history})
            saved = time.monotonic()
    posteriors = loop.logits(np.arange(len(data.labels))).double().softmax(1).cpu().numpy()
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    return Fit(network, history, posteriors, posteriors.argmax(1), n_parameters, inputs)


class _Loop:
    """One network with its data on the device: an epoch of training, and evaluation."""

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        items: torch.Tensor,
        labels: torch.Tensor,
        finish: Callable[[torch.Tensor], torch.Tensor],
        augment: Augment,
        setup: Setup,
        options: Mapping[str, Any],
    ) -> None:
        self.network, self.optimiser, self.items, self.labels = network, optimiser, items, labels
        self.finish, self.augment, self.setup, self.options = finish, augment, setup, options
        self.size = stage_size(options, options["epochs"])

    def pick(self, index: torch.Tensor) -> torch.Tensor:
        """Return the items `index`, pictures in the size of the current stage."""
        from torch.nn import functional as F

        items = self.items[index]
        if self.size in (None, items.shape[-2:]):
            return items
        return F.interpolate(items, self.size, mode="bilinear", antialias=True, align_corners=False)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch of items, shape (batch, n_classes), float32."""
        import torch

        bf16 = self.setup.precision == "bf16"
        with torch.autocast(self.setup.device.type, torch.bfloat16, enabled=bf16):
            return self.network(self.finish(items)).float()

    def epoch(self, epoch: int, seed: int, data: Dataset) -> dict[str, float]:
        """Train on each item of the training part once; return the epoch's row of the history."""
        import torch
        from tqdm import tqdm

        started, options, epochs = time.monotonic(), self.options, self.options["epochs"]
        seed_all(hash_seed(seed, epoch))
        train = data.parts["train"]
        order = train[torch.randperm(len(train)).numpy()]
        batches = split_batches(order, options["batch_size"])
        self.size = stage_size(options, epoch)
        freeze(self.network, epoch <= options.get("freeze_epochs", 0))
        self.network.train()
        total, correct = torch.zeros((), device=self.setup.device), torch.zeros((), device=self.setup.device)
        bar = tqdm(batches, desc=f"epoch {epoch}/{epochs}", unit="batch", leave=False, disable=not show_progress())
        for step, batch in enumerate(bar, start=(epoch - 1) * len(batches)):
            try:
                loss, right = self.step(batch, learning_rate(options, epoch, step))
            except torch.OutOfMemoryError as error:
                fault = f"out of memory on {self.setup.device} with batches of {options['batch_size']}"
                raise TrainingError("training.batch_size", fault, "Lower batch_size of this system.") from error
            total += loss * len(batch)
            correct += right
        train_loss, train_accuracy = float(total) / len(order), float(correct) / len(order)
        if not math.isfinite(train_loss):
            raise TrainingError(
                "loss", f"is {train_loss} in epoch {epoch}", "Lower learning_rate, or set `precision: fp32`."
            )
        validation_loss, validation_accuracy = self.evaluate(data.parts["validation"])
        seconds = time.monotonic() - started
        say(
            f"epoch {epoch}/{epochs}: train loss {train_loss:.3f}, accuracy {train_accuracy:.3f}; "
            f"validation loss {validation_loss:.3f}, accuracy {validation_accuracy:.3f}; {seconds:.1f} s"
        )
        rate = self.optimiser.param_groups[0]["lr"]
        row = (epoch, rate, train_loss, train_accuracy, validation_loss, validation_accuracy, seconds)
        return dict(zip(HISTORY, row, strict=True))

    def step(self, batch: np.ndarray, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Train on one batch; return its mean loss and how many of its items were recognised."""
        import torch
        from torch.nn import functional as F

        for group in self.optimiser.param_groups:
            group["lr"] = rate
        index = torch.from_numpy(batch).to(self.setup.device)
        items, targets = self.augment(self.pick(index), self.labels[index])
        logits = self.forward(items)
        loss = F.cross_entropy(logits, targets)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach(), (logits.detach().argmax(1) == self.labels[index]).sum()

    def evaluate(self, part: np.ndarray) -> tuple[float, float]:
        """Return mean cross-entropy and accuracy over the items of a part; NaN for an empty part."""
        import torch
        from torch.nn import functional as F

        if not len(part):
            return math.nan, math.nan
        logits, labels = self.logits(part), self.labels[torch.from_numpy(part).to(self.setup.device)]
        return float(F.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())

    def logits(self, index: np.ndarray) -> torch.Tensor:
        """Return the logits of the items `index` in evaluation mode, shape (len(index), n_classes)."""
        import torch

        self.network.eval()
        with torch.inference_mode():
            parts = torch.from_numpy(index).to(self.setup.device).split(EVALUATION_BATCH)
            return torch.cat([self.forward(self.pick(part)) for part in parts])


def split_batches(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return `order` in batches of `batch_size`, the last one smaller; a last one of one item joins the one before.

    Batch normalisation cannot train on a single item.
    """
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches


def hash_seed(seed: int, epoch: int) -> int:
    """Return a seed for one epoch, independent between epochs and between seeds."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
