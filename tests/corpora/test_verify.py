import pytest

from serflow import corpora
from serflow.corpora.verify import find_differences, format_counts, verify
from serflow.errors import ConfigError, CorpusError


def rows_like_published(name: str) -> list[dict[str, str]]:
    module = corpora.load(name)
    return [module.parse(f"{utterance}.wav") for utterance in sorted(module.expected_utterances())]


@pytest.mark.parametrize("name", ["ravdess", "savee"])
def test_a_complete_copy_differs_in_nothing(name: str) -> None:
    rows = rows_like_published(name)
    assert find_differences(name, rows, []) == []
    assert "differs" not in format_counts(name, rows)


def test_a_lost_file_is_listed_by_name_speaker_and_class() -> None:
    rows = [row for row in rows_like_published("savee") if row["utterance"] != "JK_su15"]
    differences = "\n".join(find_differences("savee", rows, ["JK_su15"]))
    assert "utterances: published 480, found 479" in differences
    assert "speaker JK: published 120, found 119" in differences
    assert "emotion surprised: published 60, found 59" in differences
    assert "JK_su15" in differences
    assert len(differences.splitlines()) == 4
    assert format_counts("savee", rows).count("differs") == 3


def test_of_many_lost_files_the_number_by_speaker_is_told() -> None:
    rows = [row for row in rows_like_published("ravdess") if row["speaker"] == "01"]
    missing = sorted(corpora.load("ravdess").expected_utterances() - {row["utterance"] for row in rows[:50]})
    told = find_differences("ravdess", rows[:50], missing)[-1]
    assert told == "missing, 1390 in all, by speaker: 01 10, " + ", ".join(f"{n:02d} 60" for n in range(2, 25))


def test_a_copy_that_does_not_exist_is_told(tmp_path) -> None:
    for name in ("none", "none.zip"):
        with pytest.raises(CorpusError, match=rf"{name}: does not exist"):
            verify("ravdess", tmp_path / name, 1)


def test_a_corpus_without_published_counts_cannot_be_checked(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(corpora.load("savee"), "EXPECTED", None)
    with pytest.raises(ConfigError) as caught:
        verify("savee", tmp_path, 1)
    assert caught.value.where == "savee"
