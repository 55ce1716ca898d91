import csv

import numpy as np
import pytest
import soundfile

RATE = 16_000


@pytest.fixture(scope="session")
def utter():
    """Give the function that makes the speech."""
    return make_utterance


def make_utterance(seed, sentence=0):
    """A voice: syllables of a sentence with a gliding pitch; the take (seed) moves all of it a little."""
    words, take = np.random.default_rng(1000 + sentence), np.random.default_rng(seed)
    pieces = []
    for _ in range(7):
        seconds, pitch, formant = words.uniform(0.15, 0.35), words.uniform(110, 220), words.uniform(400, 1500)
        seconds, pitch = seconds * take.uniform(0.9, 1.1), pitch * take.uniform(0.95, 1.05)
        time = np.arange(round(seconds * RATE)) / RATE
        glide = pitch * (1 + take.uniform(-0.1, 0.1) * time / seconds + 0.01 * np.sin(2 * np.pi * 5 * time))
        phase = 2 * np.pi * np.cumsum(glide) / RATE
        tones = [np.sin(n * phase) / (1 + ((n * pitch - formant) / 300) ** 2) for n in range(1, 25)]
        pieces += [np.sum(tones, axis=0) * np.hanning(len(time)), np.zeros(round(take.uniform(0.02, 0.08) * RATE))]
    signal = np.concatenate([np.zeros(RATE // 4), *pieces, np.zeros(RATE // 4)])
    signal = 0.3 * signal / np.abs(signal).max() + 1e-4 * take.standard_normal(len(signal))
    return signal.astype(np.float32)


@pytest.fixture
def record(tmp_path):
    """Write a signal to a file; return its path."""

    def write(name, signal, rate=RATE):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.round(signal * 2**15).astype(np.int16), rate)
        return path

    return write


@pytest.fixture
def tabulate(tmp_path):
    """Write rows under the names of columns; return the table's path."""

    def write(columns, *rows):
        path = tmp_path / "labels.csv"
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([columns.split(), *rows])
        return path

    return write
