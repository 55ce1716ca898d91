"""Architectures, one file each: a module with ``build(n_classes, **options)`` that returns a torch.nn.Module.

A module with ``FRAMEWORK = "sklearn"`` returns a scikit-learn estimator instead. A ``build`` that takes ``input_shape``
is given the shape of one item as the network receives it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from serflow.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


def module_of(model: Mapping[str, Any]) -> ModuleType:
    """Return the module that ``model['module']`` names: one of this package, or a user's own file ending in ``.py``.

    Raises
    ------
    ConfigError
        If there is none, or it has no ``build``.
    """
    name = model["module"]
    try:
        module = _load_file(name) if name.endswith(".py") else import_module(f"serflow.models.architectures.{name}")
        module.build  # noqa: B018
    except (ModuleNotFoundError, FileNotFoundError, AttributeError) as error:
        fault = f"there is no model {name!r} ({error})"
        raise ConfigError("model.module", fault, "Name a file of serflow/models, or the path of your own.") from error
    return module


def _load_file(path: str) -> ModuleType:
    """Return the module that a file holds; the path is relative to the working directory, as all in config.yaml."""
    spec = spec_from_file_location(Path(path).stem, path)
    assert spec is not None, path  # noqa: S101 (a .py file has a loader)
    assert spec.loader is not None, path  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
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
    """Draw weights as Keras does unless told otherwise: Glorot uniform, bias 0; of an LSTM see `_initialise_lstm`."""
    from torch import nn

    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.LSTM):
            _initialise_lstm(layer)


def _initialise_lstm(layer: nn.LSTM) -> None:
    """Glorot uniform over the four gates' input weights together, orthogonal recurrent weights, forget bias 1."""
    from torch import nn

    for name, weight in layer.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(weight)
        else:
            nn.init.zeros_(weight)
            if name.startswith("bias_ih"):  # torch has two biases, which it adds; the second gate is the forget gate
                nn.init.ones_(weight[layer.hidden_size : 2 * layer.hidden_size])
