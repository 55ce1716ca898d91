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
from serflow.types import Count, Limit, NotNegative, Positive

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
class OneCycle:
    """A learning rate that rises from a fraction of its peak to it and falls to almost 0, by half a cosine each.

    Adam's β1 meanwhile falls and rises again (Smith 2018): the curve of `torch.optim.lr_scheduler.OneCycleLR`.
    """

    __pydantic_config__ = STRICT

    rise: Annotated[float, Limit(gt=0, lt=1)]
    """Share of the phase's batches in which it rises."""
    start: Positive
    """What the peak is divided by for the first batch."""


@dataclass(frozen=True)
class Phase:
    """Epochs of one kind."""

    __pydantic_config__ = STRICT

    epochs: Count
    """Number of epochs."""
    height: Count | None = None
    """Of the pictures, in pixels; by default the input's."""
    width: Count | None = None
    """Of the pictures, in pixels; by default the input's."""
    frozen: bool = False
    """Whether the head and batch normalisation alone are trained."""
    learning_rates: tuple[Positive, ...] = ()
    """One for each of the layer_groups; by default learning_rate for all."""
    one_cycle: OneCycle | None = None
    """How the learning rate changes from batch to batch, of which it is then the peak; by default it does not."""


@dataclass(frozen=True)
class Training:
    """How a network is trained."""

    __pydantic_config__ = STRICT

    epochs: Count
    """Number of epochs, with early_stopping at most."""
    batch_size: Annotated[int, Limit(ge=2)]
    """Items per batch."""
    optimiser: Literal["adam", "rmsprop"]
    """Adam with torch's defaults, RMSprop with Keras's."""
    learning_rate: Positive
    """Of the first batch."""
    decay: NotNegative = 0.0
    """After n batches the learning rate is divided by 1 + decay · n, as in Keras."""
    step_decay: StepDecay | None = None
    """Steps in which the learning rate falls; by default none."""
    warmup: Count | None = None
    """Epochs over which the learning rate rises in equal steps; it then falls in equal steps, almost to 0."""
    early_stopping: EarlyStopping | None = None
    """How the epoch is chosen; by default it is the last one."""
    class_weights: Literal["inverse"] | None = None
    """Weights of the loss: inverse to the size of the item's class, 1 on average; by default all weigh the same."""
    oversample: bool = False
    """Repeat items of smaller classes until all classes are as large as the largest."""
    layer_groups: tuple[tuple[str, ...], ...] = ()
    """Parts of the network that have learning rates of their own: names of its modules, of each all parameters."""
    phases: tuple[Phase, ...] = ()
    """Epochs of different kinds, one after the other; the last ones see the input's size of pictures."""
    augment: tuple[dict[str, Any], ...] = ()
    """Augmentations of the training part's batches: `kind` and its options."""
    precision: Literal["fp32", "bf16"] | None = None
    """What the network computes in; by default what `precision` in `config.yaml` says."""

    @classmethod
    def from_plain(cls, mapping: Mapping[str, Any]) -> Training:
        """Return the options that a checked mapping, such as a run's ``system_config["training"]``, holds."""
        values = dict(mapping)
        for key, kind in (("step_decay", StepDecay), ("early_stopping", EarlyStopping)):
            values[key] = kind(**mapping[key]) if mapping.get(key) else None
        values["phases"] = tuple(
            Phase(**phase | {"learning_rates": tuple(phase.get("learning_rates", ())), "one_cycle": _one_cycle(phase)})
            for phase in mapping.get("phases", ())
        )
        values["layer_groups"] = tuple(map(tuple, mapping.get("layer_groups", ())))
        values["augment"] = tuple(mapping.get("augment", ()))
        return cls(**values)


def _one_cycle(phase: Mapping[str, Any]) -> OneCycle | None:
    return OneCycle(**phase["one_cycle"]) if phase.get("one_cycle") else None


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
    if training.warmup and training.warmup > training.epochs:
        fault = f"is {training.warmup}, but epochs is {training.epochs}"
        raise ConfigError("warmup", fault, f"Allowed: up to {training.epochs}.")
    _check_phases(training, input_options)
    _check_augment(training, input_options["kind"])


def _check_phases(training: Training, input_options: Mapping[str, Any]) -> None:
    """Raise unless phases fill the epochs, suit the optimiser and the input, and end with the input's size."""
    phases, size = training.phases, (input_options.get("height"), input_options.get("width"))
    if not phases:
        return
    if training.early_stopping:
        raise ConfigError("early_stopping", "does not go with phases", "Remove one of the two.")
    total = sum(phase.epochs for phase in phases)
    if total != training.epochs:
        raise ConfigError("phases", f"their epochs sum to {total}, but epochs is {training.epochs}", "Make them equal.")
    for n, phase in enumerate(phases):
        if len(phase.learning_rates) not in (0, len(training.layer_groups)):
            fault = f"are {len(phase.learning_rates)} for {len(training.layer_groups)} layer_groups"
            raise ConfigError(f"phases.{n}.learning_rates", fault, "Give one for each group, or none.")
        if phase.one_cycle and training.optimiser != "adam":
            fault = f"changes Adam's β1, but the optimiser is {training.optimiser}"
            raise ConfigError(f"phases.{n}.one_cycle", fault, "Remove it, or set `optimiser: adam`.")
        if (phase.height or phase.width) and None in size:
            raise ConfigError(f"phases.{n}", "has a size of pictures", "Remove it; it needs input kind image.")
    last = (phases[-1].height or size[0], phases[-1].width or size[1])
    if last != size:
        fault = f"the last one is {last[0]} x {last[1]}, but the input is {size[0]} x {size[1]}"
        raise ConfigError("phases", fault, "Make them equal.")


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
    for key, default, without in (("normalise", "imagenet", "none"), ("colours", "grey", "grey")):
        value = input_options.get(key, default)
        if input_options.get("channels") == 1 and value != without:
            raise ConfigError(key, f"is {value}, which needs 3 channels", f"Set `{key}: {without}`, or 3 channels.")
    switch, scope = INPUTS.options(input_options["kind"]).get("standardise"), input_options.get("scope", "train")
    if switch and scope != "train" and not input_options.get("standardise", switch.default):
        raise ConfigError("scope", f"is {scope}, but nothing is standardised", "Add `standardise: true`, or remove it.")
    if (input_options.get("mel_axis") or math.inf) <= 1000:
        raise ConfigError("mel_axis", f"is {input_options['mel_axis']}", "Allowed: above 1000 (Hz).")
