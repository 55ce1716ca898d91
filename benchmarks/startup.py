"""A training job's start-up: a warm read of the cache, and the time from the job's start to its first batch.

    python benchmarks/startup.py RUN_JSON MANIFEST.csv FEATURES.zarr SPLIT.csv [--rounds 5]

The first batch follows at once on the line about the checkpoint in the job's log; the job is killed there.
A bare `import torch, torchvision` is timed beside it, in alternation.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from serflow.corpora.manifest import read_manifest
from serflow.features.store import open_store
from serflow.io.files import read_json


def main() -> None:
    """Print seconds per round and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("run", "manifest", "store", "split"):
        parser.add_argument(name)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    recipe = read_json(options.run)["system_config"]["recipe"]
    rows = read_manifest(options.manifest)
    reads, starts, imports = [], [], []
    for n in range(options.rounds):
        begin = time.perf_counter()
        features = open_store(Path(options.store), recipe, rows)
        frames = features.read(np.arange(len(features.items)))
        reads.append(time.perf_counter() - begin)
        starts.append(first_batch(options))
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch, torchvision"], check=True)
        imports.append(time.perf_counter() - begin)
        print(
            f"round {n + 1}: read {reads[-1]:.2f} s, first batch {starts[-1]:.2f} s, imports alone {imports[-1]:.2f} s"
        )
    read, start, bare = map(statistics.median, (reads, starts, imports))
    size = frames.nbytes / 2**20
    line = f"medians: {size:.0f} MiB read in {read:.2f} s; first batch {start:.2f} s, imports alone {bare:.2f} s"
    print(f"{line}; ratio {start / bare:.2f}")


def first_batch(options: argparse.Namespace) -> float:
    """Seconds from a training job's start until it takes its first batch."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        inputs = ["--manifests", options.manifest, "--features", options.store, "--split", options.split]
        outputs = ["--output", f"{folder}/run", "--checkpoint", f"{folder}/checkpoint.pt", "--log", str(log)]
        begin = time.perf_counter()
        command = [sys.executable, "-m", "serflow.cli", "train", "--spec", options.run, *inputs, *outputs]
        with subprocess.Popen(command) as job:
            while job.poll() is None and not (log.exists() and "starting from epoch 1" in log.read_text()):
                time.sleep(0.005)
            seconds = time.perf_counter() - begin
            if job.poll():
                sys.exit(f"The training ended with exit code {job.returncode} before its first batch.")
            job.kill()
    return seconds


if __name__ == "__main__":
    main()
