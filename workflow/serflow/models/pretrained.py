"""Copying pretrained weights into a network whose last layer is new; keeping a copy of a user's own file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from serflow import models
from serflow.errors import WeightsError
from serflow.io.files import atomic_path, digest_file
from serflow.models.weights import CHOICES, IMAGENET, network_name, published_digest

#: The last layer, which keeps its random weights.
HEAD = "fc."


def adopt(model: Mapping[str, Any], path: Path, destination: Path) -> None:
    """Copy a user's own weights file to `destination`, if it fits the model (see `serflow.models.build`).

    Whether it fits a user's own architecture is only known when its training starts; that it holds tensors is.

    Raises
    ------
    WeightsError
        If it does not, or see `load`.
    """
    if network_name(model) in IMAGENET:
        load(models.build(model, 2, (3, 224, 224)), path)
    else:
        _read(path)
    with atomic_path(destination) as partial:
        shutil.copyfile(path, partial)


def load(network: nn.Module, path: Path) -> None:
    """Copy a weights file into `network`, all but its last layer ``fc``.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or belongs to another network.
    """
    state = _read(path)
    digest = published_digest(path.name)
    if digest and not digest_file(path).startswith(digest):
        raise WeightsError(path, f"its SHA-256 does not start with {digest}", "Delete it, so that it is fetched again.")
    own = network.state_dict()
    fitting = {key: value for key, value in state.items() if not key.startswith(HEAD)}
    # Files from before torch 0.4.1 count no batches; torch itself takes zeros for them.
    needed = {key for key in own if not key.startswith(HEAD) and not key.endswith("num_batches_tracked")}
    names = needed | fitting.keys()
    wrong = sorted(k for k in names if k not in own or k not in fitting or own[k].shape != fitting[k].shape)
    if wrong:
        fault = f"does not fit the network: {wrong[0]} and {len(wrong) - 1} more tensors differ"
        raise WeightsError(path, fault, CHOICES)
    network.load_state_dict(fitting, strict=False)


def _read(path: Path) -> dict[str, Any]:
    """Return the named tensors of a file; no code in it is run."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file  # a user's own file; torch alone reads the published ones

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        fault = f"cannot be read as weights ({type(error).__name__}: {str(error).splitlines()[0]})"
        raise WeightsError(path, fault, CHOICES) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(path, "holds something else than named tensors", CHOICES)
    return state
