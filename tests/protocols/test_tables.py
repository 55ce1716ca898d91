"""Splits of a corpus that a table of labels makes: its own split, its own folds."""

import pytest

from serflow.corpora.registry import load, use_tables
from serflow.errors import SplitError
from serflow.io.files import write_csv
from serflow.protocols.registry import make_protocol
from serflow.protocols.split import leakage, split

EMOTIONS = ["happy", "sad"]


@pytest.fixture
def mine(tmp_path):
    """Make the corpus ``mine`` of rows of speaker, emotion and another column; return its manifest's rows."""

    def make(column, rows, folds=None):
        table = [
            {"path": f"{n}.wav", "speaker": speaker, "emotion": emotion, column: value}
            for n, (speaker, emotion, value) in enumerate(rows)
        ]
        write_csv(tmp_path / "labels.csv", list(table[0]), table)
        for row in table:
            (tmp_path / row["path"]).touch()
        use_tables({"mine": {"labels": str(tmp_path / "labels.csv"), "folds": folds}})
        return [row | {"corpus": "mine", "sha1": row["utterance"]} for row in load("mine").scan(tmp_path).rows]

    yield make
    use_tables({})


def test_the_tables_own_split_is_taken_and_what_leaks_is_reported(mine):
    parts = ["train", "validation", "test", "train", "", "test"]
    rows = mine("part", zip("aabbcc", EMOTIONS * 3, parts, strict=True))
    protocol = make_protocol({"kind": "given"})
    found = split(protocol, rows, EMOTIONS, ["mine"], 0)
    assert {entry["utterance"]: entry["part"] for entry in found} == dict(
        zip("012345", [part or "unused" for part in parts], strict=True)
    )
    assert protocol.training_share(["mine"]) == 2 / 6  # of all rows, since the plan multiplies by these
    assert leakage(found, rows, ["mine"])["folds"][0]["speakers"] == ["b"]


def test_a_corpus_without_a_split_of_its_own_has_none_to_take():
    with pytest.raises(SplitError, match=r"ravdess.*column `part`"):
        make_protocol({"kind": "given"}).assign([], ["ravdess"], 0)


@pytest.mark.parametrize("speakers", [{"a": "f", "b": "m", "c": "m"}, {"a": "f", "b": "m", "c": "f", "d": "m"}])
def test_somebody_trains_where_few_speakers_are_left(mine, speakers):
    """In folds a, b and c, or (a, b) and (c, d), one speaker of each sex is left."""
    names = {"f": "female", "m": "male"}
    rows = [(speaker, emotion, names[sex]) for speaker, sex in speakers.items() for emotion in EMOTIONS]
    found = mine("sex", rows, folds=2 if len(speakers) == 4 else None)
    trained = {
        entry["fold"]
        for entry in split(make_protocol({"kind": "speakers"}), found, EMOTIONS, ["mine"], 0)
        if entry["part"] == "train"
    }
    assert trained == set(range(2 if len(speakers) == 4 else 3))


def test_an_emotion_of_the_tables_own_split_that_is_tested_must_be_trained(mine):
    parts = ["train", "", "test", "test", "validation", "validation"]
    rows = mine("part", zip("aabbcc", EMOTIONS * 3, parts, strict=True))
    with pytest.raises(SplitError, match="mine, fold 0: tests sad, of which nothing is trained on"):
        split(make_protocol({"kind": "given"}), rows, EMOTIONS, ["mine"], 0)


def test_an_emotion_that_is_tested_must_be_trained(mine):
    """Speaker b validates in the fold in which a tests, and nobody else is sad."""
    rows = [
        (speaker, emotion, fold)
        for fold, speaker in enumerate("abcd")
        for emotion in EMOTIONS
        if emotion == "happy" or speaker in "ab"
    ]
    with pytest.raises(SplitError, match="fold 0: tests sad, of which nothing is trained on"):
        split(make_protocol({"kind": "speakers"}), mine("fold", rows), EMOTIONS, ["mine"], 0)
