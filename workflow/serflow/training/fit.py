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
from serflow.io.log import say, show_progress
from serflow.training import checkpoint
from serflow.training.augment import make_augment
from serflow.training.balance import class_weights, draw_order
from serflow.training.device import autocast, memory_told, seed_all
from serflow.training.inputs import Dataset, Inputs, prepare
from serflow.training.result import HISTORY, Fit
from serflow.training.schedule import (
    best_epoch,
    check_stages,
    check_stopping,
    freeze,
    is_finished,
    learning_rate,
    make_optimiser,
    stage_size,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

    from serflow.training.augment import Augment

#: A checkpoint is written after an epoch if this long has passed since the last one.
CHECKPOINT_SECONDS = 30.0
EVALUATION_BATCH = 64
LOWER = "Lower batch_size of this system."
NOT_FINITE = "Lower learning_rate, or set `precision: fp32`."


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
    """Train a network and evaluate it on every item; the test part is touched once, at the end.

    Without ``early_stopping`` nothing is selected: the last epoch's weights are taken and the validation part is only
    watched. With it the validation part chooses the epoch.

    Parameters
    ----------
    system
        ``input`` (see `serflow.training.inputs`) and ``training``: epochs, batch_size, optimiser and learning_rate;
        where wanted, decay, step_decay and stages (see `serflow.training.schedule`), augment (see
        `serflow.training.augment`), freeze_epochs: the first epochs, in which only the head is trained, class_weights
        and oversample (see `serflow.training.balance`), and early_stopping: metric (WA, UA or loss on the validation
        part's items) and patience, the number of epochs without a better one after which training ends (``epochs`` is
        then the most there are); the best epoch's weights are taken, of equal ones the first.
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
        If the loss or the weights are not finite, or the device runs out of memory.
    """
    import torch

    options = system["training"]
    check_stages(options, system["input"])
    check_stopping(options, len(data.parts["validation"]))
    weights = class_weights(options, data.labels[data.parts["train"]], n_classes)
    augment = make_augment(options.get("augment", ()), system["input"]["kind"], n_classes)
    inputs = prepare(system["input"], data)
    seed_all(seed)
    network = build(inputs.shape).to(device=setup.device).to(memory_format=torch.channels_last)
    optimiser = make_optimiser(options, network)
    history: list[dict[str, float]] = []
    best: dict[str, torch.Tensor] = {}
    state, sentence = checkpoint.load(setup.checkpoint, setup.key)
    say(sentence)
    if state:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        history, best = state["history"], state["best"]
    resumed_after = len(history)
    loop = _Loop(network, optimiser, inputs, data, augment, weights, setup, options)
    saved = time.monotonic()
    while not is_finished(options, history):
        history.append(loop.epoch(len(history) + 1, seed))
        if best_epoch(options, history) == len(history):
            best = {key: value.clone() for key, value in network.state_dict().items()}
        if time.monotonic() - saved > CHECKPOINT_SECONDS and not is_finished(options, history):
            states = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "best": best}
            try:
                checkpoint.save(setup.checkpoint, setup.key, {**states, "epoch": len(history), "history": history})
            except OSError as error:
                # Stopping would lose these epochs too; going on may save them: results need less room.
                fault = f"no checkpoint of epoch {len(history)}: {setup.checkpoint}: {error.strerror or error}"
                say(f"{fault}. Make room there; training goes on, and the checkpoint before stays.", warning=True)
            saved = time.monotonic()
    chosen = best_epoch(options, history)
    if chosen:
        say(f"epoch {chosen} is taken, the best on the validation part by {options['early_stopping']['metric']}")
        network.load_state_dict(best)
    posteriors = loop.logits(np.arange(len(data.labels))).double().softmax(1).cpu().numpy()
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    return Fit(network, history, posteriors, posteriors.argmax(1), n_parameters, inputs, chosen, resumed_after)


class _Loop:
    """One network with its data on the device: an epoch of training, and evaluation."""

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        inputs: Inputs,
        data: Dataset,
        augment: Augment,
        weights: torch.Tensor | None,
        setup: Setup,
        options: Mapping[str, Any],
    ) -> None:
        import torch

        self.network, self.optimiser, self.data, self.setup, self.options = network, optimiser, data, setup, options
        self.items, self.finish, self.augment = inputs.picker(setup.device), inputs.finish, augment
        self.labels = torch.from_numpy(data.labels).to(setup.device)
        self.weights = None if weights is None else weights.to(setup.device)
        self.size = stage_size(options, options["epochs"])

    def pick(self, index: torch.Tensor) -> torch.Tensor:
        """Return the items `index`, pictures in the size of the current stage."""
        from torch.nn import functional as F

        items = self.items(index)
        if self.size in (None, items.shape[-2:]):
            return items
        return F.interpolate(items, self.size, mode="bilinear", antialias=True, align_corners=False)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch of items, shape (batch, n_classes), float32."""
        with autocast(self.setup.device, self.setup.precision):
            return self.network(self.finish(items)).float()

    def epoch(self, epoch: int, seed: int) -> dict[str, float]:
        """Train on each item of the training part once, or as oversampling draws them; return the history's row."""
        started, options, epochs = time.monotonic(), self.options, self.options["epochs"]
        seed_all(hash_seed(seed, epoch))
        train = self.data.parts["train"]
        order = draw_order(options, train, self.data.labels[train])
        self.size = stage_size(options, epoch)
        freeze(self.network, epoch <= options.get("freeze_epochs", 0))
        trained = self.train(epoch, split_batches(order, options["batch_size"]))
        validated = self.evaluate(self.data.parts["validation"])
        seconds = time.monotonic() - started
        say(
            f"epoch {epoch}/{epochs}: train loss {trained[0]:.3f}, accuracy {trained[1]:.3f}; validation loss "
            f"{validated[0]:.3f}, accuracy {validated[1]:.3f}, UA {validated[2]:.3f}; {seconds:.1f} s"
        )
        row = (epoch, self.optimiser.param_groups[0]["lr"], *trained, *validated, seconds)
        return dict(zip(HISTORY, row, strict=True))

    def train(self, epoch: int, batches: Sequence[np.ndarray]) -> tuple[float, float]:
        """Train on batches; return mean loss (weighted where classes are) and accuracy, as they were along the way."""
        import torch
        from tqdm import tqdm

        options, device = self.options, self.setup.device
        self.network.train()
        total, correct = torch.zeros((), device=device), torch.zeros((), device=device)
        bad = torch.full((), len(batches), device=device)  # the first batch without a finite loss: read once an epoch
        title = f"epoch {epoch}/{options['epochs']}"
        for n, batch in enumerate(tqdm(batches, desc=title, unit="batch", leave=False, disable=not show_progress())):
            with memory_told("training.batch_size", f"on {device} with batches of {options['batch_size']}", LOWER):
                loss, right = self.step(batch, learning_rate(options, epoch, (epoch - 1) * len(batches) + n))
            total += loss * len(batch)
            correct += right
            bad = torch.where(loss.isfinite(), bad, bad.clamp(max=n))
        n_items = sum(map(len, batches))
        mean, accuracy, first = float(total) / n_items, float(correct) / n_items, int(bad)
        if first < len(batches):
            fault = f"is {mean} in epoch {epoch}, from batch {first + 1} of {len(batches)} on"
            raise TrainingError("loss", fault, NOT_FINITE)
        if not torch.stack([parameter.isfinite().all() for parameter in self.network.parameters()]).all():
            raise TrainingError("weights", f"are not finite after the last batch of epoch {epoch}", NOT_FINITE)
        return mean, accuracy

    def step(self, batch: np.ndarray, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Train on one batch; return its mean loss and how many of its items were recognised."""
        import torch
        from torch.nn import functional as F

        for group in self.optimiser.param_groups:
            group["lr"] = rate
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
        import torch
        from torch.nn import functional as F

        if not len(part):
            return math.nan, math.nan, math.nan
        logits, labels = self.logits(part), self.data.labels[part]
        loss = float(F.cross_entropy(logits, self.labels[torch.from_numpy(part).to(self.setup.device)]))
        right = logits.argmax(1).cpu().numpy() == labels
        return loss, float(right.mean()), float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))

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
