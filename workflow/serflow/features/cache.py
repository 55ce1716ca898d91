"""The Zarr feature cache: one store per corpus and recipe, whose key is the audio, every parameter and the code.

A store holds `frames` (T, bins), `offsets` (N + 1), `utterance` (N), the row of the manifest that item n,
``frames[offsets[n]:offsets[n + 1]]``, belongs to, and `copy` (N): 0 for the recording itself, k for its k-th copy.
It is opened only with the key it was made for, so that frames of other settings can never be read under this recipe's
name.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from serflow.errors import CacheError, CorpusError
from serflow.features import transform
from serflow.features.copies import make_items
from serflow.files import digest_file, digest_value
from serflow.log import show_progress
from serflow.protocols import item_ids

FORMAT = 2
CHUNK_BYTES = 1 << 20
#: Frames are handed to Zarr in blocks of this size: it bounds the memory of a build.
FLUSH_BYTES = 32 << 20
#: Utterances per task of a worker: enough to hide a task's cost, few enough to balance and to show progress.
BATCH = 16
REBUILD = "Delete the store and build it again with `serflow features` or snakemake."


@dataclass(frozen=True)
class Features:
    """A cache in memory: the arrays of a store (see above), the frames' SHA-256 and the names of its copies."""

    frames: np.ndarray
    offsets: np.ndarray
    utterance: np.ndarray
    copy: np.ndarray
    sha256: str
    copies: tuple[str, ...]

    def names(self, manifest: Sequence[Mapping[str, str]]) -> list[str]:
        """Return the id of each item (see `serflow.protocols.item_ids`)."""
        ids = [item_ids(row["utterance"], self.copies) for row in manifest]
        return [ids[row][k] for row, k in zip(self.utterance, self.copy, strict=True)]


def code_digest() -> str:
    """Return the SHA-256 over what computes features: this package's sources and the libraries' versions."""
    sources = {path.name: digest_file(path) for path in sorted(Path(__file__).parent.glob("*.py"))}
    libraries = {name: version(name) for name in ("librosa", "numpy", "scipy", "soundfile", "soxr")}
    return digest_value([sources, libraries])


def cache_key(recipe: Mapping[str, Any], manifest: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return what a cache depends on: format, recipe, code, and the manifest's utterances with their audio's SHA-1."""
    audio = digest_value([[row["utterance"], row["sha1"]] for row in manifest])
    return {"format": FORMAT, "recipe": dict(recipe), "audio": audio, "code": code_digest()}


def build(
    recipe: Mapping[str, Any], manifest: Sequence[Mapping[str, str]], root: Path, store: Path, workers: int
) -> None:
    """Compute a recipe over all utterances of a manifest and write the store, whole or not at all.

    Parameters
    ----------
    recipe
        See `serflow.features.transform`.
    manifest
        Rows with ``utterance``, ``path`` (relative to `root`) and ``sha1``.
    root
        The corpus tree.
    store
        Where the store will stand; an existing one is replaced.
    workers
        Number of processes.

    Raises
    ------
    CorpusError
        If a recording cannot be read or its features are not finite.
    CacheError
        If what was written cannot be read back complete.
    """
    import zarr

    key = cache_key(recipe, manifest)
    partial = store.with_name(f".{store.name}.{os.getpid()}.partial")
    store.parent.mkdir(parents=True, exist_ok=True)
    try:
        group = zarr.create_group(partial, overwrite=True)
        lengths, sha256 = _write_frames(group, _compute(recipe, manifest, root, workers))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        group.create_array("offsets", data=offsets)
        per_utterance = 1 + len(recipe.get("copies", {}))
        row, copy = np.divmod(np.arange(len(manifest) * per_utterance, dtype=np.int64), per_utterance)
        group.create_array("utterance", data=row)
        group.create_array("copy", data=copy)
        # Last: a store without its key is never taken for a whole one.
        group.attrs.update({**key, "sha256": sha256})
        _validate(partial, key, len(row))
        shutil.rmtree(store, ignore_errors=True)
        partial.rename(store)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def load(store: Path, recipe: Mapping[str, Any], manifest: Sequence[Mapping[str, str]]) -> Features:
    """Read a whole store into memory.

    Raises
    ------
    CacheError
        If the store is missing, incomplete or damaged, or was made from another recipe, other audio or other code.
    """
    copies = tuple(sorted(recipe.get("copies", {})))
    group = _validate(store, cache_key(recipe, manifest), len(manifest) * (1 + len(copies)))
    try:
        arrays = {name: np.asarray(group[name][:]) for name in ("frames", "offsets", "utterance", "copy")}
    except (OSError, ValueError) as error:
        raise CacheError(store, f"cannot be read ({error})", REBUILD) from error
    sha256 = hashlib.sha256(arrays["frames"].data).hexdigest()
    if sha256 != group.attrs.get("sha256"):  # zarr takes zeros for a chunk that is lost
        raise CacheError(store, "holds other frames than were written: it is damaged", REBUILD)
    return Features(**arrays, sha256=sha256, copies=copies)


def _validate(store: Path, key: Mapping[str, Any], n_items: int) -> Any:
    """Return the store's group after checking its key and its arrays' lengths."""
    import zarr

    try:
        group: Any = zarr.open_group(store, mode="r")
        offsets, frames = group["offsets"][:], group["frames"]
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise CacheError(store, f"is no complete feature cache ({error})", REBUILD) from error
    for part, expected in key.items():
        if group.attrs.get(part) != expected:
            raise CacheError(
                store, f"was made from another {part}: {group.attrs.get(part)} instead of {expected}", REBUILD
            )
    if len(offsets) != n_items + 1 or offsets[-1] != frames.shape[0] or (np.diff(offsets) <= 0).any():
        raise CacheError(store, f"holds {len(offsets) - 1} items, expected {n_items} with frames each", REBUILD)
    return group


def _write_frames(group: Any, items: Iterator[np.ndarray]) -> tuple[list[int], str]:
    """Append items to the array `frames` in whole chunks as they come; return their lengths and the frames' SHA-256."""
    lengths: list[int] = []
    sha256 = hashlib.sha256()
    pending: list[np.ndarray] = []
    array, rows = None, 0
    for item in items:
        lengths.append(len(item))
        sha256.update(np.ascontiguousarray(item).data)
        pending.append(item)
        if array is None:
            rows = max(1, CHUNK_BYTES // (item.shape[1] * item.itemsize))
            shape, chunks = (0, item.shape[1]), (rows, item.shape[1])
            # Uncompressed: float log-spectra shrink by a tenth only, and each training job reads the store again.
            array = group.create_array("frames", shape=shape, chunks=chunks, dtype=item.dtype, compressors=None)
        if sum(map(len, pending)) * item.shape[1] * item.itemsize >= FLUSH_BYTES:
            pending = _flush(array, pending, rows)
    if array is not None:
        _flush(array, pending, 1)
    return lengths, sha256.hexdigest()


def _flush(array: Any, pending: list[np.ndarray], multiple: int) -> list[np.ndarray]:
    """Append all but the last ``n % multiple`` of the pending frames; return those, so that chunks are written once."""
    block = np.concatenate(pending)
    whole = len(block) - len(block) % multiple
    start = array.shape[0]
    array.resize((start + whole, array.shape[1]))
    array[start:] = block[:whole]
    return [block[whole:]]


def _compute(
    recipe: Mapping[str, Any], manifest: Sequence[Mapping[str, str]], root: Path, workers: int
) -> Iterator[np.ndarray]:
    """Yield each item's frames in the manifest's order, computed by a pool of processes."""
    from tqdm import tqdm

    transform(recipe)  # names a wrong parameter before any process starts
    utterances = [(row["utterance"], root / row["path"]) for row in manifest]
    batches = [utterances[start : start + BATCH] for start in range(0, len(utterances), BATCH)]
    _import_libraries(recipe)
    # Forked workers share the libraries already imported; nothing here has started threads that a fork could break.
    context = multiprocessing.get_context("fork")
    with (
        tqdm(total=len(utterances), unit="utt", desc="features", disable=not show_progress()) as bar,
        ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool,
    ):
        for batch, items in zip(batches, pool.map(_compute_batch, [dict(recipe)] * len(batches), batches), strict=True):
            yield from items
            bar.update(len(batch))


def _import_libraries(recipe: Mapping[str, Any]) -> None:
    import librosa
    import soundfile  # noqa: F401

    # librosa loads its modules on first access
    librosa.stft, librosa.filters.mel, librosa.power_to_db, librosa.feature.mfcc  # noqa: B018
    if recipe.get("copies"):
        librosa.effects.time_stretch  # noqa: B018


def _one_thread() -> None:
    """Keep BLAS to one thread per worker: as many again only wait for each other (twice the time, measured)."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _compute_batch(recipe: Mapping[str, Any], utterances: Sequence[tuple[str, Path]]) -> list[np.ndarray]:
    from librosa import ParameterError

    from serflow.features.audio import read_signal

    function = transform(recipe)
    rate, copies = recipe["sample_rate"], recipe.get("copies", {})
    items = []
    for name, path in utterances:
        try:
            frames = [function(signal) for signal in make_items(read_signal(path, rate), rate, name, copies)]
        except ParameterError as error:
            raise CacheError("recipe", f"librosa refuses its parameters: {error}", "Correct them.") from error
        if not all(np.isfinite(item).all() for item in frames):
            raise CorpusError(
                path, "gives features that are not finite", "Listen to the file; replace it from the archive."
            )
        items.extend(frames)
    return items
