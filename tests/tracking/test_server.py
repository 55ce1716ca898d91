"""Tracking servers that are down, silent, wrong or refuse: what is told. With a server that works: tests/faults."""

import base64
import http.server
import socket
import threading
from contextlib import closing, contextmanager

import pytest

from serflow import cli
from serflow.tracking.store import AGAIN, TrackingError, track_overview


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


@contextmanager
def answering(status, text, headers=()):
    """A server that gives every request the same answer, in which AUTHORIZATION stands for what the client sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = text.replace("AUTHORIZATION", str(self.headers.get("Authorization"))).encode()
            self.send_response(status)
            for name, value in (("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 (http.server's names)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def told(tmp_path, write_overview):
    """Track the comparison of all papers on a server, by the command line; return what it says."""

    def call(uri, capsys):
        arguments = ["--artifacts", *write_overview(), "--results", tmp_path, "--output", tmp_path / "receipt.json"]
        arguments += ["--log", tmp_path / "track.log"]
        assert cli.main(["track-overview", "--uri", uri, *map(str, arguments)]) == 1
        assert not (tmp_path / "receipt.json").exists()
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert len(lines[0]) < 700
        assert lines[0].endswith(AGAIN)
        return lines[0]

    return call


def test_a_server_that_is_down_is_told_in_one_sentence(told, capsys):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
    text = told(uri, capsys)
    assert text.startswith(f"serflow track-overview: {uri}: ")
    assert "Connection refused" in text
    assert "Check that an MLflow server runs there" in text


def test_a_server_that_never_answers_is_told_in_one_sentence(told, capsys):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        text = told(f"http://127.0.0.1:{silent.getsockname()[1]}", capsys)
    assert "timed out" in text
    assert "Check that an MLflow server runs there" in text


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"])
def test_a_server_that_breaks_off_is_told_in_one_sentence(answer, told, capsys):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def break_off():
            connection = server.accept()[0]
            connection.recv(10_000)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=break_off)
        thread.start()
        text = told(f"http://127.0.0.1:{server.getsockname()[1]}", capsys)
        thread.join()
    assert "Connection broken" in text if answer else "Connection aborted" in text


@pytest.mark.parametrize(
    ("status", "text", "fault", "remedy"),
    [
        (401, "<html>\n<p>Please log in</html>", "error code 401", "Set MLFLOW_TRACKING_USERNAME"),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "read only"}', "read only", "or MLFLOW_TRACKING_TOKEN"),
        (404, "<html>\n<p>No such page</html>", "error code 404", "No MLflow server is there: correct tracking.uri"),
        (200, "<html>" + "long page " * 200, "not in a valid JSON format", "No MLflow server is there"),
        (200, '{"experiment": 3}', "ParseError", "Check that an MLflow server runs there"),
        (500, "Internal error", "too many 500 error responses", "Check that an MLflow server runs there"),
    ],
)
def test_a_server_that_refuses_or_is_no_mlflow_server_is_told_in_one_sentence(
    status, text, fault, remedy, told, capsys
):
    with answering(status, text) as uri:
        sentence = told(uri, capsys)
    assert fault in sentence
    assert remedy in sentence
    assert "html" not in sentence


def test_a_server_in_maintenance_for_an_hour_is_not_waited_for(told, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with answering(503, "later", [("Retry-After", "3600")]) as uri:
        assert "too many 503 error responses" in told(uri, capsys)


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"USERNAME": "me", "PASSWORD": "s3cret"}, "Basic " + base64.b64encode(b"me:s3cret").decode()),
        ({"TOKEN": "s3cret"}, "Bearer s3cret"),
    ],
)
def test_a_server_that_repeats_the_credentials_does_not_bring_them_into_messages_and_logs(
    environment, sent, told, capsys, monkeypatch, tmp_path
):
    for name, value in environment.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    for status, body in ((401, "no page for AUTHORIZATION"), (400, '{"message": "bad header: AUTHORIZATION"}')):
        with answering(status, body) as uri:
            sentence = told(uri, capsys)
        written = sentence + "".join(path.read_text() for path in tmp_path.rglob("*.*") if path.is_file())
        assert "bad header: " in sentence or "error code 401" in sentence
        assert sent.split()[-1] not in written
        assert "s3cret" not in written


def test_a_password_in_a_server_s_address_is_never_shown(write_overview, tmp_path):
    for password in ("s3cret", "s3/cret", "s3@cret"):
        with pytest.raises(TrackingError, match=r"127\.0\.0\.1:9") as caught:
            track_overview(f"http://me:{password}@127.0.0.1:9", write_overview(), tmp_path)
        assert "cret" not in str(caught.value)
