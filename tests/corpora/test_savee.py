import pytest

from serflow.corpora.known import savee
from serflow.errors import CorpusError


@pytest.mark.parametrize(
    "path", ["AudioData/DC/sa07.wav", "DC/sa07.flac", "DC_sa07.wav", "ALL/DC_sa07.wav", "DC/DC_sa07.wav"]
)
def test_every_layout_gives_the_same_utterance(path: str) -> None:
    row = savee.parse(path)
    assert (row["utterance"], row["speaker"], row["sex"]) == ("DC_sa07", "DC", "male")
    assert (row["emotion"], row["native_label"], row["statement"]) == ("sad", "sa", "sa07")


def test_a_number_within_another_emotion_is_another_statement() -> None:
    assert {savee.parse(f"DC_{emotion}07.wav")["statement"] for emotion in savee.EMOTIONS} == {
        *("a07", "d07", "f07", "h07", "n07", "sa07", "su07")
    }


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a01.wav", "speaker"),
        ("XX_a01.wav", "'XX'"),
        ("DC/JE_a01.wav", "lies in DC"),
        ("DC_a16.wav", "01 to 15"),
        ("DC_n31.wav", "01 to 30"),
        ("DC_a00.wav", "sentence 00"),
        ("DC_b01.wav", "not the name"),
    ],
)
def test_a_name_outside_the_corpus_is_refused_with_its_reason(path: str, told: str) -> None:
    with pytest.raises(CorpusError, match=told):
        savee.parse(path)
