import hashlib
import http.server
import socket
import threading

import pytest

from serflow.errors import ConfigError, WeightsError
from serflow.models import weights

MODEL = {"module": "resnet", "depth": 18}
CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture
def server(monkeypatch):
    """A local server in place of the real one; yields a function that sets the file's name."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path.startswith("/models/")
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(CONTENT) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(CONTENT)

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def publish(path):
            url = f"http://127.0.0.1:{server.server_port}/{path}"
            monkeypatch.setattr(weights, "IMAGENET", {"resnet18": url})
            return url

        yield publish
        server.shutdown()
        thread.join()


def test_weights_are_fetched_and_verified(tmp_path, server):
    name = f"resnet18-{DIGEST}.pth"
    server(f"models/{name}")
    assert weights.file_name(MODEL) == name
    target = tmp_path / "weights" / name
    weights.fetch(name, target)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("path", "said"),
    [("models/resnet18-00000000.pth", "sha256 .*expected 00000000"), (f"gone/resnet18-{DIGEST}.pth", "404")],
)
def test_weights_that_are_not_what_was_published_leave_nothing(tmp_path, server, path, said):
    url = server(path)
    name = url.rpartition("/")[2]
    with pytest.raises(WeightsError, match=said) as caught:
        weights.fetch(name, tmp_path / name)
    assert caught.value.where == url
    assert not list(tmp_path.iterdir())


def test_offline_the_error_names_the_two_other_choices(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(weights, "IMAGENET", {"resnet18": f"http://127.0.0.1:{port}/resnet18-f37072fd.pth"})
    with pytest.raises(WeightsError) as caught:
        weights.fetch("resnet18-f37072fd.pth", tmp_path / "resnet18-f37072fd.pth")
    message = str(caught.value)
    for part in ("resnet18-f37072fd.pth", "a copy of the file", "`none`"):
        assert part in message
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_is_named(tmp_path):
    with pytest.raises(WeightsError, match="resnet19"):
        weights.fetch("resnet19-00000000.pth", tmp_path / "x.pth")


def test_the_weights_are_torchvisions():
    from torchvision.models import ResNet18_Weights, ResNet34_Weights, ResNet50_Weights

    enums = {"resnet18": ResNet18_Weights, "resnet34": ResNet34_Weights, "resnet50": ResNet50_Weights}
    assert {name: enum.IMAGENET1K_V1.url for name, enum in enums.items()} == weights.IMAGENET


def test_the_file_of_a_system_is_named_after_its_depth():
    assert weights.file_name(MODEL | {"pretrained": "imagenet"}) == "resnet18-f37072fd.pth"
    with pytest.raises(ConfigError, match="resnet101"):
        weights.file_name(MODEL | {"depth": 101})
