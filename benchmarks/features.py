"""Building a feature cache, as a whole process, against a bare two-worker pool that computes and writes the same array.

    python benchmarks/features.py MANIFEST.csv CORPUS_TREE [--rounds 5]

Both run as fresh processes, alternating; the bare pool is `--bare`: librosa.feature.melspectrogram in a process pool,
and one zarr array. Prints each round's seconds and the ratio of the medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
RECIPE = yaml.safe_load((ROOT / "workflow/papers/deepemo.yaml").read_text())["recipes"]["logmel128"]


def bare(manifest: str, tree: str, store: str) -> None:
    """Do what a researcher would write: a pool of two, librosa, zarr."""
    from concurrent.futures import ProcessPoolExecutor

    import numpy as np
    import zarr

    from serflow.io.files import read_csv

    paths = [str(Path(tree, row["path"])) for row in read_csv(manifest)]
    with ProcessPoolExecutor(2, initializer=bare_init) as pool:
        items = list(pool.map(bare_item, paths, chunksize=16))
    group = zarr.create_group(store, overwrite=True)
    frames = np.concatenate(items)
    group.create_array("frames", data=frames, chunks=(2048, RECIPE["n_mels"]), compressors=None)
    group.create_array("offsets", data=np.concatenate([[0], np.cumsum([len(item) for item in items])]))


def bare_init() -> None:
    """One BLAS thread per worker, as in serflow: the comparison is of the pools, not of oversubscription."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def bare_item(path: str):
    """One utterance's log-mel spectrogram, by librosa's own function."""
    import librosa
    import numpy as np
    import soundfile

    signal, rate = soundfile.read(path, dtype="float32")
    options = {key: RECIPE[key] for key in ("n_fft", "hop_length", "n_mels", "fmin", "fmax")}
    mel = librosa.feature.melspectrogram(y=signal, sr=rate, **options)
    return librosa.power_to_db(mel, ref=np.max, top_db=RECIPE["top_db"]).T.astype(np.float32)


def main() -> None:
    """Alternate both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("tree")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.manifest, options.tree, options.bare)
        return
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/features.zarr"
        arguments = ["--manifest", options.manifest, "--root", options.tree, "--output", store, "--workers", "2"]
        serflow = [sys.executable, "-m", "serflow.cli", "features", "--recipe", json.dumps(RECIPE), *arguments]
        pool = [sys.executable, __file__, options.manifest, options.tree, "--bare", f"{folder}/bare.zarr"]
        for n in range(options.rounds):
            ours.append(seconds(serflow))
            theirs.append(seconds(pool))
            print(f"round {n + 1}: serflow {ours[-1]:.2f} s, bare pool {theirs[-1]:.2f} s", flush=True)
        compare(store, f"{folder}/bare.zarr")
    own, other = statistics.median(ours), statistics.median(theirs)
    print(f"medians: serflow {own:.2f} s, bare pool {other:.2f} s, ratio {own / other:.2f}")


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def compare(store: str, other: str) -> None:
    """Fail unless both wrote the same array."""
    import numpy as np
    import zarr

    difference = np.abs(zarr.open_group(store)["frames"][:] - zarr.open_group(other)["frames"][:]).max()
    print(f"largest difference between the two arrays: {difference:.1e} dB")
    assert difference < 1e-3


if __name__ == "__main__":
    main()
