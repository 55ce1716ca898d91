"""Trained networks and estimators that decide together: of one run, of a combined run, of all folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serflow.inference import predictor as inference
from serflow.inference.predictor import Predictor
from serflow.inference.systems import TrainedRun
from serflow.training.two_step import decide

#: A batch of fewer than four items takes other kernels on a CPU, whose results differ in the seventh digit (measured).
FILL = 8
Frames = Sequence[Sequence[np.ndarray]]


@dataclass(frozen=True)
class Member:
    """A run: its predictor, and where it is combined the predictors of the second step by class, and ``neutral``."""

    first: Predictor
    second: dict[str, Predictor]
    neutral: str = ""

    def classify(self, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
        """Return posteriors (n_signals, n_classes) and classes; see `Predictor.classify`."""
        posteriors, predicted = self.first.classify(frames, FILL)
        if not self.second:
            return posteriors, predicted
        pairs = {}
        for emotion, net in self.second.items():
            columns = [net.info["labels"].index(label) for label in (self.neutral, emotion)]
            pairs[emotion] = _as_written(net.classify(frames, FILL)[0])[:, columns]
        predicted, posteriors = decide(self.first.info["labels"], self.neutral, _as_written(posteriors), pairs)
        return posteriors, predicted


@dataclass(frozen=True)
class Committee:
    """Members, one per fold, whose posteriors are averaged; of a single one its own decision counts."""

    members: Sequence[Member]

    def classify(self, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
        """Return posteriors (n_signals, n_classes) and classes; see `Predictor.classify`."""
        found = [member.classify(frames) for member in self.members]
        if len(found) == 1:
            return found[0]
        mean = np.mean([posteriors for posteriors, _ in found], axis=0)
        return mean, mean.argmax(1)


def _as_written(posteriors: np.ndarray) -> np.ndarray:
    """Return posteriors as ``predictions.csv`` has them, from which a combined run is made."""
    return np.array([[float(f"{p:.6g}") for p in row] for row in posteriors])


def load(runs: Sequence[TrainedRun], device: str, threads: int) -> Committee:
    """Load runs; see `serflow.inference.predictor.load`."""
    return Committee([_load_member(run, device, threads) for run in runs])


def _load_member(run: TrainedRun, device: str, threads: int) -> Member:
    first, *others = (inference.load(model.folder, device, threads) for model in run.models)
    if not others:
        return Member(first, {})
    neutral = run.info["system_config"]["combine"]["neutral"]
    pairs = {label: net for net in others for label in net.info["labels"] if label != neutral}
    return Member(first, pairs, neutral)
