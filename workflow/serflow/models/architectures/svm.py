"""A support vector machine with an RBF kernel on standardised vectors, as scikit-learn's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FRAMEWORK = "sklearn"


def build(n_classes: int, *, C: float, gamma: float | Literal["scale", "auto"]) -> Pipeline:
    """Return standardisation, whose mean and scale come from the training part alone, followed by the SVM.

    Parameters
    ----------
    n_classes
        Not needed: classes are taken from the training part.
    C, gamma
        See `sklearn.svm.SVC`.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(kernel="rbf", C=C, gamma=gamma))
