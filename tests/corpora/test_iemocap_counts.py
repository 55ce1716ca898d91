"""IEMOCAP at its true size: a generated tree in the corpus's formats, whose plan is counted beside the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serflow.cli import main
from serflow.corpora.audit import find_differences, format_counts
from serflow.corpora.scan import scan_corpus
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


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tuple[Path, list[iemocap_tree.Turn]]:
    root = tmp_path_factory.mktemp("iemocap")
    return root, iemocap_tree.generate(root)


@pytest.fixture(scope="module")
def rows(corpus) -> list[dict[str, str]]:
    return scan_corpus("iemocap", corpus[0], 2)[0]


@contextmanager
def lost(*paths: Path) -> Iterator[None]:
    """Make clutter of files or folders for a while, which is what a corpus is read without."""
    aside = [path.with_name(f"._{path.name}") for path in paths]
    for path, other in zip(paths, aside, strict=True):
        path.rename(other)
    try:
        yield
    finally:
        for path, other in zip(paths, aside, strict=True):
            other.rename(path)


def test_the_plan_has_the_published_counts(corpus) -> None:
    turns = corpus[1]
    assert len({turn.name for turn in turns}) == 10039
    assert len({turn.dialogue for turn in turns}) == 151
    assert Counter(turn.name[4] for turn in turns) == {"1": 1819, "2": 1811, "3": 2136, "4": 2103, "5": 2170}
    assert sum(turn.improvised for turn in turns) == 4784
    chosen = [turn for turn in turns if turn.improvised and turn.label in FOUR]
    assert Counter(turn.label for turn in chosen) == {"neu": 1099, "sad": 608, "ang": 289, "hap": 284}
    counts = Counter(turn.speaker for turn in chosen)
    assert [(counts[f"Ses0{n}F"], counts[f"Ses0{n}M"]) for n in range(1, 6)] == list(zip(WOMEN, MEN, strict=True))
    speakers = {turn.dialogue: set() for turn in turns}
    for turn in turns:
        speakers[turn.dialogue].add(turn.speaker)
    assert all(own == {f"{dialogue[:5]}F", f"{dialogue[:5]}M"} for dialogue, own in speakers.items())
    scripted = {turn.label for turn in turns if not turn.improvised}
    improvised = {turn.label for turn in turns if turn.improvised}
    assert scripted == set(EMOTIONS)
    assert improvised >= {*FOUR, "exc", "fru", "xxx", "sur", "fea", "oth"}


def test_the_manifest_holds_every_turn_as_planned(corpus, rows) -> None:
    planned = {
        turn.name: (turn.speaker, turn.dialogue, "improvised" if turn.improvised else "scripted", EMOTIONS[turn.label])
        for turn in corpus[1]
    }
    found = {row["utterance"]: (row["speaker"], row["dialogue"], row["scenario"], row["emotion"]) for row in rows}
    assert found == planned
    assert {(row["sample_rate"], row["samples"]) for row in rows} == {("16000", "800")}


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


def test_verify_names_a_recording_that_is_lost(corpus, capsys) -> None:
    wav = corpus[0] / "IEMOCAP_full_release/Session3/sentences/wav/Ses03M_impro05a/Ses03M_impro05a_F004.wav"
    with lost(wav):
        assert main(["verify", "iemocap", str(corpus[0])]) == 1
    assert str(wav) in capsys.readouterr().err


def test_a_lost_dialogue_lacks_in_the_counts(corpus, rows) -> None:
    turns, dialogue = corpus[1], "Ses03M_impro05a"
    differences = find_differences("iemocap", [row for row in rows if row["dialogue"] != dialogue], [])
    gone = [turn for turn in turns if turn.dialogue == dialogue]
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
    corpus, rows, validation, validating, testing
) -> None:
    protocol = make_protocol({"kind": "speakers", "validation": validation})
    assignment = split(protocol, rows, list(FOUR.values()), ["iemocap"], 0, select=SELECT)
    turns = {turn.name: turn for turn in corpus[1]}
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
