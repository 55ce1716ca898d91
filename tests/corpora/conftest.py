"""Small corpus trees in the real layouts, with a tenth of a second of noise in each recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes one recording below `tmp_path`, each with samples of its own."""
    rng = np.random.default_rng(0)

    def write(path: str, samples: np.ndarray | None = None, subtype: str = "PCM_16") -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if samples is None:
            samples = rng.integers(-3000, 3000, RATE // 10).astype(np.int16)
        soundfile.write(target, samples, RATE, subtype=subtype)
        return target

    return write


EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E4:\tAnger; Frustration;\t(tense; even hostile)
C-F1:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M000\txxx\t[2.0000, 3.5000, 3.0000]
C-E2:\tAnger;\t()
C-E3:\tSadness;\t()
C-M1:\tOther;\t(confused)
A-M1:\tval 2; act 4; dom ;\t()

"""
WAV = "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{}.wav"


@pytest.fixture
def evaluation() -> str:
    return EVALUATION


@pytest.fixture
def iemocap(tmp_path: Path, record: Callable[..., Path]) -> Path:
    """A release of one dialogue and two turns, with the side files that the real one has."""
    folder = tmp_path / "IEMOCAP_full_release/Session1/dialog/EmoEvaluation"
    for side in ("Attribute", "Categorical", "Self-evaluation"):
        (folder / side).mkdir(parents=True)
        (folder / side / "Ses01F_impro01_e1.txt").write_text("Ses01F_impro01_F000 :act 2; :val 3; ()\n")
    (folder / "Ses01F_impro01.txt").write_text(EVALUATION)
    (folder / "._Ses01F_impro01.txt").write_bytes(b"[\x00\x05\x16\x07")
    record(WAV.format("F000"))
    record(WAV.format("M000"))
    record("IEMOCAP_full_release/Session1/dialog/wav/Ses01F_impro01.wav")
    return tmp_path
