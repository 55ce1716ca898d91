import csv
import random

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from serflow.errors import ConfigError
from serflow.runs import ScoreError
from serflow.scoring.scores import COLUMNS, confusion_matrix, evaluate_paper, score_runs

LABELS = ("neutral", "happy", "sad")


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


def pick(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in ({"scope": "all"} | wanted).items())]
    assert len(found) == 1, f"{len(found)} rows for {wanted}"
    return found[0]


def ours(rows, **wanted):
    return pick(rows, **({"system": "net", "corpus": "toy", "part": "test", "epoch": ""} | wanted))


def test_folds_of_a_seed_are_pooled_and_seeds_averaged(paper, grouped, manifest):
    dirs, rows = grouped
    scored = score_runs(paper, dirs, manifest, n_folds={("toy", "speaker_independent"): 2})
    measures = {
        "WA": accuracy_score,
        "UA": balanced_accuracy_score,
        "macro_F1": lambda t, g: f1_score(t, g, average="macro"),
    }
    for metric, measure in measures.items():
        per_seed = [measure([r[2] for r in found], [r[3] for r in found]) for found in rows.values()]
        row = ours(scored, protocol="speaker_independent", metric=metric)
        assert row["value"] == pytest.approx(np.mean(per_seed))
        assert row["sd"] == pytest.approx(np.std(per_seed, ddof=1))
        assert row["low"] < row["value"] < row["high"]
        assert (row["n_runs"], row["n_folds"], row["n_speakers"], row["n_utterances"]) == (2, 2, 8, 48)
        assert row["note"] == ""


def test_order_of_the_run_directories_does_not_matter(paper, grouped, manifest):
    dirs, _ = grouped
    assert score_runs(paper, dirs, manifest) == score_runs(paper, dirs[::-1], manifest)


def test_each_fold_has_rows_of_its_own(paper, grouped, manifest):
    dirs, rows = grouped
    scored = score_runs(paper, dirs, manifest)
    first = [np.mean([r[2] == r[3] for r in found[:24]]) for found in rows.values()]
    row = ours(scored, protocol="speaker_independent", metric="WA", scope="fold 0")
    assert row["value"] == pytest.approx(np.mean(first))
    assert (row["n_speakers"], row["n_folds"]) == (4, 1)


def test_partial_folds_are_told(paper, grouped, manifest):
    dirs, _ = grouped
    same = score_runs(paper, dirs, manifest, n_folds={("toy", "speaker_independent"): 6})
    assert ours(same, protocol="speaker_independent", metric="WA")["note"] == "folds 0,1 of 6"
    uneven = score_runs(paper, dirs[:3], manifest, n_folds={("toy", "speaker_independent"): 2})
    note = ours(uneven, protocol="speaker_independent", metric="WA")["note"]
    assert note == "seed 0: folds 0,1; seed 1: fold 0 of 2"


def test_few_speakers_have_values_each_and_no_interval(paper, make_run, manifest):
    found = list(predictions(range(3), right=0.5, seed=1))
    scored = score_runs(paper, [make_run([*found, *train_part([7])])], manifest)
    row = ours(scored, protocol="published", metric="WA")
    assert (row["low"], row["high"], row["sd"]) == ("", "", "")
    assert "inconclusive" in row["note"]
    for speaker in range(3):
        right = np.mean([label == guess for u, _, label, guess in found if u.startswith(f"u{speaker}_")])
        row = ours(scored, protocol="published", metric="WA", scope=f"speaker toy/{speaker:02d}")
        assert row["value"] == pytest.approx(right)


def test_published_numbers_stand_beside_the_epoch_and_part_they_were_printed_for(paper, make_run, manifest):
    found = [*predictions(range(7), right=0.7, seed=1), *train_part([7])]
    dirs = [make_run(found, seed=seed, epochs=3) for seed in (0, 1)]
    scored = score_runs(paper, dirs, manifest)
    row = ours(scored, protocol="published", metric="accuracy", part="validation", epoch=1)
    assert (row["published"], row["table"]) == (0.97, "Table I")
    assert row["value"] == pytest.approx(np.mean([0.1, 0.2]))
    assert row["sd"] == pytest.approx(0.1 / np.sqrt(2))
    late = ours(scored, protocol="published", metric="accuracy", part="train", epoch=50)
    assert (late["value"], late["published"], late["note"]) == ("", 1.0, "not run: only 3 epochs")
    test = ours(scored, protocol="published", metric="WA")
    assert (test["published"], test["table"], test["note"]) == (0.9, "Table II", "printed as WA")


def test_what_was_not_run_has_a_row_with_its_reason(paper, make_run, manifest):
    found = [*predictions(range(7), right=0.7, seed=1), *train_part([7])]
    scored = score_runs(paper, [make_run(found)], manifest, not_run={"savee": "SAVEE is not configured"})
    row = ours(scored, corpus="savee", protocol="published", metric="UA")
    assert (row["value"], row["note"]) == ("", "not run: SAVEE is not configured")
    assert ours(scored, protocol="speaker_independent", metric="UA")["note"] == "not run: no run was made"


def test_chance_rows_are_uniform_guessing_and_the_training_parts_majority(paper, grouped, manifest):
    dirs, rows = grouped
    scored = score_runs(paper, dirs, manifest)
    about = {"corpus": "toy", "protocol": "speaker_independent", "part": "test"}
    uniform = pick(scored, system="chance (uniform)", metric="UA", **about)
    assert uniform["value"] == pytest.approx(1 / 3)
    truth = [r[2] for r in rows[0]]
    guess = ["sad"] * len(truth)
    majority = pick(scored, system="chance (majority)", metric="macro_F1", **about)
    assert majority["value"] == pytest.approx(f1_score(truth, guess, average="macro"))
    assert pick(scored, system="chance (uniform)", metric="loss", **about)["value"] == pytest.approx(np.log(3))


def test_chance_is_of_the_paper_s_labels_not_of_a_system_that_tells_two_apart(paper, grouped, manifest, make_run):
    dirs, _ = grouped
    items = [*predictions(range(4), right=1.0, seed=0), *train_part([5])]
    pair = [(item[0], item[1], "happy", "happy") for item in items]
    paper["systems"] = {"a_pair": {"title": "pair", "labels": ["happy", "sad"]}, **paper["systems"]}
    two = make_run(pair, protocol="speaker_independent", system="a_pair")
    scored = score_runs(paper, [two, *dirs], manifest)
    about = {"corpus": "toy", "protocol": "speaker_independent", "part": "test", "metric": "WA"}
    assert pick(scored, system="chance (majority)", **about) == pick(
        score_runs(paper, dirs, manifest), system="chance (majority)", **about
    )


def test_files_in_files_out(paper, grouped, manifest, tmp_path):
    dirs, rows = grouped
    with (tmp_path / "toy.csv").open("w") as handle:
        writer = csv.DictWriter(handle, ["utterance", "corpus", "speaker"])
        writer.writeheader()
        writer.writerows(manifest)
    evaluate_paper(paper, dirs, [tmp_path / "toy.csv"], tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open() as handle:
        reader = csv.DictReader(handle)
        read = list(reader)
    assert tuple(reader.fieldnames) == COLUMNS
    row = ours(read, protocol="speaker_independent", metric="WA")
    assert float(row["value"]) == pytest.approx(np.mean([r[2] == r[3] for f in rows.values() for r in f]), abs=1e-6)

    confusion_matrix(dirs, tmp_path / "confusion.csv")
    with (tmp_path / "confusion.csv").open() as handle:
        matrix = {row.pop("truth"): row for row in csv.DictReader(handle)}
    for label in LABELS:
        for guess in LABELS:
            n = sum(r[2] == label and r[3] == guess for found in rows.values() for r in found)
            assert int(matrix[label][guess]) == n


def test_a_percentage_where_a_fraction_belongs_is_named(paper):
    paper["published"][-1]["value"] = 90.0
    with pytest.raises(ConfigError, match=r"toypaper\.yaml.*Table II.*90\.0 is no fraction"):
        score_runs(paper, [], [])


def test_a_published_number_given_twice_is_named(paper):
    paper["published"].append(paper["published"][0] | {"value": 0.5})
    with pytest.raises(ConfigError, match="given twice"):
        score_runs(paper, [], [])


def test_faulty_runs_are_named_and_nothing_is_written(paper, make_run, manifest, tmp_path):
    run = make_run([("u0_0", "test", "happy", "angry")])
    with pytest.raises(ScoreError, match=r"predictions\.csv.*line 2: predicted 'angry'"):
        score_runs(paper, [run], manifest)
    unknown = make_run([("nobody", "test", "happy", "happy")], fold=1)
    (tmp_path / "toy.csv").write_text("utterance,corpus,speaker\n")
    with pytest.raises(ScoreError, match="'nobody' stands in no manifest"):
        evaluate_paper(paper, [unknown], [tmp_path / "toy.csv"], tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()
    (unknown / "history.csv").unlink()
    with pytest.raises(ScoreError, match=r"history\.csv is missing"):
        score_runs(paper, [unknown], manifest)
