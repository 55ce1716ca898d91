"""Differences between two results, with intervals and tests: ours and a published one, or two of ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtri

from serflow.scoring.metrics import METRICS, N_RESAMPLES, draw_units, mean_of_runs, resample

#: Of a 95 % interval.
Z = float(ndtri(0.975))


class Estimate(NamedTuple):
    """A value and its 95 % interval, all fractions or differences of fractions."""

    value: float
    low: float
    high: float


def subtract(first: Estimate, second: Estimate) -> Estimate:
    """Return `first` minus `second`, two independent estimates.

    On each side the errors of both add by squares.

    References
    ----------
    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17 (1998).
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - below, value + above)


def effective_size(counts: np.ndarray, metric: str, n: float) -> float:
    """Return the number of single recognitions whose share varies as a metric of `n` utterances does.

    WA: n itself. UA, the mean of K recalls, each binomial in its class's size n_k: K² / Σ (1 / n_k). Any other: from
    the variance over multinomial draws of n utterances.

    Parameters
    ----------
    counts
        ``(C, C)`` confusion counts: what the draws are from, and classes in the proportions of the test set.
    metric
        One of `METRICS`.
    n
        Size of the test set.
    """
    if metric == "WA":
        return n
    truth = counts.sum(axis=1)
    if metric == "UA":
        sizes = truth[truth > 0] / truth.sum() * n
        return len(sizes) ** 2 / float((1 / sizes).sum())
    drawn = np.random.default_rng(0).multinomial(round(n), (counts / counts.sum()).ravel(), N_RESAMPLES)
    values = METRICS[metric].function(drawn.reshape(-1, *counts.shape).astype(float))
    mean, variance = float(np.nanmean(values)), float(np.nanvar(values))
    return mean * (1 - mean) / variance if variance else n


def seed_variance(counts: np.ndarray, metric: str, same_test_set: bool) -> float:
    """Return the variance between seeds beyond what sampling their test sets explains; never below 0.

    Parameters
    ----------
    counts
        ``(n_seeds, C, C)`` confusion counts, one matrix for each of at least two seeds.
    metric
        One of `METRICS`.
    same_test_set
        Whether all seeds are tested on the same utterances, so that sampling explains nothing.
    """
    values = METRICS[metric].function(counts.astype(float))
    explained = 0.0
    if not same_test_set:
        sizes = np.array([effective_size(matrix, metric, matrix.sum()) for matrix in counts])
        explained = float(np.mean(values * (1 - values) / sizes))
    return max(0.0, float(np.var(values, ddof=1)) - explained)


def widen(estimate: Estimate, variance: float) -> Estimate:
    """Return an estimate with further, independent variance of its value, kept within 0..1."""
    value, extra = estimate.value, Z * math.sqrt(variance)
    below, above = math.hypot(value - estimate.low, extra), math.hypot(estimate.high - value, extra)
    return Estimate(value, max(0.0, value - below), min(1.0, value + above))


def published_estimate(value: float, n: float, ours: float, variance: float) -> Estimate:
    """Return a published number with the error of its one run: Wilson's interval, and the variance between seeds.

    Parameters
    ----------
    value
        The published number, a fraction.
    n
        `effective_size` of the paper's test set.
    ours
        Our value.
    variance
        Between seeds, of ours (`seed_variance`). It is carried over in log-odds, since the same change of a network
        moves 97 % by fewer points than 50 %.
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(value * n, n, method="wilson")
    centre = float(np.clip(ours, 0.5 / n, 1 - 0.5 / n))
    spread = Z * math.sqrt(variance) / (centre * (1 - centre))
    odds = logit(np.clip(value, 0.5 / n, 1 - 0.5 / n))
    below = math.hypot(value - low, max(0.0, value - expit(odds - spread)))
    above = math.hypot(high - value, max(0.0, expit(odds + spread) - value))
    return Estimate(value, max(0.0, value - below), min(1.0, value + above))


def bootstrap_difference(first: np.ndarray, second: np.ndarray, joint: bool = True) -> dict[str, Estimate]:
    """Return the difference of each metric, first minus second, with a 95 % percentile-bootstrap interval.

    Parameters
    ----------
    first, second
        ``(n_runs, n_units, C, C)`` confusion counts, of speakers as a rule. A draw of units is applied to all runs of
        a side; the statistic is the mean over runs of the metric of the pooled counts.
    joint
        Whether the same place in both is the same unit. Then both sides take the same draw; else each takes its own.
    """
    rng = np.random.default_rng(0)
    draws = draw_units(rng, first.shape[1], N_RESAMPLES)
    own = draws if joint else draw_units(rng, second.shape[1], N_RESAMPLES)
    drawn = [mean_of_runs(resample(counts, weights)) for counts, weights in ((first, draws), (second, own))]
    values = [mean_of_runs(counts.sum(axis=1)) for counts in (first, second)]
    found = {}
    for name in METRICS:
        low, high = np.nanpercentile(drawn[0][name] - drawn[1][name], [2.5, 97.5])
        found[name] = Estimate(float(values[0][name] - values[1][name]), float(low), float(high))
    return found


def mcnemar_p(first: np.ndarray, second: np.ndarray) -> float:
    """Return the p-value of McNemar's exact test on the same utterances.

    Parameters
    ----------
    first, second
        ``(n_utterances,)`` bool: whether each is recognised.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    table = [[int(np.sum((first == a) & (second == b))) for b in (True, False)] for a in (True, False)]
    return float(mcnemar(table, exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]] if len(p_values) else []
