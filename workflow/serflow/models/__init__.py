"""Architectures, one file each: a module with ``build(n_classes, **options) -> torch.nn.Module``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from serflow.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


def build(model: Mapping[str, Any], n_classes: int) -> nn.Module:
    """Return a system's network with random weights drawn from torch's global generator.

    Parameters
    ----------
    model
        ``module``: a module of this package; ``pretrained``: for `serflow.models.weights`; the rest: its ``build``'s
        options.
    n_classes
        Width of the last layer.

    Raises
    ------
    ConfigError
        If there is no such module, or it does not take an option.
    """
    options = {key: value for key, value in model.items() if key not in ("module", "pretrained")}
    try:
        function = import_module(f"serflow.models.{model['module']}").build
    except (ModuleNotFoundError, AttributeError) as error:
        raise ConfigError(
            "model.module", f"there is no model {model['module']!r}", "Name a file of serflow/models."
        ) from error
    parameters = inspect.signature(function).parameters
    allowed = set(parameters) - {"n_classes"}
    for key in sorted(allowed - set(options)):
        if parameters[key].default is inspect.Parameter.empty:
            raise ConfigError(
                "model", f"{key!r} is missing for {model['module']}", f"It takes: {', '.join(sorted(allowed))}."
            )
    for key in sorted(set(options) - allowed):
        raise ConfigError(
            "model", f"{key!r} is not an option of {model['module']}", f"It takes: {', '.join(sorted(allowed))}."
        )
    return function(n_classes, **options)
