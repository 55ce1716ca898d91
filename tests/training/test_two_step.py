import csv
import json
from collections import Counter

import numpy as np
import pytest

from serflow.errors import RunError
from serflow.runs import HISTORY, Spec, read_run
from serflow.training import two_step
from serflow.training.two_step import decide

LABELS = ["angry", "happy", "neutral", "sad"]


@pytest.mark.parametrize(
    ("first", "second", "label", "posterior"),
    [
        # The first net's best class is no neutral one: nothing the others say matters.
        ([0.4, 0.1, 0.3, 0.2], [(0.9, 0.1), (0.9, 0.1), (0.0, 1.0)], "angry", [0.4, 0.1, 0.3, 0.2]),
        ([0.0, 0.1, 0.1, 0.8], [(0.0, 1.0), (0.5, 0.5), (0.9, 0.1)], "sad", [0.0, 0.1, 0.1, 0.8]),
        # It is neutral, and so is the largest of all six posteriors: 0.9; the sum of the four kept is 2.0.
        ([0.2, 0.2, 0.5, 0.1], [(0.9, 0.1), (0.2, 0.8), (0.8, 0.2)], "neutral", [0.05, 0.4, 0.45, 0.1]),
        # It is neutral, and an emotion has the largest posterior: 0.8 of happy; the sum is 0.3 + 0.8 + 0.7 + 0.7 = 2.5.
        ([0.2, 0.2, 0.5, 0.1], [(0.7, 0.3), (0.2, 0.8), (0.3, 0.7)], "happy", [0.12, 0.32, 0.28, 0.28]),
        # A majority of the nets for neutral does not outvote one sure net.
        (
            [0.0, 0.0, 1.0, 0.0],
            [(0.6, 0.4), (0.6, 0.4), (0.2, 0.8)],
            "sad",
            [0.4 / 2.2, 0.4 / 2.2, 0.6 / 2.2, 0.8 / 2.2],
        ),
        # Where several are equal the first in the labels' order is taken, in both steps.
        ([0.5, 0.0, 0.5, 0.0], [(1.0, 0.0), (1.0, 0.0), (1.0, 0.0)], "angry", [0.5, 0.0, 0.5, 0.0]),
        ([0.0, 0.0, 0.5, 0.5], [(0.5, 0.5), (0.5, 0.5), (0.5, 0.5)], "angry", [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_every_branch_of_the_rule(first, second, label, posterior):
    pairs = {e: np.array([p]) for e, p in zip(("angry", "happy", "sad"), second, strict=True)}
    predicted, posteriors = decide(LABELS, "neutral", np.array([first]), pairs)
    assert [LABELS[k] for k in predicted] == [label]
    np.testing.assert_allclose(posteriors, [posterior])


def test_the_largest_posterior_wins_whatever_the_numbers():
    rng = np.random.default_rng(0)
    first = rng.dirichlet(np.ones(4), 300)
    second = {e: rng.dirichlet(np.ones(2), 300) for e in ("sad", "angry", "happy")}
    predicted, posteriors = decide(LABELS, "neutral", first, second)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1)
    np.testing.assert_array_equal(posteriors.argmax(axis=1), predicted)
    for u in range(300):
        best = LABELS[int(np.argmax(first[u]))]
        if best == "neutral":
            votes = [(p[u, 0], "neutral") for p in second.values()] + [(p[u, 1], e) for e, p in second.items()]
            best = max(votes)[1]
        assert LABELS[predicted[u]] == best


#: Utterance, part, emotion, posteriors of the four-class net.
FOUR = [
    ("a", "test", "angry", [0.7, 0.1, 0.1, 0.1]),
    ("b", "test", "happy", [0.1, 0.2, 0.6, 0.1]),
    ("c", "train", "neutral", [0.1, 0.2, 0.6, 0.1]),
    ("d", "validation", "sad", [0.0, 0.1, 0.5, 0.4]),
]
SPEC = {"paper": "satt", "corpus": "toy", "system": "two_step", "protocol": "published", "seed": 0, "fold": 2}
SPEC |= {"labels": LABELS, "others": [], "system_config": {"combine": {"neutral": "neutral"}}}


def combine(first, pairs, output):
    two_step.combine(Spec.from_plain(SPEC), first, pairs, output)


def write_run(path, labels, rows, **more):
    """`rows` are (utterance, part, emotion, posteriors)."""
    path.mkdir(parents=True)
    with (path / "predictions.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["utterance", "part", "label", "predicted", *labels])
        writer.writerows([u, part, e, labels[int(np.argmax(p))], *p] for u, part, e, p in rows)
    (path / "history.csv").write_text("epoch,learning_rate,train_loss,seconds\n1,0.1,1.0,3\n")
    info = {key: SPEC[key] for key in ("paper", "corpus", "protocol", "seed", "fold")}
    info |= {"system": path.name, "labels": labels, "others": [], "n_parameters": 100}
    info |= {"device": "cpu", "device_name": "toy CPU", "precision": "bf16", "versions": {"torch": "2.9"}}
    info |= {"commit": "abc", "parts": Counter(part for _, part, _, _ in rows), "seconds": 60.0}
    (path / "run.json").write_text(json.dumps(info | more))
    return path


def write_pair(path, emotion, posteriors, order=("c", "a", "d", "b"), **more):
    """A two-class net whose file has its columns and rows in an order of their own; other emotions are in `other`."""
    known = {u: (part, e) for u, part, e, _ in FOUR}
    rows = []
    for name in order:
        part, own = known[name]
        rows.append((name, part if own in (emotion, "neutral") else "other", own, posteriors[name]))
    return write_run(path / f"neutral_{emotion}", [emotion, "neutral"], rows, **more)


@pytest.fixture
def parts(tmp_path):
    flat = dict.fromkeys("abcd", (0.3, 0.7))
    pairs = [
        write_pair(tmp_path, "sad", flat, precision="fp32", n_parameters=7),
        write_pair(tmp_path, "happy", flat | {"b": (0.8, 0.2), "d": (0.4, 0.6)}),
        write_pair(tmp_path, "angry", flat | {"a": (0.0, 1.0)}, versions={"torch": "2.9", "numpy": "2.1"}),
    ]
    return write_run(tmp_path / "four", LABELS, FOUR), pairs


def test_the_joined_run_is_read_like_any_other(parts, tmp_path):
    first, pairs = parts
    out = tmp_path / "satt/toy/two_step/published/seed0/fold2"
    combine(first, pairs, out)
    run = read_run(out)
    assert run.utterances == ("a", "b", "c", "d")
    assert run.parts.tolist() == ["test", "test", "train", "validation"]
    # a: first step; b: happy 0.8 above neutral 0.7; c and d: neutral 0.7 is the largest.
    assert [LABELS[k] for k in run.predicted] == ["angry", "happy", "neutral", "neutral"]
    assert [LABELS[k] for k in run.truth] == ["angry", "happy", "neutral", "sad"]
    np.testing.assert_allclose(run.posteriors[1], np.array([0.3, 0.8, 0.7, 0.3]) / 2.1, rtol=1e-5)
    assert run.history == []
    assert (out / "history.csv").read_text() == f"{','.join(HISTORY)}\n"
    assert {path.name for path in out.iterdir()} == {"predictions.csv", "history.csv", "run.json"}


def test_an_emotion_that_is_no_label_keeps_its_name(parts, tmp_path):
    calm = ("e", "other", "calm", [0.1, 0.2, 0.6, 0.1])
    for pair in parts[1]:
        with (pair / "predictions.csv").open("a") as handle:
            handle.write("e,other,calm,neutral,0.3,0.7\r\n")
    first = write_run(tmp_path / "first", LABELS, [*FOUR, calm])
    for path in parts[1]:
        info = json.loads((path / "run.json").read_text())
        info["parts"]["other"] = info["parts"].get("other", 0) + 1
        (path / "run.json").write_text(json.dumps(info))
    combine(first, parts[1], tmp_path / "out")
    assert read_run(tmp_path / "out").emotions == ("angry", "happy", "neutral", "sad", "calm")


def test_the_record_joins_what_the_parts_say(parts, tmp_path):
    first, pairs = parts
    combine(first, pairs, tmp_path / "out")
    info = json.loads((tmp_path / "out/run.json").read_text())
    assert {key: info[key] for key in SPEC} == SPEC
    assert info["n_parameters"] == 100 + 7 + 100 + 100
    assert info["precision"] == "bf16, fp32"
    assert info["versions"] == {"torch": "2.9", "numpy": "2.1"}
    assert info["parts"] == {"train": 1, "validation": 1, "test": 2}
    assert info["runs"] == [str(path) for path in (first, *pairs)]
    assert info["model_format"] == "none"
    assert "training_seconds" not in info  # the trainings count for themselves


@pytest.mark.parametrize(
    ("key", "value"), [("fold", 1), ("seed", 3), ("protocol", "random"), ("corpus", "ravdess"), ("paper", "jin")]
)
def test_runs_of_different_kinds_are_refused(parts, tmp_path, key, value):
    first, pairs = parts
    info = json.loads((pairs[1] / "run.json").read_text()) | {key: value}
    (pairs[1] / "run.json").write_text(json.dumps(info))
    with pytest.raises(RunError, match=rf"neutral_happy.*{value}"):
        combine(first, pairs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_each_class_needs_its_net(parts, tmp_path):
    first, pairs = parts
    with pytest.raises(RunError, match="labels are"):
        combine(first, pairs[:2], tmp_path / "out")
    with pytest.raises(RunError, match="labels are"):
        combine(first, [*pairs[:2], first], tmp_path / "out")


def test_an_utterance_trained_on_in_one_net_and_tested_in_another_is_refused(parts, tmp_path):
    first, pairs = parts
    path = pairs[2] / "predictions.csv"
    path.write_text(path.read_text().replace("a,test,", "a,train,"))
    info = json.loads((pairs[2] / "run.json").read_text())
    info["parts"] |= {"train": info["parts"]["train"] + 1, "test": info["parts"]["test"] - 1}
    (pairs[2] / "run.json").write_text(json.dumps(info))
    with pytest.raises(RunError, match="a in part train"):
        combine(first, pairs, tmp_path / "out")


def test_missing_utterances_and_unfinished_runs_are_named(parts, tmp_path):
    first, pairs = parts
    flat = dict.fromkeys("abcd", (0.3, 0.7))
    short = write_pair(tmp_path / "short", "angry", flat, order=("a", "b", "c"))
    with pytest.raises(RunError, match=r"short.* d"):
        combine(first, [*pairs[:2], short], tmp_path / "out")
    (short / "run.json").unlink()
    with pytest.raises(RunError, match=r"run\.json is missing"):
        combine(first, [*pairs[:2], short], tmp_path / "out")
