"""The toy paper with systems and recordings to draw, and what can be read from a figure's files."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

import toy_paper
from recordings import facts
from serflow.corpora.base import row as make_row
from serflow.corpora.manifest import COLUMNS
from serflow.io.files import write_csv
from serflow.papers.model import PaperRecord

RATE = 16000
LABELS = ["neutral", "calm", "happy"]
SYSTEM = {
    **{"protocols": ["published", "speaker_independent"], "recipe": "linear"},
    **{"input": {"kind": "vector"}, "model": {"module": "svm", "C": 1.0, "gamma": "scale"}},
}
LINEAR = {"transform": "logspectrogram", "sample_rate": RATE, "n_fft": 512, "hop_length": 256, "top_db": 80.0}
PAPER: dict[str, Any] = {
    "title": "Toy paper with a title of some length about emotion in speech",
    "labels": LABELS,
    "corpora": ["ravdess", "savee"],
    "recipes": {"linear": LINEAR},
    "systems": {"d": {"title": "(d) plain", **SYSTEM}, "e": {"title": "(e) augmented", **SYSTEM}},
    "published": [],
}


@pytest.fixture
def make_record() -> Callable[..., PaperRecord]:
    """Return the paper as run; its keys may be replaced."""
    return lambda **changes: toy_paper.make_record(**PAPER | changes)


make_toy_run = toy_paper.make_run


def shown_texts(figure: Figure) -> list[Text]:
    """Return all texts of a figure that are drawn: titles, legends, labels, ticks within the limits, and others."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        if not axes.axison:
            continue
        found += [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            labels = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
            found += [label for place, label in labels if low <= place <= high]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def check_texts(figure: Figure) -> None:
    """Assert that no text leaves the canvas or overlaps another (rotated ones, whose boxes are too large, aside)."""
    texts = shown_texts(figure)
    boxes = [(text, text.get_window_extent()) for text in texts]
    for text, box in boxes:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, f"{text.get_text()!r} leaves the canvas"
    level = [(text, box.padded(-1)) for text, box in boxes if text.get_rotation() in (0, 90)]
    for (one, first), (other, second) in itertools.combinations(level, 2):
        assert not first.overlaps(second), f"{one.get_text()!r} overlaps {other.get_text()!r}"


@pytest.fixture(autouse=True)
def texts_are_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the texts of every figure that a test saves."""
    save, checked = Figure.savefig, []

    def check_and_save(figure: Figure, *arguments: Any, **options: Any) -> None:
        if figure not in checked:  # saving in another resolution leaves a legend's texts where that has put them
            check_texts(figure)
        checked.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", check_and_save)


@pytest.fixture
def make_run(make_toy_run: Callable[..., Path]) -> Callable[..., Path]:
    """Write a run of the paper and return its folder."""
    return functools.partial(make_toy_run, corpus="ravdess", system="d", labels=LABELS)


@pytest.fixture
def make_corpus(tmp_path: Path) -> Callable[..., Path]:
    """Write recordings, (name, speaker, emotion, signal) each, with their manifest; return the manifest."""

    def make(recordings: Sequence[tuple[str, str, str, np.ndarray]], corpus: str = "ravdess") -> Path:
        rows = []
        for name, speaker, emotion, signal in recordings:
            soundfile.write(tmp_path / f"{name}.wav", signal, RATE)
            known = {"utterance": name, "path": f"{name}.wav", "corpus": corpus, "speaker": speaker}
            rows.append(make_row(**known, emotion=emotion, **facts(tmp_path / f"{name}.wav")))
        path = tmp_path / f"{corpus}.csv"
        write_csv(path, COLUMNS, rows)
        return path

    return make


@pytest.fixture
def tones(make_corpus: Callable[..., Path]) -> Path:
    """Two speakers with two recordings each of a tone of 1 kHz; the second speaker alone has a calm one."""
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / RATE)
    utterances = (("u1", "01", "neutral"), ("u2", "01", "happy"), ("u3", "02", "calm"), ("u4", "02", "neutral"))
    return make_corpus([(*known, tone) for known in utterances])


@pytest.fixture
def texts_of() -> Callable[[Path], list[str]]:
    """Return the texts of the figure with a stem."""

    def read(stem: Path) -> list[str]:
        nodes = ElementTree.parse(f"{stem}.svg").iter("{http://www.w3.org/2000/svg}text")  # noqa: S314
        return ["".join(node.itertext()) for node in nodes]

    return read


@pytest.fixture
def assert_whole() -> Callable[[Path], None]:
    """Assert that there is no ink at the edge of the figure with a stem: nothing is cut off."""

    def look(stem: Path) -> None:
        pixels = imread(f"{stem}.png")[..., :3]
        for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
            assert (edge == 1).all(), f"ink at the edge of {stem}"

    return look


@pytest.fixture
def logpower() -> dict[str, Any]:
    """Return Satt et al.'s recipe of the 10 Hz grid."""
    return {
        **{"transform": "logpower", "segment_seconds": 3.0, "dtype": "float16", "sample_rate": RATE},
        **{"win_length": 640, "hop_length": 160, "n_fft": 1600, "fmax": 4000.0, "floor_db": -80.0},
    }


@pytest.fixture
def harmonic(logpower: dict[str, Any]) -> dict[str, Any]:
    """Return Satt et al.'s recipe of harmonic spectrograms."""
    pitch = {"pitch_floor": 75.0, "pitch_ceiling": 500.0}
    return logpower | {"transform": "harmonic", "depth_low_db": 20.0, "depth_high_db": 12.0} | pitch


@pytest.fixture
def voice() -> Callable[..., np.ndarray]:
    """Return harmonics of `f0` up to 4 kHz, of equal amplitude, between two silences."""

    def make(f0: float, *, before: float, seconds: float, after: float, level: float = 0.05) -> np.ndarray:
        t = np.arange(round(seconds * RATE)) / RATE
        tone = sum(level * np.sin(2 * np.pi * k * f0 * t + k * k) for k in range(1, int(4000 / f0)))
        return np.concatenate([np.zeros(round(before * RATE)), tone, np.zeros(round(after * RATE))])

    return make


@pytest.fixture
def voices(make_corpus: Callable[..., Path], voice: Callable[..., np.ndarray]) -> Path:
    """Three speakers; the first utterance by name is silent, u2 is the first with voice, of speaker B."""
    rng = np.random.default_rng(0)
    found = (
        ("u1", "A", "neutral", np.zeros(RATE)),
        ("u2", "B", "neutral", voice(200, before=0.5, seconds=1.0, after=0.3)),
        ("u3", "C", "neutral", voice(120, before=0.1, seconds=0.6, after=0.1)),
        ("u4", "C", "sad", voice(150, before=0.1, seconds=0.6, after=0.1)),
    )
    return make_corpus(
        [(*known, signal + 1e-5 * rng.standard_normal(len(signal))) for *known, signal in found], "iemocap"
    )
