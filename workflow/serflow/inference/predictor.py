"""Applying a trained run to new signals, with what its folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from serflow import models
from serflow.errors import SerflowError
from serflow.features.recipes import Recipe
from serflow.inference.frames import compute_frames
from serflow.io.files import read_json
from serflow.training import classical
from serflow.training.batches import make_picker
from serflow.training.dataset import Dataset, Inputs, prepare
from serflow.training.device import autocast, choose_device, deterministic, out_of_memory_as_error
from serflow.training.fit import EVALUATION_BATCH

#: Of a device's memory, which the processes of `serflow noisy` share.
FEWER = "Run fewer processes on it at a time (`--threads`), or give `--device cpu`."
RETRAIN = "Train this run again."


class InferenceError(SerflowError):
    """A run cannot be applied, or a signal cannot be recognised."""


@dataclass(frozen=True)
class Predictor:
    """A trained run: ``info``, its run.json; ``network``, in evaluation mode, or the estimator; where it computes.

    ``threads``: of a network on the CPU. torch's settings are as before once it has computed.
    """

    info: Mapping[str, Any]
    network: Any
    device: torch.device | None
    threads: int = 1

    @property
    def recipe(self) -> Recipe:
        """The feature recipe; signals are at its ``sample_rate`` (Hz)."""
        return self.info["system_config"]["recipe"]

    def posteriors(self, signals: Sequence[np.ndarray]) -> np.ndarray:
        """Return the posterior of each class for each signal.

        Parameters
        ----------
        signals
            Mono, (n_samples,) each, at ``recipe["sample_rate"]`` Hz, with values from -1 to 1.

        Returns
        -------
        numpy.ndarray
            (n_signals, n_classes) float64, in the order of ``info["labels"]``: the mean over a signal's segments.

        Raises
        ------
        InferenceError
            If a signal is empty, not mono or not finite.
        TrainingError
            If the device runs out of memory.
        """
        for n, signal in enumerate(signals):
            if signal.ndim != 1 or not signal.size or not np.isfinite(signal).all():
                fault = f"has shape {signal.shape}" if signal.ndim != 1 or not signal.size else "is not finite"
                raise InferenceError(f"signal {n}", fault, "Give mono signals of finite samples.")
        return self.classify([compute_frames(self.recipe, signal) for signal in signals])[0]

    def classify(self, frames: Sequence[Sequence[np.ndarray]], fill: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the posteriors of signals of which the frames are known, and the classes as the training decides.

        Parameters
        ----------
        frames
            What `serflow.inference.frames.compute_frames` made of each signal.
        fill
            Batches of a network are filled up to so many items.

        Returns
        -------
        posteriors
            As those of `posteriors`.
        predicted
            (n_signals,) index into the labels: an estimator's own decision, which may be another class than that of the
            largest posterior.

        Raises
        ------
        ConfigError
            If the system standardises within speakers or the corpus.
        TrainingError
            If the device runs out of memory.
        """
        if not len(frames):
            return np.zeros((0, len(self.info["labels"]))), np.zeros(0, dtype=np.int64)
        items = [item for signal in frames for item in signal]
        owner = np.repeat(np.arange(len(frames)), [len(signal) for signal in frames])
        offsets, names = np.cumsum([0, *map(len, items)]), [str(n) for n in range(len(frames))]
        data = Dataset(np.concatenate(items), offsets, np.full(len(items), -1), {}, names, owner, [""] * len(names))
        inputs = prepare(self.info["system_config"]["input"], data, self.info["input_statistics"])
        if self.device is not None:
            found = data.average(self._apply(inputs, len(items), fill, self.device))
            return found, found.argmax(1)
        values = inputs.items.astype(np.float64)
        found = data.average(classical.posteriors(self.network, values, len(self.info["labels"])))
        single = np.bincount(owner) == 1
        return found, np.where(
            single, self.network.predict(values)[np.unique(owner, return_index=True)[1]], found.argmax(1)
        )

    def _apply(self, inputs: Inputs, n_items: int, fill: int, device: torch.device) -> np.ndarray:
        """Return a network's posteriors of all items, shape (n_items, n_classes), float64."""
        logits = []
        with (
            deterministic(self.threads),
            out_of_memory_as_error("device", f"on {device} with {n_items} items at once", FEWER),
            torch.inference_mode(),
            autocast(device, self.info["precision"]),
        ):
            pick = make_picker(inputs, device)
            for index in torch.arange(n_items, device=device).split(EVALUATION_BATCH):
                filled = torch.cat([index, index[-1:].expand(max(0, fill - len(index)))])
                logits.append(self.network(inputs.finish(pick(filled))).float()[: len(index)])
        return torch.cat(logits).double().softmax(1).cpu().numpy()


def load(run: Path | str, device: str = "auto", threads: int | None = None) -> Predictor:
    """Load a trained run.

    Parameters
    ----------
    run
        The run's folder: run.json and model are read.
    device
        See `serflow.training.device.choose_device`; an estimator computes on the CPU.
    threads
        Of a network on the CPU; None: as many as it was trained with.

    Returns
    -------
    Predictor
        It computes in the precision of the training.

    Raises
    ------
    InferenceError
        If a file is missing or the model is of a kind that is not trusted.
    ConfigError
        If there is no such architecture any more.
    """
    run = Path(run)
    if not (run / "run.json").is_file():
        raise InferenceError(run, "run.json is missing, so it holds no trained model", RETRAIN)
    info = read_json(run / "run.json")
    model = model_file(run, info)
    if info["model_format"] == "skops":
        return Predictor(info, _load_estimator(model), None)
    if info["model_format"] == "safetensors":
        return _load_network(info, model, device, threads)
    fault = f"model_format is {info['model_format']!r}"
    raise InferenceError(run / "run.json", fault, "Allowed: safetensors, skops.")


def model_file(folder: Path, info: Mapping[str, Any]) -> Path:
    """Return the file of a run's model: of an exported one its name has the format's suffix."""
    for name in ("model", f"model.{info['model_format']}"):
        if (folder / name).is_file():
            return folder / name
    raise InferenceError(folder, "model is missing, so it holds no trained model", RETRAIN)


def _load_network(info: Mapping[str, Any], path: Path, device: str, threads: int | None) -> Predictor:
    place = choose_device(device)
    network: nn.Module = models.build(info["system_config"]["model"], len(info["labels"]), info["input_shape"])
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        fault = f"does not fit the network ({str(error).splitlines()[0]})"
        raise InferenceError(path, fault, RETRAIN) from error
    return Predictor(
        info, network.to(place).to(memory_format=torch.channels_last).eval(), place, threads or info["threads"]
    )


def _load_estimator(path: Path) -> Any:
    """Return an estimator of scikit-learn's own types, the only ones that are trusted: others could run any code."""
    import skops.io  # and with it scikit-learn, which no network needs

    try:
        unknown = skops.io.get_untrusted_types(file=path)
    except (BadZipFile, KeyError) as error:
        raise InferenceError(path, f"cannot be read ({error})", RETRAIN) from error
    if unknown:
        fault = f"holds types that are not trusted: {', '.join(unknown)}"
        raise InferenceError(path, fault, RETRAIN)
    return skops.io.load(path, trusted=[])
