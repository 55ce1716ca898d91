"""A tree in IEMOCAP's file formats with the real corpus's counts; it knows nothing of serflow.

    python tests/corpora/iemocap_tree.py ROOT

Published: Busso et al. 2008 (10 039 turns of 151 dialogues) and the release's own annotations (turns of each session,
of each emotion and of the improvised dialogues; the four-class selection by speaker). What is not published, such as
the emotions of one speaker, is spread evenly so that all these sums come out.
"""

from __future__ import annotations

import argparse
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE = 16_000
SPEAKERS = [f"Ses0{session}{letter}" for session in range(1, 6) for letter in "FM"]
SESSION_TURNS = {1: 1819, 2: 1811, 3: 2136, 4: 2103, 5: 2170}
LABEL_TURNS = {
    "neu": 1708,
    "hap": 595,
    "sad": 1084,
    "ang": 1103,
    "fea": 40,
    "dis": 2,
    "sur": 107,
    "exc": 1041,
    "fru": 1849,
    "oth": 3,
    "xxx": 2507,
}
IMPROVISED_TURNS = 4784
#: Of the improvised turns: the four classes of most papers, by class and by speaker, and `exc`.
FOUR = {"ang": 289, "hap": 284, "neu": 1099, "sad": 608}
FOUR_BY_SPEAKER = dict(zip(SPEAKERS, (217, 205, 185, 208, 264, 274, 149, 221, 298, 259), strict=True))
EXCITED_IMPROVISED = 663

SCRIPTS = ("script01_1", "script01_2", "script01_3", "script02_1", "script02_2", "script03_1", "script03_2")
IMPROVISATIONS = tuple(f"impro0{n}" for n in range(1, 9))
#: Dialogues other than the eight improvisations and seven scenes that either marker wearer has in every session.
ABSENT = ("Ses01F_impro08", "Ses01M_impro08", "Ses03M_impro05", "Ses03M_impro08")
EXTRA = ("Ses03M_impro05a", "Ses03M_impro05b", "Ses03M_impro08a", "Ses03M_impro08b", "Ses05M_script01_1b")

WORDS = {
    "neu": "Neutral",
    "hap": "Happiness",
    "sad": "Sadness",
    "ang": "Anger",
    "fea": "Fear",
    "dis": "Disgust",
    "sur": "Surprise",
    "exc": "Excited",
    "fru": "Frustration",
    "oth": "Other",
}
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "


class Turn(NamedTuple):
    """One turn, with what the corpus says of it."""

    name: str
    dialogue: str
    speaker: str
    improvised: bool
    label: str


def spread(counts: Mapping[str, int]) -> list[str]:
    """Return each key as often as counted, evenly over the list: any run of it has about the proportions of all."""
    places = [((k + 0.5) / n, key) for key, n in counts.items() for k in range(n)]
    return [key for _, key in sorted(places)]


def near_equal(total: int, parts: int) -> list[int]:
    """Return `parts` numbers of the sum `total` that differ by one at most."""
    return [(total * (k + 1)) // parts - (total * k) // parts for k in range(parts)]


def deal(labels: list[str], sizes: Iterable[int]) -> Iterator[list[str]]:
    """Yield consecutive runs of these sizes, which must add up to all labels."""
    rest = iter(labels)
    yield from ([next(rest) for _ in range(size)] for size in sizes)
    assert not list(rest)


def plan() -> list[Turn]:
    """Return all 10 039 turns, dialogue by dialogue, in the order in which they are spoken."""
    four = deal(spread(FOUR), FOUR_BY_SPEAKER.values())
    others = deal(spread(_other_improvised()), near_equal(IMPROVISED_TURNS - sum(FOUR.values()), len(SPEAKERS)))
    improvised = dict(zip(SPEAKERS, map(list.__add__, four, others), strict=True))
    sizes = [
        size
        for session, turns in SESSION_TURNS.items()
        for size in near_equal(turns - sum(len(improvised[f"Ses0{session}{letter}"]) for letter in "FM"), 2)
    ]
    played = (label for labels in improvised.values() for label in labels)
    left = dict(LABEL_TURNS)
    for label in played:
        left[label] -= 1
    scripted = dict(zip(SPEAKERS, deal(spread(left), sizes), strict=True))
    return [turn for session in SESSION_TURNS for turn in _session_turns(session, improvised, scripted)]


def _other_improvised() -> dict[str, int]:
    """Return the improvised turns of each label outside `FOUR`: `exc` as published, of the rest their share each."""
    rest = {label: n for label, n in LABEL_TURNS.items() if label not in FOUR and label != "exc"}
    wanted = IMPROVISED_TURNS - sum(FOUR.values()) - EXCITED_IMPROVISED
    labels = spread(rest)
    chosen = [labels[k * len(labels) // wanted] for k in range(wanted)]
    return {"exc": EXCITED_IMPROVISED} | {label: chosen.count(label) for label in rest}


def dialogues(session: int, kind: str) -> list[str]:
    """Return the names of a session's dialogues of a kind, ``impro`` or ``script``."""
    scenes = IMPROVISATIONS if kind == "impro" else SCRIPTS
    names = [f"Ses0{session}{letter}_{scene}" for letter in "FM" for scene in scenes]
    extra = [name for name in EXTRA if name.startswith(f"Ses0{session}") and f"_{kind}" in name]
    return sorted(set(names) - set(ABSENT)) + extra


def _session_turns(session: int, improvised: dict[str, list[str]], scripted: dict[str, list[str]]) -> Iterator[Turn]:
    """Yield a session's turns: of each kind of dialogue, both speakers' labels dealt over all of them."""
    for kind, labels in (("impro", improvised), ("script", scripted)):
        names = dialogues(session, kind)
        shares = {}
        for letter in "FM":
            own = labels[f"Ses0{session}{letter}"]
            shares[letter] = [own[k :: len(names)] for k in range(len(names))]
        for k, dialogue in enumerate(names):
            spoken = [(n, letter, label) for letter in "FM" for n, label in enumerate(shares[letter][k])]
            for n, letter, label in sorted(spoken):
                name = f"{dialogue}_{letter}{n:03d}"
                yield Turn(name, dialogue, f"Ses0{session}{letter}", kind == "impro", label)


# --- files ---------------------------------------------------------------------------------------------------------


def generate(root: Path) -> None:
    """Write the tree ``root/IEMOCAP_full_release``, 1.4 GB; its recordings are voice-like and as long as real ones."""
    turns, release = plan(), root / "IEMOCAP_full_release"
    lengths = _real_lengths(len(turns))
    for turn, signal in zip(turns, _voices(turns, lengths), strict=True):
        path = release / f"Session{turn.name[4]}" / "sentences" / "wav" / turn.dialogue / f"{turn.name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav(signal))
        (path.parent / f"._{turn.dialogue}.wav").write_bytes(APPLE_DOUBLE)
    for dialogue, text in annotations(turns, lengths).items():
        _write_dialogue(release / f"Session{dialogue[4]}" / "dialog", dialogue, text)
    (release / "README.txt").write_text("IEMOCAP in numbers and formats, without its recordings.\n")
    (release / ".DS_Store").write_bytes(APPLE_DOUBLE)


def annotations(turns: Iterable[Turn], lengths: Iterable[int]) -> dict[str, str]:
    """Return the text of ``EmoEvaluation/<dialogue>.txt`` by dialogue; `lengths` are the turns' samples."""
    blocks: dict[str, list[str]] = defaultdict(list)
    clocks: dict[str, float] = defaultdict(lambda: 6.0)
    for turn, length in zip(turns, lengths, strict=True):
        start = clocks[turn.dialogue] + 0.3
        clocks[turn.dialogue] = start + length / RATE
        blocks[turn.dialogue].append(annotation(turn, start, clocks[turn.dialogue], len(blocks[turn.dialogue])))
    title = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    return {dialogue: title + "".join(texts) for dialogue, texts in blocks.items()}


def wav(samples: np.ndarray, channels: int = 1) -> bytes:
    """Return a RIFF file of 16-bit samples at 16 kHz."""
    data = samples.astype("<i2").tobytes()
    fields = (b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, channels, RATE, 2 * RATE * channels, 2 * channels, 16)
    return struct.pack("<4sI4s4sIHHIIHH", *fields) + struct.pack("<4sI", b"data", len(data)) + data


def annotation(turn: Turn, start: float, end: float, number: int) -> str:
    """Return a turn's block in ``EmoEvaluation/<dialogue>.txt``; `number` varies how the raters disagree."""
    others = [word for label, word in WORDS.items() if label != turn.label]
    first, second, third = (others[(number + k) % len(others)] for k in range(3))
    majority = WORDS.get(turn.label)
    votes = (first, second, third) if majority is None else (majority, majority, (majority, first)[number % 2])
    second_vote = f"{votes[1]}; {third}" if number % 7 == 0 else votes[1]
    own = f"{turn.speaker[-1]}1"
    value = 1 + number % 5
    lines = [
        f"[{start:.4f} - {end:.4f}]\t{turn.name}\t{turn.label}\t[{value:.4f}, 2.5000, 3.3333]",
        f"C-E2:\t{votes[0]};\t()",
        f"C-E3:\t{second_vote};\t()",
        f"C-E4:\t{votes[2]};\t()",
        f"C-{own}:\t{votes[0]};\t()",
        f"A-E3:\tval {value}; act 2; dom  3;\t()",
        f"A-E4:\tval {value}; act 3; dom  4;\t()",
        f"A-{own}:\tval {value}; act ; dom  3;\t()",
    ]
    return "\n".join(lines) + "\n\n"


def _write_dialogue(folder: Path, dialogue: str, text: str) -> None:
    """Write a dialogue's annotations, and beside them what the release has there too: to be passed over."""
    evaluation = folder / "EmoEvaluation"
    side_files = {
        f"Categorical/{dialogue}_e2_cat.txt": "{} :Neutral state; ()\n",
        f"Attribute/{dialogue}_e3_atr.txt": "{} :act 2; :val 3; :dom  3; ()\n",
        f"Self-evaluation/{dialogue}_f1_cat.txt": "{} :Neutral state; ()\n",
    }
    for name, line in side_files.items():
        (evaluation / name).parent.mkdir(parents=True, exist_ok=True)
        (evaluation / name).write_text(line.format(f"{dialogue}_F000"))
    (evaluation / f"._{dialogue}.txt").write_bytes(APPLE_DOUBLE)
    (evaluation / f"{dialogue}.txt").write_text(text)
    for side in ("wav", "transcriptions"):
        (folder / side).mkdir(exist_ok=True)
    (folder / "wav" / f"{dialogue}.wav").write_bytes(wav(np.zeros(160), channels=2))
    (folder / "transcriptions" / f"{dialogue}.txt").write_text(f"{dialogue}_MXX0 [006.0000-006.3000]: Mm-hmm.\n")


# --- sound ---------------------------------------------------------------------------------------------------------


def _real_lengths(n: int) -> list[int]:
    """Return `n` numbers of samples: log-normal about 4.5 s, from 0.6 to 34 s."""
    seconds = np.random.default_rng(1).lognormal(np.log(4.5) - 0.7**2 / 2, 0.7, n)
    return [int(RATE * value) for value in np.clip(seconds, 0.6, 34.0)]


def _voices(turns: list[Turn], lengths: list[int]) -> Iterator[np.ndarray]:
    """Yield harmonics of a wandering F0 of the speaker's own range, in syllables, and breath."""
    rng = np.random.default_rng(2)
    middle = {speaker: (200.0 if speaker.endswith("F") else 115.0) * rng.uniform(0.9, 1.1) for speaker in SPEAKERS}
    for turn, length in zip(turns, lengths, strict=True):
        time = np.arange(length) / RATE
        steps = np.arange(0, length + RATE // 2, RATE // 4)
        f0 = middle[turn.speaker] * np.interp(np.arange(length), steps, 2 ** rng.uniform(-0.3, 0.3, len(steps)))
        saw = 2 * (np.cumsum(f0) / RATE % 1) - 1
        syllables = np.clip(np.sin(2 * np.pi * 2.5 * time + rng.uniform(0, 6)), 0, 1)
        signal = 4000 * saw * syllables + 100 * rng.standard_normal(length)
        yield 10 ** rng.uniform(-0.7, 0.3) * signal


def main() -> None:
    """Write a tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    generate(parser.parse_args().root)


if __name__ == "__main__":
    main()
