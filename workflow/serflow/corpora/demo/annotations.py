"""The demo's annotations in IEMOCAP's format: the gold label and the raters' votes that it comes from."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from serflow.corpora.demo.names import IEMOCAP_EMOTIONS, Utterance, session_folder, utterances
from serflow.corpora.demo.seeds import generator_of
from serflow.corpora.demo.synthesis import SAMPLE_RATE
from serflow.io.files import write_text

#: The word a rater uses for each label.
CATEGORIES = {
    "neu": "Neutral",
    "ang": "Anger",
    "sad": "Sadness",
    "hap": "Happiness",
    "exc": "Excited",
    "fru": "Frustration",
    "sur": "Surprise",
    "fea": "Fear",
    "oth": "Other",
}
#: Where raters put each label on valence, activation and dominance, 1 to 5.
ATTITUDES = {
    "neu": (3, 2, 3),
    "ang": (2, 4, 4),
    "sad": (2, 2, 2),
    "hap": (4, 3, 3),
    "exc": (4, 4, 3),
    "fru": (2, 3, 3),
    "sur": (3, 4, 3),
    "fea": (2, 4, 2),
    "oth": (3, 3, 3),
    "xxx": (3, 3, 3),
}


def write_evaluations(root: Path, seed: int) -> None:
    """Write ``dialog/EmoEvaluation/<dialogue>.txt`` of every dialogue in the tree `root`."""
    codes = {emotion: code for code, emotion in IEMOCAP_EMOTIONS.items()}
    dialogues: dict[str, list[Utterance]] = {}
    for turn in utterances("iemocap"):
        dialogues.setdefault(turn.id.rsplit("_", 1)[0], []).append(turn)
    for dialogue, turns in dialogues.items():
        pauses = generator_of("pauses", seed, dialogue).uniform(0.3, 2.0, len(turns))
        text, clock = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n", 6.0
        for turn, pause in zip(turns, pauses, strict=True):
            with wave.open(str(root / turn.path)) as file:
                start = clock + pause
                clock = start + file.getnframes() / SAMPLE_RATE
            text += _evaluation(turn.id, codes[turn.emotion], start, clock, seed)
        write_text(root / session_folder(dialogue) / "dialog" / "EmoEvaluation" / f"{dialogue}.txt", text)


def _evaluation(turn: str, code: str, start: float, end: float, seed: int) -> str:
    """Return one turn's block: the gold label and the raters' votes it comes from, in the real corpus's format."""
    rng = generator_of("votes", seed, turn)
    others = [word for key, word in CATEGORIES.items() if key != code]
    votes = [str(word) for word in rng.permutation(others)[:3]]  # three ways apart: no majority, so xxx
    if code != "xxx":
        majority = int(rng.integers(2, 4))
        votes[:majority] = [CATEGORIES[code]] * majority
    own = f"{turn.rsplit('_', 1)[1][0]}1"  # the actor's rating of their own turn
    scores = np.clip(np.array(ATTITUDES[code]) + rng.integers(-1, 2, (3, 3)), 1, 5)
    gold = ", ".join(f"{value:.4f}" for value in scores[:2].mean(axis=0))
    lines = [f"[{start:.4f} - {end:.4f}]\t{turn}\t{code}\t[{gold}]"]
    raters = ("E2", "E3", "E4", own)
    lines += [f"C-{rater}:\t{vote};\t()" for rater, vote in zip(raters, [*votes[:3], votes[0]], strict=True)]
    for rater, (valence, activation, dominance) in zip(("E3", "E4", own), scores, strict=True):
        lines.append(f"A-{rater}:\tval {valence}; act {activation}; dom  {dominance};\t()")
    return "\n".join(lines) + "\n\n"
