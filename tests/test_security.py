"""Nothing that is read can run code: no pickle, no unsafe YAML, no shell that sees an unquoted name."""

import hashlib
import io
import re
from pathlib import Path

import pytest

from serflow.training import checkpoint

ROOT = Path(__file__).parents[1]
RULES = sorted([ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")])
#: What loads what it is given as code, or runs text; ruff's rules S forbid more, such as unsafe YAML.
FORBIDDEN = re.compile(
    r"^\s*(?:import|from) (?:cloudpickle|dill|joblib|marshal|pickle|shelve)\b|(?<![.\w])(?:eval|exec)\(|"
    r"os\.(?:system|popen)|shell=|allow_pickle=|trust_remote_code=|read_pickle|jit\.load|"
    r"yaml\.(?:unsafe_|full_)?load\(|(?:Unsafe|Full)Loader|"
    r"torch\.load\((?!.*weights_only=True)|skops\.io\.load\((?!.*trusted=\[\])",
    re.MULTILINE,
)


def test_no_module_loads_a_pickle_or_runs_text():
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "serflow").rglob("*.py")}
    assert {path: found[0] for path, text in sources.items() if (found := FORBIDDEN.search(text))} == {}
    assert FORBIDDEN.search("torch.load(path)")
    assert any("torch.load(" in text for text in sources.values())


#: Placeholders in shell commands that hold no name from outside: numbers, and what a schema or a constraint lists.
PLAIN = {"threads", "params.device", "params.precision", "params.snrs"}
PLAIN |= {
    f"wildcards.{name}" for name in ("corpus", "figure", "paper", "published", "seed", "study", "table", "weights")
}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_every_name_in_a_shell_command_is_quoted(path):
    commands = re.findall(r"^    shell:\n((?:        .*\n)+)", path.read_text(), re.MULTILINE)
    names = [name for command in commands for name in re.findall(r"\{([^{}]+)\}", command)]
    assert [name for name in names if not name.endswith(":q") and name not in PLAIN] == []
    assert commands or path.name in ("Snakefile", "common.smk")


def test_no_rule_runs_python_text_or_loads_code():
    for path in RULES:
        text = path.read_text()
        assert not re.search(r"^    (run|script|wrapper|notebook):", text, re.MULTILINE), path
        assert not re.search(r"\bshell\(|\bos\.system|\bpickle\b|\beval\(", text), path


def test_mlflow_s_pages_are_shown_to_this_machine_alone():
    served = [line for line in (ROOT / "Makefile").read_text().splitlines() if re.search(r"mlflow (ui|server)", line)]
    assert served
    assert all("--host 127.0.0.1" in line for line in served)


class Payload:
    """A pickle that would make a file when it is opened."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_a_checkpoint_that_would_run_code_is_not_opened(tmp_path):
    import torch

    buffer = io.BytesIO()
    torch.save({"key": "k", "epoch": Payload(tmp_path / "pwned")}, buffer)
    content = buffer.getvalue()
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(hashlib.sha256(content).digest() + content)
    assert checkpoint.load(path, "k") == (None, f"starting from epoch 1: the checkpoint {path} is damaged")
    assert not (tmp_path / "pwned").exists()
