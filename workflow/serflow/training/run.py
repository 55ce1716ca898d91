"""One training job: from manifest, features and split to a run's folder."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serflow import sources
from serflow.errors import WeightsError
from serflow.io.files import check_writable, digest_file, digest_value
from serflow.io.log import say
from serflow.models.weights import published_digest
from serflow.runs import Predictions, Spec, write_run
from serflow.training.dataset import Dataset
from serflow.training.environment import commit, peak_memory_mib, times
from serflow.training.loading import load_dataset
from serflow.training.options import TRAINERS, kinds_of, trainer_of
from serflow.training.result import Fit, Trained


def train(
    spec: Spec,
    manifests: Sequence[Path],
    stores: Sequence[Path],
    split: Path,
    weights: Path | None,
    output: Path,
    checkpoint: Path,
    device: str,
    precision: str,
    threads: int,
) -> None:
    """Train one run and write its folder.

    Parameters
    ----------
    spec
        What is to be trained.
    manifests, stores
        One per member corpus, in the same order.
    split
        The split of the run's protocol and seed.
    weights
        Pretrained weights, or None for random ones.
    output, checkpoint
        The run's folder; where to keep checkpoints until it is done.
    device, precision, threads
        See `serflow.training.device`.

    Raises
    ------
    CacheError, ConfigError, TrainingError, WeightsError
        If the features are of other settings, a part is empty, or training cannot go on.
    """
    for folder in (output, checkpoint.parent):  # before hours of work, not after
        check_writable(folder)
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    code = commit()  # there may be another one when the training ends
    start = digest_file(weights) if weights else "none"
    _check_weights(spec.system["model"].get("pretrained", "none"), weights, start)
    data, frames = load_dataset(spec, manifests, stores, split)
    say(f"{spec.run.path}: " + ", ".join(f"{len(index)} {part}" for part, index in data.parts.items()) + " items")
    facts = {"split": digest_file(split), "frames": frames, "code": code_digest(spec.system), "weights": start}
    facts["labels"] = digest_value([list(column) for column in (data.utterances, data.emotions, data.speakers)])
    train_run = TRAINERS.load(trainer_of(spec.system))
    trained = train_run(spec, data, weights, checkpoint, [spec.plain(), facts], device, precision, threads)
    before = sum(row["seconds"] for row in trained.fit.history[: trained.fit.resumed_after])
    info = {
        **spec.plain(),
        **_facts(trained, data),
        **({"clipped": 1 - np.count_nonzero(data.frames) / data.frames.size} if _has_floor(spec) else {}),
        "inputs": facts,
        "commit": code,
        **times(started, clock, before),
        "peak_memory_mib": peak_memory_mib(),
    }
    write_run(output, predictions_of(spec.labels, data, trained.fit), trained.fit.history, info, trained.save)
    trained.finish()


def _check_weights(wanted: str, weights: Path | None, sha256: str) -> None:
    """Raise a WeightsError unless a run starts from the weights that its specification says."""
    if wanted == "imagenet":  # whose name says what they are; loading compares
        fits = weights is not None and published_digest(weights.name) is not None
    else:
        fits = weights is None if wanted == "none" else wanted == f"sha256:{sha256}"
    if not fits:
        given = f"is {weights} (SHA-256 {sha256})" if weights else "is not given"
        remedy = "Leave it out." if wanted == "none" else "Give the file that is configured."
        raise WeightsError("--weights", f"{given}, model.pretrained of the run is {wanted}", remedy)


def code_digest(system: Mapping[str, Any]) -> str:
    """Return the digest of the code that decides a run's numbers: all that training runs, and what it loads by name."""
    return sources.digest("serflow.training.run:train", *(kinds.file(name) for kinds, name in kinds_of(system)))


def _has_floor(spec: Spec) -> bool:
    """Return whether a run's frames are 0 where they are clipped at a constant noise level."""
    return "floor_db" in spec.system["recipe"]


def _facts(trained: Trained, data: Dataset) -> dict[str, Any]:
    """Return what `run.json` says of the model and of what it was given."""
    fit = trained.fit
    return {
        "n_parameters": fit.n_parameters,
        "input_shape": list(trained.inputs.shape),
        "input_statistics": trained.inputs.statistics,
        "parts": {part: len(np.unique(data.owner[index])) for part, index in data.parts.items()},
        **({} if fit.best_epoch is None else {"best_epoch": fit.best_epoch}),
        **trained.computing,
    }


def predictions_of(labels: Sequence[str], data: Dataset, fit: Fit) -> Predictions:
    """Return what a fit says of each utterance: of one in segments by the mean of their posteriors."""
    part_of = {int(data.owner[n]): part for part, indices in data.parts.items() for n in indices}
    posteriors = data.average(fit.posteriors)
    _, first, counts = np.unique(data.owner, return_index=True, return_counts=True)
    # An estimator's own decision may be another class than that of its largest posterior.
    predicted = np.where(counts == 1, fit.predicted[first], posteriors.argmax(1))
    parts = [part_of[u] for u in range(len(data.utterances))]
    return Predictions(labels, data.utterances, parts, data.emotions, predicted, posteriors)
