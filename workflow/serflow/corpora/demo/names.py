"""Which utterances the demo corpora have: a part of the real corpora, under their names."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from serflow.corpora.demo.seeds import generator_of
from serflow.corpora.known import emodb, iemocap, ravdess, savee
from serflow.errors import ConfigError
from serflow.items import Row
from serflow.kinds import suggest


@dataclass(frozen=True)
class Utterance:
    """One utterance to synthesise."""

    id: str  # the corpus's own name
    path: str  # relative to the corpus tree
    speaker: str  # within the corpus
    sex: str  # female or male
    emotion: str  # a key of `serflow.corpora.demo.synthesis.EMOTION_CUES`
    text: str  # utterances of equal text have the same syllables
    syllables: int  # their number
    strength: float  # factor on the emotion's cues
    recording: str  # the id whose recording the file holds: its own, in a copy the original's


#: Two actors of each test fold of the EmoBox benchmark, one of either sex where the fold has both.
RAVDESS_ACTORS = ("01", "02", "04", "06", "07", "08", "09", "10", "13", "15", "20", "24")
#: The pair of identical recordings that the real corpus has: a copy and its original.
RAVDESS_COPY = ("03-01-03-01-02-02-07", "03-01-03-01-02-01-07")
#: Dialogues of each session and the labels of each speaker's turns in them.
IEMOCAP_DIALOGUES = {
    "F_impro01": "neu neu neu neu ang ang ang sad sad sad hap hap hap exc xxx",
    "M_impro02": "neu neu neu neu ang ang ang sad sad sad hap hap hap fru sur",
    "F_script01_1": "neu ang sad hap exc fru fru xxx oth fea",
}


def _utterance(row: Row, text: str, syllables: int, strength: float = 1.0, recording: str = "") -> Utterance:
    name, path, speaker, sex, emotion = (row[key] for key in ("utterance", "path", "speaker", "sex", "emotion"))
    return Utterance(name, path, speaker, sex, emotion, text, syllables, strength, recording or name)


def _emodb() -> Iterator[Utterance]:
    """Yield a third of each speaker's sentences in each emotion, so that each emotion has all ten."""
    speakers, sentences, emotions = map(list, (emodb.SPEAKERS, emodb.SENTENCES, emodb.EMOTIONS))
    for s, t, e in itertools.product(range(len(speakers)), range(len(sentences)), range(len(emotions))):
        if (s + t + e) % 3 == 0:
            row = emodb.parse(f"wav/{speakers[s]}{sentences[t]}{emotions[e]}a.wav")
            yield _utterance(row, row["statement"], 5)


def _ravdess() -> Iterator[Utterance]:
    """Yield four recordings of each actor and emotion, and the identical pair."""
    for name in ravdess.expected_utterances():
        row = ravdess.parse(f"Actor_{name[-2:]}/{name}.wav")
        chosen = row["speaker"] in RAVDESS_ACTORS and (row["emotion"] == "neutral" or row["repetition"] == "01")
        if chosen or name == RAVDESS_COPY[0]:
            strength = 1.0 if row["intensity"] == "normal" else 1.5
            recording = RAVDESS_COPY[1] if name == RAVDESS_COPY[0] else name
            yield _utterance(row, f"statement {int(row['statement'])}", 5, strength, recording)


def _savee() -> Iterator[Utterance]:
    """Yield twelve neutral utterances of each speaker and six of each other emotion."""
    for name in savee.expected_utterances():
        speaker, _, file = name.partition("_")
        row = savee.parse(f"AudioData/{speaker}/{file}.wav")
        number = int(name[-2:])
        if number <= (12 if row["emotion"] == "neutral" else 6):
            # The real corpus too has three sentences common to all emotions.
            yield _utterance(row, f"common {number}" if number <= 3 else f"{row['native_label']} {number}", 6)


def _iemocap() -> Iterator[Utterance]:
    """Yield both speakers' turns in two improvised dialogues and a scripted one of each session."""
    for session, (dialogue, codes), letter in itertools.product(range(1, 6), IEMOCAP_DIALOGUES.items(), "FM"):
        for number, code in enumerate(codes.split()):
            name = f"Ses{session:02d}{dialogue}_{letter}{number:03d}"
            row = iemocap.parse(f"{iemocap.RELEASE}/{iemocap.recording_of(name)}")
            # All sessions read the same script; nobody says the same in two improvisations.
            text = f"{dialogue}_{letter}{number}" if "script" in dialogue else name
            length = generator_of("iemocap length", text).normal(np.log(5.5), 0.5)
            syllables = int(np.clip(np.rint(np.exp(length)), 3, 14))
            yield _utterance(row | {"emotion": iemocap.EMOTIONS[code]}, text, syllables)


_PLANS: dict[str, Callable[[], Iterator[Utterance]]] = {
    "emodb": _emodb,
    "iemocap": _iemocap,
    "ravdess": _ravdess,
    "savee": _savee,
}
#: The corpora that have a demo; another one may have none.
DEMOS = tuple(_PLANS)


@functools.cache
def utterances(corpus: str) -> tuple[Utterance, ...]:
    """Return the utterances of the demo corpus `corpus`, sorted by id.

    Raises
    ------
    ConfigError
        If `corpus` is not one of `DEMOS`.
    """
    if corpus not in DEMOS:
        raise ConfigError(f"corpus {corpus!r}", "there is no demo corpus of this name", suggest(corpus, DEMOS))
    return tuple(sorted(_PLANS[corpus](), key=lambda utterance: utterance.id))
