import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from serflow.corpora import archive
from serflow.errors import DownloadError

DATA = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(DATA).hexdigest()  # noqa: S324


class Server(ThreadingHTTPServer):
    """Serves DATA; the attributes say how badly."""

    daemon_threads = True
    honours_range = True
    sends_content_range = True
    cuts = 0  # that many answers break off half way
    silent = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data.zip?download=1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if not self.path.startswith("/data.zip"):
            self.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.honours_range else 0
        if start >= len(DATA):
            self.send_error(416)
            return
        body = DATA[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            shift = 0 if self.server.sends_content_range else 7
            self.send_header("Content-Range", f"bytes {start - shift}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        if self.server.cuts:
            self.server.cuts -= 1
            body = body[: len(body) // 2]
        if self.server.silent:
            threading.Event().wait(1)
        else:
            self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "archives" / "data.zip"


def part_of(target: Path, content: bytes) -> Path:
    target.parent.mkdir(parents=True)
    part = target.with_name("data.zip.part")
    part.write_bytes(content)
    return part


def assert_fetched(target: Path) -> None:
    assert target.read_bytes() == DATA
    assert [path.name for path in target.parent.iterdir()] == ["data.zip"]


def test_a_file_is_fetched_once(server: Server, target: Path) -> None:
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)
    archive.fetch(server.url, target, MD5)
    assert server.asked == [None]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server: Server, target: Path) -> None:
    server.cuts = 2
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)
    assert server.asked == [None, "bytes=1500000-", "bytes=2250000-"]


def test_a_later_call_resumes_what_an_earlier_one_left(server: Server, target: Path) -> None:
    server.cuts = 1
    with pytest.raises(DownloadError, match="1,500,000 bytes"):
        archive.fetch(server.url, target, MD5, attempts=1)
    assert not target.exists()
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)
    assert server.asked == [None, "bytes=1500000-"]


def test_a_server_that_ignores_ranges_sends_all_of_it(server: Server, target: Path) -> None:
    part_of(target, DATA[:1000])
    server.honours_range = False
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)


def test_a_server_that_answers_another_range_is_asked_for_all(server: Server, target: Path) -> None:
    part_of(target, DATA[:1000])
    server.sends_content_range = False
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)
    assert server.asked == ["bytes=1000-", None]


def test_giving_up_without_a_part_is_told_too(server: Server, target: Path) -> None:
    part_of(target, DATA[:1000])
    server.sends_content_range = False
    with pytest.raises(DownloadError, match="holds the first 0 bytes"):
        archive.fetch(server.url, target, MD5, attempts=1)


def test_a_complete_part_needs_no_server(target: Path) -> None:
    part_of(target, DATA)
    archive.fetch("http://127.0.0.1:9/data.zip", target, MD5)
    assert_fetched(target)


def test_a_part_that_is_too_long_is_dropped(server: Server, target: Path) -> None:
    part_of(target, DATA + b"more")
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)


@pytest.mark.parametrize("begun", [False, True])
def test_a_wrong_md5_says_expected_and_got_and_drops_the_file(server: Server, target: Path, begun: bool) -> None:
    if begun:
        part_of(target, bytes(1000))
    expected, got = ("0" * 32, MD5) if not begun else (MD5, hashlib.md5(bytes(1000) + DATA[1000:]).hexdigest())  # noqa: S324
    with pytest.raises(DownloadError) as caught:
        archive.fetch(server.url, target, expected)
    assert expected in str(caught.value)
    assert got in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_a_wrong_file_in_place_is_told_not_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"other")
    with pytest.raises(DownloadError, match="expected"):
        archive.fetch(server.url, target, MD5)
    assert target.read_bytes() == b"other"


def test_a_missing_page_names_the_way_by_hand(server: Server, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"404.*source"):
        archive.fetch(server.url.replace("data", "gone"), target, MD5)
    assert not target.exists()


def test_a_refused_connection_is_told(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"cannot be reached.*source"):
        archive.fetch(f"http://127.0.0.1:{port}/data.zip", target, MD5)


def test_a_server_that_falls_silent_is_given_up(server: Server, target: Path) -> None:
    server.silent = True
    with pytest.raises(DownloadError, match="broke off"):
        archive.fetch(server.url, target, MD5, timeout=0.1, attempts=2)


def test_only_http_is_fetched(target: Path) -> None:
    with pytest.raises(DownloadError, match="no http"):
        archive.fetch("file:///etc/hostname", target, MD5)
