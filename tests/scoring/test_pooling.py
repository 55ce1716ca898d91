import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from serflow.corpora.manifest import COLUMNS
from serflow.errors import RunError
from serflow.io.files import read_json, write_json
from serflow.runs import read_run, read_runs
from serflow.scoring.pooling import count_confusions, group_runs, pooled_confusion, read_speakers
from toy_paper import LABELS, write_rows


def test_counts_by_seed_fold_and_speaker_sum_to_those_of_scikit_learn(make_run, speakers):
    rng, rows, folders = np.random.default_rng(0), [], []
    for seed in (3, 1):
        for fold, test in enumerate((range(4), range(4, 8))):
            found = [(f"u{s}_{k}", "test", *rng.choice(LABELS, 2)) for s in test for k in range(6)]
            rows += [(seed, fold, f"toy/{int(name[1]):02d}", truth, guess) for name, _, truth, guess in found]
            folders.append(make_run([*found, ("u0_0", "train", "sad", "sad")], seed=seed, fold=fold))
    runs = read_runs(folders)
    counts = count_confusions(runs, "test", speakers)
    assert (counts.seeds, counts.folds, counts.n_utterances) == ((1, 3), (0, 1), 48)
    assert counts.speakers == tuple(f"toy/{s:02d}" for s in range(8))

    def expected(*start):
        mine = [row[3:] for row in rows if row[: len(start)] == start]
        return confusion_matrix(*zip(*mine, strict=True), labels=LABELS) if mine else np.zeros((3, 3))

    for i, seed in enumerate(counts.seeds):
        assert np.array_equal(counts.per_seed[i], expected(seed))
        assert np.array_equal(counts.of_fold(1).per_seed[i], expected(seed, 1))
        for j, name in enumerate(counts.speakers):
            assert np.array_equal(counts.per_speaker[i, j], sum(expected(seed, fold, name) for fold in (0, 1)))
    assert counts.of_fold(1).speakers == tuple(f"toy/{s:02d}" for s in range(4, 8))
    assert np.array_equal(counts.of_speaker("toy/02").array, counts.array[:, :, [2]])
    assert np.array_equal(pooled_confusion(runs), counts.per_seed.sum(axis=0))


def test_speakers_of_a_union_who_share_a_name_are_two_and_copies_count_as_their_recording(make_run, tmp_path):
    rows = [{"corpus": corpus, "utterance": "a_1", "speaker": "03"} for corpus in ("ravdess", "savee")]
    manifests = [write_rows(tmp_path / f"{row['corpus']}.csv", [dict.fromkeys(COLUMNS, "") | row]) for row in rows]
    found = [("ravdess/a_1", "test", "sad", "sad"), ("ravdess/a_1#noise", "test", "sad", "happy")]
    run = read_run(make_run([*found, ("savee/a_1", "test", "happy", "sad")], corpus="ravdess+savee"))
    counts = count_confusions([run], "test", read_speakers(manifests))
    assert counts.speakers == ("ravdess/03", "savee/03")
    assert counts.per_speaker[0].sum(axis=(1, 2)).tolist() == [2, 1]
    assert counts.n_utterances == 2


@pytest.mark.parametrize("key", ["labels", "fold"])
def test_a_run_that_lacks_a_key_is_named_with_it(make_run, key):
    path = make_run([("u0_0", "test", "happy", "happy")]) / "run.json"
    write_json(path, {name: value for name, value in read_json(path).items() if name != key})
    with pytest.raises(RunError, match=f"run.json: is no run's: '{key}' is missing"):
        read_run(path.parent)


def test_an_utterance_of_no_manifest_and_runs_of_different_labels_are_named(make_run, speakers):
    run = read_run(make_run([("nobody", "test", "happy", "happy")]))
    with pytest.raises(RunError, match="nobody"):
        count_confusions([run], "test", speakers)
    other = read_run(make_run([("u0_0", "test", "happy", "happy")], fold=1, labels=("happy", "sad")))
    with pytest.raises(RunError, match="fold1"):
        group_runs([run, other])
