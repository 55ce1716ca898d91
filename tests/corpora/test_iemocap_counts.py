"""IEMOCAP at its true size: generated annotations in the corpus's format, whose plan is counted beside the manifest."""

from __future__ import annotations

from collections import Counter

import pytest

from serflow.corpora.known import iemocap
from serflow.corpora.verify import find_differences, format_counts
from serflow.protocols.registry import make_protocol
from serflow.protocols.split import leakage, split

from . import iemocap_tree

FOUR = {"ang": "angry", "hap": "happy", "neu": "neutral", "sad": "sad"}
EMOTIONS = FOUR | {
    "fea": "fearful",
    "dis": "disgust",
    "sur": "surprised",
    "exc": "excited",
    "fru": "frustrated",
    "oth": "other",
    "xxx": "undecided",
}
#: The selection's published counts: of each session's woman and man.
WOMEN = (217, 185, 264, 149, 298)
MEN = (205, 208, 274, 221, 259)
SELECT = {"iemocap": {"scenario": "improvised"}}


TURNS = iemocap_tree.plan()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The manifest as it is read from the corpus's annotations and names; nothing here needs the recordings."""
    texts = iemocap_tree.annotations(TURNS, [16_000] * len(TURNS))
    found = [
        iemocap.parse(f"{turn}.wav") | annotation | {"corpus": "iemocap", "sha1": turn}
        for dialogue, text in texts.items()
        for turn, annotation in iemocap.parse_evaluation(text, dialogue).items()
    ]
    return sorted(found, key=lambda row: row["utterance"])


def test_the_manifest_holds_every_turn_as_planned(rows) -> None:
    planned = {
        turn.name: (turn.speaker, turn.dialogue, "improvised" if turn.improvised else "scripted", EMOTIONS[turn.label])
        for turn in TURNS
    }
    found = {row["utterance"]: (row["speaker"], row["dialogue"], row["scenario"], row["emotion"]) for row in rows}
    assert found == planned


def test_the_manifest_has_the_published_counts(rows) -> None:
    whole, selection = format_counts("iemocap", rows).split("\n\n")
    for what, n in {"utterances": 10039, "emotion undecided": 2507, "emotion excited": 1041}.items():
        assert f"{what:24}{n:>10}{n:>10}" in whole
    table = {line[:26].strip(): line[26:].split() for line in selection.splitlines()[2:]}
    expected = {"utterances": 2280, "speakers": 10}
    expected |= {"emotion neutral": 1099, "emotion sad": 608, "emotion angry": 289, "emotion happy": 284}
    expected |= {f"speaker Ses0{k}F": n for k, n in enumerate(WOMEN, start=1)}
    expected |= {f"speaker Ses0{k}M": n for k, n in enumerate(MEN, start=1)}
    assert table == {what: [str(n), str(n)] for what, n in expected.items()}
    assert find_differences("iemocap", rows, []) == []


def test_a_lost_dialogue_lacks_in_the_counts(rows) -> None:
    dialogue = "Ses03M_impro05a"
    differences = find_differences("iemocap", [row for row in rows if row["dialogue"] != dialogue], [])
    gone = [turn for turn in TURNS if turn.dialogue == dialogue]
    chosen = Counter(turn.speaker for turn in gone if turn.label in FOUR)
    whole = "IEMOCAP (full release)"
    assert f"{whole}: utterances: published 10039, found {10039 - len(gone)}" in differences
    part = f"{whole}, improvised, four classes"
    assert f"{part}: utterances: published 2280, found {2280 - sum(chosen.values())}" in differences
    assert f"{part}: speaker Ses03F: published 264, found {264 - chosen['Ses03F']}" in differences
    assert f"{part}: speaker Ses03M: published 274, found {274 - chosen['Ses03M']}" in differences


@pytest.mark.parametrize(
    ("validation", "validating", "testing"),
    [("female", WOMEN, MEN), ("male", MEN, WOMEN), ("both", WOMEN + MEN, MEN + WOMEN)],
)
def test_one_session_is_left_out_and_its_speakers_share_validation_and_test(
    rows, validation, validating, testing
) -> None:
    protocol = make_protocol({"kind": "speakers", "validation": validation})
    assignment = split(protocol, rows, list(FOUR.values()), ["iemocap"], 0, select=SELECT)
    turns = {turn.name: turn for turn in TURNS}
    folds: list[dict[str, list[iemocap_tree.Turn]]] = [
        {part: [] for part in ("train", "validation", "test", "unused")} for _ in testing
    ]
    for entry in assignment:
        folds[entry["fold"]][entry["part"]].append(turns[entry["utterance"]])
    assert len(assignment) == 10039 * len(testing)
    for k, parts in enumerate(folds):
        sessions = {part: {turn.name[:5] for turn in found} for part, found in parts.items()}
        held_out = f"Ses0{k % 5 + 1}"
        assert sessions["validation"] == sessions["test"] == {held_out}
        assert sessions["train"] == {f"Ses0{n}" for n in range(1, 6)} - {held_out}
        speakers = {part: {turn.speaker for turn in found} for part, found in parts.items()}
        assert len(speakers["validation"]) == len(speakers["test"]) == 1
        assert not speakers["validation"] & speakers["test"]
        sizes = {part: len(found) for part, found in parts.items()}
        held = {"validation": validating[k], "test": testing[k]}
        assert sizes == {**held, "train": 2280 - validating[k] - testing[k], "unused": 10039 - 2280}
        used = parts["train"] + parts["validation"] + parts["test"]
        assert all(turn.improvised and turn.label in FOUR for turn in used)
    report = leakage(assignment, rows, ["iemocap"])
    assert all(not fold["speakers"] and not fold["identical_recordings"] for fold in report["folds"])
