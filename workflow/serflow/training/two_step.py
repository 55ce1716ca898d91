"""Joins a net for all classes and nets for neutral against one other class each into a predictor of two steps."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serflow.errors import ConfigError, RunError
from serflow.runs import OTHER, RERUN, Predictions, RunRecord, Spec, read_run, write_run
from serflow.training.environment import times


def combine(spec: Spec, first: Path, second: Sequence[Path], output: Path) -> None:
    """Write the folder of a two-step predictor (Satt et al., section 4); it has no model file of its own.

    Parameters
    ----------
    spec
        The predictor; ``combine.neutral`` of its system is the majority class, which the second step is for.
    first
        Run of the net for all classes.
    second
        Runs of the nets for neutral against one of the other classes each.
    output
        Where to write.

    Raises
    ------
    RunError
        If the runs are not of one corpus, protocol, seed and fold, their labels do not fit together, or an utterance
        stands in different parts of them.
    """
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    if "combine" not in spec.system:
        raise ConfigError(
            "--spec", f"{spec.run.path} is not combined from others", "Give the spec of a combined system."
        )
    neutral = spec.system["combine"]["neutral"]
    one, others = read_run(first), [read_run(path) for path in second]
    for run in (one, *others):
        if run.id.of_system(spec.run.system) != spec.run:
            fault = f"is of {run.id.path}, the two-step predictor of {spec.run.path}"
            raise RunError(run.path / "run.json", fault, "Join runs of one corpus, protocol, seed and fold.")
    emotions = _emotions(one, others, neutral)
    pairs = {emotion: _aligned(one, run, neutral, emotion) for emotion, run in zip(emotions, others, strict=True)}
    predicted, posteriors = decide(one.labels, neutral, one.posteriors, pairs)
    info = {
        **spec.plain(),
        **_join([one, *others]),
        "parts": {name: int((one.parts == name).sum()) for name in one.info["parts"]},
        **times(started, clock),
    }
    made = Predictions(one.labels, one.utterances, one.parts.tolist(), one.emotions, predicted, posteriors)
    write_run(output, made, [], info)


def decide(
    labels: Sequence[str], neutral: str, first: np.ndarray, second: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what two steps predict: the first net's best class, or where that is neutral, the second nets' verdict.

    In the second step the label of the largest posterior among all nets is taken; a net's posterior of neutral counts
    for neutral (Satt et al., section 4).

    Parameters
    ----------
    labels
        The C classes, of which `neutral` is one.
    neutral
        The class that leads to the second step.
    first
        ``(U, C)`` posteriors of the first net.
    second
        Each other class to the ``(U, 2)`` posteriors of neutral and of that class.

    Returns
    -------
    predicted
        ``(U,)`` int64, index into `labels`: where the posteriors are largest, the first where several are.
    posteriors
        ``(U, C)``, each row with sum 1: the first net's, or those of the second step (of neutral the largest over the
        nets, of another class its net's), normalised.
    """
    later = np.empty(first.shape)
    for column, label in enumerate(labels):
        found = [pair[:, 0] for pair in second.values()] if label == neutral else [second[label][:, 1]]
        later[:, column] = np.max(found, axis=0)
    later /= later.sum(axis=1, keepdims=True)
    undecided = first.argmax(axis=1) == list(labels).index(neutral)
    posteriors = np.where(undecided[:, np.newaxis], later, first)
    return posteriors.argmax(axis=1), posteriors


def _emotions(one: RunRecord, others: Sequence[RunRecord], neutral: str) -> list[str]:
    """Return the class that each of the second nets tells from neutral, after checking that each class has one net."""
    emotions = []
    for run in others:
        if len(run.labels) != 2 or neutral not in run.labels:
            fault = f"labels are {list(run.labels)}, expected {neutral} and one other"
            raise RunError(run.path / "run.json", fault, "Correct `combine` in the paper file.")
        emotions += [label for label in run.labels if label != neutral]
    if sorted([neutral, *emotions]) != sorted(one.labels):
        fault = f"labels are {list(one.labels)}, those of the second step {[neutral, *emotions]}"
        raise RunError(one.path / "run.json", fault, "Give one two-class net for each class but the neutral one.")
    return emotions


def _aligned(one: RunRecord, run: RunRecord, neutral: str, emotion: str) -> np.ndarray:
    """Return the ``(U, 2)`` posteriors of neutral and `emotion`, in the utterances' order of the first run."""
    where = run.path / "predictions.csv"
    at = {name: n for n, name in enumerate(run.utterances)}
    if at.keys() != set(one.utterances):
        odd = min(at.keys() ^ set(one.utterances))
        raise RunError(where, f"has other utterances than {one.path}, such as {odd}", RERUN)
    order = [at[name] for name in one.utterances]
    for name, part, expected in zip(one.utterances, run.parts[order], one.parts, strict=True):
        if part not in (OTHER, expected):
            raise RunError(where, f"has {name} in part {part}, {one.path} has it in {expected}", RERUN)
    return run.posteriors[order][:, [run.labels.index(label) for label in (neutral, emotion)]]


def _join(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Return what `run.json` says of how the runs were computed that a predictor is made from."""
    infos = [run.info for run in runs]
    versions = [info["versions"] for info in infos]
    libraries = dict.fromkeys(name for known in versions for name in known)
    return {
        "n_parameters": sum(info["n_parameters"] for info in infos),
        **{key: _enumerate(info[key] for info in infos) for key in ("device", "device_name", "precision", "commit")},
        "versions": {name: _enumerate(known[name] for known in versions if name in known) for name in libraries},
        "model_format": "none",
        "runs": [run.path.as_posix() for run in runs],
    }


def _enumerate(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))
