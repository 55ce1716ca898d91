"""Folds of unseen speakers who say unseen sentences."""

from collections import Counter, defaultdict

import pytest

from serflow.corpora.known import emodb, ravdess
from serflow.errors import SplitError
from serflow.protocols.registry import make_protocol
from serflow.protocols.split import check_split, leakage, split

RULES = {"kind": "statement_independent"}


def rows_of(corpus, speakers, said):
    """One utterance of each speaker for each (emotion, sentence)."""
    return [
        {
            **{"corpus": corpus, "utterance": f"{speaker}-{n}", "speaker": speaker, "sex": "male"},
            **{"emotion": emotion, "statement": statement, "sha1": f"{speaker}-{n}"},
        }
        for speaker in speakers
        for n, (emotion, statement) in enumerate(said)
    ]


def folds_of(rows, corpora, rules=RULES):
    """The parts of each fold, in which nothing forbidden may stand on both sides."""
    protocol, labels = make_protocol(rules), sorted({row["emotion"] for row in rows})
    assignment = split(protocol, rows, labels, corpora, 0)
    check_split(protocol, leakage(assignment, rows, corpora), "x")
    folds = defaultdict(lambda: defaultdict(list))
    by_name = {row["utterance"]: row for row in rows}
    for entry in assignment:
        folds[entry["fold"]][entry["part"]].append(by_name[entry["utterance"].rpartition("/")[2]])
    assert len(folds) == protocol.count_folds(corpora)
    return list(folds.values())


def values(rows, column):
    return {row[column] for row in rows}


@pytest.fixture(scope="module")
def actors():
    """RAVDESS by its file names: 24 actors, two sentences."""
    names = sorted(ravdess.expected_utterances())
    return [ravdess.parse(f"{name}.wav") | {"corpus": "ravdess", "sha1": name} for name in names]


def test_each_recording_of_ravdess_is_tested_once_by_what_never_heard_its_speaker_or_sentence(actors):
    folds = folds_of(actors, ["ravdess"])
    assert len(folds) == 12
    for k, parts in enumerate(folds):
        assert values(parts["test"], "statement") == {"01" if k < 6 else "02"}
        assert (
            values(parts["train"], "statement") == values(parts["validation"], "statement") == {"02" if k < 6 else "01"}
        )
        assert values(parts["test"], "speaker") == set(ravdess.SPEAKER_FOLDS[k % 6])
        assert {part: len(rows) for part, rows in parts.items()} == {
            **{"test": 4 * 30, "validation": 2 * 30, "train": 18 * 30},
            "unused": 1440 - 24 * 30,
        }
        assert len(values(parts["train"], "emotion")) == 8
    tested = Counter(row["utterance"] for parts in folds for row in parts["test"])
    assert set(tested.values()) == {1}
    assert len(tested) == 1440


@pytest.mark.parametrize("groups", [2, 5])
def test_ten_sentences_are_grouped_evenly(groups):
    said = [(emotion, text) for emotion in ("angry", "sad") for text in emodb.SENTENCES]
    rows = rows_of("emodb", emodb.SPEAKERS, said)
    folds = folds_of(rows, ["emodb"], RULES | {"groups": groups})
    assert len(folds) == 10 * groups
    tested = [frozenset(values(parts["test"], "statement")) for parts in folds]
    assert Counter(map(len, tested)) == {10 // groups: 10 * groups}
    assert set().union(*tested) == set(emodb.SENTENCES)
    assert len(set(tested)) == groups


def test_groups_have_about_as_many_recordings_though_one_sentence_is_most_frequent():
    said = [("angry", "yes"), ("sad", "yes")] * 6 + [
        (emotion, f"{n}") for n in range(6) for emotion in ("angry", "sad")
    ]
    sizes = Counter(
        len(parts["test"]) for parts in folds_of(rows_of("savee", ["DC", "JE", "JK", "KL"], said), ["savee"])
    )
    assert sizes == {12: 8}


def test_a_union_groups_the_sentences_of_each_corpus_apart():
    """Both number theirs from 1: RAVDESS says its first more often than the others together, SAVEE its last."""

    def said(*times):
        return [(emotion, f"{n + 1}") for n in range(3) for emotion in ("angry", "sad") for _ in range(times[n])]

    actors = sorted(actor for fold in ravdess.SPEAKER_FOLDS for actor in fold)
    rows = [*rows_of("ravdess", actors, said(4, 1, 1)), *rows_of("savee", ["DC", "JE", "JK", "KL"], said(1, 1, 4))]
    tested = defaultdict(set)
    for k, parts in enumerate(folds_of(rows, ["ravdess", "savee"])):
        for row in parts["test"]:
            tested[row["corpus"], k // 6].add(row["statement"])
    assert tested == {
        **{("ravdess", 0): {"1"}, ("ravdess", 1): {"2", "3"}},
        **{("savee", 0): {"3"}, ("savee", 1): {"1", "2"}},
    }


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ([("angry", "hello"), ("sad", "hello"), ("sad", "")], "sentence of 4 of 12 utterances.*transcripts"),
        ([("angry", "a01"), ("sad", "sa01"), ("sad", "sa02")], "3 sentences, each in one emotion alone.*equal ids"),
        ([("angry", "hello"), ("sad", "hello")], "1 sentences for 2 groups"),
        ([("angry", "hello"), ("sad", "hello"), ("happy", "bye"), ("sad", "bye")], "never said happy.*kind speakers"),
    ],
)
def test_what_cannot_be_divided_by_sentence_is_refused(said, match):
    with pytest.raises(SplitError, match=match):
        folds_of(rows_of("savee", ["DC", "JE", "JK", "KL"], said), ["savee"])


def test_savee_is_refused_since_its_names_count_the_sentences_of_each_emotion_anew():
    from serflow.corpora.known import savee

    rows = [savee.parse(f"{name}.wav") | {"corpus": "savee", "sha1": name} for name in savee.expected_utterances()]
    with pytest.raises(SplitError, match="savee: has 120 sentences, each in one emotion alone"):
        folds_of(rows, ["savee"])
