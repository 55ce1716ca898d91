"""Building a feature store: computes a recipe over a corpus and writes the frames."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from serflow.errors import CorpusError
from serflow.features.audio import read_signal
from serflow.features.recipes import DTYPE, Recipe, make_copies, make_transform
from serflow.features.segments import cut
from serflow.features.store import BLOCK_BYTES, digest_index, number_items, open_store, segments_of, store_key
from serflow.io.files import replace_folder, workspace
from serflow.io.log import show_progress
from serflow.io.workers import map_ahead, start_workers
from serflow.items import Row, items_of

CHUNK_BYTES = 1 << 20
#: Utterances per task of a worker: enough to hide a task's cost, few enough to balance and to show progress.
BATCH = 16
#: Tasks of each worker that are computed before they are written: the disk may be slower.
AHEAD = 4


def build_store(
    recipe: Recipe, manifest: Sequence[Row], root: Path, store: Path, workers: int, device: str = "cpu"
) -> None:
    """Compute a recipe over all utterances of a manifest and write the store, whole or not at all.

    Parameters
    ----------
    recipe
        See `serflow.features.recipes`.
    manifest
        Rows with ``corpus``, ``utterance``, ``path`` (relative to `root`), ``samples``, ``sample_rate`` and ``sha1``.
    root
        The corpus tree.
    store
        Where the store will stand; an existing one is replaced.
    workers
        Number of processes.
    device
        What an encoder computes on, as torch names it. On a GPU one process does all.

    Raises
    ------
    ConfigError, WeightsError
        If the recipe cannot be used.
    CorpusError
        If a recording cannot be read, is not the one that the manifest was made of, or its features are not finite.
    CacheError
        If what was written cannot be read back complete.
    """
    with workspace(store) as partial:
        # Refuses a wrong recipe, and imports what the workers call before they are forked, so that they share it.
        make_transform(recipe, device)
        make_copies(recipe)
        group = zarr.create_group(partial)
        lengths, sha256 = _write_frames(group, _compute(recipe, manifest, root, workers, device))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        arrays = {"offsets": offsets, **number_items(recipe, manifest), "sha256": sha256}
        for name, array in arrays.items():
            group.create_array(name, data=array)
        # Last: a store without its key is never taken for a whole one.
        group.attrs.update({**store_key(recipe, manifest), "index": digest_index(arrays)})
        open_store(partial, recipe, manifest)
        replace_folder(partial, store)


def _write_frames(group: Any, items: Iterator[np.ndarray]) -> tuple[list[int], np.ndarray]:
    """Append items to the array `frames` in whole chunks as they come; return their lengths and SHA-256, (N, 32)."""
    lengths: list[int] = []
    digests: list[bytes] = []
    pending: list[np.ndarray] = []
    array, rows, waiting = None, 0, 0  # rows of a chunk, and of what is pending
    for item in items:
        lengths.append(len(item))
        digests.append(hashlib.sha256(np.ascontiguousarray(item).data).digest())
        pending.append(item)
        waiting += len(item)
        if array is None:
            rows = max(1, CHUNK_BYTES // (item.shape[1] * item.itemsize))
            shape, chunks = (0, item.shape[1]), (rows, item.shape[1])
            # Uncompressed: float log-spectra shrink by a tenth only, and each training job reads the store again.
            array = group.create_array("frames", shape=shape, chunks=chunks, dtype=item.dtype, compressors=None)
        if waiting * item.shape[1] * item.itemsize >= BLOCK_BYTES:
            pending = _flush(array, pending, rows)
            waiting = len(pending[0])
    if array is not None:
        _flush(array, pending, 1)
    return lengths, np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32)


def _flush(array: Any, pending: list[np.ndarray], multiple: int) -> list[np.ndarray]:
    """Append all but the last ``n % multiple`` of the pending frames; return those, so that chunks are written once."""
    block = np.concatenate(pending)
    whole = len(block) - len(block) % multiple
    start = array.shape[0]
    array.resize((start + whole, array.shape[1]))
    rows = array.chunks[0]
    for first in range(0, whole, rows):  # one chunk at a time: when one fails, Zarr writes the others of its call
        array[start + first : start + min(first + rows, whole)] = block[first : min(first + rows, whole)]
    return [block[whole:]]


def _compute(recipe: Recipe, manifest: Sequence[Row], root: Path, workers: int, device: str) -> Iterator[np.ndarray]:
    """Yield each item's frames in the manifest's order."""
    segments = segments_of(recipe, manifest).tolist()
    utterances = [(row, root / row["path"], n) for row, n in zip(manifest, segments, strict=True)]
    batches = [utterances[start : start + BATCH] for start in range(0, len(utterances), BATCH)]
    with (
        tqdm(total=len(utterances), unit="utt", desc="features", disable=not show_progress()) as bar,
        _start(workers, device) as each,
    ):
        same = itertools.repeat(dict(recipe)), itertools.repeat(device)
        for batch, items in zip(batches, each(_compute_batch, batches, *same), strict=True):
            yield from items
            bar.update(len(batch))


@contextlib.contextmanager
def _start(workers: int, device: str) -> Iterator[Callable[..., Iterator[Any]]]:
    """Yield a `map` over a pool of processes; on a GPU, which forked processes cannot use, the one of this process."""
    if device != "cpu":
        yield map
        return
    with start_workers(workers, _use_one_thread) as pool:
        yield functools.partial(map_ahead, pool, AHEAD * workers)


def _use_one_thread() -> None:
    """Keep BLAS to one thread per worker: as many again only wait for each other (twice the time, measured)."""
    threadpool_limits(1)


def _compute_batch(utterances: Sequence[tuple[Row, Path, int]], recipe: Recipe, device: str) -> list[np.ndarray]:
    """Return the frames of each item of some utterances, given as row, recording and number of segments."""
    transform, copies, dtype = make_transform(recipe, device), make_copies(recipe), recipe.get("dtype", DTYPE)
    items = []
    for row, path, n_segments in utterances:
        signals = make_signals(read_signal(path, recipe["sample_rate"], row), row, copies)
        try:
            frames = [transform(part).astype(dtype, copy=False) for one in signals for part in cut(one, n_segments)]
        except CorpusError as error:  # of a transform, which does not know whose signal it is
            raise CorpusError(path, error.fault, error.remedy) from None
        if not all(np.isfinite(item).all() for item in frames):
            fault = "gives features that are not finite"
            raise CorpusError(path, fault, "Listen to the file; replace it from the archive.")
        items.extend(frames)
    return items


def make_signals(signal: np.ndarray, row: Row, copies: Mapping[str, Callable[..., np.ndarray]]) -> list[np.ndarray]:
    """Return the signals of an utterance's items (see `items_of`): the recording, then its augmented copies.

    `copies` is what `make_copies` returned.
    Random numbers are seeded by the utterance's name, so that a copy depends neither on order nor on other utterances.
    """
    seed = int.from_bytes(hashlib.sha256(row["utterance"].encode()).digest()[:8])
    made = {"": signal, **{name: make(signal, seed=seed) for name, make in copies.items()}}
    return [made[item.copy] for item in items_of(row, copies)]
