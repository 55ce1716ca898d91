"""A support vector machine with an RBF kernel on standardised vectors, as scikit-learn's."""

from __future__ import annotations

from typing import Literal

from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from serflow.types import Positive

FRAMEWORK = "sklearn"
INPUTS = "vector"


def build(n_classes: int, *, C: Positive, gamma: Positive | Literal["scale", "auto"]) -> Pipeline:
    """Return standardisation, whose mean and scale come from the training part alone, followed by the SVM.

    Parameters
    ----------
    n_classes
        Not needed: classes are taken from the training part.
    C, gamma
        See `sklearn.svm.SVC`.
    """
    return make_pipeline(StandardScaler(), SVC(kernel="rbf", C=C, gamma=gamma))
