"""Toy problems of a second: spectrograms loud in the low or in the high bands, and a network of a few weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from serflow.training.dataset import Dataset
from serflow.training.fit import Setup

BANDS = 12


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, and torch's global settings as they were."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    torch.set_flush_denormal(False)


@pytest.fixture
def data() -> Dataset:
    """40 utterances of two classes and different lengths: 24 to train, 8 to validate, 8 to test."""
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 2
    items = []
    for label in labels:
        item = rng.uniform(-80, -40, (rng.integers(8, 20), BANDS))
        half = slice(0, BANDS // 2) if label == 0 else slice(BANDS // 2, None)
        item[:, half] += 35
        items.append(item.astype(np.float32))
    offsets = np.cumsum([0, *map(len, items)])
    order = rng.permutation(40)
    parts = {"train": order[:24], "validation": order[24:32], "test": order[32:]}
    names, emotions = [f"u{n}" for n in range(40)], [("low", "high")[label] for label in labels]
    return Dataset(np.concatenate(items), offsets, labels.astype(np.int64), parts, names, np.arange(40), emotions)


@pytest.fixture
def system() -> dict[str, Any]:
    return {
        "input": {"kind": "image", "height": 8, "width": 8, "floor_db": -80.0},
        "training": {"epochs": 6, "batch_size": 5, "optimiser": "adam", "learning_rate": 0.003},
    }


@pytest.fixture
def build() -> Callable[[Sequence[int]], nn.Module]:
    """A network with all that carries state: convolution, batch norm, dropout."""

    def make(input_shape: Sequence[int]) -> nn.Module:
        layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(144, 2)]
        return nn.Sequential(*layers)

    return make


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(torch.device("cpu"), "fp32", tmp_path / "checkpoints" / "fold0.pt", "key of this run")
