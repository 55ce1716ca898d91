"""IEMOCAP: ten actors in five dialogue sessions.

``dialog/EmoEvaluation/*.txt`` holds labels, times and votes, ``dialog/transcriptions/*.txt`` what is said.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from serflow.corpora.base import (
    AUDIO_SUFFIXES,
    Expected,
    Scan,
    Selection,
    files,
    is_clutter,
    not_audio,
    row,
    scan_names,
)
from serflow.errors import CorpusError

TITLE = "IEMOCAP (full release)"
CITATION = (
    "Busso C, Bulut M, Lee CC, Kazemzadeh A, Mower E, Kim S, Chang JN, Lee S, Narayanan SS (2008). IEMOCAP: "
    "Interactive emotional dyadic motion capture database. Language Resources and Evaluation 42, 335-359."
)
LICENCE = "Signed release form of SAIL, University of Southern California; not redistributable"

EMOTIONS = {
    "neu": "neutral",
    "hap": "happy",
    "sad": "sad",
    "ang": "angry",
    "fea": "fearful",
    "dis": "disgust",
    "sur": "surprised",
    "exc": "excited",
    "fru": "frustrated",
    "oth": "other",
    "xxx": "undecided",
}
SPEAKERS = tuple(f"Ses{session:02d}{sex}" for session in range(1, 6) for sex in "FM")
#: About how long all its turns last together, in s: its 12 hours, 4.5 s a turn.
SECONDS = 44800.0
EXPECTED = Expected(
    utterances=10039,
    speakers=dict.fromkeys(SPEAKERS),
    classes={
        "neutral": 1708,
        "happy": 595,
        "sad": 1084,
        "angry": 1103,
        "fearful": 40,
        "disgust": 2,
        "surprised": 107,
        "excited": 1041,
        "frustrated": 1849,
        "other": 3,
        "undecided": 2507,
    },
)
#: The selection that most papers on improvised speech use; 'excited' is not counted as happy.
SELECTIONS = (
    Selection(
        title="improvised, four classes",
        where={"scenario": "improvised"},
        expected=Expected(
            utterances=2280,
            speakers=dict(zip(SPEAKERS, (217, 205, 185, 208, 264, 274, 149, 221, 298, 259), strict=True)),
            classes={"angry": 289, "happy": 284, "neutral": 1099, "sad": 608},
        ),
    ),
)
#: One session out.
SPEAKER_FOLDS: tuple[tuple[str, ...], ...] = tuple(zip(SPEAKERS[::2], SPEAKERS[1::2], strict=True))

_TURN = re.compile(r"(Ses0([1-5])[FM]_(script|impro)[0-9]{2}[A-Za-z0-9_]*)_([FM])[0-9]{3}")
_SESSION = re.compile(r"Session([0-9]+)")
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_HEADER = re.compile(
    rf"\[(?P<start>{_NUMBER})\s*-\s*(?P<end>{_NUMBER})\]\s+(?P<turn>\S+)\s+(?P<native_label>\S+)\s+"
    rf"\[(?P<valence>-?{_NUMBER}),\s*(?P<activation>-?{_NUMBER}),\s*(?P<dominance>-?{_NUMBER})\]",
    re.ASCII,
)
_VOTE = re.compile(r"([CA]-[A-Z]+[0-9]*):([^(]*)(?:\(.*)?")
_SAID = re.compile(r"(\S+)\s+\[[^]]*\]:?(.*)")
_ATTRIBUTE = re.compile(rf"(val|act|dom)\s+({_NUMBER})", re.ASCII)
RELEASE = "IEMOCAP_full_release"
_FETCH_AGAIN = "Unpack the file again from the IEMOCAP release."


def parse(path: str) -> dict[str, str]:
    """Return what a recording's name says of its turn: all of the manifest row but label, times and votes.

    Parameters
    ----------
    path
        POSIX path relative to the corpus tree, such as
        ``Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M003.wav``. The speaker is that of the turn's own suffix
        (here Ses01M): the dialogue's letter says only who wore the motion-capture markers.

    Raises
    ------
    CorpusError
        If the name is no turn's, or its folder is another session's.
    """
    pure = PurePosixPath(path)
    match = _TURN.fullmatch(pure.stem)
    if match is None or pure.suffix.lower() not in AUDIO_SUFFIXES:
        raise CorpusError(
            path, "is not the name of an IEMOCAP turn", "Expected a name such as Ses01F_impro01_M003.wav."
        )
    dialogue, session, scenario, sex = match.groups()
    for folder in pure.parts[:-1]:
        named = _SESSION.fullmatch(folder)
        if named is not None and named[1] != session:
            raise CorpusError(path, f"is of session {session} but lies in {folder}", _FETCH_AGAIN)
    return row(
        utterance=pure.stem,
        path=path,
        speaker=f"Ses0{session}{sex}",
        sex="female" if sex == "F" else "male",
        session=session,
        dialogue=dialogue,
        scenario="scripted" if scenario == "script" else "improvised",
    )


def parse_evaluation(text: str, where: object) -> dict[str, dict[str, str]]:
    """Return the annotation of every turn in an EmoEvaluation file.

    Parameters
    ----------
    text
        The file's text: for each turn a line ``[start - end] turn emotion [valence, activation, dominance]``, then one
        line per rater (``C-E2: Neutral; ()``, ``A-E1: val 3; act 2; dom 3; ()``; F and M are self-reports).
    where
        The file, for errors.

    Returns
    -------
    annotations
        By turn, the manifest's columns ``emotion, native_label, start, end`` (s), ``valence, activation, dominance``
        (1 to 5) and ``votes`` (JSON: each rater's categories, and under ``A-`` keys attributes, as far as given).

    Raises
    ------
    CorpusError
        If a turn's line lacks a field or has one that is not allowed, or a turn occurs twice; it names the line.
    """
    turns: dict[str, dict[str, str]] = {}
    votes: dict[str, dict[str, Any]] = {}
    turn = None
    for number, line in enumerate(text.lstrip("\ufeff").split("\n"), start=1):
        stripped, place = line.strip(), f"{where}: line {number}"
        if stripped.startswith("["):
            turn, annotation = _header(stripped, place)
            if turn in turns:
                raise CorpusError(place, f"annotates turn {turn} a second time", _FETCH_AGAIN)
            turns[turn], votes[turn] = annotation, {}
        elif stripped.startswith(("C-", "A-")):
            if turn is None:
                raise CorpusError(place, "holds a vote before any turn", _FETCH_AGAIN)
            rater, vote = _vote(stripped, place)
            votes[turn][rater] = vote
    return {
        turn: annotation | {"votes": json.dumps(votes[turn], separators=(",", ":"))}
        for turn, annotation in turns.items()
    }


def _header(line: str, where: str) -> tuple[str, dict[str, str]]:
    match = _HEADER.fullmatch(line)
    if match is None:
        fault = f"is {line!r}, expected [start - end] turn emotion [valence, activation, dominance]"
        raise CorpusError(where, fault, _FETCH_AGAIN)
    found = match.groupdict()
    turn, label, start, end = found.pop("turn"), found["native_label"], found["start"], found["end"]
    if _TURN.fullmatch(turn) is None:
        raise CorpusError(where, f"has turn {turn!r}, expected a name such as Ses01F_impro01_M003", _FETCH_AGAIN)
    if label not in EMOTIONS:
        raise CorpusError(where, f"has emotion {label!r}, expected one of {', '.join(EMOTIONS)}", _FETCH_AGAIN)
    if not float(start) < float(end) < math.inf:
        raise CorpusError(where, f"runs from {start} to {end} s, expected start < end", _FETCH_AGAIN)
    _check_finite([found[name] for name in ("valence", "activation", "dominance")], where)
    return turn, found | {"emotion": EMOTIONS[label]}


def _vote(line: str, where: str) -> tuple[str, list[str] | dict[str, float]]:
    """Return a rater and the vote: categories, or attributes (those that are filled in)."""
    match = _VOTE.fullmatch(line)
    if match is None:
        fault = f"is {line!r}, expected a vote such as C-E2: Neutral; () or A-E1: val 3; act 2;"
        raise CorpusError(where, fault, _FETCH_AGAIN)
    rater, text = match.groups()
    if rater.startswith("C-"):
        return rater, [category.strip() for category in text.split(";") if category.strip()]
    found = _ATTRIBUTE.findall(text)
    _check_finite([value for _, value in found], where)
    return rater, {name: float(value) for name, value in found}


def _check_finite(values: Sequence[str], where: str) -> None:
    if not all(math.isfinite(float(value)) for value in values):
        raise CorpusError(where, "has a number that is not finite, expected 1 to 5", _FETCH_AGAIN)


def _annotations(release: Path) -> dict[str, dict[str, str]]:
    """Return the annotations of all dialogues; EmoEvaluation's sub-folders hold each rater's own files."""
    annotations: dict[str, dict[str, str]] = {}
    for path, text in _read_dialogues(release, "EmoEvaluation"):
        found = parse_evaluation(text, path)
        twice = sorted(found.keys() & annotations.keys())
        if twice:
            raise CorpusError(path, f"annotates turn {twice[0]}, which another file annotates too", _FETCH_AGAIN)
        annotations |= found
    return annotations


def _read_dialogues(release: Path, folder: str) -> Iterator[tuple[Path, str]]:
    """Yield path and text of each dialogue's file in a folder of the sessions' ``dialog``."""
    for path in sorted(release.glob(f"Session[1-5]/dialog/{folder}/*.txt")):
        if not is_clutter(path.name):
            yield path, path.read_text(encoding="utf-8", errors="replace")


def parse_transcript(text: str) -> dict[str, str]:
    """Return what is said in each turn of a transcript: words in lower case between single spaces.

    Parameters
    ----------
    text
        The file's text: a line ``turn [start-end]: what is said`` for each turn. Sounds in brackets, such as
        ``[LAUGHTER]``, count as words. Other lines are passed over: the corpus has some that name no turn.
    """
    lines = (_SAID.fullmatch(line.strip()) for line in text.lstrip("\ufeff").split("\n"))
    return {found[1]: _normalise(found[2]) for found in lines if found}


def _normalise(text: str) -> str:
    """Return the words of a text without case, punctuation and apostrophes (straight or curly)."""
    return " ".join(re.findall(r"\w+", re.sub("['\N{RIGHT SINGLE QUOTATION MARK}]", "", text.casefold())))


def scan(root: Path) -> Scan:
    """Return the annotated turns of the release at `root` (the folder ``IEMOCAP_full_release`` or its parent).

    A turn's statement is its transcript, empty where the release has none.

    Raises
    ------
    CorpusError
        If there is no recording, a name or annotation is faulty, or there are orphan annotations or recordings.
    """
    release = root / RELEASE if (root / RELEASE).is_dir() else root
    folders = sorted(release.glob("Session[1-5]/sentences/wav"))
    paths = ((folder / path).relative_to(root).as_posix() for folder in folders for path in files(folder))
    recorded = scan_names(root, paths, parse, not_audio, f"{RELEASE}/{recording_of('Ses01F_impro01_F000')}")
    rows, annotations = {row["utterance"]: row for row in recorded.rows}, _annotations(release)
    _check_orphans(release, annotations, rows)
    said: dict[str, str] = {}
    for _, text in _read_dialogues(release, "transcriptions"):
        said |= parse_transcript(text)
    turns = [row | annotations[turn] | {"statement": said.get(turn, "")} for turn, row in rows.items()]
    return Scan(turns, recorded.left_out)


def is_read(path: str) -> bool:
    """Return whether a file of the tree is read: the recordings are, and the texts in ``dialog``."""
    return not_audio(path) is None or bool(re.search(r"(?:^|/)dialog/.*\.txt$", path))


def _check_orphans(release: Path, annotations: Collection[str], recordings: Collection[str]) -> None:
    """Refuse orphan annotations and orphan recordings; name the first one and the file that it lacks."""
    orphan_annotations = sorted(set(annotations) - set(recordings))
    orphan_recordings = sorted(set(recordings) - set(annotations))
    found = f"{len(orphan_annotations)} orphan annotations and {len(orphan_recordings)} orphan recordings"
    remedy = f"There are {found}. {_FETCH_AGAIN}"
    for turn in orphan_annotations:
        fault = f"annotates turn {turn}, but there is no recording {release / recording_of(turn)}"
        raise CorpusError(release / evaluation_of(turn), fault, remedy)
    for turn in orphan_recordings:
        fault = f"is a turn without annotation in {release / evaluation_of(turn)}"
        raise CorpusError(release / recording_of(turn), fault, remedy)


def recording_of(turn: str) -> str:
    """Return a turn's recording, relative to the release."""
    return f"Session{turn[4]}/sentences/wav/{turn.rpartition('_')[0]}/{turn}.wav"


def evaluation_of(turn: str) -> str:
    """Return the file that annotates a turn, relative to the release."""
    return f"Session{turn[4]}/dialog/EmoEvaluation/{turn.rpartition('_')[0]}.txt"


def transcript_of(turn: str) -> str:
    """Return the file that says what is said in a turn, relative to the release."""
    return f"Session{turn[4]}/dialog/transcriptions/{turn.rpartition('_')[0]}.txt"
