"""openSMILE's functionals of a whole signal, computed by its authors' library, which the extra `features` installs.

openSMILE is free for research and teaching, not for commercial products: see its licence.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

import numpy as np

from serflow.errors import ConfigError
from serflow.types import Count

#: What it needs beside serflow's own libraries.
EXTRA = "opensmile"

try:
    import opensmile as library
except ModuleNotFoundError as error:
    fault = "the transform opensmile needs the library opensmile, which is not installed"
    raise ConfigError("", fault, "Install the extra: pip install -r requirements-features.lock") from error


def opensmile(
    signal: np.ndarray, *, sample_rate: Count, feature_set: Literal["eGeMAPSv02", "ComParE_2016"]
) -> np.ndarray:
    """Return the functionals of a signal as one frame, as ``opensmile.Smile(feature_set)`` computes them.

    They are not finite for a signal of less than one analysis window (60 ms), which a feature store refuses.

    Parameters
    ----------
    signal
        Shape (n_samples,), mono at `sample_rate` Hz.
    sample_rate
        Sampling rate of the signal, in Hz.
    feature_set
        eGeMAPSv02 (Eyben et al., 2016; 88 functionals) or ComParE_2016 (Schuller et al., 2016; 6373).

    Returns
    -------
    numpy.ndarray
        Shape (1, n_functionals), float32, in the library's order.
    """
    found = _load(feature_set).process_signal(signal, sample_rate)
    return np.ascontiguousarray(found.to_numpy(), dtype=np.float32)


@functools.cache  # once per process
def _load(feature_set: str) -> Any:
    """Return the extractor of a feature set; it runs in one thread."""
    return library.Smile(feature_set, library.FeatureLevel.Functionals)
