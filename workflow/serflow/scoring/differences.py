"""Differences between two results, with intervals and tests: ours and a published one, or two of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from serflow.scoring.metrics import METRICS, mean_of_runs

#: Of a 95 % interval.
Z = float(norm.ppf(0.975))
N_DRAWS = 2000


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
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - float(below), value + float(above))


def sampling_variance(counts: np.ndarray, metric: str, seed: int = 0) -> np.ndarray:
    """Return how much a metric varies from one test set to another of the same size.

    Parameters
    ----------
    counts
        ``(n_seeds, C, C)`` confusion counts; the test sets are drawn from them (multinomial).
    metric
        One of `METRICS`.
    seed
        Seed of the draws.

    Returns
    -------
    numpy.ndarray
        The variance for each seed's counts, ``(n_seeds,)``.
    """
    return np.array([np.nanvar(_draw(matrix, metric, seed)) for matrix in counts])


def seed_variance(counts: np.ndarray, metric: str, same_test_set: bool) -> float:
    """Return the variance between seeds beyond what sampling their test sets explains; never below 0.

    Parameters
    ----------
    counts
        ``(n_seeds, C, C)`` confusion counts, one matrix per seed; NaN for a single seed.
    metric
        One of `METRICS`.
    same_test_set
        Whether all seeds are tested on the same utterances, so that sampling explains nothing.
    """
    if len(counts) < 2:
        return float("nan")
    between = np.var(METRICS[metric].function(counts.astype(float)), ddof=1)
    explained = 0.0 if same_test_set else sampling_variance(counts, metric).mean()
    return max(0.0, float(between - explained))


def widen(estimate: Estimate, variance: float) -> Estimate:
    """Return an estimate with further, independent variance of its value, kept within 0..1."""
    extra = Z * np.sqrt(variance)
    below, above = (
        float(np.hypot(side, extra)) for side in (estimate.value - estimate.low, estimate.high - estimate.value)
    )
    return Estimate(estimate.value, max(0.0, estimate.value - below), min(1.0, estimate.value + above))


def published_estimate(value: float, metric: str, ours: np.ndarray, n: int, variance: float) -> Estimate:
    """Return a published number with the error of its one run on `n` utterances.

    Parameters
    ----------
    value
        The published number, a fraction.
    metric
        One of `METRICS`. WA: Wilson's interval. UA: the same at the size that has the variance of the mean of
        binomial recalls. Any other: the spread of that metric over multinomial draws from our confusion matrix.
    ours
        ``(C, C)`` our confusion counts: classes in the proportions of the paper's test set.
    n
        Size of the paper's test set.
    variance
        Between seeds, of ours (`seed_variance`). It is carried over in log-odds, since the same change of a network
        moves 97 % by fewer points than 50 %.
    """
    if metric == "WA":
        sampled = _wilson(value, n)
    elif metric == "UA":
        support = ours.sum(axis=1)[ours.sum(axis=1) > 0] / ours.sum() * n
        sampled = _wilson(value, len(support) ** 2 / float((1 / support).sum()))
    else:
        draws = _draw(ours, metric, 0, n)
        low, high = np.nanpercentile(draws - np.nanmean(draws), [2.5, 97.5])
        sampled = Estimate(value, value + float(low), value + float(high))
    reference = np.clip(METRICS[metric].function(ours.astype(float)), 0.5 / n, 1 - 0.5 / n)
    spread = Z * np.sqrt(variance) / (reference * (1 - reference))
    odds = logit(np.clip(value, 0.5 / n, 1 - 0.5 / n))
    below = np.hypot(value - sampled.low, max(0.0, value - expit(odds - spread)))
    above = np.hypot(sampled.high - value, max(0.0, expit(odds + spread) - value))
    return Estimate(value, max(0.0, value - float(below)), min(1.0, value + float(above)))


def bootstrap_difference(
    first: np.ndarray, second: np.ndarray, joint: bool = True, n_draws: int = N_DRAWS, seed: int = 0
) -> dict[str, Estimate]:
    """Return the difference of each metric, first minus second, with a 95 % percentile-bootstrap interval.

    Parameters
    ----------
    first, second
        ``(n_runs, n_speakers, C, C)`` confusion counts. A draw of speakers is applied to all runs of a side; the
        statistic is the mean over runs of the metric of the pooled counts.
    joint
        Whether the same place in both is the same speaker. Then both sides take the same draw (paired); else each
        takes its own.
    n_draws
        Number of draws.
    seed
        Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    draws = _draw_speakers(rng, first.shape[1], n_draws)
    own = draws if joint else _draw_speakers(rng, second.shape[1], n_draws)
    drawn = [mean_of_runs(_pool(weights, counts)) for weights, counts in ((draws, first), (own, second))]
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
    table = [[int(np.sum((first == a) & (second == b))) for b in (True, False)] for a in (True, False)]
    return float(mcnemar(table, exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979)."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if len(p_values) else []


def _wilson(value: float, n: float) -> Estimate:
    low, high = proportion_confint(value * n, n, method="wilson")
    return Estimate(value, float(low), float(high))


def _draw(matrix: np.ndarray, metric: str, seed: int, n: int | None = None) -> np.ndarray:
    """Return a metric of `N_DRAWS` sets of `n` utterances, by default as many as the matrix has, drawn from it."""
    share = matrix / matrix.sum()
    drawn = np.random.default_rng(seed).multinomial(n or int(matrix.sum()), share.ravel(), N_DRAWS)
    return METRICS[metric].function(drawn.reshape(-1, *matrix.shape).astype(float))


def _draw_speakers(rng: np.random.Generator, n_speakers: int, n_draws: int) -> np.ndarray:
    return rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), n_draws).astype(float)


def _pool(draws: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the drawn counts, (n_draws, n_runs, C, C)."""
    n_runs, n_speakers, *matrix = counts.shape
    by_speaker = counts.swapaxes(0, 1).reshape(n_speakers, -1).astype(float)
    return (draws @ by_speaker).reshape(len(draws), n_runs, *matrix)
