import pytest

from serflow import corpora
from serflow.corpora.audit import audit, find_differences, format_counts
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
        audit("savee", tmp_path, 1)
    assert caught.value.where == "savee"


IMPROVISED = {  # 2280 = 289 angry + 284 happy + 1099 neutral + 608 sad
    "Ses01": (217, 205),
    "Ses02": (185, 208),
    "Ses03": (264, 274),
    "Ses04": (149, 221),
    "Ses05": (298, 259),
}


def test_iemocap_is_checked_against_the_improvised_selection_too() -> None:
    classes = iter(["angry"] * 289 + ["happy"] * 284 + ["neutral"] * 1099 + ["sad"] * 608)
    rows = [
        {"speaker": session + sex, "emotion": next(classes), "scenario": "improvised"}
        for session, counts in IMPROVISED.items()
        for sex, count in zip("FM", counts, strict=True)
        for _ in range(count)
    ]
    assert len(rows) == 2280
    rows.append({"speaker": "Ses01F", "emotion": "excited", "scenario": "improvised"})
    rows.append({"speaker": "Ses01F", "emotion": "sad", "scenario": "scripted"})
    whole, selection = format_counts("iemocap", rows).split("\n\n")
    assert "differs" in whole
    assert "differs" not in selection
    assert "10039" in whole
    differences = find_differences("iemocap", rows[1:], [])
    assert "IEMOCAP (full release), improvised, four classes: speaker Ses01F: published 217, found 216" in differences
    assert not [line for line in differences if "None" in line]  # whole speakers have no published count
