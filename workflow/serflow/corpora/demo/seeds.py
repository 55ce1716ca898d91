"""Random numbers that depend on what they are for, so that no utterance depends on another one."""

from __future__ import annotations

import hashlib

import numpy as np


def generator_of(*key: object) -> np.random.Generator:
    """Return a generator that depends on `key` alone, not on process, platform or order of work."""
    digest = hashlib.sha256("\n".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))
