"""The options of `input` and `training` in a paper file, and the relations that are known without data.

Nothing but the standard library is imported here: a dry run reads these types and a GPU node takes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from serflow.errors import ConfigError
from serflow.kinds import Kinds
from serflow.models import ARCHITECTURES, framework
from serflow.types import Count, Index, Limit, NotNegative, Positive

#: Augmentations of pictures, in the order in which `serflow.training.augment` does them, and of any input.
OF_PICTURES, OF_ANY = ("flip", "zoom", "shear", "rotate", "brightness"), ("mixup",)
AUGMENTATIONS = Kinds("serflow.training.augment", names=(*OF_PICTURES, *OF_ANY))
INPUTS = Kinds("serflow.training.inputs")
#: How a model of each framework is trained. A job imports one of the two: torch takes seconds.
TRAINERS = Kinds("serflow.training", "train_run")
FRAMEWORKS = {"torch": "network", "sklearn": "estimator"}
#: How pydantic checks these types where a paper file is read.
STRICT = {"extra": "forbid", "strict": True, "use_attribute_docstrings": True}


@dataclass(frozen=True)
class StepDecay:
    """A learning rate that falls in steps."""

    __pydantic_config__ = STRICT

    factor: Annotated[float, Limit(gt=0, le=1)]
    """What the learning rate is multiplied by."""
    every: Count
    """Number of epochs between two steps."""


@dataclass(frozen=True)
class EarlyStopping:
    """The validation part chooses the epoch whose weights are kept, of equally good ones the first."""

    __pydantic_config__ = STRICT

    metric: Literal["WA", "UA", "loss"]
    """What of the validation part's items is best: accuracy, mean recall per class, or cross-entropy."""
    patience: Count
    """Number of epochs without a better one after which training ends."""


@dataclass(frozen=True)
class Stage:
    """Epochs on pictures of one size."""

    __pydantic_config__ = STRICT

    epochs: Count
    """Number of epochs."""
    height: Count
    """In pixels."""
    width: Count
    """In pixels."""


@dataclass(frozen=True)
class Training:
    """How a network is trained."""

    __pydantic_config__ = STRICT

    epochs: Count
    """Number of epochs, with early_stopping at most."""
    batch_size: Count
    """Items per batch."""
    optimiser: Literal["adam", "rmsprop"]
    """Adam with torch's defaults, RMSprop with Keras's."""
    learning_rate: Positive
    """Of the first batch."""
    decay: NotNegative = 0.0
    """After n batches the learning rate is divided by 1 + decay · n, as in Keras."""
    step_decay: StepDecay | None = None
    """Steps in which the learning rate falls; by default none."""
    early_stopping: EarlyStopping | None = None
    """How the epoch is chosen; by default it is the last one."""
    class_weights: Literal["inverse"] | None = None
    """Weights of the loss: inverse to the size of the item's class, 1 on average; by default all weigh the same."""
    oversample: bool = False
    """Repeat items of smaller classes until all classes are as large as the largest."""
    freeze_epochs: Index = 0
    """Number of first epochs in which the head and batch normalisation alone are trained."""
    stages: tuple[Stage, ...] = ()
    """Sizes of the pictures over the epochs, the last one that of the input; by default all are of that size."""
    augment: tuple[dict[str, Any], ...] = ()
    """Augmentations of the training part's batches: `kind` and its options."""

    @classmethod
    def from_plain(cls, mapping: Mapping[str, Any]) -> Training:
        """Return the options that a checked mapping, such as a run's ``system_config["training"]``, holds."""
        values = dict(mapping)
        for key, kind in (("step_decay", StepDecay), ("early_stopping", EarlyStopping)):
            values[key] = kind(**mapping[key]) if mapping.get(key) else None
        values["stages"] = tuple(Stage(**stage) for stage in mapping.get("stages", ()))
        values["augment"] = tuple(mapping.get("augment", ()))
        return cls(**values)


def trainer_of(system: Mapping[str, Any]) -> str:
    """Return the name among `TRAINERS` of what trains a system; see `Kinds.file` for errors."""
    return FRAMEWORKS[framework(system["model"])]


def kinds_of(system: Mapping[str, Any]) -> list[tuple[Kinds, str]]:
    """Return what training a system loads by name."""
    model, taken = system["model"]["module"], system["input"]["kind"]
    return [(ARCHITECTURES, model), (INPUTS, taken), (TRAINERS, trainer_of(system))]


def check_training(training: Training, input_options: Mapping[str, Any]) -> None:
    """Raise unless options fit together and suit the system's input.

    Parameters
    ----------
    training
        Each option is allowed by itself.
    input_options
        ``input`` of the system.

    Raises
    ------
    ConfigError
        ``where`` is the option at fault.
    """
    if training.freeze_epochs >= training.epochs:
        fault = f"{training.freeze_epochs} of {training.epochs} epochs leave none to train all weights"
        raise ConfigError("freeze_epochs", fault, "Lower freeze_epochs.")
    if training.stages and training.early_stopping:
        raise ConfigError("early_stopping", "does not go with stages", "Remove one of the two.")
    _check_stages(training, input_options)
    _check_augment(training, input_options["kind"])


def _check_stages(training: Training, input_options: Mapping[str, Any]) -> None:
    """Raise unless stages fill the epochs and end with the input's size, with which a trained network is used."""
    if not training.stages:
        return
    total = sum(stage.epochs for stage in training.stages)
    if total != training.epochs:
        raise ConfigError("stages", f"their epochs sum to {total}, but epochs is {training.epochs}", "Make them equal.")
    size, last = (input_options.get("height"), input_options.get("width")), training.stages[-1]
    if (last.height, last.width) != size:
        fault = f"the last one is {last.height} x {last.width}, but the input is " + " x ".join(map(str, size))
        raise ConfigError("stages", fault, "Make them equal; stages need input kind image.")


def _check_augment(training: Training, input_kind: str) -> None:
    """Raise unless augmentations suit the input and each kind comes once."""
    allowed = AUGMENTATIONS.known() if input_kind == "image" else sorted(OF_ANY)
    kinds = [entry.get("kind") for entry in training.augment]
    for n, kind in enumerate(kinds):
        if kind not in allowed or kind in kinds[:n]:
            fault = f"{kind!r} comes twice" if kind in kinds[:n] else f"{kind!r} does not suit input kind {input_kind}"
            raise ConfigError(f"augment.{n}.kind", fault, f"Allowed, once each: {', '.join(allowed)}.")
        if training.augment[n].get("low", 0.0) > training.augment[n].get("high", math.inf):
            raise ConfigError(f"augment.{n}.low", "is above high", "Swap them.")


def check_input(input_options: Mapping[str, Any]) -> None:
    """Raise unless the options of an input, each allowed by itself, fit together.

    Raises
    ------
    ConfigError
        ``where`` is the option at fault.
    """
    if input_options.get("channels") == 1 and input_options.get("normalise", "imagenet") != "none":
        raise ConfigError("normalise", "is imagenet, which needs 3 channels", "Set `normalise: none`, or 3 channels.")
