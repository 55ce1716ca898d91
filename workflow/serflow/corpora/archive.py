"""Getting a corpus's archive and unpacking it: both whole and verified, or not at all."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from tarfile import HeaderError, ReadError
from typing import IO, Any, Self

from tqdm import tqdm

from serflow.corpora.base import is_clutter
from serflow.errors import ArchiveError

#: IEMOCAP's full release, the largest corpus, unpacks to less than this; more is refused.
MAX_EXTRACTED_BYTES = 40 * 10**9
#: Audio compresses by 2 to 3, text by 10: an archive that unpacks to more than this many times its size is refused.
MAX_RATIO = 200

_BLOCK = 1 << 20
_FETCH_AGAIN = "Get the archive again."
_REFUSED = "Nothing was extracted. Get the archive from its publisher."
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
)


def extract(archive: Path, destination: Path) -> None:
    """Unpack a zip, tar or tar.gz archive into the new folder `destination`, whole or not at all.

    ``__MACOSX`` and hidden members (``._x``) are skipped.

    Raises
    ------
    ArchiveError
        If `archive` is none, is truncated or damaged, has a link, a special file or a member that points outside, or
        unpacks to more than `MAX_EXTRACTED_BYTES` or `MAX_RATIO` times its size; or if `destination` is in use.
    """
    archive, destination = Path(archive), Path(destination)
    if not archive.is_file():
        raise ArchiveError(archive, "no such file", "Set corpora.<name>.source to the archive or folder.")
    if destination.exists() and not (destination.is_dir() and not any(destination.iterdir())):
        raise ArchiveError(destination, "is there already and not empty", "Delete it, then extract again.")
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a killed process left
    try:
        partial.mkdir(parents=True)
        with archive.open("rb") as handle:
            unpack = _unpack_zip if handle.read(2) == b"PK" else _unpack_tar
        unpack(archive, partial)
        if destination.is_dir():
            destination.rmdir()
        partial.rename(destination)
    except _DAMAGE as error:
        fault = f"is truncated, damaged or no zip, tar or tar.gz archive ({error or type(error).__name__})"
        raise ArchiveError(archive, fault, _FETCH_AGAIN) from error
    except OSError as error:
        fault = f"cannot be unpacked to {destination} ({error.strerror or error})"
        raise ArchiveError(archive, fault, "Check the folder's rights and free space, then extract again.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = [member for member in opened.infolist() if not is_clutter(member.filename)]
        total = sum(member.file_size for member in members)
        _check_size(archive, total)
        with tqdm(desc=_label(archive), total=total, unit="B", unit_scale=True, disable=None) as bar:
            for member in members:
                target = _target(archive, folder, member.filename)
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise _refusal(archive, member.filename, "is a link")
                if member.flag_bits & 1:
                    raise ArchiveError(f"{archive}: {member.filename}", "is encrypted", "Unpack the archive by hand.")
                if not member.filename.endswith(("/", "\\")):
                    with opened.open(member) as source:
                        _write(source, target)
                bar.update(member.file_size)


class _StrictHeader(tarfile.TarInfo):
    """A tar header read strictly: tarfile by itself takes a damaged or missing header for the archive's end."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # the one that marks a whole archive's end
                raise
            raise ReadError(str(error)) from error


def _unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack in one pass, since decompressing IEMOCAP takes minutes; the caller drops what a refusal leaves."""
    total = 0
    with _uncompressed(archive) as stream:
        with tarfile.open(fileobj=stream, mode="r:", tarinfo=_StrictHeader) as opened:
            for member in opened:
                if is_clutter(member.name):
                    continue
                target = _target(archive, folder, member.name)
                if not (member.isreg() or member.isdir()):
                    raise _refusal(archive, member.name, "is a link or a special file")
                total += member.size
                _check_size(archive, total)
                source = opened.extractfile(member)
                if source is not None:
                    _write(source, target)
        while stream.read(_BLOCK):  # gzip verifies its checksum at the end
            pass


@contextlib.contextmanager
def _uncompressed(archive: Path) -> Iterator[Any]:
    """Open a tar or tar.gz file for reading, with a progress bar over the bytes on the disk."""
    size = archive.stat().st_size
    with (
        archive.open("rb") as raw,
        tqdm.wrapattr(raw, "read", total=size, desc=_label(archive), disable=None) as counted,
    ):
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if zipped:
            with gzip.open(counted) as stream:
                yield stream
        else:
            yield counted


def _label(archive: Path) -> str:
    return f"{archive.name}: extracting"


def _write(source: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        shutil.copyfileobj(source, target, _BLOCK)


def _target(archive: Path, folder: Path, name: str) -> Path:
    """Return where a member goes; its path may have either system's separators but must not leave `folder`."""
    path = PureWindowsPath(name)
    if path.drive or path.root or ".." in path.parts:
        raise _refusal(archive, name, "points outside the archive's own folder")
    return folder.joinpath(*path.parts)


def _check_size(archive: Path, size: int) -> None:
    limit = min(MAX_EXTRACTED_BYTES, MAX_RATIO * archive.stat().st_size)
    if size > limit:
        fault = (
            f"unpacks to {size:,} bytes or more; the limit is {limit:,} ({MAX_RATIO} times the archive's size at most)"
        )
        raise ArchiveError(archive, fault, _REFUSED)


def _refusal(archive: Path, member: str, fault: str) -> ArchiveError:
    return ArchiveError(f"{archive}: member {member!r}", fault, _REFUSED)
