import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from serflow.scoring.metrics import bootstrap_interval, confusion, mean_of_runs, scores, uniform_confusion

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(max_examples=60, deadline=None)
@given(pairs)
def test_metrics_agree_with_scikit_learn_also_where_classes_are_absent(found):
    truth, guess = np.array(found).T
    counts = confusion(truth, guess, 5)
    ours = scores(counts)
    assert np.array_equal(counts, confusion_matrix(truth, guess, labels=range(5)))
    assert ours["WA"] == pytest.approx(accuracy_score(truth, guess))
    assert ours["UA"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert ours["macro_F1"] == pytest.approx(f1_score(truth, guess, average="macro"))


def test_a_batch_scores_as_its_members_and_an_empty_matrix_is_nan():
    counts = np.random.default_rng(1).integers(0, 9, (4, 3, 5, 5))
    counts[2, 1] = 0
    batch = scores(counts)
    for metric, values in batch.items():
        alone = [[scores(counts[i, j])[metric] for j in range(3)] for i in range(4)]
        assert values == pytest.approx(np.array(alone), nan_ok=True)
        assert np.isnan(values[2, 1])
    assert mean_of_runs(counts)["WA"][2] == pytest.approx((batch["WA"][2, 0] + batch["WA"][2, 2]) / 2)


@pytest.mark.parametrize(("truth", "guess"), [([0, 3], [0, 0]), ([0], [-1]), ([0, 1], [0])])
def test_classes_outside_the_label_set_and_unequal_lengths_are_refused(truth, guess):
    with pytest.raises(ValueError, match=r"classes must lie|one length"):
        confusion(truth, guess, 3)


def test_interval_of_one_run_equals_a_plain_bootstrap_over_speakers_with_scikit_learn():
    rng = np.random.default_rng(2)
    truth, guess = rng.integers(0, 3, (2, 10, 30))
    guess = np.where(rng.random((10, 30)) < np.linspace(0.1, 0.9, 10)[:, None], truth, guess)
    counts = np.array([confusion(t, g, 3) for t, g in zip(truth, guess, strict=True)])
    drawn = [rng.integers(0, 10, 10) for _ in range(600)]
    expected = {
        "WA": [accuracy_score(truth[d].ravel(), guess[d].ravel()) for d in drawn],
        "macro_F1": [f1_score(truth[d].ravel(), guess[d].ravel(), average="macro") for d in drawn],
    }
    found = bootstrap_interval(counts, n_resamples=4000)
    for metric, values in expected.items():
        assert found[metric] == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.03)


def test_interval_of_accuracy_has_the_width_that_the_spread_between_speakers_gives():
    rng = np.random.default_rng(3)
    right = rng.binomial(200, rng.beta(8, 4, 60))
    counts = np.array([[[r, 200 - r], [0, 0]] for r in right])
    low, high = bootstrap_interval(counts)["WA"]
    half = 1.96 * np.std(right / 200, ddof=1) / np.sqrt(60)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_interval_is_the_same_each_time_and_identical_runs_leave_it_unchanged():
    counts = np.random.default_rng(4).integers(0, 9, (8, 3, 3))
    assert bootstrap_interval(counts) == bootstrap_interval(counts)
    alone, twice = bootstrap_interval(counts), bootstrap_interval(np.stack([counts, counts]))
    assert all(twice[metric] == pytest.approx(alone[metric]) for metric in alone)


def test_fewer_than_six_speakers_have_no_interval_and_silent_speakers_do_not_count():
    counts = np.ones((6, 3, 3))
    assert bootstrap_interval(counts) is not None
    assert bootstrap_interval(counts[:5]) is None
    counts[0] = 0
    assert bootstrap_interval(counts) is None


def test_uniform_chance_is_what_guessing_scores():
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2, 3], [400, 300, 200, 100])
    expected = scores(uniform_confusion(confusion(truth, truth, 4)))
    guesses = [rng.integers(0, 4, 1000) for _ in range(100)]
    assert expected["WA"] == expected["UA"] == pytest.approx(0.25)
    simulated = np.mean([f1_score(truth, guess, average="macro") for guess in guesses])
    assert expected["macro_F1"] == pytest.approx(simulated, abs=0.005)
