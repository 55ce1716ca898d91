"""Reading the recordings of a split and searching them for copies on two sides, by a pool of processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from serflow.audit.fingerprint import Fingerprint, fingerprint
from serflow.audit.matching import ROWS, Likeness, compare_block
from serflow.audit.naming import name_copy
from serflow.errors import CorpusError, SplitError
from serflow.io.log import show_progress
from serflow.io.workers import start_workers

#: Recordings or pairs per task of a worker.
BATCH = 16


#: The indices of the recordings of two parts.
Sides = tuple[Sequence[int], Sequence[int]]


class Copy(NamedTuple):
    """Two recordings that are copies of one, by their indices, and what was changed."""

    first: int
    second: int
    changes: list[str]


#: What the workers of a search share; they are forked from the process that has it.
_paths: Sequence[Path] = ()
_prints: Sequence[Fingerprint] = ()


def read_prints(paths: Mapping[Path, str], workers: int) -> list[Fingerprint]:
    """Return the fingerprints of recordings, in the order of `paths`, whose values say where each is listed.

    Raises
    ------
    SplitError
        If one is missing or cannot be read as audio.
    """
    for path, where in paths.items():
        if not path.is_file():
            raise SplitError(where, f"{str(path)!r} is no file", "Correct the path, or say where it starts by --root.")
    with start_workers(workers, _share, (), ()) as pool:
        found = pool.map(_read_print, paths, paths.values(), chunksize=BATCH)
        return list(tqdm(found, "reading", len(paths), unit="file", disable=not show_progress()))


def _read_print(path: Path, where: str) -> Fingerprint:
    try:
        return fingerprint(path)
    except CorpusError as error:
        raise SplitError(where, f"{error.where!r} {error.fault}", "Replace the file, or remove its row.") from error


def find_copies(
    paths: Sequence[Path], prints: Sequence[Fingerprint], sides: Sequence[Sides], workers: int
) -> list[list[Copy]]:
    """Return for each of some pairs of sides the copies that stand on both; identical recordings are left out.

    Parameters
    ----------
    paths, prints
        The recordings and their fingerprints.
    sides
        What to compare with what.
    workers
        Number of processes.
    """
    tasks = [
        (n, first[at : at + ROWS], second)
        for n, (first, second) in enumerate(sides)
        for at in range(0, len(first), ROWS)
    ]
    found: list[list[Copy]] = [[] for _ in sides]
    with start_workers(workers, _share, paths, prints) as pool:
        blocks = pool.map(_compare, [task[1] for task in tasks], [task[2] for task in tasks])
        compared = tqdm(blocks, "comparing", len(tasks), unit="block", disable=not show_progress())
        pairs = [(n, pair) for (n, *_), block in zip(tasks, compared, strict=True) for pair in block]
        changes = pool.map(_name, [pair for _, pair in pairs], chunksize=BATCH)
        named = tqdm(changes, "naming", len(pairs), unit="pair", disable=not show_progress())
        for (n, pair), names in zip(pairs, named, strict=True):
            if names:
                found[n].append(Copy(pair.first, pair.second, names))
    return found


def _share(paths: Sequence[Path], prints: Sequence[Fingerprint]) -> None:
    """Begin a worker: one thread of BLAS each, since more would only wait for each other."""
    global _paths, _prints
    threadpool_limits(1)
    _paths, _prints = paths, prints


def _compare(first: Sequence[int], second: Sequence[int]) -> list[Likeness]:
    found = compare_block([_prints[n] for n in first], [_prints[n] for n in second])
    pairs = (pair._replace(first=first[pair.first], second=second[pair.second]) for pair in found)
    return [pair for pair in pairs if _prints[pair.first].digest != _prints[pair.second].digest]


def _name(pair: Likeness) -> list[str]:
    return name_copy(pair, (_prints[pair.first], _prints[pair.second]), (_paths[pair.first], _paths[pair.second]))
