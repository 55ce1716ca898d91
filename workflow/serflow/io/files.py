"""Writing files so that nobody reads half of one, and digests of files and values."""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import glob
import gzip
import hashlib
import io
import itertools
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from serflow.errors import DamagedFileError
from serflow.io.log import say

#: Of files that stages write.
REMAKE = "Give another file; or if snakemake made it, delete it and run snakemake again."

#: The file in a `workspace` that its process keeps locked.
LOCK = "lock"
#: Errors of a file system without locks, on which nobody waits for anybody.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


def check_writable(folder: Path) -> None:
    """Make `folder` where it is not there; raise an OSError that names it if nothing can be written there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "the folder cannot be written to", str(folder))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the file `path`, made where it is not there, for this process; wait for another one that has it."""
    lock = FileLock(path, fallback_to_soft=False)  # the file may hold something: its presence alone is no lock
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(f"waiting for another process, which is writing {path}")
        lock.acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def workspace(path: Path | str) -> Iterator[Path]:
    """Yield a path of the same name in a new folder beside `path`, this process's alone and deleted at the end.

    The folder is locked as long as its process lives. What killed processes left behind is deleted first.
    """
    # Not filelock: it makes the file that it locks, and would put one into a folder that its owner is deleting.
    path = Path(path)
    check_writable(path.parent)
    prefix, suffix = f".{path.name}.", ".partial"
    for left in path.parent.glob(f"{glob.escape(prefix)}*{suffix}/{LOCK}"):
        with contextlib.suppress(OSError), left.open("rb+") as its_lock:
            fcntl.flock(its_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _delete_workspace(left.parent)
    folder, lock = _make_workspace(path.parent, prefix, suffix)
    try:
        with lock:
            yield folder / path.name
    except OSError as error:
        if error.errno:  # a full disk names no file
            error.filename = error.filename or str(path)
        raise
    finally:
        _delete_workspace(folder)


def _make_workspace(parent: Path, prefix: str, suffix: str) -> tuple[Path, BinaryIO]:
    """Return a new folder and its lock, which this process has."""
    while True:
        folder = Path(tempfile.mkdtemp(suffix, prefix, parent))
        try:
            lock = (folder / LOCK).open("wb")
        except OSError:
            folder.rmdir()
            raise
        with contextlib.suppress(OSError):  # on a file system without locks nothing is taken for left behind
            fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / LOCK).exists():
            return folder, lock
        lock.close()  # another process had it first, took the folder for left behind and deleted it


def _delete_workspace(folder: Path) -> None:
    """Delete a workspace, its lock last, so that the next process finds what this one cannot delete.

    After a signal a library's thread, such as zarr's, may be writing for a moment yet.
    """
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError):  # where another process deletes it too
            for entry in folder.glob("*"):
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry.name != LOCK:
                    entry.unlink(missing_ok=True)
            if all(entry.name == LOCK for entry in folder.glob("*")):
                shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path near `path`, of the same name; move it to `path` if the block succeeds, else delete it."""
    if Path(path).is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with workspace(path) as partial:
        yield partial
        with partial.open("rb+") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)


def replace_folder(new: Path, path: Path) -> None:
    """Move the folder `new` of a `workspace` to `path`; what is there, or is put there meanwhile, is replaced."""
    for attempt in itertools.count():
        with contextlib.suppress(FileNotFoundError):
            path.rename(new.with_name(f"{path.name}.replaced{attempt}"))
        try:
            new.rename(path)
            return
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: object) -> None:
    """Write `value` to `path` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Return the value that the JSON file `path` holds.

    Raises
    ------
    DamagedFileError
        If it is empty, truncated or no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(path, f"is empty, truncated or no JSON ({error})", REMAKE) from error


def write_csv(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write `rows` to `path` as CSV (UTF-8, Unix line ends) with exactly `columns`, whole or not at all."""
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path | str) -> list[dict[str, str]]:
    """Return the rows of the CSV file `path`, every value a string; one whose name ends in ``.gz`` is compressed.

    Raises
    ------
    DamagedFileError
        If it is empty or truncated, or a row has other columns than the header.
    """
    try:
        content = Path(path).read_bytes()
        text = (gzip.decompress(content) if Path(path).suffix == ".gz" else content).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (ValueError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError(path, f"is no CSV ({error})", REMAKE) from error
    if not text.endswith("\n"):
        raise DamagedFileError(path, "is truncated: it does not end with a line" if text else "is empty", REMAKE)
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise DamagedFileError(path, f"row {number} has other columns than the header", REMAKE)
    return rows


def digest_file(path: Path | str, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


def digest_value(value: object) -> str:
    """Return the SHA-256 of a JSON-serialisable value; the order of keys does not matter.

    Names of files that are not in UTF-8 may be in it, as Python reads them.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
