import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from serflow.scoring.metrics import (
    bootstrap_interval,
    mean_of_runs,
    scores,
    uniform_confusion,
)

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(max_examples=60, deadline=None)
@given(pairs)
def test_metrics_agree_with_scikit_learn_also_where_classes_are_absent(found):
    truth, guess = np.array(found).T
    ours = scores(confusion_matrix(truth, guess, labels=range(5)))
    assert ours["WA"] == pytest.approx(accuracy_score(truth, guess))
    assert ours["UA"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert ours["macro_F1"] == pytest.approx(f1_score(truth, guess, average="macro"))


def test_a_batch_scores_as_its_members_and_an_empty_matrix_is_nan():
    counts = np.random.default_rng(1).integers(0, 9, (4, 3, 5, 5))
    counts[2, 1] = 0
    batch = scores(counts)
    for name, values in batch.items():
        alone = [[scores(counts[i, j])[name] for j in range(3)] for i in range(4)]
        assert values == pytest.approx(np.array(alone), nan_ok=True)
        assert np.isnan(values[2, 1])
    assert mean_of_runs(counts)["WA"][2] == pytest.approx((batch["WA"][2, 0] + batch["WA"][2, 2]) / 2)


def test_interval_of_one_run_equals_a_plain_bootstrap_over_speakers_with_scikit_learn():
    rng = np.random.default_rng(2)
    truth, guess = rng.integers(0, 3, (2, 10, 30))
    guess = np.where(rng.random((10, 30)) < np.linspace(0.1, 0.9, 10)[:, None], truth, guess)
    counts = np.array([confusion_matrix(t, g, labels=range(3)) for t, g in zip(truth, guess, strict=True)])
    drawn = [rng.integers(0, 10, 10) for _ in range(300)]
    expected = {
        "WA": [accuracy_score(truth[d].ravel(), guess[d].ravel()) for d in drawn],
        "macro_F1": [f1_score(truth[d].ravel(), guess[d].ravel(), average="macro") for d in drawn],
    }
    found = bootstrap_interval(counts[np.newaxis], n_resamples=4000)
    for name, values in expected.items():
        assert found[name] == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.04)


def test_interval_of_accuracy_has_the_width_that_the_spread_between_speakers_gives():
    rng = np.random.default_rng(3)
    right = rng.binomial(200, rng.beta(8, 4, 60))
    counts = np.array([[[r, 200 - r], [0, 0]] for r in right])
    low, high = bootstrap_interval(counts[np.newaxis])["WA"]
    half = 1.96 * np.std(right / 200, ddof=1) / np.sqrt(60)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_speakers_without_utterances_do_not_count():
    counts = np.random.default_rng(0).integers(1, 9, (1, 7, 3, 3))
    silent = np.concatenate([counts, np.zeros((1, 2, 3, 3), dtype=int)], axis=1)
    assert bootstrap_interval(silent) == bootstrap_interval(counts)


def test_uniform_chance_is_what_guessing_scores():
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2, 3], [400, 300, 200, 100])
    expected = scores(uniform_confusion(confusion_matrix(truth, truth)))
    guesses = [rng.integers(0, 4, 1000) for _ in range(100)]
    assert expected["WA"] == expected["UA"] == pytest.approx(0.25)
    simulated = np.mean([f1_score(truth, guess, average="macro") for guess in guesses])
    assert expected["macro_F1"] == pytest.approx(simulated, abs=0.005)


def test_the_draws_of_the_bootstrap_stay_the_same():
    """2000 draws of the 7 speakers with seed 0: a change of the draws changes every published interval."""
    counts = np.random.default_rng(6).integers(0, 9, (2, 7, 3, 3))
    draws = np.random.default_rng(0).multinomial(7, np.full(7, 1 / 7), 2000)
    pooled = np.einsum("ds,rsij->drij", draws, counts)
    recalls = np.diagonal(pooled, axis1=-2, axis2=-1) / pooled.sum(axis=-1)
    expected = np.percentile(recalls.mean(axis=(-2, -1)), [2.5, 97.5])
    assert bootstrap_interval(counts)["UA"] == pytest.approx(tuple(expected), abs=1e-12)
