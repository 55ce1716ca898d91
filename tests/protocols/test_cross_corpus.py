"""Trained on some corpora, tested on another."""

from collections import Counter

import pytest

from serflow.errors import SplitError
from serflow.protocols.registry import make_protocol
from serflow.protocols.split import check_split, leakage, split

PROTOCOL = make_protocol({"kind": "cross_corpus"})
SHARED = ["neutral", "happy", "sad", "angry"]
#: Speakers and sexes of the published corpora; actors of RAVDESS with odd numbers are men.
RAVDESS = {f"{n:02d}": "male" if n % 2 else "female" for n in range(1, 25)}
EMODB = {"03": "male", "08": "female", "09": "female", "10": "male", "11": "male", "12": "male", "13": "female"}
SAVEE = dict.fromkeys(["DC", "JE", "JK", "KL"], "male")


def rows_of(corpus, speakers, emotions, times=2):
    """Utterances whose sentences have the same names in all corpora."""
    return [
        {
            **{"corpus": corpus, "utterance": f"{speaker}-{emotion}-{n}", "speaker": speaker, "sex": sex},
            **{"emotion": emotion, "statement": f"{n:02d}", "sha1": f"{corpus}-{speaker}-{emotion}-{n}"},
        }
        for speaker, sex in speakers.items()
        for emotion in emotions
        for n in range(times)
    ]


ROWS = {
    "ravdess": rows_of("ravdess", RAVDESS, [*SHARED, "calm"]),
    "emodb": rows_of("emodb", EMODB, [*SHARED, "bored"], 3),
    "savee": rows_of("savee", SAVEE, SHARED),
}


def parts_of(*corpora, rows=None, labels=SHARED):
    """Item -> part of the one fold, in which nothing forbidden may stand on both sides."""
    rows = rows or [row for corpus in corpora for row in ROWS[corpus]]
    assignment = split(PROTOCOL, rows, labels, corpora, 0)
    assert split(PROTOCOL, rows, labels, corpora, 7) == assignment
    report = leakage(assignment, rows, corpora)
    check_split(PROTOCOL, report, "x")
    assert [fold["statements"] for fold in report["folds"]] == [[]]  # a sentence is of one corpus
    return {entry["utterance"]: entry["part"] for entry in assignment}


def speakers(parts, part):
    return {item.partition("-")[0] for item, found in parts.items() if found == part}


@pytest.mark.parametrize(("train", "test"), [("ravdess", "emodb"), ("emodb", "ravdess")])
def test_the_last_corpus_tests_whole_and_two_speakers_of_the_other_validate(train, test):
    parts = parts_of(train, test)
    tested = {f"{test}/{row['utterance']}" for row in ROWS[test] if row["emotion"] in SHARED}
    assert {item for item, part in parts.items() if part == "test"} == tested
    # The first man and the first woman of the corpus's own lists (EmoBox's for RAVDESS).
    validating = {"ravdess": {"ravdess/01", "ravdess/20"}, "emodb": {"emodb/03", "emodb/08"}}[train]
    assert speakers(parts, "validation") == validating
    everybody = {f"{train}/{row['speaker']}" for row in ROWS[train]}
    assert speakers(parts, "train") == everybody - validating
    assert {item.split("-")[1] for item, part in parts.items() if part == "unused"} == {"calm", "bored"}


def test_several_corpora_train_together():
    parts = parts_of("savee", "ravdess", "emodb")
    found = Counter((item.partition("/")[0], part) for item, part in parts.items() if part != "unused")
    assert found == {
        ("emodb", "test"): 7 * 4 * 3,
        ("ravdess", "train"): 23 * 4 * 2,
        ("ravdess", "validation"): 4 * 2,  # a woman
        ("savee", "train"): 3 * 4 * 2,
        ("savee", "validation"): 4 * 2,  # a man
    }


def test_an_emotion_that_one_corpus_lacks_is_refused_with_those_that_all_have():
    rows = [*ROWS["ravdess"], *(row for row in ROWS["emodb"] if row["emotion"] != "sad")]
    with pytest.raises(SplitError, match=r"emodb holds no utterance that is sad.*\[angry, happy, neutral\]"):
        parts_of("ravdess", "emodb", rows=rows)
    parts_of("ravdess", "emodb", rows=rows, labels=["angry", "happy", "neutral"])


def test_an_emotion_that_only_validating_speakers_say_is_refused():
    rows = [row for row in ROWS["emodb"] if row["emotion"] != "sad" or row["speaker"] in ("03", "08")]
    with pytest.raises(SplitError, match="tests sad, of which nothing is trained on"):
        parts_of("emodb", "ravdess", rows=[*rows, *ROWS["ravdess"]])


def test_a_corpus_whose_speakers_all_validate_is_refused():
    rows = rows_of("emodb", {"03": "male", "08": "female"}, SHARED)
    with pytest.raises(SplitError, match="nobody to train on"):
        parts_of("emodb", "ravdess", rows=[*rows, *ROWS["ravdess"]])
