import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from serflow.corpora import archive
from serflow.errors import ArchiveError

NOISE = np.random.default_rng(0).bytes(40_000)
CONTENT = {"Actor_01/a.wav": NOISE, "Actor_02/b.wav": NOISE[::-1]}
Members = dict[str, bytes]


def make_zip(path: Path, members: Members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def make_tar(path: Path, members: Members, mode: str = "w", **kind: object) -> Path:
    with tarfile.open(path, mode) as opened:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in kind.items():
                setattr(info, key, value)
            opened.addfile(info, io.BytesIO(content))
    return path


def make_tar_gz(path: Path, members: Members) -> Path:
    return make_tar(path, members, "w:gz")


makers = pytest.mark.parametrize("make", [make_zip, make_tar, make_tar_gz])


def content(root: Path) -> Members:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def refused(path: Path, match: str) -> str:
    """Assert that the archive is refused and leaves nothing behind; return the message."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(ArchiveError, match=match) as caught:
        archive.extract(path, path.parent / "out")
    assert sorted(path.parent.rglob("*")) == before
    assert str(path) in str(caught.value)
    return str(caught.value)


@makers
def test_an_archive_is_unpacked_whole_without_clutter(make: Callable, tmp_path: Path) -> None:
    clutter = {"__MACOSX/Actor_01/._a.wav": b"x", "Actor_01/._a.wav": b"x", ".DS_Store": b"x"}
    path = make(tmp_path / "archive", CONTENT | clutter)
    archive.extract(path, tmp_path / "deep" / "out")
    assert content(tmp_path / "deep" / "out") == CONTENT
    assert [item.name for item in (tmp_path / "deep").iterdir()] == ["out"]


@makers
@pytest.mark.parametrize("name", ["Actor_01/../../evil.wav", "/evil.wav", "..\\evil.wav", "C:evil.wav"])
def test_a_member_that_points_outside_is_named_and_nothing_written(make: Callable, name: str, tmp_path: Path) -> None:
    message = refused(make(tmp_path / "archive", CONTENT | {name: b"x"}), "points outside")
    assert repr(name) in message
    assert not (tmp_path.parent / "evil.wav").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_special_files_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    refused(make_tar(tmp_path / "a.tar", {"link.wav": b""}, type=kind, linkname="../x"), "'link.wav': is a link")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR])
def test_links_and_special_files_in_a_zip_are_refused(kind: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        info = zipfile.ZipInfo("link.wav")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        opened.writestr(info, "/etc/passwd")
    refused(tmp_path / "a.zip", "'link.wav': is a link")


@makers
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_a_truncated_archive_is_refused(make: Callable, kept: float, tmp_path: Path) -> None:
    path = make(tmp_path / "archive", CONTENT)
    data = path.read_bytes()
    if make is make_tar:  # without the padding to 10 240 bytes, which holds nothing
        data = data.rstrip(b"\0")
    path.write_bytes(data[: int(len(data) * kept)])
    refused(path, "truncated")


def test_a_tar_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", CONTENT)
    path.write_bytes(path.read_bytes()[: 512 + 40_448])  # header and padded content of the first member
    refused(path, "truncated")


@makers
def test_a_damaged_archive_is_refused(make: Callable, tmp_path: Path) -> None:
    path = make(tmp_path / "archive", CONTENT)
    data = bytearray(path.read_bytes())
    if make is make_tar:
        data[512 + 40_448 + 20] ^= 0xFF  # the second header: a tar's contents carry no checksum
    else:
        data[20_000] ^= 0xFF
    path.write_bytes(data)
    refused(path, "damaged")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_refused_however_it_is_compressed(method: int, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as opened:
        opened.writestr("a.wav", np.random.default_rng(0).bytes(60_000))
    data = bytearray(path.read_bytes())
    data[20_000:20_100] = bytes(100)
    path.write_bytes(data)
    refused(path, "damaged")


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>Not found</html>", b"PK\x03\x04", gzip.compress(b"words " * 300)],
    ids=["empty", "html", "zip_head", "gzip_of_text"],  # gzip writes the time: the ids must not hold it
)
def test_what_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(data)
    refused(path, "no zip, tar or tar.gz archive")


@pytest.mark.parametrize("make", [make_zip, make_tar_gz])
def test_an_archive_that_explodes_is_refused(make: Callable, tmp_path: Path) -> None:
    refused(make(tmp_path / "archive", {"zeros.wav": bytes(5_000_000)}), "the limit is")


@makers
def test_an_archive_over_the_size_limit_is_refused(make: Callable, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archive, "MAX_EXTRACTED_BYTES", 79_999)
    refused(make(tmp_path / "archive", CONTENT), "80,000 bytes or more; the limit is 79,999")
    monkeypatch.setattr(archive, "MAX_EXTRACTED_BYTES", 80_000)
    archive.extract(tmp_path / "archive", tmp_path / "out")


def test_a_zip_that_states_a_smaller_size_than_it_has_writes_no_more_than_that(tmp_path: Path, monkeypatch) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.wav": bytes(5_000_000)})
    data = path.read_bytes()
    path.write_bytes(data.replace((5_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    written: list[int] = []
    write = archive._write

    def watched(source, target: Path) -> None:
        try:
            write(source, target)
        finally:
            written.append(target.stat().st_size)

    monkeypatch.setattr(archive, "_write", watched)
    refused(path, "damaged")
    assert sum(written) <= 1000


@makers
def test_an_archive_of_too_many_members_is_refused(make: Callable, tmp_path: Path, monkeypatch) -> None:
    path = make(tmp_path / "archive", CONTENT | {f"{k}.wav": b"" for k in range(99)})
    monkeypatch.setattr(archive, "MAX_MEMBERS", 100)
    refused(path, "more than 100 members")
    monkeypatch.setattr(archive, "MAX_MEMBERS", 101)
    archive.extract(path, tmp_path / "out")


@makers
def test_a_member_that_lies_in_a_thousand_folders_is_refused(make: Callable, tmp_path: Path) -> None:
    refused(make(tmp_path / "archive", CONTENT | {"a/" * 1000 + "b.wav": b""}), "1001 folders deep; the limit is 32")


@makers
def test_an_archive_that_the_disk_cannot_hold_is_refused(make: Callable, tmp_path: Path, monkeypatch) -> None:
    path = make(tmp_path / "archive", CONTENT)
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda folder: SimpleNamespace(free=39_999))
    refused(path, "where 39,999 are free")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_long_name_without_end_is_not_read_into_memory(kind: bytes, tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tgz", {"name": bytes(3_000_000)}, "w:gz", type=kind)
    refused(path, "a header of 3,000,000 bytes")


def test_what_follows_a_tar_in_its_gzip_file_is_limited_too(tmp_path: Path) -> None:
    path = make_tar_gz(tmp_path / "a.tgz", CONTENT)
    with path.open("ab") as handle:
        handle.write(gzip.compress(bytes(30_000_000)))
    refused(path, "the limit is")


def test_a_sparse_member_counts_as_what_it_becomes(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.wav")
    info.pax_headers = {"GNU.sparse.size": str(10**12), "GNU.sparse.map": "0,0", "GNU.sparse.major": "0"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as opened:
        opened.addfile(info)
    refused(tmp_path / "a.tar", "1,000,000,000,000 bytes or more")


def test_names_in_utf_8_that_the_zip_does_not_call_so_are_read_as_they_were_written(tmp_path: Path) -> None:
    """As Info-ZIP's zip and macOS write them: the bytes of UTF-8, without the flag that says so."""
    path = make_zip(tmp_path / "a.zip", {"Aufnahmen/xxxx.wav": b"sound"})
    written = path.read_bytes()
    path.write_bytes(written.replace(b"xxxx.wav", "féx".encode() + b".wav"))
    assert path.read_bytes() != written
    archive.extract(path, tmp_path / "out")
    assert list(content(tmp_path / "out")) == ["Aufnahmen/f\u00e9x.wav"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        for text in ("first", "second"):
            opened.writestr("Actor_01/a.wav", text)
    refused(tmp_path / "a.zip", "'Actor_01/a.wav': is in it twice")
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        for name in ("a.wav", "./a.wav"):
            packed.addfile(tarfile.TarInfo(name))
    refused(tmp_path / "a.tar", "'./a.wav': is in it twice")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", CONTENT)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    path.write_bytes(data)
    refused(path, "encrypted")


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", CONTENT)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.wav").write_bytes(b"mine")
    with pytest.raises(ArchiveError, match="not empty"):
        archive.extract(path, tmp_path / "out")
    assert content(tmp_path / "out") == {"mine.wav": b"mine"}


@pytest.mark.parametrize("theirs", [CONTENT, {"a.txt": b"another archive's"}])
def test_a_tree_that_another_process_extracted_meanwhile_is_taken_if_it_is_the_same(
    tmp_path: Path, monkeypatch, theirs: dict[str, bytes]
) -> None:
    path, other = make_zip(tmp_path / "a.zip", CONTENT), make_zip(tmp_path / "b.zip", theirs)
    unpack = archive._unpack_zip

    def overtaken(source: Path, folder: Path) -> None:
        unpack(source, folder)
        if source == path:
            archive.extract(other, tmp_path / "out")

    monkeypatch.setattr(archive, "_unpack_zip", overtaken)
    if theirs == CONTENT:
        archive.extract(path, tmp_path / "out")
    else:
        with pytest.raises(ArchiveError, match=r"cannot be unpacked to .*not empty"):
            archive.extract(path, tmp_path / "out")
    assert content(tmp_path / "out") == theirs
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.zip", "b.zip", "out"}


def test_a_missing_archive_and_a_file_in_the_way_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no such file"):
        archive.extract(tmp_path / "absent.zip", tmp_path / "out")
    path = make_zip(tmp_path / "a.zip", {"a": NOISE, "a/b": NOISE})
    refused(path, "cannot be unpacked")
