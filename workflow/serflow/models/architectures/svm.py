"""A support vector machine with an RBF kernel on standardised vectors, as scikit-learn's."""

from __future__ import annotations

from typing import Literal

from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from serflow.types import Positive

FRAMEWORK = "sklearn"
INPUTS = "vector"


def build(
    n_classes: int, *, C: Positive, gamma: Positive | Literal["scale", "auto"], standardise: bool = True
) -> Pipeline:
    """Return the SVM, behind a standardisation whose mean and scale come from the training part alone.

    Parameters
    ----------
    n_classes
        Not needed: classes are taken from the training part.
    C, gamma
        See `sklearn.svm.SVC`.
    standardise
        Set it to false where the input has a `scope`: a second standardisation would undo that of the whole corpus.
    """
    svm = SVC(kernel="rbf", C=C, gamma=gamma)
    return make_pipeline(StandardScaler(), svm) if standardise else make_pipeline(svm)
