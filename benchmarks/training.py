"""Seconds of a batch in training on a CPU, with freed memory kept in the process and given back to the system.

    python benchmarks/training.py mittal.cnn deepemo.resnet18 [--rounds 3] [--batches 3] [--threads 1]

Generated utterances of three seconds (spectra of noise) are trained on in fp32, in a process of its own for each of
the two, alternating. A first epoch is left out. Time is that of the processors, so that other jobs disturb little.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
import yaml
from torch import nn

from serflow import models
from serflow.features.recipes import make_transform
from serflow.papers.papers import derive_systems
from serflow.training import fit as loop
from serflow.training.dataset import Dataset, prepare
from serflow.training.device import keep_freed_memory, make_deterministic
from serflow.training.options import Training

PAPERS = Path(__file__).parents[1] / "workflow/papers"


def main() -> None:
    """Print a line per system: medians of seconds and memory, kept and given back, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+", metavar="PAPER.SYSTEM")
    for name, default in (("rounds", 3), ("batches", 3), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    for system in options.systems:
        measured: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for _ in range(options.rounds):
            for keep, values in measured.items():
                with multiprocessing.get_context("spawn").Pool(1) as process:
                    values.append(process.apply(measure, (system, keep, options.batches, options.threads)))
        kept, given_back = (np.median(pairs, axis=0) for pairs in measured.values())
        times = f"{kept[0]:.2f} s kept, {given_back[0]:.2f} s given back, ratio {kept[0] / given_back[0]:.2f}"
        print(f"{system}: {times}; peaks {kept[1]:.0f} and {given_back[1]:.0f} MiB", flush=True)


def measure(name: str, keep: bool, n_batches: int, threads: int) -> tuple[float, float]:
    """Return the processors' seconds per batch of a second epoch, and the process's peak of memory in MiB."""
    paper_name, system_name = name.split(".")
    paper = derive_systems(yaml.safe_load((PAPERS / f"{paper_name}.yaml").read_text()))
    system, n_classes = paper["systems"][system_name], len(paper["labels"])
    training = replace(Training.from_plain(system["training"]), epochs=2, phases=(), early_stopping=None)
    data = make_data(paper["recipes"][system["recipe"]], n_batches * training.batch_size, n_classes)
    make_deterministic(threads)
    inputs = prepare(system["input"], data)
    if keep:
        keep_freed_memory()

    def build(input_shape: Sequence[int]) -> nn.Module:
        return models.build(system["model"], n_classes, input_shape)

    clock = SimpleNamespace(monotonic=time.process_time)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(loop, "time", clock):
        setup = loop.Setup(torch.device("cpu"), "fp32", Path(folder, "checkpoint.pt"), "")
        seconds = loop.fit(training, inputs, data, n_classes, 0, setup, build).history[1]["seconds"]
    return seconds / n_batches, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_data(recipe: Mapping[str, Any], n_items: int, n_classes: int) -> Dataset:
    """Return noise as features of utterances of three seconds, all in the training part."""
    rate, rng = recipe["sample_rate"], np.random.default_rng(0)
    transform = make_transform(recipe)
    utterances = [transform(0.1 * rng.standard_normal(3 * rate, dtype=np.float32)) for _ in range(n_items)]
    offsets = np.cumsum([0, *map(len, utterances)])
    labels, everything, nothing = np.arange(n_items) % n_classes, np.arange(n_items), np.arange(0)
    names = [str(n) for n in everything]
    parts = {"train": everything, "validation": nothing, "test": nothing}
    return Dataset(np.concatenate(utterances), offsets, labels, parts, names, everything, names)


if __name__ == "__main__":
    main()
