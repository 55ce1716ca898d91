"""What a run computes on: device, precision, threads, determinism."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import random
from collections.abc import Iterator

import numpy as np
import torch

from serflow.errors import TrainingError

#: glibc's numbers of two options of malloc (malloc.h).
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def choose_device(wanted: str) -> torch.device:
    """Return the device for ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.

    Raises
    ------
    TrainingError
        If ``cuda`` is wanted and there is none: a slow fallback must not be silent.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        remedy = "Set `device: auto` or `cpu`, or check the driver."
        raise TrainingError("device", "is cuda, but torch sees no GPU", remedy)
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def choose_precision(wanted: str, device: torch.device) -> str:
    """Return ``fp32`` or ``bf16``; ``auto`` takes bf16 where the hardware multiplies it.

    On a CPU by AMX or AVX-512: with the latter alone systems train about twice as fast as in fp32 (measured).
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    found = torch.cpu.get_capabilities()
    return "bf16" if found.get("amx_bf16") or found.get("avx512_bf16") else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which a network computes in ``fp32`` or ``bf16``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextlib.contextmanager
def out_of_memory_as_error(where: str, doing: str, remedy: str) -> Iterator[None]:
    """Raise an error of one sentence when the memory of the device, or the main memory, runs out.

    Raises
    ------
    TrainingError
        In place of torch's own error, which on a CPU is a RuntimeError like any other.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if not known:
            raise
        raise TrainingError(where, f"out of memory {doing}", remedy) from error


def make_deterministic(threads: int) -> None:
    """Set torch up so that a seed gives the same numbers each time on one machine with one number of threads."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch asks for it on GPUs
    torch.set_deterministic_debug_mode("error")  # as use_deterministic_algorithms, without its second of imports
    # Nothing reads what is not written yet; filling it takes 4 % of the training time of Satt's networks.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # fp32 means 24 bits, not the 11 of TF32
    torch.set_flush_denormal(True)  # LSTMs run eight times slower on a CPU with denormals
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Have the C library keep the main memory that tensors leave, for the next ones.

    glibc takes every large block from the system anew and gives it back: Mittal's network spent a quarter of its
    training on a CPU in fetching empty pages (`benchmarks/training.py`). Peaks of memory grew by up to a tenth.
    Numbers are the same. Other C libraries are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


@contextlib.contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Set torch up as `make_deterministic` does inside the block alone, which runs in a process of somebody else's."""
    mode, memory = torch.get_deterministic_debug_mode(), torch.utils.deterministic
    filled: bool = memory.fill_uninitialized_memory  # type: ignore[attr-defined]
    cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    before = torch.get_num_threads()
    make_deterministic(threads)
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = cudnn
        if before != threads:
            torch.set_num_threads(before)


def seed_all(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def device_name(device: torch.device) -> str:
    """Return the name of the processor or GPU, for the record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = torch.cpu.get_capabilities().get("cpu_name")
    return str(name or platform.processor() or platform.machine())
