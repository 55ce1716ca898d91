"""Architectures, one file each: a module with ``build(n_classes, **options)`` that returns a torch.nn.Module.

A module with ``FRAMEWORK = "sklearn"`` returns a scikit-learn estimator instead. A ``build`` that takes ``input_shape``
is given the shape of one item as the network receives it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from serflow.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


def module_of(model: Mapping[str, Any]) -> ModuleType:
    """Return the module of this package that ``model['module']`` names.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        module = import_module(f"serflow.models.{model['module']}")
        module.build  # noqa: B018
    except (ModuleNotFoundError, AttributeError) as error:
        raise ConfigError(
            "model.module", f"there is no model {model['module']!r}", "Name a file of serflow/models."
        ) from error
    return module


def framework(model: Mapping[str, Any]) -> str:
    """Return ``torch`` or ``sklearn``."""
    return getattr(module_of(model), "FRAMEWORK", "torch")


def build(model: Mapping[str, Any], n_classes: int, input_shape: Sequence[int]) -> Any:
    """Return a system's network with random weights drawn from torch's global generator, or its estimator.

    Parameters
    ----------
    model
        ``module``: a module of this package; ``pretrained``: for `serflow.models.weights`; the rest: its ``build``'s
        options.
    n_classes
        Width of the last layer.
    input_shape
        Shape of one item, without the batch.

    Raises
    ------
    ConfigError
        If there is no such module, it does not take an option, or one is missing.
    """
    options = {key: value for key, value in model.items() if key not in ("module", "pretrained")}
    function = module_of(model).build
    parameters = {key: value for key, value in inspect.signature(function).parameters.items() if key != "n_classes"}
    shape = {"input_shape": tuple(input_shape)} if parameters.pop("input_shape", None) else {}
    required = {key for key, parameter in parameters.items() if parameter.default is parameter.empty}
    for key in sorted((required - set(options)) | (set(options) - set(parameters))):
        fault = "is missing" if key in required else "is not an option"
        raise ConfigError(
            "model", f"{key!r} {fault} of {model['module']}", f"It takes: {', '.join(sorted(parameters)) or 'none'}."
        )
    return function(n_classes, **options, **shape)


def initialise_as_keras(network: nn.Module) -> None:
    """Draw the weights of convolutions and dense layers as Keras does unless told otherwise: Glorot uniform, bias 0."""
    from torch import nn

    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
