"""Training without epochs: a scikit-learn estimator. Needs no torch, and of scikit-learn the estimator alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from serflow.errors import ConfigError
from serflow.training.dataset import Dataset, Inputs
from serflow.training.result import Fit


def fit(inputs: Inputs, data: Dataset, n_classes: int, build: Callable[[Sequence[int]], Any]) -> Fit:
    """Fit an estimator to the training part and apply it to every item.

    The predicted label is the estimator's own. Posteriors are the softmax of its decision values, one per class: they
    are not calibrated. An SVM decides by the votes of its pairs of classes; where they tie, for a few items in a
    hundred, the largest posterior can be another class's than the label. (scikit-learn's own probabilities would need
    a cross-validation, and differ from the label too.)

    Parameters
    ----------
    inputs
        The items in the form that the estimator takes.
    data
        Items with labels and the parts train, validation and test.
    n_classes
        Number of classes; one that the training part lacks has posterior 0.
    build
        From the shape of an item to the estimator.

    Raises
    ------
    ConfigError
        If the input is made batch by batch.
    """
    if inputs.offsets is not None:
        raise ConfigError("input.kind", "suits networks alone", "Take another.")
    items = inputs.items.astype(np.float64)
    estimator, train = build(inputs.shape), data.parts["train"]
    estimator.fit(items[train], data.labels[train])
    return Fit(estimator, [], posteriors(estimator, items, n_classes), estimator.predict(items), n_parameters=None)


def posteriors(estimator: Any, items: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the softmax of an estimator's decision values of items (N, ...) float64, shape (N, n_classes)."""
    decision = estimator.decision_function(items)
    if decision.ndim == 1:  # of two classes scikit-learn gives the second one's alone
        decision = np.stack([-decision, decision], axis=1)
    values = np.full((len(items), n_classes), -np.inf)
    values[:, estimator.classes_] = decision
    weights = np.exp(values - values.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
