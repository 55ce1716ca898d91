"""SAVEE: four men speak fifteen sentences in each of seven emotions, thirty for neutral; the file name says which."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from serflow.corpora.base import AUDIO_SUFFIXES, Expected, Scan, files, not_audio, row, scan_names
from serflow.errors import CorpusError

TITLE = "SAVEE (audio)"
CITATION = (
    "Haq S, Jackson PJB (2010). Multimodal Emotion Recognition. In: Wang W (ed.), Machine Audition: Principles, "
    "Algorithms and Systems, IGI Global, 398-423. http://kahlan.eps.surrey.ac.uk/savee/"
)
LICENCE = "Free for research on registration with the University of Surrey; not redistributable"

EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
SPEAKERS = ("DC", "JE", "JK", "KL")
#: About how long all its recordings last together, in s: 480 times 3.8.
SECONDS = 1840.0
EXPECTED = Expected(
    utterances=480,
    speakers=dict.fromkeys(SPEAKERS, 120),
    classes={emotion: 120 if emotion == "neutral" else 60 for emotion in EMOTIONS.values()},
)
#: Folds of the EmoBox benchmark (Ma et al., Interspeech 2024): each speaker once.
SPEAKER_FOLDS: tuple[tuple[str, ...], ...] = (("JE",), ("KL",), ("DC",), ("JK",))

_FILE = re.compile(r"(?:([A-Z]{2})_)?(sa|su|[adfhn])([0-9]{2})(\.[A-Za-z0-9]+)")
_REMEDY = "Expected AudioData/DC/a01.wav or DC_a01.wav (speakers DC, JE, JK, KL; emotions a, d, f, h, n, sa, su)."


def _sentences(emotion: str) -> int:
    return 30 if emotion == "n" else 15


def parse(path: str) -> dict[str, str]:
    """Return the manifest row that a name in the corpus tree gives, such as ``AudioData/DC/a01.wav`` or ``DC_a01.wav``.

    The statement is the sentence's emotion and number, such as ``a01``. SAVEE's documentation says that three sentences
    are common to all emotions, and that the neutral ones repeat two more of each emotion; names do not say which, so
    such a text has several statements.

    Raises
    ------
    CorpusError
        If speaker, emotion or sentence are not SAVEE's, or name and folder give two speakers.
    """
    pure = PurePosixPath(path)
    match = _FILE.fullmatch(pure.name)
    if match is None or match[4].lower() not in AUDIO_SUFFIXES:
        raise CorpusError(path, "is not the name of a SAVEE recording", _REMEDY)
    prefix, emotion, sentence, _ = match.groups()
    folder = pure.parent.name
    speaker = prefix or folder
    if speaker not in SPEAKERS:
        raise CorpusError(path, f"has speaker {speaker!r}, expected one of {', '.join(SPEAKERS)}", _REMEDY)
    if folder in SPEAKERS and folder != speaker:
        raise CorpusError(path, f"names speaker {speaker} but lies in {folder}", "Move it to its speaker's folder.")
    if not 1 <= int(sentence) <= _sentences(emotion):
        fault = f"has sentence {sentence}, expected 01 to {_sentences(emotion)} for {EMOTIONS[emotion]}"
        raise CorpusError(path, fault, _REMEDY)
    return row(
        utterance=f"{speaker}_{emotion}{sentence}",
        path=path,
        speaker=speaker,
        sex="male",
        emotion=EMOTIONS[emotion],
        native_label=emotion,
        statement=f"{emotion}{sentence}",
    )


def scan(root: Path) -> Scan:
    """Return the recordings under `root`; the release's videos and notes are left out."""
    return scan_names(root, files(root), parse, not_audio, "AudioData/DC/a01.wav or DC_a01.wav")


def expected_utterances() -> set[str]:
    """Return the names of all 480 recordings."""
    return {
        f"{speaker}_{emotion}{sentence:02d}"
        for speaker in SPEAKERS
        for emotion in EMOTIONS
        for sentence in range(1, _sentences(emotion) + 1)
    }
