import pytest

from serflow.errors import CorpusError, RunError
from serflow.figures.utterances import choose_speaker, choose_tested, choose_utterance
from serflow.runs import read_run


def test_the_papers_own_recording_is_shown_where_the_corpus_has_it_and_else_the_first_by_name():
    rows = [{"utterance": "b"}, {"utterance": "a"}]
    assert choose_utterance(rows, "b")[0] == 0
    for wanted in ("x", None):
        row, told = choose_utterance(rows, wanted)
        assert row == 1
        assert str(wanted if wanted else "names none") in told


def row(utterance, speaker, emotion, corpus="ravdess"):
    return {"corpus": corpus, "utterance": utterance, "speaker": speaker, "emotion": emotion}


def test_the_speaker_shown_is_the_first_of_a_corpus_who_has_all_emotions():
    rows = [row("u1", "01", "calm"), row("u2", "01", "sad", "savee"), row("u4", "02", "sad"), row("u3", "02", "sad")]
    rows += [row("u5", "02", "calm")]
    assert [one["utterance"] for one in choose_speaker(rows, ["calm", "sad"])] == ["u5", "u3"]
    with pytest.raises(CorpusError):
        choose_speaker(rows, ["calm", "surprised"])


def test_the_test_utterance_shown_is_the_first_by_name_right_or_wrong(make_run):
    found = [
        ("u2", "test", "calm", "calm"),
        ("u1", "test", "calm", "happy"),
        ("u0", "train", "calm", "calm"),
        ("u0#noise", "test", "calm", "calm"),
    ]
    rows = [row(f"u{n}", "01", "calm") for n in range(3)]
    run = read_run(make_run(found))
    assert choose_tested(run, rows, "calm") == (1, 1)
    for emotion in ("happy", "angry"):
        with pytest.raises(RunError, match=r"predictions\.csv"):
            choose_tested(run, rows, emotion)


def test_of_a_union_the_utterance_is_of_the_corpus_whose_manifest_is_given(make_run):
    found = [("ravdess/u1", "test", "calm", "calm"), ("savee/u1", "test", "calm", "happy")]
    run = read_run(make_run(found, corpus="ravdess+savee"))
    assert choose_tested(run, [row("u0", "01", "calm", "savee"), row("u1", "01", "calm", "savee")], "calm") == (1, 1)
