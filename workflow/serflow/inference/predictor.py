"""Applying a trained run to new signals, with what its run directory holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow import models
from serflow.errors import SerflowError
from serflow.io.files import read_json
from serflow.training.inputs import Dataset, Inputs, prepare

if TYPE_CHECKING:
    import torch
    from torch import nn

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
    def recipe(self) -> Mapping[str, Any]:
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
        """Return what the recipe makes of the signals, as the cache does, without labels."""
        from serflow.features import DTYPES, transform

        function, dtype = transform(self.recipe), self.recipe.get("dtype", DTYPES[0])
        items: list[np.ndarray] = []
        owner: list[int] = []
        for n, signal in enumerate(signals):
            if signal.ndim != 1 or not signal.size or not np.isfinite(signal).all():
                fault = f"has shape {signal.shape}" if signal.ndim != 1 or not signal.size else "is not finite"
                raise InferenceError(f"signal {n}", fault, "Give mono signals of finite samples.")
            parts = _cut(signal, self.recipe)
            items += [function(part.astype(np.float32, copy=False)).astype(dtype, copy=False) for part in parts]
            owner += [n] * len(parts)
        offsets = np.cumsum([0, *map(len, items)])
        labels, names = np.full(len(items), -1), [str(n) for n in range(len(signals))]
        return Dataset(np.concatenate(items), offsets, labels, {}, names, np.array(owner), [""] * len(names))

    def _apply(self, inputs: Inputs, n_items: int) -> np.ndarray:
        """Return the posteriors of all items, shape (n_items, n_classes), float64."""
        if self.device is None:
            from serflow.training.classical import posteriors

            return posteriors(self.network, inputs.items.astype(np.float64), len(self.info["labels"]))
        import torch

        from serflow.training.device import autocast, memory_told
        from serflow.training.fit import EVALUATION_BATCH

        logits = []
        with (
            memory_told("device", f"on {self.device} with {n_items} items at once", FEWER),
            torch.inference_mode(),
            autocast(self.device, self.info["precision"]),
        ):
            pick = inputs.picker(self.device)
            for index in torch.arange(n_items, device=self.device).split(EVALUATION_BATCH):
                logits.append(self.network(inputs.finish(pick(index))).float())
        return torch.cat(logits).double().softmax(1).cpu().numpy()


def load(run_dir: Path | str, device: str = "auto", threads: int | None = None) -> Predictor:
    """Load a trained run.

    Parameters
    ----------
    run_dir
        As `serflow.training.run.train` writes it: run.json and model are read.
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
    run_dir = Path(run_dir)
    for name in ("run.json", "model"):
        if not (run_dir / name).is_file():
            raise InferenceError(run_dir, f"{name} is missing, so it holds no trained model", RETRAIN)
    info = read_json(run_dir / "run.json")
    loaders: dict[str, Callable[[], Predictor]] = {
        "skops": lambda: Predictor(info, _load_estimator(run_dir / "model"), None),
        "safetensors": lambda: _load_network(info, run_dir / "model", device, threads),
    }
    if info["model_format"] not in loaders:
        fault = f"model_format is {info['model_format']!r}"
        raise InferenceError(run_dir / "run.json", fault, f"Allowed: {', '.join(loaders)}.")
    return loaders[info["model_format"]]()


def _load_network(info: Mapping[str, Any], path: Path, device: str, threads: int | None) -> Predictor:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from serflow.training.device import choose_device, make_deterministic

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
    from zipfile import BadZipFile

    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(file=path)
    except (BadZipFile, KeyError) as error:
        raise InferenceError(path, f"cannot be read ({error})", RETRAIN) from error
    if unknown:
        fault = f"holds types that are not trusted: {', '.join(unknown)}"
        raise InferenceError(path, fault, RETRAIN)
    return skops.io.load(path, trusted=[])


def _cut(signal: np.ndarray, recipe: Mapping[str, Any]) -> list[np.ndarray]:
    from serflow.features.segments import count_segments, cut

    if "segment_seconds" not in recipe:
        return [signal]
    return cut(signal, count_segments(len(signal), recipe["sample_rate"], recipe["segment_seconds"]))
