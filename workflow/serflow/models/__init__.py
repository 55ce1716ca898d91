"""Architectures: one module each, whose ``build(n_classes, *, options)`` returns a torch.nn.Module.

A module with ``FRAMEWORK = "sklearn"`` returns a scikit-learn estimator instead. A ``build`` that takes ``input_shape``
is given the shape of one item as the network receives it. ``INPUTS`` names the kinds of input that it takes. Nothing of
torch is imported here: see `serflow.kinds` for how options are read.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from serflow.errors import ConfigError
from serflow.kinds import Kinds

ARCHITECTURES = Kinds("serflow.models.architectures", "build", given=("input_shape",))


def framework(model: Mapping[str, Any]) -> str:
    """Return ``torch`` or ``sklearn``; see `Kinds.file` for errors."""
    return ARCHITECTURES.constant(model["module"], "FRAMEWORK", "torch")


def input_kinds(model: Mapping[str, Any]) -> list[str]:
    """Return the kinds of input that an architecture takes; none where it does not say; see `Kinds.file` for errors."""
    return ARCHITECTURES.constant(model["module"], "INPUTS", "").split()


def build(model: Mapping[str, Any], n_classes: int, input_shape: Sequence[int]) -> Any:
    """Return a system's network with random weights drawn from torch's global generator, or its estimator.

    Parameters
    ----------
    model
        ``module``: one of `ARCHITECTURES` or the path of a user's own; ``pretrained``: left to the caller; the rest:
        options of its ``build``.
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
    function = ARCHITECTURES.load(model["module"])
    signature = inspect.signature(function)
    if "input_shape" in signature.parameters:
        options["input_shape"] = tuple(input_shape)
    try:
        signature.bind(n_classes, **options)
    except TypeError as error:
        raise ConfigError("model", f"{error} of {model['module']}", f"It is build{signature}.") from error
    return function(n_classes, **options)
