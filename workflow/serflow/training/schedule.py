"""What changes while a network trains: learning rates, pictures' size, frozen layers; when it ends; optimisers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from serflow.errors import ConfigError
from serflow.training.options import OneCycle, Phase, Training

#: Adam's β1 without `one_cycle`; with it, at the ends of the cycle and at its peak, as in torch and fastai.
ADAM_BETA1, BETA1 = 0.9, (0.95, 0.85)
#: What the peak of a cycle is divided by for its last batch, as in fastai.
CYCLE_END = 1e5

#: ``early_stopping.metric`` -> column of the history, and 1 where more is better, -1 where less is.
STOPPING_METRICS = {"WA": ("validation_accuracy", 1), "UA": ("validation_UA", 1), "loss": ("validation_loss", -1)}


def make_optimiser(training: Training, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a network, with one group of parameters for each of ``layer_groups``.

    Raises
    ------
    ConfigError
        If ``layer_groups`` are not the network's parts, each once.
    """
    rate, groups = training.learning_rate, [{"params": list(network.parameters())}]
    if training.layer_groups:
        groups = _group_layers(training.layer_groups, network)
    if training.optimiser == "adam":
        return torch.optim.Adam(groups, lr=rate)
    # With Keras's defaults, not torch's: the papers that name RMSprop speak Keras's language.
    return torch.optim.RMSprop(groups, lr=rate, alpha=0.9, eps=1e-7)


def _group_layers(layer_groups: Sequence[Sequence[str]], network: nn.Module) -> list[dict[str, Any]]:
    parts = {name: found for name, part in network.named_children() if (found := list(part.parameters()))}
    if sorted(name for names in layer_groups for name in names) != sorted(parts):
        remedy = f"Name each once: {', '.join(parts)}."
        raise ConfigError("training.layer_groups", "are not the parts of the network that have parameters", remedy)
    return [{"params": [parameter for name in names for parameter in parts[name]]} for names in layer_groups]


def find_phase(training: Training, epoch: int) -> tuple[Phase, int]:
    """Return the phase of an epoch (from 1), and how many of the phase's epochs come before it."""
    before = epoch - 1
    for phase in training.phases:
        if before < phase.epochs:
            return phase, before
        before -= phase.epochs
    return Phase(training.epochs), before


def learning_rates(training: Training, epoch: int, batch: int, n_batches: int) -> tuple[list[float], float]:
    """Return the learning rate of each group of parameters, and Adam's β1, for one batch.

    Parameters
    ----------
    training
        ``learning_rate``, ``decay``, ``step_decay``, ``warmup``, ``layer_groups`` and ``phases``.
    epoch
        From 1.
    batch
        From 0.
    n_batches
        Number of batches in an epoch.
    """
    phase, before = find_phase(training, epoch)
    factor, beta1 = 1.0, ADAM_BETA1
    if phase.one_cycle:
        factor, beta1 = one_cycle(phase.one_cycle, before * n_batches + batch, phase.epochs * n_batches)
    if training.step_decay:
        factor *= training.step_decay.factor ** ((epoch - 1) // training.step_decay.every)
    if training.warmup:
        rest = training.epochs + 1
        factor *= min(epoch / training.warmup, (rest - epoch) / (rest - training.warmup))
    peaks = phase.learning_rates or [training.learning_rate] * max(1, len(training.layer_groups))
    divisor = 1 + training.decay * ((epoch - 1) * n_batches + batch)
    return [peak / divisor * factor for peak in peaks], beta1


def one_cycle(cycle: OneCycle, step: int, n_steps: int) -> tuple[float, float]:
    """Return what the peak of the learning rate is multiplied by, and Adam's β1, at one of n steps (from 0)."""
    top = cycle.rise * n_steps - 1
    if step < top:
        share, (rate, beta1) = step / top, ((1 / cycle.start, 1.0), BETA1)
    else:
        share, (rate, beta1) = (step - top) / (n_steps - 1 - top), ((1.0, 1 / CYCLE_END), BETA1[::-1])
    weight = (1 + math.cos(math.pi * share)) / 2
    return rate[1] + (rate[0] - rate[1]) * weight, beta1[1] + (beta1[0] - beta1[1]) * weight


def freeze(network: nn.Module, frozen: bool) -> None:
    """Freeze all of a network but its head, its last child, and batch normalisation (as fastai does); or thaw it."""
    for part in list(network.children())[:-1]:
        for layer in part.modules():
            if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                for parameter in layer.parameters(recurse=False):
                    parameter.requires_grad_(not frozen)


def best_epoch(training: Training, history: Sequence[Mapping[str, float]]) -> int | None:
    """Return the epoch (from 1) that is best so far on the validation part, of equal ones the first.

    None without ``early_stopping`` and before the first epoch.
    """
    if not training.early_stopping or not history:
        return None
    column, sign = STOPPING_METRICS[training.early_stopping.metric]
    return int(np.argmax(np.nan_to_num([sign * row[column] for row in history], nan=-np.inf))) + 1


def is_finished(training: Training, history: Sequence[Mapping[str, float]]) -> bool:
    """Return whether training ends: after ``epochs``, or ``early_stopping.patience`` epochs after the best one."""
    best, stopping = best_epoch(training, history), training.early_stopping
    waited = bool(best and stopping and len(history) - best >= stopping.patience)
    return waited or len(history) >= training.epochs
