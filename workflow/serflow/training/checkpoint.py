"""Checkpoints that a killed training resumes from: whole, of this very run, or not used.

A file holds the SHA-256 of what follows, then what torch saves: torch itself does not notice a changed byte. The
checkpoint before the last is kept beside it, in case the last one is damaged.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from serflow.io.files import atomic_path

DIGEST_BYTES = hashlib.sha256().digest_size


def save(path: Path, key: str, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, lists and dicts of them) for the run `key`, whole or not at all."""
    buffer = io.BytesIO()
    torch.save({"key": key, **state}, buffer)
    content = buffer.getbuffer()
    with atomic_path(path) as partial:
        with partial.open("wb") as handle:
            handle.write(hashlib.sha256(content).digest())
            handle.write(content)
        if path.exists():
            path.replace(_previous(path))


def load(path: Path, key: str) -> tuple[dict[str, Any] | None, str]:
    """Return the last state saved for the run `key` that is whole, or None; and a sentence that says which and why.

    The key covers configuration, data, code and versions: a checkpoint of other settings is never resumed.
    """
    faults: list[str] = []
    for candidate in (path, _previous(path)):
        if candidate.exists():
            state, fault = _read(candidate, key)
            if state:
                told = f"resuming after epoch {state['epoch']} from {candidate}"
                return state, "; ".join([told, *faults])
            faults.append(fault)
    return None, f"starting from epoch 1: {'; '.join(faults)}" if faults else "starting from epoch 1 (no checkpoint)"


def remove(path: Path) -> None:
    """Delete a run's checkpoints."""
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def _read(path: Path, key: str) -> tuple[dict[str, Any] | None, str]:
    """Return a file's state, or None and what is wrong with it."""
    content = memoryview(path.read_bytes())
    digest, rest = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    state = None
    if hashlib.sha256(rest).digest() == digest:
        with contextlib.suppress(Exception):  # torch raises half a dozen kinds for what it may not load
            state = torch.load(io.BytesIO(rest), map_location="cpu", weights_only=True)
    if not (isinstance(state, dict) and {"key", "epoch"} <= state.keys()):
        return None, f"the checkpoint {path} is damaged"
    if state["key"] != key:
        return None, f"the checkpoint {path} is of other settings, data or code"
    return state, ""
