"""Metrics of confusion counts, their intervals and the chance levels.

A metric is one function with the decorator `metric`: score files and all columns of tables follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: With fewer speakers than this a bootstrap over speakers means nothing: utterances are drawn instead, and it is said.
MIN_SPEAKERS = 6
#: Samples of a bootstrap.
N_RESAMPLES = 2000

#: Confusion counts or expected counts ``(..., C, C)``, rows are true classes, to values ``(...)`` in 0..1 (NaN: none).
Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A metric: its name in files, its label in tables and figures, what it means, and its function."""

    name: str
    label: str
    meaning: str
    function: Function


#: All metrics by name, in the order in which they are shown.
METRICS: dict[str, Metric] = {}


def metric(name: str, label: str, meaning: str) -> Callable[[Function], Function]:
    """Register a function as a metric."""

    def register(function: Function) -> Function:
        METRICS[name] = Metric(name, label, meaning, function)
        return function

    return register


def label_of(name: str) -> str:
    """Return the label of a metric; the name itself of what only training logs (accuracy, loss)."""
    return METRICS[name].label if name in METRICS else name


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the mean of `values` over the last axis where `chosen`; NaN where nothing is."""
    n = chosen.sum(axis=-1)
    return np.where(n > 0, np.where(chosen, values, 0.0).sum(axis=-1) / np.maximum(n, 1), np.nan)


@metric("WA", "WA", "overall accuracy")
def weighted_accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the share of utterances that are recognised."""
    total = counts.sum(axis=(-2, -1))
    hits = np.trace(counts, axis1=-2, axis2=-1)
    return np.where(total > 0, hits / np.where(total > 0, total, 1.0), np.nan)


@metric("UA", "UA", "mean of the per-class recalls")
def unweighted_accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the mean recall of the classes present in the truth (scikit-learn's ``balanced_accuracy_score``)."""
    truth = counts.sum(axis=-1)
    recall = np.diagonal(counts, axis1=-2, axis2=-1) / np.where(truth > 0, truth, 1.0)
    return _mean_where(recall, truth > 0)


@metric("macro_F1", "macro-F1", "mean of the per-class F1")
def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the classes present in the truth or among the predictions.

    A class that is predicted but absent counts as 0, as in scikit-learn's ``f1_score(average="macro")``.
    """
    truth, guess = counts.sum(axis=-1), counts.sum(axis=-2)
    f1 = 2 * np.diagonal(counts, axis1=-2, axis2=-1) / np.where(truth + guess > 0, truth + guess, 1.0)
    return _mean_where(f1, truth + guess > 0)


def scores(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Return each of `METRICS` for a batch of confusion matrices; a matrix of zeros scores NaN.

    Parameters
    ----------
    confusions
        ``(..., C, C)`` counts or expected counts; rows are true classes.

    Returns
    -------
    dict
        Name of the metric to an array of shape ``(...)``, in 0..1.
    """
    counts = np.asarray(confusions, dtype=float)
    return {name: one.function(counts) for name, one in METRICS.items()}


def mean_of_runs(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Return each metric of ``(..., n_runs, C, C)`` averaged over the runs that have any utterance, shape ``(...)``."""
    return {name: _mean_where(value, ~np.isnan(value)) for name, value in scores(confusions).items()}


def bootstrap_interval(per_unit: np.ndarray, n_resamples: int = N_RESAMPLES) -> dict[str, tuple[float, float]]:
    """Return 95 % percentile-bootstrap intervals over units, speakers as a rule; the same draws each time.

    Speakers, not utterances, are drawn with replacement, since utterances of one speaker are not independent. Each
    draw is applied to all runs alike, and the statistic is the mean over the runs of the metric of the pooled counts.
    The interval tells how the figure would vary with other speakers; it leaves out what other seeds would change.

    Parameters
    ----------
    per_unit
        ``(n_runs, n_units, C, C)`` counts. Units without utterances are left out.
    n_resamples
        Number of draws.

    Returns
    -------
    dict
        Metric to (low, high).

    References
    ----------
    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    counts = np.asarray(per_unit, dtype=float)
    counts = counts[:, counts.sum(axis=(0, 2, 3)) > 0]
    drawn = mean_of_runs(resample(counts, draw_units(np.random.default_rng(0), counts.shape[1], n_resamples)))
    bounds = {name: np.nanpercentile(values, [2.5, 97.5]) for name, values in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def draw_units(rng: np.random.Generator, n_units: int, n_resamples: int) -> np.ndarray:
    """Return how often each unit stands in each bootstrap sample, ``(n_resamples, n_units)``."""
    return rng.multinomial(n_units, np.full(n_units, 1 / n_units), n_resamples)


def resample(per_unit: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the pooled counts of bootstrap samples, ``(n_resamples, n_runs, C, C)``.

    Parameters
    ----------
    per_unit
        ``(n_runs, n_units, C, C)`` counts.
    draws
        See `draw_units`.
    """
    n_runs, n_units, *matrix = per_unit.shape
    by_unit = per_unit.swapaxes(0, 1).reshape(n_units, -1).astype(float)
    return (draws.astype(float) @ by_unit).reshape(len(draws), n_runs, *matrix)


def uniform_confusion(counts: np.ndarray) -> np.ndarray:
    """Return the expected confusion matrix of a guesser that draws every class with probability 1/C.

    Its `scores` are the chance level: WA and UA are exactly 1/C; macro-F1 is the ratio of expectations
    ``2 (n_k / C) / (n_k + N / C)`` averaged over the classes, which the true expectation approaches as N grows.

    Parameters
    ----------
    counts
        ``(..., C, C)`` confusion counts, of which only the true classes matter.
    """
    truth = np.asarray(counts, dtype=float).sum(axis=-1, keepdims=True)
    return np.broadcast_to(truth / counts.shape[-1], counts.shape).copy()
