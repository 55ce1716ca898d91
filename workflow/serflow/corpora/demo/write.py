"""Writing a demo corpus: recordings, annotations, and the true F0 of each utterance."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from serflow.corpora.demo.annotations import write_annotations
from serflow.corpora.demo.names import Utterance, utterances
from serflow.corpora.demo.synthesis import SAMPLE_RATE, Array, synthesise
from serflow.errors import ConfigError
from serflow.io.files import replace_folder, workspace, write_csv


def generate(corpus: str, root: Path | str, *, seed: int = 0) -> None:
    """Write the demo corpus `corpus` as the tree `root`: WAV (16 bit, mono, 16 kHz), annotations and ``truth.csv``.

    Same seed, same bytes. The tree appears whole or not at all; an earlier demo corpus in its place is replaced.

    Raises
    ------
    ConfigError
        If there is no demo corpus of this name, or `root` holds anything but a demo corpus.
    """
    plan, root = utterances(corpus), Path(root)
    if root.exists() and not (root / "truth.csv").is_file() and (root.is_file() or any(root.iterdir())):
        raise ConfigError(root, "holds something that is no demo corpus", "Give another directory, or empty this one.")
    with workspace(root) as partial:
        rows = [_write_utterance(corpus, utterance, partial, seed) for utterance in plan]
        write_csv(partial / "truth.csv", list(rows[0]), rows)
        if corpus == "iemocap":
            write_annotations(plan, partial, seed)
        replace_folder(partial, root)


def _truth(name: str, f0: Array) -> dict[str, str]:
    """Return one row of ``truth.csv``.

    F0 is over the voiced part, in Hz, durations are in s; the slope is that of the regression of F0 on time, in
    semitones per second.
    """
    time, voiced = np.flatnonzero(f0) / SAMPLE_RATE, f0[f0 > 0]
    offset = time - time.mean()
    slope = float(np.sum(offset * 12 * np.log2(voiced)) / np.sum(offset**2))
    values = {
        "f0_mean": voiced.mean(),
        "f0_sd": voiced.std(),
        "f0_min": voiced.min(),
        "f0_max": voiced.max(),
        "f0_slope": slope,
        "voiced_seconds": len(voiced) / SAMPLE_RATE,
        "seconds": len(f0) / SAMPLE_RATE,
    }
    return {"utterance": name} | {key: f"{value:.4f}" for key, value in values.items()}


def _write_utterance(corpus: str, utterance: Utterance, root: Path, seed: int) -> dict[str, str]:
    """Write one WAV file below `root` and return its row of ``truth.csv``."""
    signal, f0 = synthesise(corpus, utterance, seed=seed)
    path = root / utterance.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:  # not soundfile, whose error on a full disk is no OSError
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.rint(signal * 32767).astype("<i2").tobytes())
    return _truth(utterance.id, f0)
