"""A real tracking server that is slow, refuses, loses answers or dies mid-way; and the workflow beside it."""

import base64
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from serflow.tracking.entries import Dataset, Entry, Metric
from serflow.tracking.store import AGAIN, COMPLETE, KEY, TrackingError, write_entries
from workflow_project import DEMO, copy_project, environment, snakemake_command

SECRET = "pass-w0rd-of-nobody"  # noqa: S105 (of no one)


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return taken.getsockname()[1]


class Server:
    """MLflow's own server on an SQLite store; it can be killed and started again."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.start()

    def start(self):
        command = ["-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self.folder}/store.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], env=env, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(480):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.25)
        raise AssertionError((self.folder / "server.log").read_text())

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Proxy:
    """Stands before the server. `spoil(n, method, path, headers)` says what becomes of the n-th request.

    None: it is passed on. "cut": it is not, and the connection ends. "lose": it is passed on, and the answer is not. A
    float: it is passed on after so many seconds. A status: that is the answer.
    """

    def __init__(self, server, port=0):
        self.server, self.requests, self.spoil = server, [], lambda *_: None
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", port), self.handler())
        self.httpd.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self.httpd.server_port}"
        threading.Thread(target=self.httpd.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def heal(self):
        self.spoil = lambda *_: None

    def handler(proxy):  # noqa: N805 (the handler has a self of its own)
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                proxy.requests.append((self.command, path))
                fault = proxy.spoil(len(proxy.requests), self.command, path, self.headers)
                if fault == "cut":
                    return
                if isinstance(fault, int):
                    status, headers, text = fault, [], b"spoilt"
                else:
                    time.sleep(fault if isinstance(fault, float) else 0)
                    status, headers, text = self.passed_on(body)
                if fault == "lose":
                    return
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def passed_on(self, body):
                connection = http.client.HTTPConnection("127.0.0.1", proxy.server.port, timeout=60)
                try:
                    connection.request(self.command, self.path, body, dict(self.headers))
                    answer = connection.getresponse()
                    return answer.status, answer.getheaders(), answer.read()
                except OSError:
                    return 502, [], b"the server is gone"
                finally:
                    connection.close()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 (http.server's names)

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests, each of which has experiments of its own: starting one takes seconds."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture
def proxy(server, monkeypatch):
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    proxy = Proxy(server)
    yield proxy
    proxy.stop()


@contextmanager
def retries(n):
    """Let MLflow's client send a failed request again n times, without pauses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(n))
        patch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        patch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
        yield


@pytest.fixture
def entries_of(tmp_path):
    """Return entries of a corpus, system and protocol and of its seeds, with all that an entry can have."""

    def entries(seeds=(0,), loss=0.5):
        (tmp_path / "history.csv").write_text("epoch,loss\n")
        dataset = Dataset("ravdess", "0123", '{"uri": "ravdess.csv"}', '{"num_rows": 1}', {"split": "seed0.csv"})
        times = {"started": 1_767_323_045_000, "finished": 1_767_323_105_000}
        found = [Entry("net", "net", **times, tags={"n_runs": str(len(seeds))})]
        for seed in seeds:
            model = tmp_path / f"seed{seed}" / "model"
            if not model.exists():
                model.parent.mkdir()
                model.write_bytes(os.urandom(200_000))
            about = {"parameters": {"epochs": "1"}, "config": {"epochs": 1}, "dataset": dataset, "parent": "net"}
            about |= {"artifacts": [(model, ""), (tmp_path / "history.csv", "")]}
            metrics = [Metric("train_loss", 1, loss if seed else 0.5, 2000), Metric("test_WA", 0, 1.0, 60_000)]
            found.append(Entry(f"net/seed{seed}", f"seed{seed}", **times, metrics=metrics, **about))
        return found

    return entries


def log(uri, experiment, entries):
    """Log entries to a server."""
    return write_entries(uri, experiment, "A note", entries, Path("unused"))


def assert_each_once(server, experiment, receipt, entries):
    """Assert that the server holds each entry once, whole, below its parent."""
    client = MlflowClient(f"http://127.0.0.1:{server.port}")
    held = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=1000)
    assert sorted((run.data.tags[KEY], run.info.run_id) for run in held) == sorted(receipt.items())
    assert len(held) == len(entries)
    for run in held:
        assert run.info.status == "FINISHED"
        assert run.data.tags[COMPLETE] == "true"
        if run.info.run_id == receipt["net"]:
            continue
        assert run.data.tags["mlflow.parentRunId"] == receipt["net"]
        assert run.data.metrics["test_WA"] == 1
        assert [m.step for m in client.get_metric_history(run.info.run_id, "train_loss")] == [1]
        assert run.data.params["epochs"] == "1"
        assert [item.dataset.name for item in run.inputs.dataset_inputs] == ["ravdess"]
    child = receipt["net/seed0"]
    assert {item.path for item in client.list_artifacts(child)} == {"model", "history.csv", "config.yaml"}
    stored = list((server.folder / "artifacts").rglob(f"{child}/artifacts/model"))
    ((model, _), _) = entries[1].artifacts
    assert [file.read_bytes() for file in stored] == [model.read_bytes()]


def test_a_server_that_is_down_is_told_after_seconds_not_minutes(entries_of):
    start = time.monotonic()
    with pytest.raises(TrackingError, match="Connection refused"):
        log(f"http://127.0.0.1:{free_port()}", "down", entries_of())
    assert time.monotonic() - start < 30


def test_a_slow_server_gets_everything(server, proxy, entries_of):
    proxy.spoil = lambda *_: 0.3
    receipt = log(proxy.uri, "slow", entries_of())
    assert_each_once(server, "slow", receipt, entries_of())


@pytest.mark.parametrize("n", [1, 2, 4, 9, 14, 20])
def test_a_server_that_fails_mid_way_gets_what_is_missing_later(n, server, proxy, entries_of):
    experiment, entries = f"fails{n}", entries_of(seeds=(0, 1))
    proxy.spoil = lambda i, *_: "cut" if i > n else None
    with retries(0), pytest.raises(TrackingError, match=AGAIN):
        log(proxy.uri, experiment, entries)
    assert len(proxy.requests) == n + 1
    proxy.heal()
    receipt = log(proxy.uri, experiment, entries)
    assert_each_once(server, experiment, receipt, entries)
    sent = len(proxy.requests)
    assert log(proxy.uri, experiment, entries) == receipt
    assert not [path for method, path in proxy.requests[sent:] if method == "PUT" or path.endswith("runs/create")]


def test_a_killed_server_gets_what_is_missing_after_its_restart(server, proxy, entries_of):
    entries = entries_of(seeds=(0, 1))

    def kill(n, *_):
        if n == 17:
            server.kill()

    proxy.spoil = kill
    try:
        with retries(1), pytest.raises(TrackingError, match=AGAIN):
            log(proxy.uri, "killed", entries)
    finally:
        server.start()
    proxy.heal()
    receipt = log(proxy.uri, "killed", entries)
    assert_each_once(server, "killed", receipt, entries)


def test_whichever_answer_is_lost_after_the_work_was_done_nothing_is_there_twice(server, proxy, entries_of):
    entries, lost, made_twice = entries_of(), [], 0
    for n in range(1, 100):
        proxy.requests.clear()
        proxy.spoil = lambda i, *_, n=n: "lose" if i == n else None
        with retries(1):
            receipt = log(proxy.uri, f"lost{n}", entries)
        if len(proxy.requests) < n:  # no answer was lost: every one has been
            break
        lost.append(proxy.requests[n - 1][1].rpartition("mlflow/")[2])
        made_twice += [path for _, path in proxy.requests].count("/api/2.0/mlflow/runs/create") - 2
        assert_each_once(server, f"lost{n}", receipt, entries)
    assert {"experiments/create", "runs/create", "runs/log-batch", "runs/log-inputs", "runs/update"} <= set(lost)
    assert made_twice == 2  # the parent and the child: this test lost what it says


@pytest.mark.parametrize("request_", ["runs/delete", "runs/create"])
def test_a_lost_answer_while_a_changed_run_is_replaced_leaves_one(request_, server, proxy, entries_of):
    experiment = f"changed {request_.replace('/', ' ')}"
    before = log(proxy.uri, experiment, entries_of(seeds=(0, 1)))
    lost = []

    def lose_first(_n, _method, path, _headers):
        if path.endswith(request_) and not lost:
            lost.append(path)
            return "lose"
        return None

    proxy.spoil = lose_first
    entries = entries_of(seeds=(0, 1), loss=0.9)
    with retries(1):
        after = log(proxy.uri, experiment, entries)
    assert lost
    assert_each_once(server, experiment, after, entries)
    assert {key for key in before if before[key] != after[key]} == {"net/seed1"}


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_fails_every_request_once_gets_everything(status, server, proxy, entries_of):
    seen = set()

    def fail_once(n, method, path, _headers):
        fresh = (method, path) not in seen
        seen.add((method, path))
        return status if fresh else None

    proxy.spoil = fail_once
    with retries(1):
        receipt = log(proxy.uri, f"again{status}", entries_of())
    assert_each_once(server, f"again{status}", receipt, entries_of())


@pytest.mark.parametrize(("fault", "told"), [(500, "500"), (403, "MLFLOW_TRACKING_TOKEN"), (413, "413"), ("cut", "")])
def test_files_that_the_server_does_not_take_are_told_and_sent_later(fault, told, server, proxy, entries_of):
    proxy.spoil = lambda n, method, *_: fault if method == "PUT" else None
    with retries(0), pytest.raises(TrackingError, match=AGAIN) as caught:
        log(proxy.uri, f"files {fault}", entries_of())
    assert told in str(caught.value)
    assert "spoilt" not in str(caught.value)
    proxy.heal()
    receipt = log(proxy.uri, f"files {fault}", entries_of())
    assert_each_once(server, f"files {fault}", receipt, entries_of())


AUTHORIZATIONS = {
    "basic": ({"USERNAME": "me", "PASSWORD": SECRET}, "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()),
    "token": ({"TOKEN": SECRET}, f"Bearer {SECRET}"),
}


def demand(authorization):
    """Spoil every request that does not bring this header."""
    return lambda n, method, path, headers: None if headers.get("Authorization") == authorization else 401


@pytest.mark.parametrize("kind", sorted(AUTHORIZATIONS))
def test_credentials_of_the_environment_open_a_server_that_demands_them(kind, server, proxy, entries_of, monkeypatch):
    environment, authorization = AUTHORIZATIONS[kind]
    proxy.spoil = demand(authorization)
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_USERNAME"):
        log(proxy.uri, f"closed {kind}", entries_of())
    for name, value in environment.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    receipt = log(proxy.uri, f"closed {kind}", entries_of())
    assert_each_once(server, f"closed {kind}", receipt, entries_of())


# The workflow beside a server

CONFIG = f"""
papers: [deepemonet]
systems: [svm]
protocols: [published]
{DEMO}
tracking: {{uri: "%s"}}
"""


@pytest.fixture
def snakemake(tmp_path):
    """Call snakemake in a copy of the project, whose server stands at a port of its own."""
    folder, port = tmp_path / "project", free_port()
    copy_project(folder, CONFIG % f"http://127.0.0.1:{port}")
    env = environment(folder) | {f"MLFLOW_TRACKING_{name}": value for name, value in AUTHORIZATIONS["basic"][0].items()}

    def call(*arguments):
        command = snakemake_command(*arguments)
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    call.folder, call.port = folder, port
    return call


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_dead_server_stops_no_training_and_the_same_command_logs_everything_later(server, snakemake):
    folder, out = snakemake.folder, snakemake.folder / "out"
    uri = f"http://127.0.0.1:{snakemake.port}"
    status, output = snakemake()
    assert status != 0
    sentences = [line for line in output.splitlines() if line.startswith("serflow track")]
    assert len(sentences) == 2, output  # the paper's and the comparison's
    for line in sentences:
        assert f": {uri}: MLflow: " in line
        assert line.endswith(AGAIN)
    run = out / "runs/deepemonet/ravdess/svm/published/seed0/fold0"
    assert (run / "run.json").exists()
    assert {path.name for path in (out / "tables").glob("*.html")} == {"comparison.html", "costs.html"}
    assert (out / "tables/deepemonet/table_1.csv").exists()
    assert list((out / "figures").rglob("*.svg"))
    assert not (out / "tracking").exists() or not list((out / "tracking").iterdir())
    before = files(out)

    proxy = Proxy(server, snakemake.port)
    proxy.spoil = demand(AUTHORIZATIONS["basic"][1])
    try:
        status, output = snakemake()
        assert status == 0, output
        assert "Nothing to be done" in snakemake()[1]
        report, _ = snakemake("--report", "out/report.html")
        assert report == 0
    finally:
        proxy.stop()
    made = {path.relative_to(out).parts[0] for path, time in files(out).items() if before.get(path) != time}
    assert made <= {"tracking", "logs", "benchmarks", "report.html"}
    assert {path.name for path in (out / "tracking").iterdir()} == {"deepemonet.json", "comparison.json"}

    client = MlflowClient(f"http://127.0.0.1:{server.port}")
    for experiment, name in (("deepemonet", "deepemonet.json"), ("all papers", "comparison.json")):
        receipt = json.loads((out / "tracking" / name).read_text())
        held = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
        assert sorted(run.info.run_id for run in held) == sorted(receipt.values())

    secrets = [SECRET.encode(), AUTHORIZATIONS["basic"][1].removeprefix("Basic ").encode()]
    for path in folder.rglob("*"):  # logs, run.json, receipts, tables, the report and Snakemake's own records too
        if path.is_file() and "workflow" not in path.relative_to(folder).parts[:1]:
            assert not any(secret in path.read_bytes() for secret in secrets), path
