"""What training gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from serflow.training.inputs import Inputs


@dataclass
class Fit:
    """A trained system applied to all N items of its run.

    ``model``: network or estimator; ``history``: one dict of `HISTORY` per epoch; ``posteriors`` (N, n_classes)
    float64; ``predicted`` (N,) int64; ``n_parameters``: None where the framework has no such number; ``inputs``: what
    the model was given; ``best_epoch``: the epoch (from 1) that was chosen on the validation part, None where the last
    one was taken; ``resumed_after``: the epochs that a checkpoint held.
    """

    model: Any
    history: list[dict[str, float]]
    posteriors: np.ndarray
    predicted: np.ndarray
    n_parameters: int | None
    inputs: Inputs
    best_epoch: int | None = None
    resumed_after: int = 0


HISTORY = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "validation_UA",
    "seconds",
)
