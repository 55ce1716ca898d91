"""WA, UA and macro-F1 from confusion matrices, their intervals and the chance levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Overall accuracy, mean of the per-class recalls, and mean of the per-class F1.
METRICS = ("WA", "UA", "macro_F1")

#: With fewer speakers than this a bootstrap over speakers says nothing: the per-speaker values are shown instead.
MIN_SPEAKERS = 6


def confusion(labels: Sequence[int] | np.ndarray, predicted: Sequence[int] | np.ndarray, n_classes: int) -> np.ndarray:
    """Count how often each class is taken for each.

    Parameters
    ----------
    labels, predicted
        True and predicted class of each utterance, shape ``(n_utterances,)``, in ``0..n_classes - 1``.
    n_classes
        Size of the label set, C.

    Returns
    -------
    numpy.ndarray
        ``(C, C)`` int64; rows are true classes, columns predicted ones.

    Raises
    ------
    ValueError
        If the lengths differ or a class lies outside the label set.
    """
    truth, guess = np.asarray(labels, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if truth.shape != guess.shape or truth.ndim != 1:
        raise ValueError(f"labels {truth.shape} and predicted {guess.shape} must be vectors of one length")
    both = np.concatenate([truth, guess])
    if both.size and (both.min() < 0 or both.max() >= n_classes):
        raise ValueError(f"classes must lie in 0..{n_classes - 1}, found {both.min()}..{both.max()}")
    return np.bincount(truth * n_classes + guess, minlength=n_classes**2).reshape(n_classes, n_classes)


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the mean of `values` over the last axis where `chosen`; NaN where nothing is."""
    n = chosen.sum(axis=-1)
    return np.where(n > 0, np.where(chosen, values, 0.0).sum(axis=-1) / np.maximum(n, 1), np.nan)


def scores(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Return each of `METRICS` for a batch of confusion matrices.

    UA averages the recalls of the classes present in the truth (scikit-learn's ``balanced_accuracy_score``). Macro-F1
    averages over the classes present in the truth or among the predictions (``f1_score(average="macro")``), so a
    class that is predicted but absent counts as 0. A matrix of zeros scores NaN.

    Parameters
    ----------
    confusions
        ``(..., C, C)`` counts or expected counts; rows are true classes.

    Returns
    -------
    dict
        Metric name to an array of shape ``(...)``, in 0..1.
    """
    counts = np.asarray(confusions, dtype=float)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    truth, guess = counts.sum(axis=-1), counts.sum(axis=-2)
    total = truth.sum(axis=-1)
    recall = hits / np.where(truth > 0, truth, 1.0)
    f1 = 2 * hits / np.where(truth + guess > 0, truth + guess, 1.0)
    return {
        "WA": np.where(total > 0, hits.sum(axis=-1) / np.where(total > 0, total, 1.0), np.nan),
        "UA": _mean_where(recall, truth > 0),
        "macro_F1": _mean_where(f1, truth + guess > 0),
    }


def mean_of_runs(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Return each metric of ``(..., n_runs, C, C)`` averaged over the runs that have any utterance, shape ``(...)``."""
    return {metric: _mean_where(value, ~np.isnan(value)) for metric, value in scores(confusions).items()}


def bootstrap_interval(
    per_speaker: np.ndarray, n_resamples: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float]] | None:
    """Return 95 % percentile-bootstrap intervals over speakers.

    Speakers, not utterances, are drawn with replacement, since utterances of one speaker are not independent. Each
    draw is applied to all runs alike, and the statistic is the mean over the runs of the metric of the pooled counts.
    The interval tells how the figure would vary with other speakers; it leaves out what other seeds would change.

    Parameters
    ----------
    per_speaker
        ``(n_speakers, C, C)`` counts, or ``(n_runs, n_speakers, C, C)``. Speakers without utterances are left out.
    n_resamples
        Number of draws.
    seed
        Seed of the draws.

    Returns
    -------
    dict or None
        Metric to (low, high); None for fewer than `MIN_SPEAKERS` speakers.

    References
    ----------
    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    counts = np.asarray(per_speaker, dtype=float)
    counts = counts[np.newaxis] if counts.ndim == 3 else counts
    counts = counts[:, counts.sum(axis=(0, 2, 3)) > 0]
    n_runs, n_speakers, n_classes, _ = counts.shape
    if n_speakers < MIN_SPEAKERS:
        return None
    draws = np.random.default_rng(seed).multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), n_resamples)
    by_speaker = counts.swapaxes(0, 1).reshape(n_speakers, -1)
    pooled = (draws.astype(float) @ by_speaker).reshape(n_resamples, n_runs, n_classes, n_classes)
    intervals = {}
    for metric, values in mean_of_runs(pooled).items():
        low, high = np.nanpercentile(values, [2.5, 97.5])
        intervals[metric] = (float(low), float(high))
    return intervals


def uniform_confusion(counts: np.ndarray) -> np.ndarray:
    """Return the expected confusion matrix of a guesser that draws every class with probability 1/C.

    Its `scores` are the chance level: WA and UA are exactly 1/C; macro-F1 is the ratio of expectations
    ``2 (n_k / C) / (n_k + N / C)`` averaged over the classes, which the true expectation approaches as N grows.

    Parameters
    ----------
    counts
        ``(C, C)`` confusion counts, of which only the true classes matter.
    """
    truth = np.asarray(counts, dtype=float).sum(axis=-1, keepdims=True)
    return np.broadcast_to(truth / counts.shape[-1], counts.shape).copy()
