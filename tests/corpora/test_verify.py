import pytest

from serflow import corpora
from serflow.corpora import verify


def rows_like_published(name: str) -> list[dict[str, str]]:
    module = corpora.load(name)
    return [module.parse(f"{utterance}.wav") for utterance in sorted(module.expected_utterances())]


@pytest.mark.parametrize("name", ["ravdess", "savee"])
def test_a_complete_copy_differs_in_nothing(name: str) -> None:
    rows = rows_like_published(name)
    assert verify.verify(name, rows, {"missing": []}) == []
    assert "differs" not in verify.table(name, rows)


def test_a_lost_file_is_told_by_name_speaker_and_class() -> None:
    rows = [row for row in rows_like_published("savee") if row["utterance"] != "JK_su15"]
    told = "\n".join(verify.verify("savee", rows, {"missing": ["JK_su15"]}))
    assert "utterances: published 480, found 479" in told
    assert "speaker JK: published 120, found 119" in told
    assert "emotion surprised: published 60, found 59" in told
    assert "JK_su15" in told
    assert len(told.splitlines()) == 4
    assert verify.table("savee", rows).count("differs") == 3


IMPROVISED = {  # 2280 = 289 angry + 284 happy + 1099 neutral + 608 sad
    "Ses01": (217, 205),
    "Ses02": (185, 208),
    "Ses03": (264, 274),
    "Ses04": (149, 221),
    "Ses05": (298, 259),
}


def test_iemocap_is_held_against_the_improvised_selection_too() -> None:
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
    whole, selection = verify.table("iemocap", rows).split("\n\n")
    assert "differs" in whole
    assert "differs" not in selection
    assert "10039" in whole
    told = verify.verify("iemocap", rows[1:], {})
    assert "IEMOCAP (full release), improvised, four classes: speaker Ses01F: published 217, found 216" in told
    assert not [line for line in told if "None" in line]  # whole speakers have no published count
