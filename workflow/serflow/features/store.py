"""The feature store, as a training reads it: one Zarr store per corpus and recipe.

It holds `frames` (T, bins) in the recipe's ``dtype``, `offsets` (N + 1), `utterance` (N), the row of the manifest that
item n, ``frames[offsets[n]:offsets[n + 1]]``, belongs to, `copy` (N): 0 for the recording itself, k for its k-th
augmented copy, `segment` (N): which part of the utterance it is, from 0, and `sha256` (N, 32): the digest of the item's
frames. A store is opened only with the key it was built for (audio, recipe, code and libraries), so that frames of
other settings are never read under this recipe's name. Frames stay on disk until they are asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.core.sync import sync

from serflow import sources
from serflow.errors import CacheError
from serflow.features.recipes import Recipe, kinds_of, versions_of
from serflow.features.segments import count_segments
from serflow.io.files import digest_value
from serflow.items import Item, Row, items_of

FORMAT = 3
#: Frames are read from Zarr and handed to it in blocks of this size. It bounds the memory beside the frames asked for.
BLOCK_BYTES = 32 << 20
REBUILD = "Delete the store and build it again with `serflow features` or snakemake."
#: The arrays beside `frames`, which are read when a store is opened.
INDEX = ("offsets", "utterance", "copy", "segment", "sha256")


@dataclass(frozen=True)
class Features:
    """An open store: what its N items are (see above), and their frames, still on disk."""

    offsets: np.ndarray
    utterance: np.ndarray
    copy: np.ndarray
    segment: np.ndarray
    sha256: np.ndarray
    #: The utterance or augmented copy that each item is of; an utterance's segments share it.
    items: list[Item]
    store: Path
    #: Zarr array (T, bins), which `read` reads and checks.
    stored: Any

    def digest(self, items: np.ndarray) -> str:
        """Return the SHA-256 over the digests of `items`, in their order, without reading their frames."""
        return hashlib.sha256(np.ascontiguousarray(self.sha256[items]).data).hexdigest()

    def read(self, items: np.ndarray) -> np.ndarray:
        """Return the frames of `items` (int64, any order), one item after the other.

        Returns
        -------
        numpy.ndarray
            Shape (sum of the items' lengths, bins), the stored dtype, allocated once.

        Raises
        ------
        CacheError
            If an item's frames are not those that were written, or memory does not hold them.
        """
        items = np.asarray(items, dtype=np.int64)
        starts, stops = self.offsets[items], self.offsets[items + 1]
        ends = np.cumsum(stops - starts)
        try:
            frames = np.empty((ends[-1] if len(items) else 0, self.stored.shape[1]), self.stored.dtype)
        except MemoryError as error:
            fault, remedy = f"its frames do not fit into memory ({error})", "Run fewer jobs at a time"
            raise CacheError(self.store, fault, f"{remedy}, or where there is more memory.") from error
        for group in self._blocks(items):
            first = starts[group[0]]
            block = self._read_rows(first, stops[group].max())
            for k in group:
                item = block[starts[k] - first : stops[k] - first]
                if hashlib.sha256(item.data).digest() != self.sha256[items[k]].tobytes():
                    fault = f"holds other frames of item {items[k]} than were written: it is damaged"
                    raise CacheError(self.store, fault, REBUILD)  # zarr takes zeros for a chunk that is lost
                frames[ends[k] - len(item) : ends[k]] = item
        return frames

    def _blocks(self, items: np.ndarray) -> Iterator[list[int]]:
        """Yield positions in `items` in the store's order, grouped: near each other and BLOCK_BYTES in all."""
        rows, bins = self.stored.chunks
        limit = max(1, BLOCK_BYTES // (bins * self.stored.dtype.itemsize))
        starts, stops = self.offsets[items], self.offsets[items + 1]
        group: list[int] = []
        for k in np.argsort(items, kind="stable").tolist():
            if group and (starts[k] - stops[group[-1]] > rows or stops[k] - starts[group[0]] > limit):
                yield group
                group = []
            group.append(k)
        if group:
            yield group

    def _read_rows(self, start: int, stop: int) -> np.ndarray:
        """Return rows ``start:stop`` of the store as they stand there, unchecked."""
        with _damage_as_error(self.store, "cannot be read"):
            return np.ascontiguousarray(self.stored[int(start) : int(stop)])


@contextmanager
def _damage_as_error(store: Path, fault: str) -> Iterator[None]:
    """Raise a CacheError in place of what Zarr and its codecs raise for a damaged store: half a dozen kinds."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        sync(_finish_chunks())
        raise CacheError(store, f"{fault} ({error})", REBUILD) from error


async def _finish_chunks() -> None:
    """Wait for the other chunks of a failed read: Zarr goes on with them, and asyncio would print their errors."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)


def store_key(recipe: Recipe, manifest: Sequence[Row]) -> dict[str, Any]:
    """Return what a store depends on: format, recipe, the utterances with their audio's SHA-1, code and libraries.

    The code is what building the store runs for this recipe, without comments and docstrings.
    """
    code: list[str | Path] = ["serflow.features.build", *(kinds.file(name) for kinds, name in kinds_of(recipe))]
    return {
        "format": FORMAT,
        "recipe": dict(recipe),
        "audio": digest_value([[row["utterance"], row["sha1"]] for row in manifest]),
        "code": sources.digest(*code),
        "libraries": versions_of(recipe),
    }


def open_store(store: Path, recipe: Recipe, manifest: Sequence[Row]) -> Features:
    """Open a store; its frames are read by `Features.read`.

    Raises
    ------
    CacheError
        If the store is missing, incomplete or damaged, or was made from another recipe, other audio or other code, or
        with other versions of libraries.
    """
    key, incomplete = store_key(recipe, manifest), "is no complete feature store"
    with _damage_as_error(store, incomplete):
        group: Any = zarr.open_group(store, mode="r")
        found = {part: group.attrs.get(part) for part in key}
    for part, expected in key.items():
        if part == "libraries" and found[part] != expected:
            before = found[part] or {}
            changed = {name: now for name, now in expected.items() if before.get(name) != now}
            told = ", ".join(f"{name} {before.get(name)} instead of {now}" for name, now in changed.items())
            raise CacheError(store, f"was made with {told}", REBUILD)
        if found[part] != expected:
            raise CacheError(store, f"was made from another {part}: {found[part]} instead of {expected}", REBUILD)
    with _damage_as_error(store, incomplete):
        frames, arrays = group["frames"], {name: np.asarray(group[name][:]) for name in INDEX}
    if group.attrs.get("index") != digest_index(arrays):
        raise CacheError(store, "holds another index of its items than was written: it is damaged", REBUILD)
    offsets, n_items = arrays["offsets"], len(number_items(recipe, manifest)["utterance"])
    if len(offsets) != n_items + 1 or offsets[-1] != frames.shape[0] or (np.diff(offsets) <= 0).any():
        raise CacheError(store, f"holds {len(offsets) - 1} items, expected {n_items} with frames each", REBUILD)
    items = [items_of(row, recipe.get("copies", {})) for row in manifest]
    named = [items[row][k] for row, k in zip(arrays["utterance"], arrays["copy"], strict=True)]
    return Features(**arrays, items=named, store=store, stored=frames)


def number_items(recipe: Recipe, manifest: Sequence[Row]) -> dict[str, np.ndarray]:
    """Return the arrays ``utterance``, ``copy`` and ``segment`` of a store, shape (N,) each."""
    segments = segments_of(recipe, manifest)
    per_utterance = segments * (1 + len(recipe.get("copies", {})))
    utterance = np.repeat(np.arange(len(manifest), dtype=np.int64), per_utterance)
    within = np.arange(len(utterance)) - (np.cumsum(per_utterance) - per_utterance)[utterance]
    copy, segment = np.divmod(within, segments[utterance])
    return {"utterance": utterance, "copy": copy, "segment": segment}


def segments_of(recipe: Recipe, manifest: Sequence[Row]) -> np.ndarray:
    """Return the number of parts each utterance is cut into, shape (n_utterances,), int64."""
    seconds = recipe.get("segment_seconds")
    if seconds is None:
        return np.ones(len(manifest), dtype=np.int64)
    counts = [count_segments(int(row["samples"]), int(row["sample_rate"]), seconds) for row in manifest]
    return np.array(counts, dtype=np.int64)


def digest_index(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 over the arrays of `INDEX`."""
    return digest_value([hashlib.sha256(np.ascontiguousarray(arrays[name]).data).hexdigest() for name in INDEX])
