"""The Zarr feature cache: one store per corpus and recipe, whose key is the audio, every parameter and the code.

A store holds `frames` (T, bins) in the recipe's ``dtype``, `offsets` (N + 1), `utterance` (N), the row of the manifest
that item n, ``frames[offsets[n]:offsets[n + 1]]``, belongs to, `copy` (N): 0 for the recording itself, k for its k-th
copy, `segment` (N): which part of the utterance it is, from 0, and `sha256` (N, 32): the digest of the item's frames.
It is opened only with the key it was made for, so that frames of other settings can never be read under this recipe's
name. Frames stay on disk until they are asked for.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from serflow.errors import CacheError, CorpusError
from serflow.features import DTYPES, transform
from serflow.features.copies import make_items
from serflow.features.segments import count_segments, cut
from serflow.io.files import digest_file, digest_value, replace_folder, workspace
from serflow.io.log import show_progress
from serflow.io.workers import start_workers
from serflow.protocols.protocols import item_ids

FORMAT = 3
CHUNK_BYTES = 1 << 20
#: Frames are handed to Zarr and taken from it in blocks of this size: it bounds the memory beside the frames asked for.
FLUSH_BYTES = 32 << 20
#: Utterances per task of a worker: enough to hide a task's cost, few enough to balance and to show progress.
BATCH = 16
#: Distributions whose versions decide what a transform gives.
LIBRARIES = ("librosa", "numpy", "praat-parselmouth", "scipy", "soundfile", "soxr")
REBUILD = "Delete the store and build it again with `serflow features` or snakemake."
#: The arrays beside `frames`: what `load` reads.
INDEX = ("offsets", "utterance", "copy", "segment", "sha256")


@dataclass(frozen=True)
class Features:
    """An open cache: what its N items are (see above), the names of its copies, and their frames, still on disk."""

    offsets: np.ndarray
    utterance: np.ndarray
    copy: np.ndarray
    segment: np.ndarray
    sha256: np.ndarray
    copies: tuple[str, ...]
    store: Path
    #: Zarr array (T, bins): `read` checks what it takes from it.
    stored: Any

    def names(self, manifest: Sequence[Mapping[str, str]]) -> list[str]:
        """Return the id of each item (see `serflow.protocols.protocols.item_ids`); an utterance's segments share it."""
        ids = [item_ids(row["utterance"], self.copies) for row in manifest]
        return [ids[row][k] for row, k in zip(self.utterance, self.copy, strict=True)]

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
        """Yield positions in `items` in the store's order, grouped: near each other and FLUSH_BYTES in all."""
        rows, bins = self.stored.chunks
        limit = max(1, FLUSH_BYTES // (bins * self.stored.dtype.itemsize))
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
        try:
            return np.ascontiguousarray(self.stored[int(start) : int(stop)])
        except MemoryError:
            raise
        except Exception as error:  # Zarr and its codecs raise half a dozen kinds for a damaged store
            # Zarr goes on with the other chunks, of which asyncio would tell when the process ends.
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            raise CacheError(self.store, f"cannot be read ({error})", REBUILD) from error


def code_digest() -> str:
    """Return the SHA-256 over what computes features: this package's sources and the libraries' versions."""
    sources = {path.name: digest_file(path) for path in sorted(Path(__file__).parent.rglob("*.py"))}
    libraries = {name: version(name) for name in LIBRARIES}
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
        Rows with ``utterance``, ``path`` (relative to `root`) and ``sha1``; for a recipe with ``segment_seconds`` also
        ``samples`` and ``sample_rate``.
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

    transform(recipe)  # names a wrong parameter before anything else is done
    key = cache_key(recipe, manifest)
    with workspace(store) as partial:
        group = zarr.create_group(partial)
        utterance, copy, segment = _number_items(recipe, manifest)
        lengths, sha256 = _write_frames(group, _compute(recipe, manifest, root, workers))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        arrays = dict(zip(INDEX, (offsets, utterance, copy, segment, sha256), strict=True))
        for name, array in arrays.items():
            group.create_array(name, data=array)
        # Last: a store without its key is never taken for a whole one.
        group.attrs.update({**key, "index": _digest_index(arrays)})
        _validate(partial, key, len(utterance))
        replace_folder(partial, store)


def load(store: Path, recipe: Mapping[str, Any], manifest: Sequence[Mapping[str, str]]) -> Features:
    """Open a store; its frames are read by `Features.read`.

    Raises
    ------
    CacheError
        If the store is missing, incomplete or damaged, or was made from another recipe, other audio or other code.
    """
    n_items = len(_number_items(recipe, manifest)[0])
    frames, arrays = _validate(store, cache_key(recipe, manifest), n_items)
    return Features(**arrays, copies=tuple(sorted(recipe.get("copies", {}))), store=store, stored=frames)


def _number_items(
    recipe: Mapping[str, Any], manifest: Sequence[Mapping[str, str]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what each item of a cache is: its row of the manifest, its copy and its segment, shape (N,) each."""
    segments = _count_segments(recipe, manifest)
    per_utterance = segments * (1 + len(recipe.get("copies", {})))
    utterance = np.repeat(np.arange(len(manifest), dtype=np.int64), per_utterance)
    within = np.arange(len(utterance)) - (np.cumsum(per_utterance) - per_utterance)[utterance]
    copy, segment = np.divmod(within, segments[utterance])
    return utterance, copy, segment


def _count_segments(recipe: Mapping[str, Any], manifest: Sequence[Mapping[str, str]]) -> np.ndarray:
    """Return the number of parts each utterance is cut into, shape (n_utterances,), int64."""
    if "segment_seconds" not in recipe:
        return np.ones(len(manifest), dtype=np.int64)
    seconds = recipe["segment_seconds"]
    counts = [count_segments(int(row["samples"]), int(row["sample_rate"]), seconds) for row in manifest]
    return np.array(counts, dtype=np.int64)


def _digest_index(arrays: Mapping[str, np.ndarray]) -> str:
    return digest_value([hashlib.sha256(np.ascontiguousarray(arrays[name]).data).hexdigest() for name in INDEX])


def _validate(store: Path, key: Mapping[str, Any], n_items: int) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the store's array `frames` and its other arrays after checking key and content, all but the frames."""
    import zarr

    try:
        group: Any = zarr.open_group(store, mode="r")
        for part, expected in key.items():
            if group.attrs.get(part) != expected:
                fault = f"was made from another {part}: {group.attrs.get(part)} instead of {expected}"
                raise CacheError(store, fault, REBUILD)
        frames, arrays = group["frames"], {name: np.asarray(group[name][:]) for name in INDEX}
    except (CacheError, MemoryError):
        raise
    except Exception as error:  # Zarr and its codecs raise half a dozen kinds for a damaged store
        raise CacheError(store, f"is no complete feature cache ({error})", REBUILD) from error
    if group.attrs.get("index") != _digest_index(arrays):
        raise CacheError(store, "holds another index of its items than was written: it is damaged", REBUILD)
    offsets = arrays["offsets"]
    if len(offsets) != n_items + 1 or offsets[-1] != frames.shape[0] or (np.diff(offsets) <= 0).any():
        raise CacheError(store, f"holds {len(offsets) - 1} items, expected {n_items} with frames each", REBUILD)
    return frames, arrays


def _write_frames(group: Any, items: Iterator[np.ndarray]) -> tuple[list[int], np.ndarray]:
    """Append items to the array `frames` in whole chunks as they come; return their lengths and SHA-256, (N, 32)."""
    lengths: list[int] = []
    digests: list[bytes] = []
    pending: list[np.ndarray] = []
    array, rows = None, 0
    for item in items:
        lengths.append(len(item))
        digests.append(hashlib.sha256(np.ascontiguousarray(item).data).digest())
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
    return lengths, np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32)


def _flush(array: Any, pending: list[np.ndarray], multiple: int) -> list[np.ndarray]:
    """Append all but the last ``n % multiple`` of the pending frames; return those, so that chunks are written once."""
    block = np.concatenate(pending)
    whole = len(block) - len(block) % multiple
    start = array.shape[0]
    array.resize((start + whole, array.shape[1]))
    rows = array.chunks[0]
    for first in range(0, whole, rows):  # alone: when one fails, Zarr goes on with the others of its call
        array[start + first : start + min(first + rows, whole)] = block[first : min(first + rows, whole)]
    return [block[whole:]]


def _compute(
    recipe: Mapping[str, Any], manifest: Sequence[Mapping[str, str]], root: Path, workers: int
) -> Iterator[np.ndarray]:
    """Yield each item's frames in the manifest's order, computed by a pool of processes."""
    from tqdm import tqdm

    segments = _count_segments(recipe, manifest).tolist()
    utterances = [(row["utterance"], root / row["path"], n) for row, n in zip(manifest, segments, strict=True)]
    batches = [utterances[start : start + BATCH] for start in range(0, len(utterances), BATCH)]
    _import_libraries(recipe)
    with (
        tqdm(total=len(utterances), unit="utt", desc="features", disable=not show_progress()) as bar,
        start_workers(workers, _one_thread) as pool,
    ):
        for batch, items in zip(batches, pool.map(_compute_batch, [dict(recipe)] * len(batches), batches), strict=True):
            yield from items
            bar.update(len(batch))


def _import_libraries(recipe: Mapping[str, Any]) -> None:
    import soundfile  # noqa: F401

    from serflow.features.kernels import librosa

    # librosa loads its modules on first access
    librosa.stft, librosa.filters.mel, librosa.power_to_db, librosa.feature.mfcc  # noqa: B018
    if recipe.get("copies"):
        librosa.effects.time_stretch  # noqa: B018


def _one_thread() -> None:
    """Keep BLAS to one thread per worker: as many again only wait for each other (twice the time, measured)."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _compute_batch(recipe: Mapping[str, Any], utterances: Sequence[tuple[str, Path, int]]) -> list[np.ndarray]:
    from librosa import ParameterError

    from serflow.features.audio import read_signal

    function = transform(recipe)
    rate, copies, dtype = recipe["sample_rate"], recipe.get("copies", {}), recipe.get("dtype", DTYPES[0])
    items = []
    for name, path, n_segments in utterances:
        try:
            signals = make_items(read_signal(path, rate), rate, name, copies)
            frames = [
                function(part).astype(dtype, copy=False) for signal in signals for part in cut(signal, n_segments)
            ]
        except ParameterError as error:
            raise CacheError("recipe", f"librosa refuses its parameters: {error}", "Correct them.") from error
        if not all(np.isfinite(item).all() for item in frames):
            raise CorpusError(
                path, "gives features that are not finite", "Listen to the file; replace it from the archive."
            )
        items.extend(frames)
    return items
