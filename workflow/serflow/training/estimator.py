"""One training job's estimator: from its specification to a fitted scikit-learn estimator, on the CPU."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

from serflow import models
from serflow.runs import Spec
from serflow.training.classical import fit
from serflow.training.dataset import Dataset, prepare
from serflow.training.environment import versions
from serflow.training.result import Trained

#: What an estimator's numbers depend on.
LIBRARIES = ("serflow", "scikit-learn", "skops", "numpy", "librosa")


def train_run(spec: Spec, data: Dataset, *_settings: Any) -> Trained:
    """Fit a run's estimator on the CPU in double precision; of a network's settings it needs none.

    Raises
    ------
    ConfigError
        If the input suits networks alone.
    """
    clock, n_classes = time.monotonic(), len(spec.labels)
    inputs = prepare(spec.system["input"], data)
    result = fit(inputs, data, n_classes, lambda shape: models.build(spec.system["model"], n_classes, shape))
    computing = {"device": "cpu", "precision": "fp64", "threads": 1, "versions": versions(LIBRARIES)}
    computing |= {"device_name": platform.processor() or platform.machine(), "model_format": "skops"}
    computing["training_seconds"] = round(time.monotonic() - clock, 1)
    return Trained(result, inputs, computing, lambda path: save(result.model, path))


def save(estimator: Any, path: Path) -> None:
    """Write an estimator in a format that cannot hold code."""
    # It imports all of scikit-learn, and torch with it: seconds in which a mistake in the data is to be told first.
    import skops.io

    skops.io.dump(estimator, path)
