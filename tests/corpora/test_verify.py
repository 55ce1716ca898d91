import pytest

from serflow import corpora
from serflow.corpora.verify import find_differences, format_counts, verify
from serflow.errors import ConfigError


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


def test_a_corpus_without_published_counts_cannot_be_checked(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(corpora.load("savee"), "EXPECTED", None)
    with pytest.raises(ConfigError) as caught:
        verify("savee", tmp_path, 1)
    assert caught.value.where == "savee"
