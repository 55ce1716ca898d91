import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from serflow.errors import TrainingError
from serflow.training.device import choose_device, choose_precision, deterministic, make_deterministic, seed_all

CPU = torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error_not_a_slow_run():
    with pytest.raises(TrainingError, match="no GPU") as caught:
        choose_device("cuda")
    assert "`device: auto`" in caught.value.remedy
    assert choose_device("auto") == choose_device("cpu") == CPU


@pytest.mark.parametrize(("wanted", "taken"), [("auto", "cuda"), ("cpu", "cpu"), ("cuda", "cuda")])
def test_a_gpu_is_taken_where_there_is_one(monkeypatch, wanted, taken):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(wanted).type == taken


@pytest.mark.parametrize(
    ("found", "taken"),
    [
        ({"amx_bf16": True}, "bf16"),
        ({"amx_bf16": False, "avx512_bf16": True}, "bf16"),
        ({"amx_bf16": False, "avx512_bf16": False, "avx512_f": True}, "fp32"),
        ({"architecture": "aarch64"}, "fp32"),
    ],
)
def test_auto_precision_is_bf16_where_the_cpu_multiplies_it(monkeypatch, found, taken):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert choose_precision("auto", CPU) == taken
    assert choose_precision("fp32", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_one_seed_covers_python_numpy_and_torch():
    def draw(seed):
        seed_all(seed)
        return random.random(), np.random.rand(), torch.rand(1).item()

    assert draw(2) == draw(2)
    assert all(a != b for a, b in zip(draw(2), draw(3), strict=True))
    draw(2**32 + 1)  # more than NumPy's generator takes


def test_what_applies_a_network_leaves_the_settings_of_its_process_alone():
    torch.set_deterministic_debug_mode("default")
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = True
    with deterministic(2):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1
    assert torch.backends.cudnn.allow_tf32


def test_determinism_and_threads_are_set():
    make_deterministic(2)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 2
    assert not torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_memory_that_a_tensor_leaves_is_taken_by_a_later_one_without_asking_the_system():
    script = """
import resource, torch
from serflow.training.device import keep_freed_memory

keep_freed_memory()
for _ in range(12):  # rounding of addresses leaves gaps between the first ones
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 400, "64 MiB are 16384 pages of 4 KiB"
