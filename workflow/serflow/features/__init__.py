"""Named feature recipes: each a transform with all its parameters, computed once per corpus into a Zarr cache."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from serflow.errors import ConfigError
from serflow.features.copies import check_copies

#: Transform name -> module of this package that defines a function of that name.
TRANSFORMS = {
    "harmonic": "harmonic",
    "logmel": "spectrogram",
    "logpower": "logpower",
    "logspectrogram": "spectrogram",
    "mfcc": "mfcc",
}
#: Keys of a recipe that are not its transform's.
CACHE_KEYS = ("copies", "segment_seconds", "dtype")
#: How a cache may store frames (the recipe's ``dtype``).
DTYPES = ("float32", "float16")


def transform(recipe: Mapping[str, Any], where: object = "recipe") -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that turns one utterance's signal into its frames.

    Parameters
    ----------
    recipe
        ``transform``: a key of `TRANSFORMS`; ``sample_rate``; what the cache takes, where it is wanted: ``copies`` (see
        `serflow.features.copies`) or ``segment_seconds`` (s, see `serflow.features.segments`), and ``dtype``, one of
        `DTYPES`; everything else: that function's keyword arguments, all of them.
    where
        What to name in an error.

    Returns
    -------
    callable
        From a signal, shape (n_samples,), float32 at ``recipe["sample_rate"]`` Hz, to frames, shape (n_frames, bins),
        float32 whatever ``dtype`` the cache stores.

    Raises
    ------
    ConfigError
        If the transform or a copy is unknown, a parameter is missing or unknown, or a value for the cache is not
        allowed.
    """
    options = dict(recipe)
    _check_cache_options(
        {key: options.pop(key) for key in ("copies", "segment_seconds", "dtype") if key in options}, where
    )
    name = options.pop("transform", None)
    if name not in TRANSFORMS:
        raise ConfigError(where, f"unknown transform {name!r}", f"Allowed: {', '.join(TRANSFORMS)}.")
    function = getattr(import_module(f"serflow.features.transforms.{TRANSFORMS[name]}"), name)
    taken = set(inspect.signature(function).parameters) - {"signal"}
    expected = taken | {"sample_rate"}  # reading a recording needs it, whether or not the transform does
    for key in sorted(expected ^ set(options)):
        fault = "is missing" if key in expected else "is not a parameter"
        raise ConfigError(where, f"{key!r} {fault} of transform {name}", f"It takes: {', '.join(sorted(expected))}.")
    return lambda signal: function(signal, **{key: options[key] for key in taken})


def _check_cache_options(options: Mapping[str, Any], where: object) -> None:
    """Raise a ConfigError unless a cache can be made with these ``copies``, ``segment_seconds`` and ``dtype``."""
    check_copies(options.get("copies", {}), f"{where}: copies")
    seconds, dtype = options.get("segment_seconds", 1.0), options.get("dtype", DTYPES[0])
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        fault = f"'segment_seconds' is {seconds!r}, not a number of seconds above 0"
        raise ConfigError(where, fault, "Give the longest part's duration in s, or leave the key out.")
    if dtype not in DTYPES:
        raise ConfigError(where, f"'dtype' is {dtype!r}", f"Allowed: {', '.join(DTYPES)}.")
    if options.get("copies") and "segment_seconds" in options:
        fault = "has both 'copies' and 'segment_seconds', which a cache cannot hold together"
        raise ConfigError(where, fault, "Leave one of them out.")
