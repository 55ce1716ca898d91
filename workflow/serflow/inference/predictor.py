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
from serflow.features.recipes import DTYPE, Recipe, make_transform
from serflow.features.segments import count_segments, cut
from serflow.io.files import read_json
from serflow.training import classical
from serflow.training.batches import make_picker
from serflow.training.dataset import Dataset, Inputs, prepare
from serflow.training.device import autocast, choose_device, make_deterministic, out_of_memory_as_error
from serflow.training.fit import EVALUATION_BATCH

#: Of a device's memory, which the processes of `serflow noisy` share.
FEWER = "Run fewer processes on it at a time (`--threads`), or give `--device cpu`."
RETRAIN = "Train this run again."


class InferenceError(SerflowError):
    """A run cannot be applied, or a signal cannot be recognised."""


@dataclass(frozen=True)
class Predictor:
    """A trained run: ``info``, its run.json; ``network``, in evaluation mode, or the estimator; where it computes."""

    info: Mapping[str, Any]
    network: Any
    device: torch.device | None

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
        if not len(signals):
            return np.zeros((0, len(self.info["labels"])))
        data = self._dataset(signals)
        inputs = prepare(self.info["system_config"]["input"], data, self.info["input_statistics"])
        return data.average(self._apply(inputs, len(data.labels)))

    def _dataset(self, signals: Sequence[np.ndarray]) -> Dataset:
        """Return what the recipe makes of the signals, as the feature store has it, without labels."""
        transform, dtype = make_transform(self.recipe), self.recipe.get("dtype", DTYPE)
        items: list[np.ndarray] = []
        owner: list[int] = []
        for n, signal in enumerate(signals):
            if signal.ndim != 1 or not signal.size or not np.isfinite(signal).all():
                fault = f"has shape {signal.shape}" if signal.ndim != 1 or not signal.size else "is not finite"
                raise InferenceError(f"signal {n}", fault, "Give mono signals of finite samples.")
            seconds = self.recipe.get("segment_seconds", np.inf)
            parts = cut(signal, count_segments(len(signal), self.recipe["sample_rate"], seconds))
            items += [transform(part.astype(np.float32, copy=False)).astype(dtype, copy=False) for part in parts]
            owner += [n] * len(parts)
        offsets = np.cumsum([0, *map(len, items)])
        labels, names = np.full(len(items), -1), [str(n) for n in range(len(signals))]
        return Dataset(np.concatenate(items), offsets, labels, {}, names, np.array(owner), [""] * len(names))

    def _apply(self, inputs: Inputs, n_items: int) -> np.ndarray:
        """Return the posteriors of all items, shape (n_items, n_classes), float64."""
        if self.device is None:
            return classical.posteriors(self.network, inputs.items.astype(np.float64), len(self.info["labels"]))
        logits = []
        with (
            out_of_memory_as_error("device", f"on {self.device} with {n_items} items at once", FEWER),
            torch.inference_mode(),
            autocast(self.device, self.info["precision"]),
        ):
            pick = make_picker(inputs, self.device)
            for index in torch.arange(n_items, device=self.device).split(EVALUATION_BATCH):
                logits.append(self.network(inputs.finish(pick(index))).float())
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
    for name in ("run.json", "model"):
        if not (run / name).is_file():
            raise InferenceError(run, f"{name} is missing, so it holds no trained model", RETRAIN)
    info = read_json(run / "run.json")
    if info["model_format"] == "skops":
        return Predictor(info, _load_estimator(run / "model"), None)
    if info["model_format"] == "safetensors":
        return _load_network(info, run / "model", device, threads)
    fault = f"model_format is {info['model_format']!r}"
    raise InferenceError(run / "run.json", fault, "Allowed: safetensors, skops.")


def _load_network(info: Mapping[str, Any], path: Path, device: str, threads: int | None) -> Predictor:
    make_deterministic(threads or info["threads"])
    place = choose_device(device)
    network: nn.Module = models.build(info["system_config"]["model"], len(info["labels"]), info["input_shape"])
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        fault = f"does not fit the network ({str(error).splitlines()[0]})"
        raise InferenceError(path, fault, RETRAIN) from error
    return Predictor(info, network.to(place).to(memory_format=torch.channels_last).eval(), place)


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
