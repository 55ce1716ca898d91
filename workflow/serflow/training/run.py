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

from serflow import models
from serflow.errors import CacheError, TrainingError
from serflow.files import atomic_path, digest_file, digest_value, read_csv, write_csv, write_json
from serflow.log import say
from serflow.training.inputs import Dataset

if TYPE_CHECKING:
    from serflow.features.cache import Features
    from serflow.training.result import Fit

#: The libraries that a run's numbers depend on.
NETWORK_LIBRARIES = ("serflow", "torch", "torchvision", "numpy", "librosa")
ESTIMATOR_LIBRARIES = ("serflow", "scikit-learn", "skops", "numpy", "librosa")
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
    """Train one run and write model, history.csv, predictions.csv and, last, run.json into `output`.

    Parameters
    ----------
    spec
        The keys of `SPEC`; ``system_config`` holds recipe, input, model and, where there are epochs, training.
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
    say(f"{run_name(spec)}: " + ", ".join(f"{len(data.parts[part])} {part}" for part in PARTS) + " items")
    identity = {key: spec[key] for key in SPEC}
    inputs = {"split": digest_file(split), "frames": frames, "code": code_digest(spec["system_config"]["model"])}
    inputs["weights"] = digest_file(weights) if weights else "none"
    if models.framework(spec["system_config"]["model"]) == "sklearn":
        result, computing = _train_estimator(spec, data)
    else:
        result, computing = _train_network(
            spec, data, weights, checkpoint, [identity, inputs], device, precision, threads
        )
    record = {
        **identity,
        "n_parameters": result.n_parameters,
        "input_shape": list(result.inputs.shape),
        "input_statistics": result.inputs.statistics,
        "parts": {part: len(data.parts[part]) for part in PARTS},
        **computing,
        "inputs": inputs,
        "commit": commit(),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 1),
        "peak_memory_mib": peak_memory_mib(),
    }
    write_run(output, spec["labels"], data, result, record)
    checkpoint.unlink(missing_ok=True)


def _train_network(
    spec: Mapping[str, Any],
    data: Dataset,
    weights: Path | None,
    checkpoint: Path,
    identity: Sequence[Any],
    device: str,
    precision: str,
    threads: int,
) -> tuple[Fit, dict[str, Any]]:
    """Train a network; return it and what it was computed with. `identity` is what else its checkpoint must match."""
    # torch after the data: a mistake in the data is told within a second
    import torch

    from serflow.models.weights import load as load_weights
    from serflow.training.device import choose_device, choose_precision, device_name, make_deterministic
    from serflow.training.fit import Setup, fit

    make_deterministic(threads)
    place = choose_device(device)
    mode = choose_precision(precision, place)
    say(f"device {place} ({device_name(place)}), precision {mode}, {threads} threads")
    libraries = versions(NETWORK_LIBRARIES) | {"torch": str(torch.__version__)}  # with its build, such as +cpu
    computing = {"device": place.type, "precision": mode, "threads": threads, "versions": libraries}
    system = spec["system_config"]

    def build(input_shape: Sequence[int]) -> Any:
        network = models.build(system["model"], len(spec["labels"]), input_shape)
        if weights:
            load_weights(network, weights)
        return network

    setup = Setup(place, mode, checkpoint, digest_value([*identity, computing]))
    result = fit(system, data, len(spec["labels"]), spec["seed"], setup, build)
    seconds = sum(row["seconds"] for row in result.history)
    computing |= {"device_name": device_name(place), "model_format": "safetensors"}
    return result, {**computing, "training_seconds": round(seconds, 1)}


def _train_estimator(spec: Mapping[str, Any], data: Dataset) -> tuple[Fit, dict[str, Any]]:
    """Fit a scikit-learn estimator; return it and what it was computed with: the CPU in double precision."""
    import platform

    from serflow.training.classical import fit

    clock, system, n_classes = time.monotonic(), spec["system_config"], len(spec["labels"])
    result = fit(system, data, n_classes, lambda input_shape: models.build(system["model"], n_classes, input_shape))
    computing = {"device": "cpu", "precision": "fp64", "threads": 1, "versions": versions(ESTIMATOR_LIBRARIES)}
    computing |= {"device_name": platform.processor() or platform.machine(), "model_format": "skops"}
    return result, {**computing, "training_seconds": round(time.monotonic() - clock, 1)}


def run_name(spec: Mapping[str, Any]) -> str:
    """Return ``paper/corpus/system/protocol/seedS/foldK``, which is also the run's path under ``results/runs``."""
    place = "/".join(str(spec[key]) for key in ("paper", "corpus", "system", "protocol"))
    return f"{place}/seed{spec['seed']}/fold{spec['fold']}"


def load_dataset(
    spec: Mapping[str, Any], manifests: Sequence[Path], stores: Sequence[Path], split: Path
) -> tuple[Dataset, str]:
    """Read what a run needs into memory: features of all member corpora, labels, and the parts of the run's fold.

    The second value is the digest of all features. Items outside the fold's three parts (``unused``) are left out.

    Raises
    ------
    CacheError
        If a store does not belong to its manifest and the run's recipe.
    TrainingError
        If the split names an item that no store has, or leaves the training or test part empty.
    """
    from serflow.features import cache

    recipe = spec["system_config"]["recipe"]
    rows = [read_csv(path) for path in manifests]
    features = [cache.load(store, recipe, part) for store, part in zip(stores, rows, strict=True)]
    places = {name: (c, n) for c, part in enumerate(rows) for n, name in enumerate(features[c].names(part))}
    parts = {row["utterance"]: row["part"] for row in read_csv(split) if int(row["fold"]) == spec["fold"]}
    chosen = [name for name, part in parts.items() if part in PARTS]
    for name in chosen:
        if name not in places:
            raise TrainingError(
                split, f"names {name}, which no feature cache has", "Make the split again with `serflow split`."
            )
    emotions = [rows[c][features[c].utterance[n]]["emotion"] for c, n in map(places.__getitem__, chosen)]
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
    frames, offsets = _gather(features, [places[name] for name in chosen])
    data = Dataset(frames, offsets, np.array(labels, dtype=np.int64), indices, chosen)
    return data, digest_value([part.sha256 for part in features])


def _gather(features: Sequence[Features], places: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames and offsets of the items at (corpus, n), in that order; no copy where nothing changes."""
    if len(features) == 1 and [n for _, n in places] == list(range(len(features[0].offsets) - 1)):
        return features[0].frames, features[0].offsets
    if len({f.frames.shape[1] for f in features}) > 1:
        raise CacheError("features", "have different numbers of bands", "Build them again from one recipe.")
    items = [features[c].frames[features[c].offsets[n] : features[c].offsets[n + 1]] for c, n in places]
    offsets = np.concatenate([[0], np.cumsum([len(item) for item in items])]).astype(np.int64)
    return np.concatenate(items), offsets


def write_run(output: Path, labels: Sequence[str], data: Dataset, result: Fit, record: Mapping[str, Any]) -> None:
    """Write a run directory; `run.json` last, so that its presence says that the rest is whole."""
    from serflow.training.result import HISTORY

    part_of = {int(n): part for part, indices in data.parts.items() for n in indices}
    rows = []
    for n, name in enumerate(data.utterances):
        posterior = result.posteriors[n]
        row = {
            "utterance": name,
            "part": part_of[n],
            "label": labels[data.labels[n]],
            "predicted": labels[result.predicted[n]],
        }
        rows.append(row | {label: f"{p:.6g}" for label, p in zip(labels, posterior, strict=True)})
    with atomic_path(output / "model") as partial:
        save_model(result.model, record["model_format"], partial)
    write_csv(output / "history.csv", HISTORY, [{k: f"{v:.6g}" for k, v in row.items()} for row in result.history])
    write_csv(output / "predictions.csv", ["utterance", "part", "label", "predicted", *labels], rows)
    write_json(output / "run.json", record)


def save_model(model: Any, model_format: str, path: Path) -> None:
    """Write a network's weights (safetensors) or an estimator (skops): neither format can hold code."""
    if model_format == "skops":
        import skops.io

        skops.io.dump(model, path)
        return
    from safetensors.torch import save_file

    save_file({key: value.contiguous().cpu() for key, value in model.state_dict().items()}, path)


def code_digest(model: Mapping[str, Any]) -> str:
    """Return the SHA-256 over the sources that decide a run's numbers: training, and the model's own."""
    package = Path(__file__).parents[1]
    own = Path(str(models.module_of(model).__file__))
    sources = [
        *sorted(package.glob("training/*.py")),
        package / "models/__init__.py",
        package / "models/weights.py",
        own,
    ]
    return digest_value({f"{path.parent.name}/{path.name}": digest_file(path) for path in sources})


def versions(libraries: Sequence[str]) -> dict[str, str]:
    """Return the versions of what a run's numbers depend on."""
    return {name: version(name) for name in libraries}


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
