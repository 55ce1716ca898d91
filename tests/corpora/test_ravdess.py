import pytest

from serflow.corpora.known import ravdess
from serflow.errors import CorpusError


def test_a_name_says_everything() -> None:
    row = ravdess.parse("Actor_12/03-01-06-01-02-01-12.wav")
    assert row["utterance"] == "03-01-06-01-02-01-12"
    assert (row["speaker"], row["sex"]) == ("12", "female")
    assert (row["emotion"], row["native_label"], row["intensity"]) == ("fearful", "06", "normal")
    assert (row["statement"], row["repetition"]) == ("02", "01")
    assert ravdess.parse("03-01-05-02-01-02-01.FLAC")["sex"] == "male"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("03-01-09-01-01-01-01.wav", "emotion 09"),
        ("03-01-03-01-01-00-01.wav", "repetition 00"),
        ("03-01-03-01-01-01-25.wav", "actor 25"),
        ("03-01-01-02-01-01-01.wav", "neutral with strong"),
        ("Actor_02/03-01-03-01-01-01-01.wav", "Actor_02"),
        ("03-01-03-01-01-01.wav", "not the name"),
        ("03-01-03-01-01-01-0１.wav", "not the name"),  # noqa: RUF001 (a full-width digit)
    ],
)
def test_a_name_outside_the_corpus_is_refused_with_its_reason(path: str, told: str) -> None:
    with pytest.raises(CorpusError, match=told) as caught:
        ravdess.parse(path)
    assert path in str(caught.value)


def test_song_video_and_other_files_are_left_out_and_counted(record, tmp_path) -> None:
    record("Actor_01/03-01-01-01-01-01-01.wav")
    record("Actor_01/03-02-01-01-01-01-01.wav")
    record("__MACOSX/Actor_01/._03-01-01-01-01-01-01.wav")
    for name in ("01-01-01-01-01-01-01.mp4", "02-01-01-01-01-01-01.mp4", "README.md", ".DS_Store", "._x.wav"):
        (tmp_path / "Actor_01" / name).write_bytes(b"x")
    scan = ravdess.scan(tmp_path)
    assert [row["path"] for row in scan.rows] == ["Actor_01/03-01-01-01-01-01-01.wav"]
    assert scan.left_out == {"video": 2, "song": 1, "neither WAV nor FLAC": 1}


def test_a_nested_second_copy_is_refused_naming_both_files(record, tmp_path) -> None:
    first = record("Actor_01/03-01-01-01-01-01-01.wav")
    second = record("audio_speech_actors_01-24/Actor_01/03-01-01-01-01-01-01.wav")
    with pytest.raises(CorpusError) as caught:
        ravdess.scan(tmp_path)
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_a_folder_without_recordings_or_no_folder_is_refused(tmp_path) -> None:
    with pytest.raises(CorpusError):
        ravdess.scan(tmp_path)
    with pytest.raises(CorpusError):
        ravdess.scan(tmp_path / "absent")
