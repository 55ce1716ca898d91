"""Recipes: a transform with all its options, and what the store does with its frames. Nothing heavy is imported here.

A recipe is a mapping: ``transform``, the name of one of `TRANSFORMS`; that function's options, all of them, among them
``sample_rate``, at which recordings are read; and, where wanted, the options in `STORE_OPTIONS`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from serflow.errors import ConfigError
from serflow.kinds import Kinds, Option, split_kind
from serflow.types import Positive

Recipe = Mapping[str, Any]
#: Distributions whose versions decide what any transform returns; a transform's `EXTRA` is one more.
LIBRARIES = ("librosa", "numpy", "praat-parselmouth", "scipy", "soundfile", "soxr")

#: What turns a signal into frames: a recipe's ``transform``.
TRANSFORMS = Kinds("serflow.features.transforms", given=("device",))
#: What augmented copies can be made by: the keys of a recipe's ``copies``.
COPIES = Kinds("serflow.features.copies", names=("noise", "pitch", "stretch"), given=("sample_rate", "seed"))
#: What cuts silence off where a recipe has ``trim_db``.
TRIMS = Kinds("serflow.features.trim", names=("trim",))
#: The transform whose ``weights`` are one of `encoders` in config.yaml.
ENCODER = "encoder"
#: The type of stored frames where a recipe does not say it.
DTYPE = "float32"
#: What a recipe may say beside its transform's options.
STORE_OPTIONS = (
    Option("copies", dict[str, dict[str, Any]], False, "Augmented copies of each recording: kind and its options."),
    Option("segment_seconds", Positive, False, "Longest part that recordings are cut into before the transform, in s."),
    Option("trim_db", Positive, False, "Before the transform cut off both ends what is so many dB below the loudest."),
    Option("dtype", Literal["float32", "float16"], False, "Type of the stored frames.", DTYPE),
)
#: Options of which the first must be below the second, or, where it may, equal to it.
_ORDERED = (
    ("fmin", "fmax", False),
    ("win_length", "n_fft", True),
    ("first", "n_mfcc", True),
    ("n_mfcc", "n_mels", True),
    ("pitch_floor", "pitch_ceiling", False),
    ("pitch_ceiling", "fmax", False),
)


def make_transform(recipe: Recipe, device: str = "cpu") -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that turns one utterance's signal into its frames.

    Parameters
    ----------
    recipe
        With all options.
    device
        What an encoder computes on, as torch names it; all other transforms compute on the CPU.

    Returns
    -------
    callable
        From a signal, shape (n_samples,), float32 at ``recipe["sample_rate"]`` Hz, to frames, shape (n_frames, bins),
        float32 whatever ``dtype`` the store has.

    Raises
    ------
    ConfigError
        If there is no such transform, an option is missing or unknown, or see `check_relations`.
    WeightsError
        If it needs pretrained weights that cannot be had.
    """
    name, options = split_kind(recipe, "transform")
    for option in STORE_OPTIONS:
        options.pop(option.name, None)
    if encoder_of(recipe):
        options["device"] = device
    transform = _bind(TRANSFORMS, name, options, {})
    check_relations(recipe)
    if prepare := getattr(TRANSFORMS.module(name), "prepare", None):
        prepare(**options)  # reads what every call needs, which worker processes then share
    if "trim_db" not in recipe:
        return transform
    trim = functools.partial(TRIMS.load("trim"), top_db=recipe["trim_db"])
    return lambda signal: transform(trim(signal))


def kinds_of(recipe: Recipe) -> list[tuple[Kinds, str]]:
    """Return what building the store of a recipe loads by name."""
    copies = [(COPIES, name) for name in recipe.get("copies", ())]
    return [(TRANSFORMS, recipe["transform"]), *copies, *([(TRIMS, "trim")] if "trim_db" in recipe else [])]


def extra_of(recipe: Recipe) -> list[str]:
    """Return the libraries that a recipe's transform needs beside serflow's own: its module's constant `EXTRA`."""
    return TRANSFORMS.constant(recipe["transform"], "EXTRA", "").split()


def versions_of(recipe: Recipe) -> dict[str, str]:
    """Return the versions of the libraries that compute a recipe's features, by name."""
    return {name: version(name) for name in (*LIBRARIES, *extra_of(recipe))}


def encoder_of(recipe: Recipe) -> str | None:
    """Return the pretrained encoder that a recipe takes, if it takes one: its name, or as it is run its digest."""
    return recipe["weights"] if recipe["transform"] == ENCODER else None


def make_copies(recipe: Recipe) -> dict[str, Callable[..., np.ndarray]]:
    """Return the functions that make a recipe's augmented copies, by name: from a signal and ``seed=`` to a signal.

    Raises
    ------
    ConfigError
        If there is no such kind of copy, or an option is missing or unknown.
    """
    copies, rate = recipe.get("copies", {}), {"sample_rate": recipe["sample_rate"]}
    return {name: _bind(COPIES, name, options | rate, {"seed": 0}) for name, options in copies.items()}


def _bind(kinds: Kinds, name: str, options: Mapping[str, Any], later: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Return the function of a kind with its options; `later` are examples of what its caller gives beside a signal."""
    try:
        function = kinds.load(name)
        inspect.signature(function).bind(np.empty(0), **options, **later)
    except ConfigError as error:
        raise ConfigError("recipe", error.fault, error.remedy) from None
    except TypeError as error:
        remedy = f"It takes: {', '.join(kinds.options(name))}."
        raise ConfigError("recipe", f"does not fit {name} ({error})", remedy) from None
    return functools.partial(function, **options)


def check_relations(recipe: Recipe) -> None:
    """Raise a ConfigError, whose ``where`` is the key at fault, unless the options of a recipe fit each other."""
    for low, high, equal in _ORDERED:
        if not {low, high} <= recipe.keys() or recipe[low] < recipe[high] or (equal and recipe[low] == recipe[high]):
            continue
        allowed = f"Allowed: {'up to' if equal else 'below'} {recipe[high]}."
        raise ConfigError(low, f"{recipe[low]} does not fit {high}, which is {recipe[high]}", allowed)
    half = recipe["sample_rate"] / 2
    if recipe.get("fmax", 0) > half:
        raise ConfigError("fmax", f"{recipe['fmax']} is above half the sample_rate", f"Allowed: up to {half}.")
    if "pitch_floor" in recipe and recipe["pitch_floor"] < 2 * recipe["sample_rate"] / recipe["n_fft"]:
        fault = f"{recipe['pitch_floor']} is less than two bins of {recipe['sample_rate'] / recipe['n_fft']} Hz"
        raise ConfigError("pitch_floor", fault, "Give a higher one, or a larger n_fft.")
    if recipe.get("layer") == "all" and not recipe.get("pooled"):
        raise ConfigError("layer", "'all' gives one frame per layer", "Add `pooled: true`, or choose one layer.")
    # A copy is cut into as many parts as its recording.
    slower = [name for name, options in recipe.get("copies", {}).items() if options.get("rate", 1) < 1]
    for other in (*(["trim_db"] if recipe.get("trim_db") else []), *(f"copies.{name}" for name in slower)):
        if "segment_seconds" in recipe:
            fault = f"does not go with {other}, since segments are counted from the recordings' lengths"
            raise ConfigError("segment_seconds", fault, f"Leave out {other} or segment_seconds.")
