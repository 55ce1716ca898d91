import contextlib
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
from serflow.errors import DownloadError, WeightsError
from serflow.io import download
from serflow.models import weights

DATA = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(DATA).hexdigest()  # noqa: S324


class Server(ThreadingHTTPServer):
    """Serves DATA; the attributes say how badly."""

    daemon_threads = True
    honours_range = True
    sends_content_range = True
    cuts = 0  # that many answers break off half way
    silent = False
    pause = 0.0  # seconds between the quarters of an answer
    status = 0  # answered in place of the file, with `location`, for the first `refusals` requests
    refusals = 0
    location = ""
    body: bytes | None = None  # served in place of the file
    length: object = None  # announced in place of the true one
    cut_at: int | None = None  # the first answer ends there

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
        if self.server.refusals:
            self.server.refusals -= 1
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            if self.server.location:
                self.send_header("Location", self.server.location)
            self.end_headers()
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.honours_range else 0
        if start >= len(DATA):
            self.send_error(416)
            return
        body = DATA[start:] if self.server.body is None else self.server.body
        self.send_response(206 if start else 200)
        if self.server.length != "":
            self.send_header("Content-Length", str(len(body) if self.server.length is None else self.server.length))
        if start:
            shift = 0 if self.server.sends_content_range else 7
            self.send_header("Content-Range", f"bytes {start - shift}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        if self.server.cuts:
            self.server.cuts -= 1
            body = body[: len(body) // 2]
        if self.server.cut_at is not None:
            body, self.server.cut_at = body[: self.server.cut_at], None
        if self.server.silent:
            threading.Event().wait(1)
            return
        quarter = -(-len(body) // 4) or 1
        with contextlib.suppress(ConnectionError):  # the client gives up where it is meant to
            for begin in range(0, len(body), quarter):
                threading.Event().wait(self.server.pause)
                self.wfile.write(body[begin : begin + quarter])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
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
    assert server.asked == [None, "bytes=150000-", "bytes=225000-"]


def test_a_later_call_resumes_what_an_earlier_one_left(server: Server, target: Path) -> None:
    server.cuts = 1
    with pytest.raises(DownloadError, match="150,000 bytes"):
        archive.fetch(server.url, target, MD5, attempts=1)
    assert not target.exists()
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)
    assert server.asked == [None, "bytes=150000-"]


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


def test_a_refused_connection_is_told(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"cannot be reached.*source"):
        archive.fetch(f"http://127.0.0.1:{port}/data.zip", target, MD5)


def test_a_server_that_falls_silent_is_given_up(server: Server, target: Path) -> None:
    server.silent = True
    with pytest.raises(DownloadError):
        archive.fetch(server.url, target, MD5, timeout=0.1, attempts=2)


def test_only_http_is_fetched(target: Path) -> None:
    with pytest.raises(DownloadError):
        archive.fetch("file:///etc/hostname", target, MD5)


@pytest.mark.parametrize("at", [0, 1, 123_457, len(DATA) - 1])
def test_a_connection_cut_at_any_byte_is_taken_up_there(server: Server, target: Path, at: int) -> None:
    server.cut_at = at
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)
    assert server.asked == [None, f"bytes={at}-" if at else None]


@pytest.mark.parametrize("at", [0, 123_457])
def test_one_wrong_byte_is_noticed_and_the_file_not_kept(server: Server, target: Path, at: int) -> None:
    server.body = DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]
    with pytest.raises(DownloadError, match=f"has md5 .*, expected {MD5}"):
        archive.fetch(server.url, target, MD5)
    assert list(target.parent.iterdir()) == []
    server.body = None
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)


def test_a_page_in_place_of_the_archive_is_not_kept(server: Server, target: Path) -> None:
    server.body = b"<html>Sign in to this network</html>"
    with pytest.raises(DownloadError):
        archive.fetch(server.url, target, MD5)
    assert list(target.parent.iterdir()) == []


def test_a_slow_server_is_waited_for(server: Server, target: Path) -> None:
    server.pause = 0.1
    archive.fetch(server.url, target, MD5, timeout=0.35)
    assert_fetched(target)
    assert server.asked == [None]


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_is_told_at_once(server: Server, target: Path, status: int) -> None:
    server.status, server.refusals = status, 9
    with pytest.raises(DownloadError, match=rf"the server answered {status} \(.*source") as caught:
        archive.fetch(server.url, target, MD5)
    assert "\n" not in str(caught.value)
    assert len(server.asked) == 1
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(server: Server, target: Path, status: int) -> None:
    server.status, server.refusals = status, 2
    part_of(target, DATA[:1000])
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)
    assert server.asked == ["bytes=1000-"] * 3


def test_a_server_that_stays_busy_is_given_up_and_what_has_come_is_kept(server: Server, target: Path) -> None:
    server.status, server.refusals = 503, 9
    part = part_of(target, DATA[:1000])
    with pytest.raises(DownloadError, match=r"answered 503 \(.*\) again and again; .* holds the first 1,000 bytes"):
        archive.fetch(server.url, target, MD5, attempts=3)
    assert len(server.asked) == 3
    assert part.read_bytes() == DATA[:1000]


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirection_is_followed(server: Server, target: Path, status: int) -> None:
    server.status, server.refusals, server.location = status, 1, f"{server.url}&mirror"
    part_of(target, DATA[:1000])
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)
    assert server.asked == ["bytes=1000-"] * 2  # the mirror is asked for the rest too


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/data.zip"])
def test_a_redirection_to_another_scheme_is_refused(server: Server, target: Path, location: str) -> None:
    server.status, server.refusals, server.location = 302, 1, location
    with pytest.raises(DownloadError, match="302") as caught:
        archive.fetch(server.url, target, MD5)
    assert location in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_redirections_in_a_circle_are_told_in_one_line(server: Server, target: Path) -> None:
    server.status, server.refusals, server.location = 302, 99, server.url
    with pytest.raises(DownloadError, match=r"302 \(.*infinite loop") as caught:
        archive.fetch(server.url, target, MD5)
    assert "\n" not in str(caught.value)
    assert len(server.asked) < 20


@pytest.mark.parametrize("length", [len(DATA) + 5, "", "many"])
def test_a_length_that_is_too_large_missing_or_none_does_no_harm(server: Server, target: Path, length: object) -> None:
    server.length = length
    archive.fetch(server.url, target, MD5)
    assert_fetched(target)


def test_a_length_that_is_too_small_never_gives_half_a_file(server: Server, target: Path) -> None:
    server.length = 1000
    with pytest.raises(DownloadError):
        archive.fetch(server.url, target, MD5)
    assert list(target.parent.iterdir()) == []


def test_a_part_that_was_not_asked_for_is_not_taken(server: Server, target: Path) -> None:
    """A server that answers a plain request with 206 and another range."""
    server.status, server.refusals = 206, 9
    with pytest.raises(DownloadError):
        archive.fetch(server.url, target, MD5)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("fault", ["cut", "gone", "wrong"])
def test_weights_are_downloaded_with_the_same_care(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    name = f"net-{hashlib.sha256(DATA).hexdigest()[:8]}.pth"
    monkeypatch.setattr(weights, "IMAGENET", {"net": f"http://127.0.0.1:{server.server_port}/data.zip/{name}"})
    if fault == "cut":
        server.cuts = 1
        weights.fetch(name, target)
        assert_fetched(target)
        return
    if fault == "gone":
        server.status, server.refusals = 404, 9
    else:
        server.body = b"<html></html>"
    with pytest.raises(WeightsError, match=r"cannot be downloaded: .*`pretrained:`") as caught:
        weights.fetch(name, target)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []
