"""What changes while a network trains: learning rate, size of the pictures, frozen layers. And the optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from serflow.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn


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
