import pytest

from serflow.corpora.known import emodb
from serflow.errors import CorpusError
from serflow.protocols.registry import make_protocol


@pytest.mark.parametrize("path", ["wav/03a01Fa.wav", "emodb/wav/03a01Fa.FLAC", "03a01Fa.wav"])
def test_a_name_gives_speaker_sentence_emotion_and_version(path: str) -> None:
    """The example that the corpus's own documentation explains: speaker 03, text a01, Freude."""
    row = emodb.parse(path)
    assert (row["utterance"], row["speaker"], row["sex"]) == ("03a01Fa", "03", "male")
    assert (row["emotion"], row["native_label"], row["statement"], row["repetition"]) == ("happy", "F", "a01", "1")


def test_speakers_and_counts_are_those_of_the_corpuss_documentation() -> None:
    """Five women; 535 utterances by emotion (Burkhardt et al. 2005)."""
    assert {speaker for speaker, sex in emodb.SPEAKERS.items() if sex == "female"} == {"08", "09", "13", "14", "16"}
    assert emodb.EXPECTED.classes == {
        **{"angry": 127, "bored": 81, "disgust": 46, "fearful": 69},
        **{"happy": 71, "sad": 62, "neutral": 79},
    }


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("04a01Fa.wav", "speaker 04, expected one of 03, 08"),
        ("03a03Fa.wav", "sentence a03"),
        ("03a01Xa.wav", "emotion X, expected one of W, L, E, A, F, T, N"),
        ("03a01F.wav", "not the name"),
        ("03a01Fa.mp3", "not the name"),
    ],
)
def test_a_name_outside_the_corpus_is_refused_with_its_reason(path: str, told: str) -> None:
    with pytest.raises(CorpusError, match=told):
        emodb.parse(path)


def test_each_speaker_is_tested_alone_and_one_of_each_sex_validates() -> None:
    names = [f"{speaker}a01{emotion}a.wav" for speaker in emodb.SPEAKERS for emotion in emodb.EMOTIONS]
    rows = [emodb.parse(name) | {"corpus": "emodb"} for name in names]
    folds = make_protocol({"kind": "speakers"}).assign(rows, ["emodb"], 0)
    tested = [sorted({name[:2] for name, part in fold.items() if part == "test"}) for fold in folds]
    assert tested == [[speaker] for speaker in emodb.SPEAKERS]
    validating = [{name[:2] for name, part in fold.items() if part == "validation"} for fold in folds]
    assert validating[:3] == [{"08", "10"}, {"09", "10"}, {"10", "13"}]
    assert validating[-1] == {"03", "08"}
