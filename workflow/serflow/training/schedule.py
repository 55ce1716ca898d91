"""What changes while a network trains: learning rate, size of the pictures, frozen layers; when it ends; optimisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

#: ``early_stopping.metric`` -> column of the history, and 1 where more is better, -1 where less is.
STOPPING_METRICS = {"WA": ("validation_accuracy", 1), "UA": ("validation_UA", 1), "loss": ("validation_loss", -1)}


def make_optimiser(options: Mapping[str, Any], network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser that ``options['optimiser']`` names, with ``options['learning_rate']``.

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    import torch

    rate, name = options["learning_rate"], options["optimiser"]
    if name == "adam":
        return torch.optim.Adam(network.parameters(), lr=rate)
    if name == "rmsprop":  # with Keras's defaults, not torch's: the papers that name it speak Keras's language
        return torch.optim.RMSprop(network.parameters(), lr=rate, alpha=0.9, eps=1e-7)
    raise ConfigError("training.optimiser", f"unknown optimiser {name!r}", "Allowed: adam, rmsprop.")


def learning_rate(options: Mapping[str, Any], epoch: int, step: int) -> float:
    """Return the learning rate of a batch.

    Parameters
    ----------
    options
        ``learning_rate``; ``decay``, as in Keras: rate / (1 + decay · step); ``step_decay``: ``factor`` once ``every``
        so many epochs.
    epoch
        From 1.
    step
        Number of batches trained on before this one, over all epochs.
    """
    rate = options["learning_rate"] / (1 + options.get("decay", 0.0) * step)
    if "step_decay" in options:
        rate *= options["step_decay"]["factor"] ** ((epoch - 1) // options["step_decay"]["every"])
    return rate


def check_stages(options: Mapping[str, Any], input_options: Mapping[str, Any]) -> None:
    """Raise a ConfigError unless ``stages`` add up to ``epochs`` and the last one has the size of the input.

    That size is the one a trained network is used with.
    """
    stages = options.get("stages")
    if not stages:
        return
    total = sum(stage["epochs"] for stage in stages)
    if total != options["epochs"]:
        fault = f"their epochs sum to {total}, but training.epochs is {options['epochs']}"
        raise ConfigError("training.stages", fault, "Make them equal.")
    size = tuple(input_options.get(key) for key in ("height", "width"))
    last = (stages[-1]["height"], stages[-1]["width"])
    if last != size:
        fault = f"the last one is of size {last}, but the input of {size}"
        raise ConfigError("training.stages", fault, "Make them equal; stages need input kind image.")


def stage_size(options: Mapping[str, Any], epoch: int) -> tuple[int, int] | None:
    """Return height and width of the pictures in an epoch (from 1); None where they are taken as they are."""
    end = 0
    for stage in options.get("stages", ()):
        end += stage["epochs"]
        if epoch <= end:
            return stage["height"], stage["width"]
    return None


def freeze(network: nn.Module, frozen: bool) -> None:
    """Freeze all of a network but its head, its last child, and batch normalisation (as fastai does); or thaw it."""
    from torch import nn

    for part in list(network.children())[:-1]:
        for layer in part.modules():
            if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                for parameter in layer.parameters(recurse=False):
                    parameter.requires_grad_(not frozen)


def check_stopping(options: Mapping[str, Any], n_validation: int) -> None:
    """Raise a ConfigError unless ``early_stopping`` can be done: a known metric, validation items and no ``stages``."""
    stopping = options.get("early_stopping")
    if not stopping:
        return
    if stopping["metric"] not in STOPPING_METRICS:
        remedy = f"Allowed: {', '.join(STOPPING_METRICS)}."
        raise ConfigError("training.early_stopping.metric", f"unknown metric {stopping['metric']!r}", remedy)
    if not n_validation or "stages" in options:
        fault = "does not go with `stages`" if n_validation else "has no validation part to choose the epoch by"
        raise ConfigError("training.early_stopping", fault, "Remove it, or take another protocol or schedule.")


def best_epoch(options: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> int | None:
    """Return the epoch (from 1) that is best so far on the validation part, of equal ones the first.

    None without ``early_stopping`` and before the first epoch.
    """
    if "early_stopping" not in options or not history:
        return None
    column, sign = STOPPING_METRICS[options["early_stopping"]["metric"]]
    return int(np.argmax(np.nan_to_num([sign * row[column] for row in history], nan=-np.inf))) + 1


def is_finished(options: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> bool:
    """Return whether training ends: after ``epochs``, or ``early_stopping.patience`` epochs after the best one."""
    best = best_epoch(options, history)
    waited = best is not None and len(history) - best >= options["early_stopping"]["patience"]
    return waited or len(history) >= options["epochs"]
