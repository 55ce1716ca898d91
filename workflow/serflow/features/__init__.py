"""Named feature recipes: each a transform with all its parameters, computed once per corpus into a Zarr cache."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from serflow.errors import ConfigError
from serflow.features.copies import check_copies

#: Transform name -> module of this package that defines a function of that name.
TRANSFORMS = {"logmel": "spectrogram", "logspectrogram": "spectrogram", "mfcc": "mfcc"}


def transform(recipe: Mapping[str, Any], where: object = "recipe") -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that turns one utterance's signal into its frames.

    Parameters
    ----------
    recipe
        ``transform``: a key of `TRANSFORMS`; ``sample_rate``; ``copies``, where there are any: see
        `serflow.features.copies`; everything else: that function's keyword arguments, all of them.
    where
        What to name in an error.

    Returns
    -------
    callable
        From a signal, shape (n_samples,), float32 at ``recipe["sample_rate"]`` Hz, to frames, shape (n_frames, bins).

    Raises
    ------
    ConfigError
        If the transform or a copy is unknown, or a parameter is missing or unknown.
    """
    options = dict(recipe)
    check_copies(options.pop("copies", {}), f"{where}: copies")
    name = options.pop("transform", None)
    if name not in TRANSFORMS:
        raise ConfigError(where, f"unknown transform {name!r}", f"Allowed: {', '.join(TRANSFORMS)}.")
    function = getattr(import_module(f"serflow.features.{TRANSFORMS[name]}"), name)
    taken = set(inspect.signature(function).parameters) - {"signal"}
    expected = taken | {"sample_rate"}  # reading a recording needs it, whether or not the transform does
    for key in sorted(expected ^ set(options)):
        fault = "is missing" if key in expected else "is not a parameter"
        raise ConfigError(where, f"{key!r} {fault} of transform {name}", f"It takes: {', '.join(sorted(expected))}.")
    return lambda signal: function(signal, **{key: options[key] for key in taken})
