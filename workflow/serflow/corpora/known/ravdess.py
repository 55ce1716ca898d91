"""RAVDESS: 24 actors speak two sentences in eight emotions; the file name says all of it.

A name such as ``03-01-06-01-02-01-12.wav`` is modality-channel-emotion-intensity-statement-repetition-actor.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path, PurePosixPath

from serflow.corpora.base import AUDIO_SUFFIXES, Download, Expected, Scan, files, not_audio, row, scan_names
from serflow.errors import CorpusError

TITLE = "RAVDESS (speech, audio only)"
CITATION = (
    "Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). "
    "PLoS ONE 13(5): e0196391. https://doi.org/10.1371/journal.pone.0196391"
)
LICENCE = "CC BY-NC-SA 4.0"
DOWNLOAD = Download(
    url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1",
    filename="Audio_Speech_Actors_01-24.zip",
    md5="bc696df654c87fed845eb13823edef8a",
)

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
INTENSITIES = {"01": "normal", "02": "strong"}
ACTORS = tuple(f"{actor:02d}" for actor in range(1, 25))
#: About how long all its recordings last together, in s: measured on the published archive.
SECONDS = 5329.0
#: Neutral was recorded at one intensity only, hence 96 of it and 192 of each other emotion.
EXPECTED = Expected(
    utterances=1440,
    speakers=dict.fromkeys(ACTORS, 60),
    classes={emotion: 96 if emotion == "neutral" else 192 for emotion in EMOTIONS.values()},
)
#: Folds of the EmoBox benchmark (Ma et al., Interspeech 2024).
SPEAKER_FOLDS: tuple[tuple[str, ...], ...] = (
    ("01", "11", "20", "21"),
    ("04", "10", "12", "14"),
    ("08", "09", "19", "23"),
    ("03", "05", "07", "24"),
    ("02", "15", "16", "18"),
    ("06", "13", "17", "22"),
)

_FILE = re.compile(r"([0-9]{2}(?:-[0-9]{2}){6})(\.[A-Za-z0-9]+)")
_FOLDER = re.compile(r"Actor_([0-9]+)", re.IGNORECASE)
_FIELDS = (
    ("modality", ("03",)),
    ("vocal channel", ("01",)),
    ("emotion", tuple(EMOTIONS)),
    ("intensity", tuple(INTENSITIES)),
    ("statement", ("01", "02")),
    ("repetition", ("01", "02")),
    ("actor", ACTORS),
)
_REMEDY = "Expected 03-01-emotion-intensity-statement-repetition-actor.wav. Rename the file or extract it again."


def parse(path: str) -> dict[str, str]:
    """Return the manifest row that a name in the corpus tree gives, such as ``Actor_12/03-01-06-01-02-01-12.wav``.

    Raises
    ------
    CorpusError
        If the name is not that of a RAVDESS speech recording, or its folder is another actor's.
    """
    pure = PurePosixPath(path)
    match = _FILE.fullmatch(pure.name)
    if match is None or match[2].lower() not in AUDIO_SUFFIXES:
        raise CorpusError(path, "is not the name of a RAVDESS recording", _REMEDY)
    codes = match[1].split("-")
    for (field, allowed), code in zip(_FIELDS, codes, strict=True):
        if code not in allowed:
            fault = f"has {field} {code}, expected one of {', '.join(allowed)}"
            raise CorpusError(path, fault, _REMEDY)
    _, _, emotion, intensity, statement, repetition, actor = codes
    if emotion == "01" and intensity == "02":
        raise CorpusError(path, "is neutral with strong intensity (02), which RAVDESS does not have", _REMEDY)
    folder = _FOLDER.fullmatch(pure.parent.name)
    if folder is not None and int(folder[1]) != int(actor):
        fault = f"names actor {actor} but lies in {pure.parent.name}"
        raise CorpusError(path, fault, "Move the file to its actor's folder, or extract the corpus again.")
    return row(
        utterance=match[1],
        path=path,
        speaker=actor,
        sex="male" if int(actor) % 2 else "female",
        emotion=EMOTIONS[emotion],
        native_label=emotion,
        intensity=INTENSITIES[intensity],
        statement=statement,
        repetition=repetition,
    )


def leave_out(path: str) -> str | None:
    """Return why a file is no speech recording (video, song, not audio), or None if it should be one."""
    name = PurePosixPath(path).name
    match = _FILE.fullmatch(name)
    if match is not None and name.startswith(("01-", "02-")):
        return "video"
    if match is not None and name.startswith("03-02-"):
        return "song"
    return not_audio(path)


def scan(root: Path) -> Scan:
    """Return the speech recordings under `root`; see `serflow.corpora.base.scan_names`."""
    return scan_names(root, files(root), parse, leave_out, "Actor_01/03-01-01-01-01-01-01.wav")


def expected_utterances() -> set[str]:
    """Return the names of all 1440 speech recordings."""
    codes = itertools.product(*(allowed for _, allowed in _FIELDS))
    return {"-".join(code) for code in codes if not (code[2] == "01" and code[3] == "02")}
