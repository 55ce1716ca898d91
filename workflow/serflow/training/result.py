"""What training gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serflow.training.dataset import Inputs


@dataclass(frozen=True)
class Fit:
    """A trained system applied to all N items of its run.

    ``model``: network or estimator; ``history``: one dict of `serflow.runs.HISTORY` per epoch; ``posteriors`` (N,
    n_classes) float64; ``predicted`` (N,) int64; ``n_parameters``: None where the framework has no such number;
    ``best_epoch``: the epoch (from 1) that was chosen on the validation part, None where the last one was taken;
    ``resumed_after``: the epochs that a checkpoint held.
    """

    model: Any
    history: list[dict[str, float]]
    posteriors: np.ndarray
    predicted: np.ndarray
    n_parameters: int | None
    best_epoch: int | None = None
    resumed_after: int = 0


@dataclass(frozen=True)
class Trained:
    """A fit, and what its job does with it.

    ``inputs``: what the model was given; ``computing``: what it was computed with, for `run.json`; ``save``: writes the
    model to a file; ``finish``: called when the run's folder is written.
    """

    fit: Fit
    inputs: Inputs
    computing: dict[str, Any]
    save: Callable[[Path], None]
    finish: Callable[[], None] = lambda: None
