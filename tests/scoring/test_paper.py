import random

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from serflow.io.files import read_csv
from serflow.runs import read_runs
from serflow.scoring.chance import score_guessing
from serflow.scoring.conditions import find_deviations
from serflow.scoring.confusion import write_confusion
from serflow.scoring.paper import score_paper
from serflow.scoring.scores import MAJORITY
from toy_paper import LABELS, make_record, published, system

RECORD = make_record()


def predictions(speakers, *, right, seed, part="test"):
    rng = random.Random(seed)
    for speaker in speakers:
        for k in range(6):
            label = LABELS[k % 3]
            yield f"u{speaker}_{k}", part, label, label if rng.random() < right else rng.choice(LABELS)


def train_part(speakers):
    """Two thirds 'sad', so that the majority class is known."""
    for speaker in speakers:
        for k in range(6):
            label = "sad" if k < 4 else "neutral"
            yield f"u{speaker}_{k}", "train", label, label


@pytest.fixture
def grouped(make_run):
    """Two folds of four speakers each with two seeds; returns the directories and the test rows of each seed."""
    dirs, rows = [], {0: [], 1: []}
    for seed in (0, 1):
        for fold, test in enumerate([range(4), range(4, 8)]):
            found = list(predictions(test, right=0.6 + 0.2 * fold, seed=10 * seed + fold))
            others = [s for s in range(8) if s not in test]
            dirs.append(make_run([*found, *train_part(others)], protocol="speaker_independent", seed=seed, fold=fold))
            rows[seed] += found
    return dirs, rows


def pick(scores, **wanted):
    (found,) = scores.select(**{"scope": "all"} | wanted)
    return found


def ours(scores, protocol, metric, **wanted):
    about = {"system": "net", "corpus": "toy", "part": "test", "epoch": None}
    return pick(scores, **about | {"protocol": protocol, "metric": metric} | wanted)


@pytest.fixture
def score(speakers):
    """Score run folders."""
    return lambda folders, record=RECORD: score_paper(record, read_runs(folders), speakers)


def test_folds_of_a_seed_are_pooled_and_seeds_averaged(grouped, score):
    dirs, rows = grouped
    scored = score(dirs, make_record(n_folds={"toy": {"speaker_independent": 2}}))
    measures = {
        "WA": accuracy_score,
        "UA": balanced_accuracy_score,
        "macro_F1": lambda t, g: f1_score(t, g, average="macro"),
    }
    for metric, measure in measures.items():
        per_seed = [measure([r[2] for r in found], [r[3] for r in found]) for found in rows.values()]
        row = ours(scored, "speaker_independent", metric)
        assert row.value == pytest.approx(np.mean(per_seed))
        assert row.sd == pytest.approx(np.std(per_seed, ddof=1))
        assert row.low < row.value < row.high
        assert (row.n_runs, row.n_folds, row.n_speakers, row.n_utterances, row.note) == (2, 2, 8, 48, "")


def test_each_fold_has_rows_of_its_own(grouped, score):
    dirs, rows = grouped
    first = [np.mean([r[2] == r[3] for r in found[:24]]) for found in rows.values()]
    row = ours(score(dirs), "speaker_independent", "WA", scope="fold 0")
    assert row.value == pytest.approx(np.mean(first))
    assert (row.n_speakers, row.n_folds, row.n_runs) == (4, 1, 2)


def test_missing_folds_are_told(grouped, score):
    dirs, _ = grouped
    even = score(dirs, make_record(n_folds={"toy": {"speaker_independent": 6}}))
    assert ours(even, "speaker_independent", "WA").missing == "2 of 6 folds"
    uneven = score(dirs[:3], make_record(n_folds={"toy": {"speaker_independent": 2}}))
    assert ours(uneven, "speaker_independent", "WA").missing == "3 of 4 folds of 2 seeds"


def test_missing_seeds_are_told_and_further_ones_are_welcome(grouped, score):
    dirs, _ = grouped
    for asked, told in (([0, 1, 2], "2 of 3 seeds"), ([0], "")):
        found = score(dirs, make_record(seeds={"speaker_independent": asked}))
        assert ours(found, "speaker_independent", "WA").missing == told


def test_a_run_that_predicts_one_class_is_counted_as_collapsed(make_run, score):
    rows = [(f"u{s}_{k}", "test", LABELS[k % 3], LABELS[k % 3]) for s in range(8) for k in range(6)]
    one_class = [(*row[:3], "sad") for row in rows]
    scored = score([make_run([*found, *train_part([7])], seed=n) for n, found in enumerate((rows, one_class))])
    assert ours(scored, "published", "WA").collapsed == 1
    one_label = [row for row in rows if row[2] == "sad"]  # which is recognised: no collapse
    assert ours(score([make_run([*one_label, *train_part([7])], seed=2)]), "published", "WA").collapsed == 0


def test_the_majority_is_that_of_the_training_part(make_run):
    rows = [("u0_0", "train", "sad", "sad"), ("u0_1", "train", "sad", "sad"), ("u1_0", "validation", "happy", "sad")]
    rows += [("u2_0", "test", "sad", "sad"), *((f"u2_{k}", "test", "happy", "sad") for k in (1, 2, 3, 4))]
    found = score_guessing(read_runs([make_run(rows)]), "test")
    (majority,) = [one.value for one in found if (one.system, one.metric) == (MAJORITY, "WA")]
    assert majority == 1 / 5


def test_the_spread_of_the_last_tenth_of_epochs_is_told_where_the_last_is_taken(make_run, score):
    """The toy's validation accuracy rises by 0.1 an epoch, by 0.1 over the last 2 of 20, 0.2 over 3 of 25."""
    found = [*predictions(range(7), right=0.7, seed=1), *train_part([7])]
    for seed, epochs, spread in ((0, 20, 0.1), (2, 25, 0.2)):
        run = make_run(found, epochs=epochs, seed=seed)
        assert ours(score([run]), "published", "WA").spread == pytest.approx(spread)
    stopped = score([make_run(found, epochs=20, seed=1, best_epoch=12)])
    assert ours(stopped, "published", "WA").spread is None


def test_original_recordings_are_scored_apart_from_their_copies(make_run, score):
    rows = [(f"u{s}_{k}", "test", "sad", "sad") for s in range(8) for k in range(6)]
    copies = [(f"{name}#noise", part, truth, "happy") for name, part, truth, _ in rows]
    scored = score([make_run([*rows, *copies, *train_part([7])])])
    assert ours(scored, "published", "WA").value == 0.5
    assert ours(scored, "published", "WA", part="test_originals").value == 1.0


def test_few_speakers_have_an_interval_over_utterances(make_run, score):
    found = list(predictions(range(3), right=0.5, seed=1))
    scored = score([make_run([*found, *train_part([7])])])
    row = ours(scored, "published", "WA")
    rate, n = row.value, len(found)
    assert (row.low, row.high) == pytest.approx(stats.binom(n, rate).ppf([0.025, 0.975]) / n, abs=1.5 / n)
    assert (row.unit, row.sd) == ("utterances", None)
    for speaker in range(3):
        right = np.mean([label == guess for u, _, label, guess in found if u.startswith(f"u{speaker}_")])
        assert ours(scored, "published", "WA", scope=f"speaker toy/{speaker:02d}").value == pytest.approx(right)


@pytest.mark.parametrize(("n", "unit"), [(5, "utterances"), (6, "speakers")])
def test_six_speakers_are_enough_for_an_interval_over_speakers(make_run, score, n, unit):
    found = list(predictions(range(n), right=0.5, seed=1))
    assert ours(score([make_run([*found, *train_part([7])])]), "published", "WA").unit == unit


def seeds_of(make_run, *tested):
    """Runs of several seeds; `tested`: of each speaker the recognised and all tested utterances, by seed."""
    return [
        make_run(
            [(f"u{s}_{k}", "test", "sad", "sad" if k in right else "happy") for s in range(8) for k in all_of_them],
            seed=seed,
        )
        for seed, (right, all_of_them) in enumerate(tested)
    ]


def test_between_seeds_on_one_test_set_all_variance_is_theirs(make_run, score):
    found = ours(score(seeds_of(make_run, *((range(n), range(6)) for n in (6, 5, 4)))), "published", "WA")
    assert (found.n_effective, found.seed_variance) == (48, pytest.approx(np.var([6 / 6, 5 / 6, 4 / 6], ddof=1)))


def test_between_seeds_on_test_sets_of_their_own_the_variance_of_sampling_is_taken_off(make_run, score):
    """Each seed tests three other utterances of each speaker, 24 in all."""
    tested = [(range(n, n + right), range(n, n + 3)) for n, right in enumerate((3, 1, 0))]
    found = ours(score(seeds_of(make_run, *tested)), "published", "WA")
    shares = np.array([3, 1, 0]) / 3
    sampling = np.mean(shares * (1 - shares) / 24)
    assert (found.n_effective, found.seed_variance) == (24, pytest.approx(np.var(shares, ddof=1) - sampling))


def test_one_seed_has_no_variance_between_seeds(make_run, score):
    assert ours(score(seeds_of(make_run, (range(5), range(6)))), "published", "WA").seed_variance is None


def test_published_numbers_stand_beside_the_epoch_and_part_they_were_printed_for(make_run, score):
    found = [*predictions(range(7), right=0.7, seed=1), *train_part([7])]
    scored = score([make_run(found, seed=seed, epochs=3) for seed in (0, 1)])
    row = ours(scored, "published", "accuracy", part="validation", epoch=1)
    assert (row.published, row.table) == (0.97, "Table I")
    assert row.value == pytest.approx(np.mean([0.1, 0.2]))
    assert row.sd == pytest.approx(0.1 / np.sqrt(2))
    late = ours(scored, "published", "accuracy", part="train", epoch=50)
    assert (late.value, late.published, late.reason) == (None, 1.0, "not run: only 3 epochs")
    test = ours(scored, "published", "WA")
    assert (test.published, test.table, test.note) == (0.9, "Table II", "printed as WA")


def test_the_end_of_a_training_that_stopped_early_is_its_best_epoch(make_run, score):
    record = make_record(published=[published("accuracy", "validation", 0.9)])
    found = [*predictions(range(7), right=0.7, seed=1), *train_part([7])]
    folders = [make_run(found, epochs=5, fold=fold, **info) for fold, info in enumerate([{"best_epoch": 2}, {}])]
    row = ours(score(folders, record), "published", "accuracy", part="validation")
    assert (row.published, row.value) == (0.9, pytest.approx((0.2 + 0.7) / 2))  # 0.1 per epoch and 0.2 per fold


def test_what_was_not_run_has_a_row_with_its_reason(make_run, score):
    found = [*predictions(range(7), right=0.7, seed=1), *train_part([7])]
    scored = score([make_run(found)], make_record(not_run={"savee": "SAVEE is not configured"}))
    row = ours(scored, "published", "UA", corpus="savee")
    assert (row.value, row.note) == (None, "not run: SAVEE is not configured")
    assert ours(scored, "speaker_independent", "UA").note == "not run: no run was made"


def test_chance_is_uniform_guessing_and_the_training_parts_majority(grouped, score):
    dirs, rows = grouped
    scored = score(dirs)
    about = {"corpus": "toy", "protocol": "speaker_independent", "part": "test"}
    assert pick(scored, system="chance (uniform)", metric="UA", **about).value == pytest.approx(1 / 3)
    truth = [r[2] for r in rows[0]]
    expected = f1_score(truth, ["sad"] * len(truth), average="macro")
    assert pick(scored, system="chance (majority)", metric="macro_F1", **about).value == pytest.approx(expected)
    assert pick(scored, system="chance (uniform)", metric="loss", **about).value == pytest.approx(np.log(3))


def test_the_majority_is_of_the_training_part_though_another_class_is_most_frequent_in_the_test_part(make_run, score):
    test = [*((f"u0_{k}", "test", "happy", "happy") for k in range(4)), ("u0_4", "test", "sad", "sad")]
    scored = score([make_run([*test, *train_part([7])])])
    assert pick(scored, system="chance (majority)", metric="WA", part="test").value == pytest.approx(1 / 5)


def test_chance_is_of_the_paper_s_labels_not_of_a_system_that_tells_two_apart(grouped, score, make_run):
    dirs, _ = grouped
    pair = [
        (name, part, "happy", "happy") for name, part, *_ in (*predictions(range(4), right=1, seed=0), *train_part([5]))
    ]
    record = make_record(systems={"a_pair": system("pair", labels=["happy", "sad"]), "net": system("Net")})
    two = make_run(pair, protocol="speaker_independent", system="a_pair")
    chance = {"system": "chance (majority)", "protocol": "speaker_independent", "part": "test", "metric": "WA"}
    assert pick(score([two, *dirs], record), **chance) == pick(score(dirs), **chance)


def test_a_confusion_matrix_pools_folds_and_seeds_of_one_system(grouped, make_run, tmp_path):
    dirs, rows = grouped
    write_confusion(read_runs(dirs), tmp_path / "confusion.csv")
    found = [[int(row[label]) for label in LABELS] for row in read_csv(tmp_path / "confusion.csv")]
    truth, guess = zip(*(row[2:] for part in rows.values() for row in part), strict=True)
    assert np.array_equal(found, confusion_matrix(truth, guess, labels=LABELS))


def test_deviations_are_joined_from_the_record_and_counted(grouped, make_run):
    dirs, _ = grouped
    told = {"toy/net/speaker_independent": ["a; b", "epochs"], "toy/net/published": ["epochs"], "toy/gone/x": ["never"]}
    runs = read_runs([*dirs, make_run([("u0_0", "test", "sad", "sad")])])
    assert find_deviations(make_record(deviations=told), runs) == ["epochs", "a; b (4 of 5 runs)"]
