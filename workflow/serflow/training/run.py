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
from serflow.errors import TrainingError
from serflow.io.files import atomic_path, check_writable, digest_file, digest_value, read_csv, write_csv, write_json
from serflow.io.log import say
from serflow.protocols.protocols import read_fold
from serflow.training import checkpoint as checkpoints
from serflow.training.inputs import Dataset

if TYPE_CHECKING:
    from serflow.features.cache import Features
    from serflow.training.result import Fit

#: The libraries that a run's numbers depend on.
NETWORK_LIBRARIES = ("serflow", "torch", "torchvision", "numpy", "librosa")
ESTIMATOR_LIBRARIES = ("serflow", "scikit-learn", "skops", "numpy", "librosa")
PARTS = ("train", "validation", "test")
#: The part of utterances of the paper's emotions that are none of the run's labels: they are only given posteriors.
OTHER = "other"
#: The keys of a run's specification; `run.json` holds them too, so that it can be given as one.
SPEC = ("paper", "corpus", "system", "protocol", "seed", "fold", "labels", "others", "system_config", "deviations")


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
        The keys of `SPEC`; ``labels`` are the run's own, ``others`` the rest of its paper's; ``system_config`` holds
        recipe, input, model and, where there are epochs, training.
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
    for folder in (output, checkpoint.parent):  # before hours of work, not after
        check_writable(folder)
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    data, frames = load_dataset(spec, manifests, stores, split)
    say(f"{run_name(spec)}: " + ", ".join(f"{len(index)} {part}" for part, index in data.parts.items()) + " items")
    identity = {key: spec[key] for key in SPEC}
    inputs = {"split": digest_file(split), "frames": frames, "code": code_digest(spec["system_config"]["model"])}
    inputs["weights"] = digest_file(weights) if weights else "none"
    if models.framework(spec["system_config"]["model"]) == "sklearn":
        result, computing = _train_estimator(spec, data)
    else:
        result, computing = _train_network(
            spec, data, weights, checkpoint, [identity, inputs], device, precision, threads
        )
    before = sum(row["seconds"] for row in result.history[: result.resumed_after])
    record = {
        **identity,
        "n_parameters": result.n_parameters,
        "input_shape": list(result.inputs.shape),
        "input_statistics": result.inputs.statistics,
        "parts": {part: len(np.unique(data.owner[index])) for part, index in data.parts.items()},
        **({} if result.best_epoch is None else {"best_epoch": result.best_epoch}),
        **computing,
        "inputs": inputs,
        "commit": commit(),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(before + time.monotonic() - clock, 1),
        "peak_memory_mib": peak_memory_mib(),
    }
    write_run(output, spec["labels"], data, result, record)
    checkpoints.remove(checkpoint)


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
    from serflow.training.device import (
        choose_device,
        choose_precision,
        device_name,
        make_deterministic,
        memory_told,
    )
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
    with memory_told("device", f"on {place}", "Run fewer jobs on it at a time, or set `device: cpu`."):
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
    """Read what a run needs into memory: frames of all member corpora, labels, and the parts of the run's fold.

    The second value is the digest of those frames. Utterances outside the fold's three parts (``unused``) are left out;
    in which part those of the emotions ``others`` stand makes no difference. The segments of an utterance follow each
    other in time.

    Raises
    ------
    CacheError
        If a store does not belong to its manifest and the run's recipe.
    TrainingError
        If the split names an item that no store has, or leaves the training or test part empty.
    """
    from serflow.features import cache

    recipe = spec["system_config"]["recipe"]
    manifest_rows = [read_csv(path) for path in manifests]
    features = [cache.load(store, recipe, rows) for store, rows in zip(stores, manifest_rows, strict=True)]
    places: dict[str, list[tuple[int, int]]] = {}
    emotion_of: dict[str, str] = {}
    for c, rows in enumerate(manifest_rows):
        for n, name in enumerate(features[c].names(rows)):
            places.setdefault(name, []).append((c, n))
            emotion_of[name] = rows[features[c].utterance[n]]["emotion"]
    part_of = _assign(spec, split, emotion_of)
    utterances = list(part_of)
    emotions = [emotion_of[name] for name in utterances]
    owner = np.repeat(np.arange(len(utterances)), [len(places[name]) for name in utterances])
    part_names = [*PARTS, OTHER] if spec["others"] else PARTS
    parts = {part: np.flatnonzero([part_of[utterances[u]] == part for u in owner]) for part in part_names}
    for part in ("train", "test"):
        if not len(parts[part]):
            raise TrainingError(split, f"fold {spec['fold']} has no utterance to {part}", "Check protocol and corpus.")
    index = {label: n for n, label in enumerate(spec["labels"])}
    labels = np.array([index.get(emotions[u], -1) for u in owner], dtype=np.int64)
    frames, offsets, digest = _gather(features, [place for name in utterances for place in places[name]])
    return Dataset(frames, offsets, labels, parts, utterances, owner, emotions), digest


def _assign(spec: Mapping[str, Any], split: Path, emotion_of: Mapping[str, str]) -> dict[str, str]:
    """Return the part of each utterance that a run takes, in the split's order; `emotion_of` holds those cached."""
    found = read_fold(split, spec["fold"])
    part_of = {name: part for name, part in found.items() if part in PARTS}
    for name in part_of:
        if name not in emotion_of:
            raise TrainingError(
                split, f"names {name}, which no feature cache has", "Make the split again with `serflow split`."
            )
        if emotion_of[name] in spec["others"]:
            part_of[name] = OTHER
        elif emotion_of[name] not in spec["labels"]:
            fault = f"has {name} in a part, whose emotion {emotion_of[name]} is not in the label set"
            raise TrainingError(split, fault, "Make the split again with the run's labels.")
    return part_of


def _gather(features: Sequence[Features], places: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, str]:
    """Return frames, offsets and digest of the items at (corpus, n), in that order; of one corpus without a copy."""
    corpus, items = np.array(places, dtype=np.int64).T
    chosen = [np.flatnonzero(corpus == c) for c in range(len(features))]
    digest = digest_value([part.digest(items[at]) for part, at in zip(features, chosen, strict=True)])
    lengths = np.array([features[c].offsets[n + 1] - features[c].offsets[n] for c, n in places], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    if len(features) == 1:
        return features[0].read(items), offsets, digest
    blocks = [part.read(items[at]) for part, at in zip(features, chosen, strict=True)]
    frames = np.empty((offsets[-1], blocks[0].shape[1]), dtype=blocks[0].dtype)
    for block, at in zip(blocks, chosen, strict=True):
        ends = np.cumsum(lengths[at])
        for n, end in zip(at, ends, strict=True):
            frames[offsets[n] : offsets[n + 1]] = block[end - lengths[n] : end]
    return frames, offsets, digest


def write_run(output: Path, labels: Sequence[str], data: Dataset, result: Fit, record: Mapping[str, Any]) -> None:
    """Write a run directory; `run.json` last, so that its presence says that the rest is whole."""
    from serflow.training.result import HISTORY

    part_of = {int(data.owner[n]): part for part, indices in data.parts.items() for n in indices}
    rows = []
    posteriors = data.average(result.posteriors)
    for u, (name, best) in enumerate(zip(data.utterances, _predict(data, result, posteriors), strict=True)):
        row = {"utterance": name, "part": part_of[u], "label": data.emotions[u], "predicted": labels[best]}
        rows.append(row | {label: f"{p:.6g}" for label, p in zip(labels, posteriors[u], strict=True)})
    (output / "run.json").unlink(missing_ok=True)  # an earlier run's would vouch for a mixture
    with atomic_path(output / "model") as partial:
        save_model(result.model, record["model_format"], partial)
    write_csv(output / "history.csv", HISTORY, [{k: f"{v:.6g}" for k, v in row.items()} for row in result.history])
    write_csv(output / "predictions.csv", ["utterance", "part", "label", "predicted", *labels], rows)
    write_json(output / "run.json", record)


def _predict(data: Dataset, result: Fit, posteriors: np.ndarray) -> np.ndarray:
    """Return the class of each utterance, (U,): of one in segments the best by `posteriors`, else the model's own."""
    _, first, counts = np.unique(data.owner, return_index=True, return_counts=True)
    return np.where(counts == 1, result.predicted[first], posteriors.argmax(1))


def save_model(model: Any, model_format: str, path: Path) -> None:
    """Write a network's weights (safetensors) or an estimator (skops): neither format can hold code."""
    if model_format == "skops":
        import skops.io

        skops.io.dump(model, path)
        return
    from safetensors.torch import save

    # Not its save_file, whose error on a full disk is not the system's.
    path.write_bytes(save({key: value.contiguous().cpu() for key, value in model.state_dict().items()}))


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
