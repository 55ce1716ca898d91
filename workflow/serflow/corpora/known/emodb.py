"""EMO-DB: ten German actors speak ten sentences in seven emotions; the file name says which.

A name such as ``03a01Fa.wav`` is speaker 03, sentence a01, Freude (happiness), version a.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from serflow.corpora.base import AUDIO_SUFFIXES, Expected, Scan, files, not_audio, row, scan_names
from serflow.errors import CorpusError

TITLE = "EMO-DB (Berlin)"
CITATION = (
    "Burkhardt F, Paeschke A, Rolfes M, Sendlmeier WF, Weiss B (2005). A Database of German Emotional Speech. "
    "Interspeech 2005, 1517-1520. https://doi.org/10.21437/Interspeech.2005-446"
)
LICENCE = "Free to download"

#: Wut, Langeweile, Ekel, Angst, Freude, Trauer, neutral.
EMOTIONS = {
    "W": "angry",
    "L": "bored",
    "E": "disgust",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
#: Each speaker's sex.
SPEAKERS = {
    "03": "male",
    "08": "female",
    "09": "female",
    "10": "male",
    "11": "male",
    "12": "male",
    "13": "female",
    "14": "female",
    "15": "male",
    "16": "female",
}
SENTENCES = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
#: About how long all its recordings last together, in s: 535 times 2.8.
SECONDS = 1490.0
EXPECTED = Expected(
    utterances=535,
    speakers=dict.fromkeys(SPEAKERS),
    classes={"angry": 127, "bored": 81, "disgust": 46, "fearful": 69, "happy": 71, "sad": 62, "neutral": 79},
)
#: Each speaker once.
SPEAKER_FOLDS: tuple[tuple[str, ...], ...] = tuple((speaker,) for speaker in SPEAKERS)

_FILE = re.compile(r"([0-9]{2})([ab][0-9]{2})([A-Z])([a-z])(\.[A-Za-z0-9]+)")
_FIELDS = (("speaker", tuple(SPEAKERS)), ("sentence", SENTENCES), ("emotion", tuple(EMOTIONS)))
_REMEDY = "Expected speaker, sentence, emotion, version, such as wav/03a01Fa.wav. Rename the file or extract it again."


def parse(path: str) -> dict[str, str]:
    """Return the manifest row that a name in the corpus tree gives, such as ``wav/03a01Fa.wav``.

    The repetition is the version: 1 for a, 2 for b, and so on.

    Raises
    ------
    CorpusError
        If speaker, sentence or emotion are not EMO-DB's.
    """
    pure = PurePosixPath(path)
    match = _FILE.fullmatch(pure.name)
    if match is None or match[5].lower() not in AUDIO_SUFFIXES:
        raise CorpusError(path, "is not the name of an EMO-DB recording", _REMEDY)
    speaker, sentence, emotion, version, _ = match.groups()
    for (field, allowed), code in zip(_FIELDS, (speaker, sentence, emotion), strict=True):
        if code not in allowed:
            raise CorpusError(path, f"has {field} {code}, expected one of {', '.join(allowed)}", _REMEDY)
    return row(
        utterance=pure.stem,
        path=path,
        speaker=speaker,
        sex=SPEAKERS[speaker],
        emotion=EMOTIONS[emotion],
        native_label=emotion,
        statement=sentence,
        repetition=str(ord(version) - ord("a") + 1),
    )


def scan(root: Path) -> Scan:
    """Return the recordings under `root`; the release's label files are left out."""
    return scan_names(root, files(root), parse, not_audio, "wav/03a01Fa.wav")
