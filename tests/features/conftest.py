"""A corpus of seven noises of different lengths, a recipe small enough to compute by hand, and its store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile

from recordings import facts
from serflow.features.build import build_store

RATE = 8000
RECIPE = {
    "transform": "logmel",
    "sample_rate": RATE,
    "n_fft": 256,
    "hop_length": 80,
    "n_mels": 20,
    "fmin": 0.0,
    "fmax": 4000.0,
    "top_db": 60.0,
}


@pytest.fixture(scope="session")
def recipe() -> dict[str, Any]:
    return dict(RECIPE)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, str]]]:
    """The tree and its manifest's rows."""
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(1)
    rows = []
    for n, length in enumerate((800, 1234, 400, 2000, 81, 1600, 999)):
        samples = rng.integers(-8000, 8000, length).astype(np.int16)
        path = root / "wav" / f"u{n}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, samples, RATE)
        rows.append({"corpus": "toy", "utterance": f"u{n}", "path": f"wav/u{n}.wav"} | facts(path))
    return root, rows


@pytest.fixture(scope="session")
def built(corpus: tuple[Path, list[dict[str, str]]], recipe: dict[str, Any], tmp_path_factory: Any) -> Path:
    """A store that no test changes."""
    store = tmp_path_factory.mktemp("built") / "features.zarr"
    build_store(recipe, corpus[1], corpus[0], store, 2)
    return store


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    """A copy of a store."""
    return shutil.copytree(built, tmp_path / "features.zarr")


@pytest.fixture(scope="session")
def frames(corpus: tuple[Path, list[dict[str, str]]], recipe: dict[str, Any]) -> list[np.ndarray]:
    """The frames of every utterance, by librosa alone."""
    options = {key: recipe[key] for key in ("n_fft", "hop_length", "n_mels", "fmin", "fmax")}
    found = []
    for row in corpus[1]:
        signal, _ = soundfile.read(corpus[0] / row["path"], dtype="float32")
        power = librosa.feature.melspectrogram(y=signal, sr=RATE, **options)
        found.append(librosa.power_to_db(power, ref=np.max, top_db=recipe["top_db"]).T)
    return found


@pytest.fixture
def rate() -> int:
    return 16000


@pytest.fixture
def speechlike(rate: int) -> np.ndarray:
    """One second of a falling, swelling harmonic tone in faint noise, float32."""
    time = np.arange(rate) / rate
    phase = 2 * np.pi * np.cumsum(180 - 40 * time) / rate
    tone = np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0) * np.hanning(rate)
    return (0.2 * tone + 0.001 * np.random.default_rng(1).standard_normal(rate)).astype(np.float32)


@pytest.fixture
def write_corpus(tmp_path: Path, rate: int) -> Callable[[np.ndarray], list[dict[str, str]]]:
    """Return a function: three recordings of a signal in `tmp_path`, each shorter at its start; a manifest's rows."""

    def write(signal: np.ndarray) -> list[dict[str, str]]:
        rows = []
        for n in range(3):
            samples = (signal[n * 2000 :] * 32767).astype(np.int16)
            soundfile.write(tmp_path / f"u{n}.wav", samples, rate)
            rows.append({"corpus": "toy", "utterance": f"u{n}", "path": f"u{n}.wav"} | facts(tmp_path / f"u{n}.wav"))
        return rows

    return write
