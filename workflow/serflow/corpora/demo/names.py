"""Which utterances the demo corpora have: a part of the real corpora, under their names."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from serflow.corpora.demo.seeds import generator_of
from serflow.errors import ConfigError
from serflow.kinds import suggest


@dataclass(frozen=True)
class Utterance:
    """One utterance to synthesise.

    Parameters
    ----------
    id, path
        The corpus's own name, and the file relative to the corpus tree.
    speaker, sex
        Speaker within the corpus; ``female`` or ``male``.
    emotion
        A key of `serflow.corpora.demo.synthesis.EMOTION_CUES`.
    strength
        Factor on the emotion's cues.
    text
        Utterances of equal `text` have the same syllables.
    syllables
        Their number.
    recording
        The id whose recording this file holds; differs from `id` in a copy only.
    """

    id: str
    path: str
    speaker: str
    sex: str
    emotion: str
    text: str
    syllables: int
    strength: float = 1.0
    recording: str = ""


#: Two actors of each test fold of the EmoBox benchmark, one of either sex where the fold has both.
RAVDESS_ACTORS = (1, 2, 4, 6, 7, 8, 9, 10, 13, 15, 20, 24)
RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
#: The pair of identical recordings that the real corpus has.
RAVDESS_COPY = ("03-01-03-01-02-02-07", "03-01-03-01-02-01-07")
SAVEE_SPEAKERS = ("DC", "JE", "JK", "KL")
SAVEE_EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
IEMOCAP_EMOTIONS = {
    "neu": "neutral",
    "ang": "angry",
    "sad": "sad",
    "hap": "happy",
    "exc": "excited",
    "fru": "frustrated",
    "sur": "surprised",
    "fea": "fearful",
    "oth": "other",
    "xxx": "undecided",
}
#: Dialogues of each session and the labels of each speaker's turns in them.
IEMOCAP_DIALOGUES = {
    "F_impro01": "neu neu neu neu ang ang ang sad sad sad hap hap hap exc xxx",
    "M_impro02": "neu neu neu neu ang ang ang sad sad sad hap hap hap fru sur",
    "F_script01_1": "neu ang sad hap exc fru fru xxx oth fea",
}


def _ravdess() -> list[Utterance]:
    """Four recordings of each actor and emotion, and the identical pair."""
    takes = [(e, i, s, 1) for e in range(2, 9) for i in (1, 2) for s in (1, 2)]
    takes += [(1, 1, s, r) for s in (1, 2) for r in (1, 2)]
    names = [(*take, actor) for actor in RAVDESS_ACTORS for take in takes] + [(3, 1, 2, 2, 7)]
    plan = []
    for emotion, intensity, statement, repetition, actor in names:
        name = f"03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
        plan.append(
            Utterance(
                id=name,
                path=f"Actor_{actor:02d}/{name}.wav",
                speaker=f"{actor:02d}",
                sex="male" if actor % 2 else "female",
                emotion=RAVDESS_EMOTIONS[emotion - 1],
                text=f"statement {statement}",
                syllables=5,
                strength=1.0 if intensity == 1 else 1.5,
                recording=RAVDESS_COPY[1] if name == RAVDESS_COPY[0] else name,
            )
        )
    return plan


def _savee() -> list[Utterance]:
    """Twelve neutral utterances of each speaker and six of each other emotion."""
    plan = []
    for speaker in SAVEE_SPEAKERS:
        for code, emotion in SAVEE_EMOTIONS.items():
            for number in range(1, 13 if code == "n" else 7):
                # The real corpus has three sentences common to all emotions; the others belong to one each.
                text = f"common {number}" if number <= 3 else f"{code} {number}"
                plan.append(
                    Utterance(
                        id=f"{speaker}_{code}{number:02d}",
                        path=f"AudioData/{speaker}/{code}{number:02d}.wav",
                        speaker=speaker,
                        sex="male",
                        emotion=emotion,
                        text=text,
                        syllables=6,
                    )
                )
    return plan


def _iemocap() -> list[Utterance]:
    """Both speakers' turns in two improvised dialogues and a scripted one of each session."""
    plan = []
    for session in range(1, 6):
        for dialogue, codes in IEMOCAP_DIALOGUES.items():
            for letter in "FM":
                for number, code in enumerate(codes.split()):
                    name = f"Ses{session:02d}{dialogue}_{letter}{number:03d}"
                    # All sessions read the same script; nobody says the same in two improvisations.
                    text = f"{dialogue}_{letter}{number}" if "script" in dialogue else name
                    length = generator_of("iemocap length", text).normal(np.log(5.5), 0.5)
                    plan.append(
                        Utterance(
                            id=name,
                            path=f"{session_folder(name)}/sentences/wav/Ses{session:02d}{dialogue}/{name}.wav",
                            speaker=f"Ses{session:02d}{letter}",
                            sex="female" if letter == "F" else "male",
                            emotion=IEMOCAP_EMOTIONS[code],
                            text=text,
                            syllables=int(np.clip(np.rint(np.exp(length)), 3, 14)),
                        )
                    )
    return plan


def session_folder(name: str) -> str:
    """Return the folder of the session of an IEMOCAP dialogue or turn."""
    return f"IEMOCAP_full_release/Session{int(name[3:5])}"


_PLANS: dict[str, Callable[[], list[Utterance]]] = {"iemocap": _iemocap, "ravdess": _ravdess, "savee": _savee}
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
