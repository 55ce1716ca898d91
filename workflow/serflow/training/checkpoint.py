"""Checkpoints that a killed training resumes from: whole, of this very run, or not used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serflow.files import atomic_path


def save(path: Path, key: str, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, lists and dicts of them) for the run `key`, whole or not at all."""
    import torch

    with atomic_path(path) as partial:
        torch.save({"key": key, **state}, partial)


def load(path: Path, key: str) -> tuple[dict[str, Any] | None, str]:
    """Return the state saved for the run `key`, or None where there is none to use; and a sentence that says which.

    The key covers configuration, data, code and versions: a checkpoint of other settings is never resumed.
    """
    import torch

    if not path.exists():
        return None, "starting from epoch 1 (no checkpoint)"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        return None, f"starting from epoch 1: the checkpoint {path} cannot be read ({type(error).__name__})"
    if not isinstance(state, dict) or state.get("key") != key:
        return None, f"starting from epoch 1: the checkpoint {path} is of other settings, data or code"
    return state, f"resuming after epoch {state['epoch']} from {path}"
