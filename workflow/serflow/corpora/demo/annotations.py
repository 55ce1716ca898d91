"""The demo's annotations in IEMOCAP's format: the gold label, the raters' votes that it comes from, and transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from serflow.corpora.demo.names import Utterance
from serflow.corpora.demo.seeds import generator_of
from serflow.corpora.demo.synthesis import SAMPLE_RATE
from serflow.corpora.known import iemocap
from serflow.io.files import write_text

#: The word that a rater uses for each label, and where raters put it on valence, activation and dominance, 1 to 5.
RATINGS = {
    "neu": ("Neutral", (3, 2, 3)),
    "ang": ("Anger", (2, 4, 4)),
    "sad": ("Sadness", (2, 2, 2)),
    "hap": ("Happiness", (4, 3, 3)),
    "exc": ("Excited", (4, 4, 3)),
    "fru": ("Frustration", (2, 3, 3)),
    "sur": ("Surprise", (3, 4, 3)),
    "fea": ("Fear", (2, 4, 2)),
    "oth": ("Other", (3, 3, 3)),
    "xxx": ("", (3, 3, 3)),
}


def write_annotations(plan: Sequence[Utterance], root: Path, seed: int) -> None:
    """Write the evaluation and the transcript of every dialogue in the tree `root`, which holds `plan`."""
    codes = {emotion: code for code, emotion in iemocap.EMOTIONS.items()}
    dialogues: dict[str, list[Utterance]] = {}
    for turn in plan:
        dialogues.setdefault(turn.id.rsplit("_", 1)[0], []).append(turn)
    for dialogue, turns in dialogues.items():
        pauses = generator_of("pauses", seed, dialogue).uniform(0.3, 2.0, len(turns))
        text, said, clock = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n", "", 6.0
        for turn, pause in zip(turns, pauses, strict=True):
            start = clock + pause
            clock = start + soundfile.info(root / turn.path).frames / SAMPLE_RATE
            text += _evaluation(turn.id, codes[turn.emotion], start, clock, seed)
            said += f"{turn.id} [{start:08.4f}-{clock:08.4f}]: {turn.text.replace('_', ' ')}.\n"
        write_text(root / iemocap.RELEASE / iemocap.evaluation_of(turns[0].id), text)
        write_text(root / iemocap.RELEASE / iemocap.transcript_of(turns[0].id), said)


def _evaluation(turn: str, code: str, start: float, end: float, seed: int) -> str:
    """Return one turn's block: the gold label and the raters' votes it comes from, in the real corpus's format."""
    rng = generator_of("votes", seed, turn)
    own_word, attitude = RATINGS[code]
    others = [word for word, _ in RATINGS.values() if word not in ("", own_word)]
    votes = [str(word) for word in rng.permutation(others)[:3]]  # three ways apart: no majority, so xxx
    if own_word:
        majority = int(rng.integers(2, 4))
        votes[:majority] = [own_word] * majority
    own = f"{turn.rsplit('_', 1)[1][0]}1"  # the actor's rating of their own turn
    scores = np.clip(np.array(attitude) + rng.integers(-1, 2, (3, 3)), 1, 5)
    gold = ", ".join(f"{value:.4f}" for value in scores[:2].mean(axis=0))
    lines = [f"[{start:.4f} - {end:.4f}]\t{turn}\t{code}\t[{gold}]"]
    raters = ("E2", "E3", "E4", own)
    lines += [f"C-{rater}:\t{vote};\t()" for rater, vote in zip(raters, [*votes[:3], votes[0]], strict=True)]
    for rater, (valence, activation, dominance) in zip(("E3", "E4", own), scores, strict=True):
        lines.append(f"A-{rater}:\tval {valence}; act {activation}; dom  {dominance};\t()")
    return "\n".join(lines) + "\n\n"
