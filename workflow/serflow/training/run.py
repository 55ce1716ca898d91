"""One training job: from manifest, features and split to a run directory."""

from __future__ import annotations

import datetime
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.errors import CacheError, TrainingError
from serflow.files import atomic_path, digest_file, digest_value, read_csv, write_csv, write_json
from serflow.log import say
from serflow.training.inputs import Dataset

if TYPE_CHECKING:
    from serflow.features.cache import Features
    from serflow.training.fit import Fit

PARTS = ("train", "validation", "test")
#: The keys of a run's specification; `run.json` holds them too, so that it can be given as one.
SPEC = ("paper", "corpus", "system", "protocol", "seed", "fold", "labels", "system_config", "deviations")


def train(
    spec: Mapping[str, Any],
    manifests: Sequence[Path],
    stores: Sequence[Path],
    split: Path,
    weights: Path | None,
    output: Path,
    checkpoint: Path,
    device: str,
    precision: str,
    threads: int,
) -> None:
    """Train one run and write model.safetensors, history.csv, predictions.csv and, last, run.json into `output`.

    Parameters
    ----------
    spec
        The keys of `SPEC`; ``system_config`` holds recipe, input, model and training.
    manifests, stores
        One per member corpus, in the same order.
    split
        The split of `spec`'s protocol and seed.
    weights
        Pretrained weights, or None for random ones.
    output, checkpoint
        Where to write.
    device, precision, threads
        See `serflow.training.device`.

    Raises
    ------
    CacheError, TrainingError, WeightsError
        If the features are of other settings, a part is empty, or training cannot go on.
    """
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    data, frames = load_dataset(spec, manifests, stores, split)
    say(f"{run_name(spec)}: " + ", ".join(f"{len(data.parts[part])} {part}" for part in PARTS) + " utterances")
    # torch after the data: a mistake in the data is told within a second
    from serflow import models
    from serflow.models.weights import load as load_weights
    from serflow.training.device import choose_device, choose_precision, device_name, make_deterministic
    from serflow.training.fit import Setup, fit

    make_deterministic(threads)
    place = choose_device(device)
    mode = choose_precision(precision, place)
    say(f"device {place} ({device_name(place)}), precision {mode}, {threads} threads")
    identity = {key: spec[key] for key in SPEC}
    inputs = {"split": digest_file(split), "frames": frames, "code": code_digest()}
    inputs["weights"] = digest_file(weights) if weights else "none"
    computing = {"device": place.type, "precision": mode, "threads": threads, "versions": versions()}
    key = digest_value([identity, inputs, computing])

    def build() -> Any:
        network = models.build(spec["system_config"]["model"], len(spec["labels"]))
        if weights:
            load_weights(network, weights)
        return network

    setup = Setup(place, mode, checkpoint, key)
    result = fit(spec["system_config"], data, len(spec["labels"]), spec["seed"], setup, build)
    record = {
        **identity,
        "n_parameters": result.n_parameters,
        "parts": {part: len(data.parts[part]) for part in PARTS},
        **computing,
        "device_name": device_name(place),
        "inputs": inputs,
        "commit": commit(),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 1),
        "training_seconds": round(sum(row["seconds"] for row in result.history), 1),
        "peak_memory_mib": peak_memory_mib(),
    }
    write_run(output, spec["labels"], data, result, record)
    checkpoint.unlink(missing_ok=True)


def run_name(spec: Mapping[str, Any]) -> str:
    """Return ``paper/corpus/system/protocol/seedS/foldK``, which is also the run's path under ``results/runs``."""
    place = "/".join(str(spec[key]) for key in ("paper", "corpus", "system", "protocol"))
    return f"{place}/seed{spec['seed']}/fold{spec['fold']}"


def load_dataset(
    spec: Mapping[str, Any], manifests: Sequence[Path], stores: Sequence[Path], split: Path
) -> tuple[Dataset, str]:
    """Read what a run needs into memory: features of all member corpora, labels, and the parts of the run's fold.

    The second value is the digest of all features. Utterances outside the fold's three parts (``unused``) are left out.

    Raises
    ------
    CacheError
        If a store does not belong to its manifest and the run's recipe.
    TrainingError
        If the split names an utterance that no manifest has, or leaves the training or test part empty.
    """
    from serflow.features import cache

    recipe = spec["system_config"]["recipe"]
    rows = [read_csv(path) for path in manifests]
    features = [cache.load(store, recipe, part) for store, part in zip(stores, rows, strict=True)]
    manifest = {row["utterance"]: (c, n) for c, part in enumerate(rows) for n, row in enumerate(part)}
    parts = {row["utterance"]: row["part"] for row in read_csv(split) if int(row["fold"]) == spec["fold"]}
    chosen = [name for name, part in parts.items() if part in PARTS]
    for name in chosen:
        if name not in manifest:
            raise TrainingError(
                split, f"names {name}, which no manifest has", "Make the split again with `serflow split`."
            )
    emotions = [rows[c][n]["emotion"] for c, n in map(manifest.__getitem__, chosen)]
    for name, emotion in zip(chosen, emotions, strict=True):
        if emotion not in spec["labels"]:
            fault = f"has {name} in a part, whose emotion {emotion} is not in the label set"
            raise TrainingError(split, fault, "Make the split again with the run's labels.")
    labels = [spec["labels"].index(emotion) for emotion in emotions]
    indices = {
        part: np.array([i for i, name in enumerate(chosen) if parts[name] == part], dtype=np.int64) for part in PARTS
    }
    for part in ("train", "test"):
        if not len(indices[part]):
            raise TrainingError(split, f"fold {spec['fold']} has no utterance to {part}", "Check protocol and corpus.")
    frames, offsets = _gather(features, [manifest[name] for name in chosen])
    data = Dataset(frames, offsets, np.array(labels, dtype=np.int64), indices, chosen)
    return data, digest_value([part.sha256 for part in features])


def _gather(features: Sequence[Features], places: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames and offsets of the items at (corpus, row), in that order; no copy where nothing changes."""
    if len(features) == 1 and [n for _, n in places] == list(range(len(features[0].offsets) - 1)):
        return features[0].frames, features[0].offsets
    if len({f.frames.shape[1] for f in features}) > 1:
        raise CacheError("features", "have different numbers of bands", "Build them again from one recipe.")
    items = [features[c].frames[features[c].offsets[n] : features[c].offsets[n + 1]] for c, n in places]
    offsets = np.concatenate([[0], np.cumsum([len(item) for item in items])]).astype(np.int64)
    return np.concatenate(items), offsets


def write_run(output: Path, labels: Sequence[str], data: Dataset, result: Fit, record: Mapping[str, Any]) -> None:
    """Write a run directory; `run.json` last, so that its presence says that the rest is whole."""
    from safetensors.torch import save_file

    from serflow.training.fit import HISTORY

    part_of = {int(n): part for part, indices in data.parts.items() for n in indices}
    rows = []
    for n, name in enumerate(data.utterances):
        posterior = result.posteriors[n]
        row = {
            "utterance": name,
            "part": part_of[n],
            "label": labels[data.labels[n]],
            "predicted": labels[posterior.argmax()],
        }
        rows.append(row | {label: f"{p:.6g}" for label, p in zip(labels, posterior, strict=True)})
    state = {key: value.contiguous().cpu() for key, value in result.network.state_dict().items()}
    with atomic_path(output / "model.safetensors") as partial:
        save_file(state, partial)
    write_csv(output / "history.csv", HISTORY, [{k: f"{v:.6g}" for k, v in row.items()} for row in result.history])
    write_csv(output / "predictions.csv", ["utterance", "part", "label", "predicted", *labels], rows)
    write_json(output / "run.json", record)


def code_digest() -> str:
    """Return the SHA-256 over the sources that decide a run's numbers: training and models."""
    package = Path(__file__).parents[1]
    sources = sorted([*package.glob("training/*.py"), *package.glob("models/*.py")])
    return digest_value({f"{path.parent.name}/{path.name}": digest_file(path) for path in sources})


def versions() -> dict[str, str]:
    """Return the versions of what a run's numbers depend on; torch's with its build, such as ``+cpu``."""
    import torch

    others = {name: version(name) for name in ("serflow", "torchvision", "numpy", "librosa")}
    return {"torch": str(torch.__version__), **others}


def commit() -> str:
    """Return the git commit of the code, with ``+`` where the tree has changes, or ``unknown`` outside a checkout."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "status", "--porcelain", "."], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changes.stdout.strip() else "")


def peak_memory_mib() -> float:
    """Return the largest resident set of this process so far, in MiB."""
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
