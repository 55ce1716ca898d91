"""Differences between results against published examples, closed forms, scipy and simulated papers."""

import numpy as np
import pytest
from scipy import stats

from serflow.scoring.differences import (
    Estimate,
    bootstrap_difference,
    effective_size,
    holm,
    mcnemar_p,
    published_estimate,
    seed_variance,
    subtract,
    widen,
)


def wilson(hits, n):
    return stats.binomtest(hits, n).proportion_ci(method="wilson")


def matrix(hits, n):
    """Confusion counts of two classes of equal size of which the same share is recognised."""
    half, right = n // 2, hits // 2
    return np.array([[right, half - right], [half - right, right]])


def test_newcombes_own_example():
    """56 of 70 less 48 of 80: table II of his paper, method 10."""
    found = subtract(*(Estimate(k / n, *wilson(k, n)) for k, n in ((56, 70), (48, 80))))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("metric", ["WA", "UA"])  # with classes of one size both have the same error
def test_a_published_number_has_wilsons_interval_at_its_size(metric):
    size = effective_size(matrix(60, 100), metric, 144)
    assert published_estimate(0.75, size, 0.6, variance=0.0) == pytest.approx((0.75, *wilson(108, 144)))


def test_unequal_classes_widen_a_mean_of_recalls():
    """By hand: recalls of 0.8 on 90 and 10 of 100 have a mean with the variance 0.16 (1/90 + 1/10) / 4: that of 36."""
    assert effective_size(np.array([[72, 18], [2, 8]]), "UA", 100) == pytest.approx(36)


def test_f1_varies_as_drawn_test_sets_do():
    """Two equal classes recognised alike: F1 is nearly the accuracy, and so is its error."""
    assert effective_size(matrix(700, 1000), "macro_F1", 400) == pytest.approx(400, rel=0.1)


def test_the_variance_of_a_published_run_is_carried_over_in_log_odds():
    """Where ours is as high as the published number, a seed moves both alike; at 97 % by less than at 50 %."""
    low = [published_estimate(value, 1e9, 0.5, variance=0.03**2).low for value in (0.5, 0.97)]
    assert 0.5 - low[0] == pytest.approx(stats.norm.ppf(0.975) * 0.03, rel=0.01)
    assert 0.97 - low[1] == pytest.approx(0.0075, abs=0.001)


def test_seeds_that_differ_as_their_test_sets_do_have_no_variance_of_their_own():
    rng = np.random.default_rng(0)
    hits = rng.binomial(1000, 0.7, 200) // 2 * 2
    counts = np.stack([matrix(k, 1000) for k in hits])
    assert seed_variance(counts, "WA", same_test_set=True) == pytest.approx(np.var(hits / 1000, ddof=1))
    assert seed_variance(counts, "WA", same_test_set=False) < 0.3 * np.var(hits / 1000, ddof=1)


def test_independent_errors_add_by_squares():
    assert widen(Estimate(0.5, 0.47, 0.53), (0.04 / stats.norm.ppf(0.975)) ** 2) == pytest.approx((0.5, 0.45, 0.55))


def speakers(shares, n=10):
    """Counts (1, n_speakers, 2, 2): each speaker's share of n utterances of the first class is recognised."""
    return np.array([[[[round(n * share), n - round(n * share)], [0, 0]] for share in shares]])


def test_a_paired_difference_that_all_speakers_share_has_no_error():
    rng = np.random.default_rng(0)
    base = rng.integers(2, 8, 12) / 10
    found = bootstrap_difference(speakers(base + 0.2), speakers(base))["WA"]
    assert found == pytest.approx((0.2, 0.2, 0.2))
    apart = bootstrap_difference(speakers(base + 0.2), speakers(base), joint=False)["WA"]
    assert apart.high - apart.low > 0.1


def test_a_paired_difference_of_whole_speakers_is_binomial():
    """One side misses every second speaker whole: the drawn difference is the share of those speakers."""
    found = bootstrap_difference(speakers([1] * 24), speakers([0, 1] * 12))["WA"]
    assert found == pytest.approx((0.5, *stats.binom(24, 0.5).ppf([0.025, 0.975]) / 24), abs=1 / 24)


def test_mcnemar_is_a_binomial_test_of_the_utterances_that_one_alone_recognises():
    first = np.array([True] * 60 + [True] * 15 + [False] * 4 + [False] * 21)
    second = np.array([True] * 60 + [False] * 15 + [True] * 4 + [False] * 21)
    assert mcnemar_p(first, second) == pytest.approx(stats.binomtest(4, 19).pvalue)


def test_holm_multiplies_the_smallest_by_the_number_of_tests():
    assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []
