"""What changes while a network trains: learning rate, size of the pictures, frozen layers; when it ends; optimisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from serflow.training.options import Training

#: ``early_stopping.metric`` -> column of the history, and 1 where more is better, -1 where less is.
STOPPING_METRICS = {"WA": ("validation_accuracy", 1), "UA": ("validation_UA", 1), "loss": ("validation_loss", -1)}


def make_optimiser(training: Training, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a network."""
    rate = training.learning_rate
    if training.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), lr=rate)
    # With Keras's defaults, not torch's: the papers that name RMSprop speak Keras's language.
    return torch.optim.RMSprop(network.parameters(), lr=rate, alpha=0.9, eps=1e-7)


def learning_rate(training: Training, epoch: int, step: int) -> float:
    """Return the learning rate of a batch.

    Parameters
    ----------
    training
        ``learning_rate``, ``decay`` and ``step_decay``.
    epoch
        From 1.
    step
        Number of batches trained on before this one, over all epochs.
    """
    rate = training.learning_rate / (1 + training.decay * step)
    if training.step_decay:
        rate *= training.step_decay.factor ** ((epoch - 1) // training.step_decay.every)
    return rate


def stage_size(training: Training, epoch: int) -> tuple[int, int] | None:
    """Return height and width of the pictures in an epoch (from 1); None where they are taken as they are."""
    end = 0
    for stage in training.stages:
        end += stage.epochs
        if epoch <= end:
            return stage.height, stage.width
    return None


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
