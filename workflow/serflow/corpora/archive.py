"""Getting a corpus's archive and unpacking it: both whole and verified, or not at all."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from tarfile import HeaderError, ReadError
from typing import IO, Any, Self, cast

from tqdm import tqdm

from serflow.corpora.base import is_clutter
from serflow.errors import ArchiveError
from serflow.io import download, files

#: IEMOCAP's full release, the largest corpus, unpacks to less than this; more is refused.
MAX_EXTRACTED_BYTES = 40 * 10**9
#: Audio compresses by 2 to 3, text by 10: an archive that unpacks to more than this many times its size is refused.
MAX_RATIO = 200
#: IEMOCAP's full release holds some hundred thousand files and folders, none deeper than eight.
MAX_MEMBERS, MAX_DEPTH = 1_000_000, 32
#: A member's long name or its other facts, which tarfile reads into memory; a path has 4096 bytes at most.
MAX_TAR_HEADER = 1 << 20

_BLOCK = 1 << 20
_FETCH_AGAIN = "Get the archive again."
_REFUSED = "Nothing was extracted. Get the archive from its publisher."
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
)


def fetch(url: str, destination: Path, md5: str, timeout: float = 60.0, attempts: int = 5) -> None:
    """Download an archive with the published `md5`; see `serflow.io.download.fetch`."""
    by_hand = f"Download it by hand and set corpora.<name>.source to the file. Its md5 must be {md5}."
    download.fetch(url, destination, "md5", md5, by_hand, timeout, attempts)


def is_archive(path: Path) -> bool:
    """Return whether a file begins, and a zip also ends, as an archive that `extract` takes."""
    with path.open("rb") as handle:
        if handle.read(2) == b"PK":
            return zipfile.is_zipfile(path)
    for mode in ("r:", "r:gz"):
        with contextlib.suppress(*_DAMAGE, OSError), tarfile.open(path, mode):
            return True
    return False


def extract(archive: Path, destination: Path) -> None:
    """Unpack a zip, tar or tar.gz archive into the new folder `destination`, whole or not at all.

    What macOS adds (``__MACOSX``, ``._x``, ``.DS_Store``) is skipped.

    Raises
    ------
    ArchiveError
        If `archive` is none, is truncated or damaged, has a link, a special file or a member that points outside;
        unpacks to more than `MAX_EXTRACTED_BYTES`, `MAX_RATIO` times its size, the free space of the disk or
        `MAX_MEMBERS` files; or if `destination` is in use.
    """
    if not archive.is_file():
        fault = "is no file" if archive.exists() else "no such file"
        raise ArchiveError(archive, fault, "Set corpora.<name>.source to the archive or folder.")
    if destination.exists() and not (destination.is_dir() and not any(destination.iterdir())):
        raise ArchiveError(destination, "is there already and not empty", "Delete it, then extract again.")
    try:
        with files.workspace(destination) as partial:
            partial.mkdir()
            with archive.open("rb") as handle:
                unpack = _unpack_zip if handle.read(2) == b"PK" else _unpack_tar
            unpack(archive, partial)
            try:
                partial.rename(destination)
            except OSError:
                if not _holds(destination, partial):  # as it does where another process was faster
                    raise
    except _DAMAGE as error:
        fault = f"is truncated, damaged or no zip, tar or tar.gz archive ({error or type(error).__name__})"
        raise ArchiveError(archive, fault, _FETCH_AGAIN) from error
    except OSError as error:
        if error.errno is None:  # as bz2 says that data are damaged
            fault = f"is truncated or damaged ({error})"
            raise ArchiveError(archive, fault, _FETCH_AGAIN) from error
        fault = f"cannot be unpacked to {destination} ({error.strerror or error})"
        raise ArchiveError(archive, fault, "Check the folder's rights and free space, then extract again.") from error


def _holds(folder: Path, tree: Path) -> bool:
    """Return whether `folder` has all files of `tree`, each of the same size."""
    found = {path.relative_to(tree): path.stat().st_size for path in tree.rglob("*") if path.is_file()}
    return all((folder / path).is_file() and (folder / path).stat().st_size == size for path, size in found.items())


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = [(member, name) for member in opened.infolist() if not is_clutter(name := _name_of(member))]
        total = sum(member.file_size for member, _ in members)
        _check_size(archive, total, len(members))
        _check_space(archive, folder, total)
        with tqdm(desc=f"{archive.name}: extracting", total=total, unit="B", unit_scale=True, disable=None) as bar:
            for member, name in members:
                target = _target(archive, folder, name)
                if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refusal(archive, name, "is a link or a special file")
                if member.flag_bits & 1:
                    raise ArchiveError(f"{archive}: {name}", "is encrypted", "Unpack the archive by hand.")
                if not name.endswith(("/", "\\")):
                    _check_new(archive, name, target)
                    with opened.open(member) as source:
                        _write(source, target)
                bar.update(member.file_size)


def _name_of(member: zipfile.ZipInfo) -> str:
    """Return a member's name: in UTF-8 also where the program that wrote it (Info-ZIP's zip, macOS) does not say so.

    zipfile reads such a name as cp437, as the format's specification has it (APPNOTE 6.3.10, appendix D).
    """
    if member.flag_bits & 0x800:  # said to be UTF-8
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


class _StrictHeader(tarfile.TarInfo):
    """A tar header read strictly: tarfile by itself takes a damaged or missing header for the archive's end.

    It would also read a long name of any length into memory.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if not (found.isreg() or found.isdir()) and found.size > MAX_TAR_HEADER:
            raise ReadError(f"a header of {found.size:,} bytes")
        return found

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
            for number, member in enumerate(opened, start=1):
                if is_clutter(member.name):
                    continue
                target = _target(archive, folder, member.name)
                if not (member.isreg() or member.isdir()):
                    raise _refusal(archive, member.name, "is a link or a special file")
                total += member.size
                _check_size(archive, total, number)
                _check_space(archive, folder, member.size)
                if source := opened.extractfile(member):  # None of a folder
                    _check_new(archive, member.name, target)
                    _write(source, target)
        rest = 0
        while block := stream.read(_BLOCK):  # gzip verifies its checksum at the end
            rest += len(block)
            _check_size(archive, rest)


@contextlib.contextmanager
def _uncompressed(archive: Path) -> Iterator[Any]:
    """Open a tar or tar.gz file for reading, with a progress bar over the bytes on the disk."""
    size, label = archive.stat().st_size, f"{archive.name}: extracting"
    with archive.open("rb") as raw, tqdm.wrapattr(raw, "read", total=size, desc=label, disable=None) as counted:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        yield gzip.GzipFile(fileobj=cast(IO[bytes], counted)) if zipped else counted


def _write(source: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        shutil.copyfileobj(source, target, _BLOCK)


def _target(archive: Path, folder: Path, name: str) -> Path:
    """Return where a member goes; its path may have either system's separators but must not leave `folder`.

    tarfile's own filter "data" does not do: it knows no zip, takes links and absolute paths (without their slash), and
    reads names with a drive or backslashes as plain ones.
    """
    path = PureWindowsPath(name)
    if path.drive or path.root or ".." in path.parts:
        raise _refusal(archive, name, "points outside the archive's own folder")
    if len(path.parts) > MAX_DEPTH:
        raise _refusal(archive, f"{name[:80]}...", f"is {len(path.parts)} folders deep; the limit is {MAX_DEPTH}")
    return folder.joinpath(*path.parts)


def _check_new(archive: Path, name: str, target: Path) -> None:
    """Raise an ArchiveError where an earlier member went to the same place: one of two recordings would be lost."""
    if target.exists():
        raise _refusal(archive, name, "is in it twice")


def _check_size(archive: Path, size: int, members: int = 0) -> None:
    limit = min(MAX_EXTRACTED_BYTES, MAX_RATIO * archive.stat().st_size)
    if size > limit:
        fault = (
            f"unpacks to {size:,} bytes or more; the limit is {limit:,} ({MAX_RATIO} times the archive's size at most)"
        )
        raise ArchiveError(archive, fault, _REFUSED)
    if members > MAX_MEMBERS:
        raise ArchiveError(archive, f"has more than {MAX_MEMBERS:,} members", _REFUSED)


def _check_space(archive: Path, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        fault = f"needs {size:,} bytes more in {folder.parents[1]}, where {free:,} are free"
        raise ArchiveError(archive, fault, "Nothing was extracted. Make room, then extract again.")


def _refusal(archive: Path, member: str, fault: str) -> ArchiveError:
    return ArchiveError(f"{archive}: member {member!r}", fault, _REFUSED)
