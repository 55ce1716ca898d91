"""Which files a stage's code is made of, and which edits change its digest."""

import ast
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from serflow import sources
from serflow.errors import ConfigError
from serflow.sources import Sources

PACKAGE = {
    "__init__.py": '"""A package."""\n\n__version__ = "1"\n',
    "cli.py": """
        from typing import TYPE_CHECKING

        from ser.io import read
        from ser.table import render

        if TYPE_CHECKING:
            from ser.typed import Typed

        LIMIT = 3
        UNUSED = 4
        LABELS = {}
        LABELS["joy"] = "happiness"


        def verb(**options):
            return lambda function: function


        @verb(help="trains a model", default=UNUSED)
        def train(table):
            from ser.training.run import run

            return run(_bounded(table))


        def _bounded(value):
            return min(value, LIMIT, len(LABELS))


        @verb(help="writes a table")
        def table(path):
            from ser import typed

            return render(read(path), typed)


        if __name__ == "__main__":
            train(table)
        """,
    "io.py": "def read(path):\n    return path\n",
    "table.py": "def render(text):\n    return text\n",
    "typed.py": "class Typed:\n    pass\n",
    "training/__init__.py": "",
    "training/run.py": '''
        """Runs."""

        from . import schedule


        def run(value):
            """Run once."""
            from ..models import bilstm

            return schedule.steps(value) + bilstm.WIDTH  # all of them
        ''',
    "training/schedule.py": "from .deep.constants import RATE\n\n\ndef steps(value):\n    return [value, RATE]\n",
    "training/deep/__init__.py": "",
    "training/deep/constants.py": "RATE = 0.001\n",
    "models/__init__.py": "",
    "models/bilstm.py": "WIDTH = 128\n",
    "models/satt.py": "WIDTH = 64\n",
}
TRAIN = "ser.cli:train"


@pytest.fixture
def package(tmp_path):
    root = tmp_path / "ser"
    for name, text in PACKAGE.items():
        write(root / name, text)
    return root


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip())
    return path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def reached(package, *entries):
    """The files of a closure, those of the package by their path in it."""
    found = Sources(package).closure(*entries)
    return [str(path.relative_to(package) if path.is_relative_to(package) else path.name) for path in found]


def digest(package, *entries):
    """The digest that a new process computes."""
    return Sources(package).digest(*entries)


def test_closure_of_a_module(package):
    assert reached(package, "ser.training.run") == [
        "__init__.py",
        "models/__init__.py",
        "models/bilstm.py",
        "training/__init__.py",
        "training/deep/__init__.py",
        "training/deep/constants.py",
        "training/run.py",
        "training/schedule.py",
    ]


def test_function_brings_only_the_imports_that_it_uses(package):
    assert reached(package, TRAIN) == sorted([*reached(package, "ser.training.run"), "cli.py"])
    assert reached(package, "ser.cli:table") == ["__init__.py", "cli.py", "io.py", "table.py", "typed.py"]


def test_parameter_with_the_name_of_another_function_is_not_that_function(package):
    assert "table.py" not in reached(package, TRAIN)  # its parameter is called `table`


def test_module_brings_all_imports_but_those_for_type_checkers(package):
    write(
        package / "other.py",
        "import typing\nif typing.TYPE_CHECKING:\n    import ser.typed\nelse:\n    import ser.io\n",
    )
    assert reached(package, "ser.other") == ["__init__.py", "io.py", "other.py"]
    assert "typed.py" in reached(package, "ser.cli")  # `table` imports it too


@pytest.mark.parametrize(
    "statement", ["import ser.models.satt", "from ser.models import satt", "from ser.models.satt import WIDTH as W"]
)
def test_every_form_of_import(package, statement):
    write(package / "io.py", f"def read(path):\n    with open(path):\n        {statement}\n")
    assert reached(package, "ser.io") == ["__init__.py", "io.py", "models/__init__.py", "models/satt.py"]


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("io.py", "from .models import satt"),
        ("training/__init__.py", "from ..models import satt"),
        ("training/__init__.py", "from ..models.satt import *"),
        ("training/deep/constants.py", "from ...models import satt"),
    ],
)
def test_relative_imports(package, name, statement):
    write(package / name, statement)
    module = "ser." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert "models/satt.py" in reached(package, module)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("training/run.py", "# all of them", "# each"),
        ("training/run.py", "Run once.", "Run."),
        ("training/run.py", "steps(value)", "steps(\n        value,\n    )"),
        ("cli.py", "trains a model", "fits a model"),
        ("cli.py", "UNUSED = 4", "UNUSED = 5"),
        ("cli.py", "render(read(path), typed)", "read(path)"),
        ("cli.py", "import render", "import render, other"),
        ("typed.py", "pass", "size = 1"),
        ("models/satt.py", "64", "65"),
        ("__init__.py", '"1"', '"2"'),
    ],
)
def test_edit_that_changes_nothing_of_a_function(package, name, old, new):
    before = digest(package, TRAIN)
    edit(package / name, old, new)
    assert digest(package, TRAIN) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("training/deep/constants.py", "0.001", "0.002"),
        ("models/bilstm.py", "128", "256"),
        ("training/__init__.py", "", "import os"),
        ("__init__.py", "__version__", "version"),
        ("cli.py", "run(_bounded(table))", "run(table)"),
        ("cli.py", "LIMIT = 3", "LIMIT = 2"),
        ("cli.py", '"happiness"', '"joy"'),
    ],
)
def test_edit_that_changes_what_a_function_does(package, name, old, new):
    before = digest(package, TRAIN)
    edit(package / name, old, new)
    assert digest(package, TRAIN) != before


def test_names_that_a_function_of_a_module_may_use(package):
    text = """
        import ser.io as files
        try:
            from ser.models import satt as model
        except ImportError:
            model = None
        from ser.table import *


        class Base:
            size = SIZE


        SIZE = 1
        OTHER = 1


        class Fast(Base):
            def __init__(self, SIZE=OTHER):
                self.models = [model for model in SIZE]


        def run(value: Fast):
            def inner():
                return files.read(value)

            OTHER = inner
            return OTHER
        """
    write(package / "some.py", text)
    assert reached(package, "ser.some:run") == ["__init__.py", "io.py", "some.py", "table.py"]
    used, unused = ("SIZE = 1", "SIZE = 2"), ("model = None", "model = 0")
    before = digest(package, "ser.some:run")
    edit(package / "some.py", *unused)
    assert digest(package, "ser.some:run") == before
    edit(package / "some.py", *used)
    assert digest(package, "ser.some:run") != before


def test_files_of_a_user(package, tmp_path):
    own = write(tmp_path / "own.py", "import numpy\nimport layers\nfrom ser.models import satt\n")
    layers = write(tmp_path / "layers.py", "from ser.io import read\nSIZE = 1\n")
    files = ["__init__.py", "io.py", "models/__init__.py", "models/satt.py", "layers.py", "own.py"]
    assert sorted(reached(package, own)) == sorted(files)
    found = Sources(package)
    before = found.digest(TRAIN, own)
    assert before not in (found.digest(TRAIN), found.digest(own))
    edit(layers, "SIZE = 1", "SIZE = 1  # layers")
    assert found.digest(own, TRAIN) == before
    edit(layers, "SIZE = 1", "SIZE = 2")
    assert found.digest(own, TRAIN) != before


def test_packages_of_a_user_are_followed(package, tmp_path, monkeypatch):
    own = write(tmp_path / "mine/own.py", "from layers.head import make\nimport flat.deep.er\n")
    (tmp_path / "mine/layers").mkdir()
    (tmp_path / "mine/flat/deep").mkdir(parents=True)
    write(tmp_path / "mine/layers/__init__.py", "")
    head = write(
        tmp_path / "mine/layers/head.py",
        "from .tail import end\nfrom ..flat import x\nfrom blocks import one\nimport wave\ndef make(): pass\n",
    )
    (tmp_path / "wave.py").write_text("print 'of another project'")
    for name in ("layers/tail.py", "blocks.py", "flat/deep/er.py", "unused.py"):
        write(tmp_path / "mine" / name, f"NAME = '{name}'\n")
    assert sorted(reached(package, own)) == ["__init__.py", "blocks.py", "er.py", "head.py", "own.py", "tail.py"]
    monkeypatch.chdir(tmp_path / "mine")
    before = Sources(package).digest(own)
    assert Sources(package).digest(Path("own.py")) == before  # as config.yaml may name it
    edit(head, "pass", "return 1")
    assert Sources(package).digest(own) != before


def test_path_in_the_package_is_its_module(package, monkeypatch):
    monkeypatch.chdir(package)
    assert digest(package, Path("models/satt.py")) == digest(package, "ser.models.satt")


def test_digest_does_not_depend_on_where_the_package_stands(package, tmp_path):
    before = digest(package, TRAIN)
    (tmp_path / "clone").mkdir()
    assert digest(package.rename(tmp_path / "clone" / "ser"), TRAIN) == before


def test_digest_is_the_same_under_every_python(tmp_path):
    """The number was computed under 3.11, 3.12 and 3.13, whose `ast.dump` differ."""
    text = """
        class A(dict, total=None):
            rate: float = 1e-3

            async def run(self, *values, size=(1, ...), **options):
                print(f"{values!r:>{size[0]}}" u"\\U0001fae8", {**options}, end=b"")
                return [value for value in values if not -value] or (lambda: None)
        """
    path = write(tmp_path / "own.py", text)
    assert digest(tmp_path / "none", path) == "73a2fc45c12ae0b9c84fdc9a208e862678a4a6a58b6e8a1cc854d996d270f875"


def test_second_process_parses_only_what_was_edited(package, monkeypatch):
    before, parsed = digest(package, TRAIN), []
    parse = ast.parse
    monkeypatch.setattr(sources.ast, "parse", lambda text, name: parsed.append(Path(name).name) or parse(text, name))
    assert digest(package, TRAIN) == before
    assert parsed == []
    edit(package / "models" / "bilstm.py", "128", "256")
    assert digest(package, TRAIN) != before
    assert parsed == ["bilstm.py"]


@pytest.mark.parametrize("content", ["", "[]", '{"version": null}'])
def test_damaged_cache_is_ignored_and_replaced(package, content):
    before = digest(package, TRAIN)
    cache = package / "__pycache__" / "sources.json"
    whole = json.loads(cache.read_text())
    cache.write_text(content)
    assert digest(package, TRAIN) == before
    assert json.loads(cache.read_text()) == whole
    assert [path.name for path in cache.parent.iterdir()] == ["sources.json"]


def test_cache_of_another_version_is_ignored(package, monkeypatch):
    before = digest(package, TRAIN)
    cache = package / "__pycache__" / "sources.json"
    content = json.loads(cache.read_text())
    content["files"]["ser"]["parts"][""][0] = "of another version"
    cache.write_text(json.dumps(content))
    assert digest(package, TRAIN) != before  # it is read
    monkeypatch.setattr(sources, "VERSION", [0])
    assert digest(package, TRAIN) == before


def test_folder_that_cannot_be_written(package):
    (package / "__pycache__").write_text("")  # a file where the folder would stand stops root as well
    assert digest(package, TRAIN) == digest(package, TRAIN)


def test_syntax_error_names_file_and_line(package):
    broken = write(package / "models" / "bilstm.py", "x = 1\ny = 1 +\n")
    with pytest.raises(ConfigError) as caught:
        digest(package, TRAIN)
    assert caught.value.where == f"{broken}:2"


@pytest.mark.parametrize("entry", ["ser.none", "ser.cli:none", Path("none.py")])
def test_entry_that_does_not_exist(package, entry):
    with pytest.raises(ConfigError, match="none"):
        digest(package, entry)


@pytest.mark.parametrize("module", ["serflow.features.build", "serflow.protocols.split"])
def test_closure_holds_all_that_python_imports(module):
    text = f"import sys, {module}\nfor name in sys.modules: print(name, getattr(sys.modules[name], '__file__', ''))"
    command = [sys.executable, "-c", text]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    loaded = {Path(line.split()[-1]) for line in lines if line.startswith("serflow")}
    assert Path(sources.__file__).with_name("errors.py") in loaded
    assert loaded <= set(sources.closure(module))


def test_closure_of_a_verb_starts_at_the_verb():
    """`cli.py` reaches everything."""
    names = {path.name for path in sources.closure("serflow.cli:demo")}
    assert {"cli.py", "errors.py", "synthesis.py"} <= names
    assert not names & {"run.py", "store.py", "papers.py"}
