"""Nothing that is read can run code: no pickle, no unsafe YAML, no shell that sees an unquoted name."""

import ast
import hashlib
import io
import re
from pathlib import Path

import pytest

from serflow.training import checkpoint

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "workflow" / "serflow").rglob("*.py"))
RULES = sorted([ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")])
#: Modules that load what they are given as code, and functions that run text.
MODULES = {"cloudpickle", "cPickle", "dill", "joblib", "marshal", "pickle", "shelve"}
FUNCTIONS = {"eval", "exec", "os.popen", "os.system", "pandas.read_pickle", "yaml.full_load", "yaml.load"}
FUNCTIONS |= {
    "yaml.unsafe_load",
    "pd.read_pickle",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "torch.jit.load",
}
#: What a call must say, by the end of the function's name; None: must not.
KEYWORDS = {"torch.load": ("weights_only", True), "skops.io.load": ("trusted", [])}
NEVER = {"shell": True, "allow_pickle": True, "trust_remote_code": True}


def faults(text):
    """What in a module's source could run code that is read; line and why."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"{node.lineno}: imports {name}" for name in names if name.partition(".")[0] in MODULES]
        if isinstance(node, ast.Attribute) and node.attr in ("UnsafeLoader", "FullLoader", "Loader", "CLoader"):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            found += [f"{node.lineno}: calls {name}"] if name in FUNCTIONS else []
            for key, value in given.items():
                if key in NEVER and not (isinstance(value, ast.Constant) and value.value is False):
                    found.append(f"{node.lineno}: {name} with {key}")
            if name in KEYWORDS:
                key, wanted = KEYWORDS[name]
                if key not in given or ast.unparse(given[key]) != repr(wanted):
                    found.append(f"{node.lineno}: {name} without {key}={wanted}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "workflow").as_posix())
def test_no_module_loads_a_pickle_or_runs_text(path):
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "skops.io.load(path, trusted=unknown)",
        "skops.io.load(path)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.UnsafeLoader",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=flag)",
        "os.system(command)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
    ],
)
def test_the_search_finds_each_kind(text):
    assert faults(text)


def test_the_search_reads_all_of_the_package():
    assert len(SOURCES) > 70
    assert any("torch.load(" in path.read_text() for path in SOURCES)
    assert any("skops.io.load(" in path.read_text() for path in SOURCES)


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
