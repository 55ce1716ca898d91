import json
from pathlib import Path

import pytest

from serflow.corpora.known import iemocap as corpus
from serflow.errors import CorpusError

WAV = "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{}.wav"
TEXT = "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"


def test_the_speaker_is_that_of_the_turn_not_of_the_dialogue() -> None:
    row = corpus.parse(WAV.format("M003"))
    assert (row["utterance"], row["speaker"], row["sex"]) == ("Ses01F_impro01_M003", "Ses01M", "male")
    assert (row["session"], row["dialogue"], row["scenario"]) == ("1", "Ses01F_impro01", "improvised")
    row = corpus.parse("Ses05M_script01_1b_F012.wav")
    assert (row["speaker"], row["sex"], row["session"]) == ("Ses05F", "female", "5")
    assert (row["dialogue"], row["scenario"]) == ("Ses05M_script01_1b", "scripted")


@pytest.mark.parametrize(
    "path",
    ["Ses06F_impro01_F000.wav", "Ses01F_impro01_X000.wav", "Ses01F_impro01.wav", "Session2/Ses01F_impro01_F000.wav"],
)
def test_a_name_outside_the_corpus_is_refused(path: str) -> None:
    with pytest.raises(CorpusError):
        corpus.parse(path)


def test_recordings_and_dialogues_are_read_of_a_release_and_nothing_else() -> None:
    read = [WAV.format("F000"), TEXT, TEXT.removeprefix("IEMOCAP_full_release/")]
    other = ["IEMOCAP_full_release/README.txt", TEXT.replace(".txt", ".anvil"), "notes.txt"]
    assert [path for path in (*read, *other) if corpus.is_read(path)] == read


def test_labels_times_dimensions_and_votes_are_read(evaluation: str) -> None:
    turns = corpus.parse_evaluation(evaluation, "x.txt")
    assert list(turns) == ["Ses01F_impro01_F000", "Ses01F_impro01_M000"]
    first, second = turns.values()
    assert (first["native_label"], first["emotion"]) == ("neu", "neutral")
    assert (second["native_label"], second["emotion"]) == ("xxx", "undecided")
    assert (first["start"], first["end"]) == ("6.2901", "8.2357")
    assert [second[name] for name in ("valence", "activation", "dominance")] == ["2.0000", "3.5000", "3.0000"]
    votes = json.loads(first["votes"])
    assert votes["C-E4"] == ["Anger", "Frustration"]
    assert votes["A-F1"] == {"val": 3, "act": 2, "dom": 1}
    assert json.loads(second["votes"])["A-M1"] == {"val": 2, "act": 4}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("\tneu\t", "\t", 3),
        (" - 8.2357]", "]", 3),
        ("\tneu\t", "\tjoy\t", 3),
        ("8.2357", "6.1", 3),
        ("Ses01F_impro01_F000", "Ses01F_impro01", 3),
        ("M000\txxx", "F000\txxx", 10),
        ("% [", "C-E1: Neutral; ()\n% [", 1),
        ("C-E2:\tAnger", "C-E2\tAnger", 11),
    ],
)
def test_a_faulty_line_is_named_by_file_and_number(evaluation: str, old: str, new: str, line: int) -> None:
    with pytest.raises(CorpusError) as caught:
        corpus.parse_evaluation(evaluation.replace(old, new, 1), "x.txt")
    assert caught.value.where == f"x.txt: line {line}"


def test_scan_joins_annotation_and_recording_from_the_release_or_its_parent(iemocap) -> None:
    parent = corpus.scan(iemocap)
    release = corpus.scan(iemocap / "IEMOCAP_full_release")
    assert [row["path"] for row in parent.rows] == [WAV.format("F000"), WAV.format("M000")]
    assert [row["emotion"] for row in parent.rows] == ["neutral", "undecided"]
    assert release.rows[0]["path"] == WAV.format("F000").removeprefix("IEMOCAP_full_release/")


def test_what_is_said_is_read_without_case_punctuation_and_spaces() -> None:
    text = (
        "\ufeffSes01F_impro01_F000 [006.2901-008.2357]: Excuse  me.\r\n"
        "Ses01F_impro01_M000 [010.0100-011.3925]: Don\u2019t--I'd rather not! [LAUGHTER]\n"
        "Ses01F_impro01_MXX0 [012.0000-012.3000]: Mm-hmm.\n"
        "F: No turn is named.\n\n"
        "Ses01F_impro01_F001 [013.0000-014.0000]: ...\n"
    )
    assert corpus.parse_transcript(text) == {
        "Ses01F_impro01_F000": "excuse me",
        "Ses01F_impro01_M000": "dont id rather not laughter",
        "Ses01F_impro01_MXX0": "mm hmm",
        "Ses01F_impro01_F001": "",
    }


def test_a_statement_is_the_turns_transcript_and_empty_without_one(iemocap) -> None:
    assert [row["statement"] for row in corpus.scan(iemocap).rows] == ["", ""]
    folder = (iemocap / TEXT).parents[1] / "transcriptions"
    folder.mkdir()
    (folder / "Ses01F_impro01.txt").write_text("Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n")
    (folder / "._Ses01F_impro01.txt").write_bytes(b"[\x00\x05\x16\x07")
    assert [row["statement"] for row in corpus.scan(iemocap).rows] == ["excuse me", ""]


@pytest.mark.parametrize(("turn", "write"), [("M000", Path.unlink), ("M001", Path.touch)])
def test_an_annotation_without_audio_or_the_reverse_names_both_sides(iemocap, turn: str, write) -> None:
    write(iemocap / WAV.format(turn))
    with pytest.raises(CorpusError) as caught:
        corpus.scan(iemocap)
    assert str(iemocap / WAV.format(turn)) in str(caught.value)
    assert str(iemocap / TEXT) in str(caught.value)


def test_a_turn_annotated_in_two_files_is_refused(iemocap, evaluation) -> None:
    (iemocap / TEXT).with_name("Ses01F_impro02.txt").write_text(evaluation)
    with pytest.raises(CorpusError, match="Ses01F_impro01_F000"):
        corpus.scan(iemocap)


def test_a_folder_without_sessions_is_refused(tmp_path) -> None:
    with pytest.raises(CorpusError):
        corpus.scan(tmp_path)
