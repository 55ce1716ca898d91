"""One training job's network: from its specification to trained weights, on the device that there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import nn

from serflow import models
from serflow.errors import ConfigError
from serflow.io.files import digest_value
from serflow.io.log import say
from serflow.models import pretrained
from serflow.runs import Spec
from serflow.training import checkpoint as checkpoints
from serflow.training.dataset import Dataset, prepare
from serflow.training.device import (
    choose_device,
    choose_precision,
    device_name,
    keep_freed_memory,
    make_deterministic,
    out_of_memory_as_error,
)
from serflow.training.environment import versions
from serflow.training.fit import Setup, fit
from serflow.training.options import Training, check_training
from serflow.training.result import Trained

#: What a network's numbers depend on.
LIBRARIES = ("serflow", "torch", "torchvision", "numpy", "librosa")


def train_run(
    spec: Spec,
    data: Dataset,
    weights: Path | None,
    checkpoint: Path,
    identity: Sequence[Any],
    device: str,
    precision: str,
    threads: int,
) -> Trained:
    """Train a run's network; for parameters see `serflow.training.run.train`.

    ``identity``: what a checkpoint depends on beside device, precision, threads and versions.

    Raises
    ------
    ConfigError, TrainingError, WeightsError
        If options do not fit together, or training cannot go on.
    """
    training, n_classes = Training.from_plain(spec.system["training"]), len(spec.labels)
    try:
        check_training(training, spec.system["input"])
    except ConfigError as error:
        raise ConfigError(f"training.{error.where}", error.fault, error.remedy) from None
    make_deterministic(threads)
    place = choose_device(device)
    mode = choose_precision(training.precision or precision, place)
    say(f"device {place} ({device_name(place)}), precision {mode}, {threads} threads")
    libraries = versions(LIBRARIES) | {"torch": str(torch.__version__)}  # with its build, such as +cpu
    computing = {"device": place.type, "precision": mode, "threads": threads, "versions": libraries}

    def build(input_shape: Sequence[int]) -> nn.Module:
        network: nn.Module = models.build(spec.system["model"], n_classes, input_shape)
        check_shape(network, input_shape)
        if weights:
            pretrained.load(network, weights)
        return network

    setup = Setup(place, mode, checkpoint, digest_value([*identity, computing]), spec.run.path)
    with out_of_memory_as_error("device", f"on {place}", "Run fewer jobs on it at a time, or set `device: cpu`."):
        inputs = prepare(spec.system["input"], data)
        keep_freed_memory()
        result = fit(training, inputs, data, n_classes, spec.run.seed, setup, build)
    computing |= {"device_name": device_name(place), "model_format": "safetensors"}
    computing["training_seconds"] = round(sum(row["seconds"] for row in result.history), 1)
    return Trained(
        result, inputs, computing, lambda path: save(result.model, path), lambda: checkpoints.remove(checkpoint)
    )


def check_shape(network: nn.Module, input_shape: Sequence[int]) -> None:
    """Raise a ConfigError if a network cannot take one item of a shape, as when poolings leave nothing of it."""
    network.eval()  # where nothing is drawn, and no statistics are kept
    try:
        with torch.no_grad():
            network(torch.zeros(1, *input_shape))
    except RuntimeError as error:
        fault = f"the network cannot take an input of shape {tuple(input_shape)}: {error}"
        remedy = "Make the input larger (frames, height, width), or change the model."
        raise ConfigError("model", fault, remedy) from error
    network.train()


def save(network: nn.Module, path: Path) -> None:
    """Write a network's weights in a format that cannot hold code."""
    # Not by safetensors' save_file, whose error on a full disk is not the system's.
    path.write_bytes(to_bytes({key: value.contiguous().cpu() for key, value in network.state_dict().items()}))
