"""Trainings that break on their way: numbers that are none, and memory that runs out."""

import subprocess
import sys

import pytest

from workflow_project import environment

#: Each is put before a verb, in whose process every epoch is worth a checkpoint.
START = """
import sys
from serflow.training import fit
fit.CHECKPOINT_SECONDS = -1
steps, step = [], fit._Loop.step
{fault}
from serflow.cli import main
sys.exit(main(sys.argv[1:]))
"""
NAN = """
import torch
def broken(self, batch):
    steps.append(batch)
    if len(steps) == {n}:
        with torch.no_grad():
            next(self.network.parameters()).fill_(float("nan"))
    return step(self, batch)
fit._Loop.step = broken
"""
GPU = """
import torch
def greedy(self, {arguments}):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\\nGPU 0 has 139 GiB.")
fit._Loop.{method} = greedy
"""
#: What is imported is in memory already; what is read into it next is not.
SMALL = """
import resource
import numpy, torch, zarr
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
from serflow.training import loading
load = loading.open_store
def loaded(*arguments):
    found = load(*arguments)
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    return found
loading.open_store = loaded
"""


def run(undisturbed, place, fault):
    """Train with a fault; return exit status, what is printed, the run's folder, its checkpoint and the log."""
    verb, (folder,) = undisturbed.verb("train", place)
    command = [sys.executable, "-c", START.format(fault=fault), *verb, "--log", str(place / "log")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, cwd=undisturbed.folder, env=environment(undisturbed.folder), check=False, **pipes)
    return done.returncode, done.stdout, folder, place / "checkpoint", (place / "log").read_text()


def batches(log):
    """Batches of an epoch, from what the log says of the training part and the batch size."""
    return -(-int(log.partition(" train")[0].split()[-1]) // 32)


def test_a_loss_that_is_not_finite_ends_the_training_with_the_last_good_checkpoint(undisturbed, tmp_path):
    whole, log = run(undisturbed, tmp_path / "whole", "")[2::2]
    n = 2 * batches(log) + 3  # in the third epoch
    status, output, folder, checkpoints, log = run(undisturbed, tmp_path / "nan", NAN.format(n=n))
    assert status == 1
    assert output.count("\n") == 1
    assert output.startswith("serflow train: loss: is nan in epoch 3, from batch 3 of ")
    assert output.endswith("Lower learning_rate, or set `precision: fp32`.\n")
    assert list(folder.iterdir()) == []
    assert sorted(path.name for path in checkpoints.iterdir()) == ["fold0.previous.pt", "fold0.pt"]
    status, output, folder, checkpoints, log = run(undisturbed, tmp_path / "nan", "")
    assert (status, output) == (0, "")
    assert "resuming after epoch 2" in log
    for name in ("model", "predictions.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("method", "arguments", "told"),
    [
        ("step", "batch", "training.batch_size: out of memory on cpu with batches of 32. Lower batch_size"),
        ("logits", "index", "device: out of memory on cpu. Run fewer jobs on it at a time, or set `device: cpu`."),
    ],
)
def test_memory_of_a_gpu_that_runs_out_is_one_sentence_and_leaves_no_run(
    undisturbed, tmp_path, method, arguments, told
):
    fault = GPU.format(method=method, arguments=arguments)
    status, output, folder, _, log = run(undisturbed, tmp_path, fault)
    assert status == 1
    assert output.count("\n") == 1
    assert output.startswith(f"serflow train: {told}")
    assert "139 GiB" in log  # torch's own words
    assert list(folder.iterdir()) == []


def test_main_memory_that_the_features_do_not_fit_into_is_one_sentence(undisturbed, tmp_path):
    status, output, folder, _, _ = run(undisturbed, tmp_path, SMALL)
    assert status == 1
    assert output.count("\n") == 1
    assert "memory" in output
    assert "Run fewer jobs at a time, or where there is more memory." in output
    assert "This is a bug" not in output
    assert list(folder.iterdir()) == []
