"""Reading what a run is trained on: the items of its fold's parts, with labels, from manifests, features and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from serflow.corpora.manifest import read_manifest
from serflow.errors import TrainingError
from serflow.features.store import Features, open_store
from serflow.io.files import digest_value
from serflow.items import item_id, speaker_of
from serflow.protocols.assignment import SPLIT_AGAIN, read_fold
from serflow.runs import OTHER, PARTS, Spec
from serflow.training.dataset import Dataset


def load_dataset(spec: Spec, manifests: Sequence[Path], stores: Sequence[Path], split: Path) -> tuple[Dataset, str]:
    """Read what a run needs into memory: frames of all member corpora, labels, and the parts of the run's fold.

    The second value is the digest of those frames. Utterances outside the fold's three parts (``unused``) are left out;
    in which part those of the emotions ``others`` stand makes no difference. The segments of an utterance follow each
    other in time.

    Parameters
    ----------
    spec
        The run.
    manifests, stores
        One per member corpus, in the same order.
    split
        The split of the run's protocol and seed.

    Raises
    ------
    CacheError
        If a store does not belong to its manifest and the run's recipe.
    TrainingError
        If the split names an item that no store has, or leaves the training or test part empty.
    """
    tables = [read_manifest(path) for path in manifests]
    features = [open_store(store, spec.system["recipe"], rows) for store, rows in zip(stores, tables, strict=True)]
    places: dict[str, list[tuple[int, int]]] = {}
    emotion_of: dict[str, str] = {}
    speakers: dict[str, str] = {}
    for c, (held, rows) in enumerate(zip(features, tables, strict=True)):
        for n, item in enumerate(held.items):
            identity = item_id(item, spec.run.corpora)
            places.setdefault(identity, []).append((c, n))
            row = rows[held.utterance[n]]
            emotion_of[identity], speakers[identity] = row["emotion"], speaker_of(row)
    part_of = _assign(spec, split, emotion_of)
    utterances = list(part_of)
    emotions = [emotion_of[identity] for identity in utterances]
    owner = np.repeat(np.arange(len(utterances)), [len(places[identity]) for identity in utterances])
    part_names = [*PARTS, OTHER] if spec.others else PARTS
    parts = {part: np.flatnonzero([part_of[utterances[u]] == part for u in owner]) for part in part_names}
    for part in ("train", "test"):
        if not len(parts[part]):
            fault = f"fold {spec.run.fold} has no utterance to {part}"
            raise TrainingError(split, fault, "Check protocol and corpus.")
    index = {label: n for n, label in enumerate(spec.labels)}
    labels = np.array([index.get(emotions[u], -1) for u in owner], dtype=np.int64)
    frames, offsets, digest = _gather(features, [place for identity in utterances for place in places[identity]])
    known = [speakers[identity] for identity in utterances]
    return Dataset(frames, offsets, labels, parts, utterances, owner, emotions, known), digest


def _assign(spec: Spec, split: Path, emotion_of: Mapping[str, str]) -> dict[str, str]:
    """Return the part of each item that a run takes, in the split's order; `emotion_of` holds those cached."""
    part_of = {name: part for name, part in read_fold(split, spec.run.fold).items() if part in PARTS}
    for name in part_of:
        if name not in emotion_of:
            raise TrainingError(split, f"names {name}, which no feature cache has", SPLIT_AGAIN)
        if emotion_of[name] in spec.others:
            part_of[name] = OTHER
        elif emotion_of[name] not in spec.labels:
            fault = f"has {name} in a part, whose emotion {emotion_of[name]} is not in the label set"
            raise TrainingError(split, fault, SPLIT_AGAIN)
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
    frames: dict[int, np.ndarray] = {}
    for part, at in zip(features, chosen, strict=True):
        pieces = np.split(part.read(items[at]), np.cumsum(lengths[at]))  # and an empty one
        frames |= zip(at.tolist(), pieces, strict=False)
    return np.concatenate([frames[n] for n in range(len(places))]), offsets, digest
