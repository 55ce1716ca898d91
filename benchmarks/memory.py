"""Seconds and main memory of each stage on a generated corpus of IEMOCAP's size: 10 039 turns, 12.4 hours.

    python benchmarks/memory.py FOLDER [--workers 2] [--threads 2] [--minutes 5]

Writes 5 GB below FOLDER (1.4 of it recordings) and deletes them at the end. The recipe and the network of Table 1's row
3 are those of workflow/papers/satt.yaml; the split has all emotions and dialogues in it, so that a training job holds
all 12 hours. One epoch is run to its end with a network small enough for that on a CPU; row 3's own trains for
`--minutes` and is then stopped.

Memory: `held` is the largest sum, over a stage's process and its children, of resident pages, a page of n processes
counted as 1/n in each, seen every 0.5 s; `bound` adds up each process's own peak as the kernel keeps it, and counts
shared pages in every process that has them: the stage took no more than this at any moment.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

from serflow.corpora.known.iemocap import EMOTIONS
from serflow.io.files import read_csv, read_json
from serflow.labels import EMOTIONS as ORDER
from serflow.papers.papers import derive_systems

ROOT = Path(__file__).parents[1]
NEEDED = 8 * 2**30  # bytes free on the disk
SMALL = {"convolutions": [[1, 3, 3], [2, 3, 3], [4, 3, 3]], "lstm": {"size": 8, "layers": 1, "attention": False}}


def main() -> None:
    """Run the stages one after the other and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    free = shutil.disk_usage(options.folder).free
    if free < NEEDED:
        sys.exit(f"{options.folder} has {free / 2**30:.1f} GiB free, needed are {NEEDED / 2**30:.0f}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        run_stages(Path(folder), options)


def run_stages(folder: Path, options: argparse.Namespace) -> None:
    """Run all stages in an empty folder."""
    tree, manifest, store, split = (folder / name for name in ("tree", "manifest.csv", "features.zarr", "split.csv"))
    paper = derive_systems(yaml.safe_load((ROOT / "workflow/papers/satt.yaml").read_text()))
    system, labels = paper["systems"]["cnn_lstm_10hz"], [name for name in ORDER if name in EMOTIONS.values()]
    recipe, protocol = paper["recipes"][system["recipe"]], paper["protocols"]["published"]
    tree.mkdir()
    generator = [ROOT / "tests/corpora/iemocap_tree.py", tree]
    stage("generate", [sys.executable, *generator])
    reading = ["--root", tree, "--workers", options.workers]
    stage("manifest", serflow("manifest", "iemocap", *reading, "--output", manifest, "--report", folder / "report"))
    report = read_json(folder / "report")
    print(f"  {report['utterances']} turns, {report['seconds'] / 3600:.2f} h")
    cached = ["--recipe", json.dumps(recipe), "--manifest", manifest, "--output", store]
    stage("features", serflow("features", *cached, *reading))
    print(f"  {sum(path.stat().st_size for path in store.rglob('*') if path.is_file()) / 2**30:.2f} GiB on disk")
    which = ["--labels", ",".join(labels), "--corpora", "iemocap", "--manifests", manifest, "--seed", "0"]
    written = ["--output", split, "--report", folder / "leaks"]
    stage("split", serflow("split", "--protocol", json.dumps(protocol), *which, *written))
    for name, model, limit in (("one epoch, small", SMALL, None), ("row 3, stopped", {}, 60 * options.minutes)):
        job = folder / name.split(",", maxsplit=1)[0].replace(" ", "")
        training = {**system["training"], "epochs": 1}
        config = {"recipe": recipe, "input": system["input"], "model": system["model"] | model, "training": training}
        names = {"paper": "satt", "corpus": "iemocap", "system": job.name, "protocol": "published"}
        spec = names | {"seed": 0, "fold": 0, "labels": labels, "others": [], "system_config": config}
        inputs = ["--manifests", manifest, "--features", store, "--split", split, "--device", "cpu"]
        log = job.with_suffix(".log")  # its last line says how far a stopped job came: loaded, or still loading
        outputs = ["--output", job, "--checkpoint", job.with_suffix(".pt"), "--log", log, "--threads", options.threads]
        stage(name, serflow("train", "--spec", json.dumps(spec), *inputs, *outputs), limit)
        print(f"  {log.read_text().splitlines()[-1]}")
        if (job / "history.csv").exists():
            print(f"  {read_json(job / 'run.json')['parts']}, {read_csv(job / 'history.csv')[-1]}")


def serflow(*arguments: object) -> list[str]:
    """Return the command line of a verb."""
    return [sys.executable, "-m", "serflow.cli", *map(str, arguments)]


def stage(name: str, command: list[object], limit: float | None = None) -> None:
    """Run a command to its end, or for `limit` s, and print seconds and memory; a command that fails ends it all."""
    held = bound = 0
    start = time.perf_counter()
    with psutil.Popen([str(part) for part in command]) as process:
        while process.poll() is None:
            now, peaks = memory(process)
            held, bound = max(held, now), max(bound, peaks)
            if limit is not None and time.perf_counter() - start > limit:
                process.kill()
                break
            time.sleep(0.5)
        else:
            if process.returncode:
                sys.exit(f"{name} failed")
    seconds = time.perf_counter() - start
    print(f"{name:18}{seconds:8.1f} s   held {held / 2**30:5.2f} GiB, bound {bound / 2**30:5.2f} GiB", flush=True)


def memory(process: psutil.Popen) -> tuple[int, int]:
    """Return bytes that a process and its children hold now, and the sum of what each has held at most."""
    held = bound = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError, StopIteration):
                held += one.memory_full_info().pss
                status = Path(f"/proc/{one.pid}/status").read_text()
                bound += 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    return held, bound


if __name__ == "__main__":
    main()
