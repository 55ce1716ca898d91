"""The schemas and the reference page that are committed are those of the models; the files of the project fit them."""

import inspect
import json
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import yaml

from serflow.features.recipes import COPIES, TRANSFORMS
from serflow.models import ARCHITECTURES
from serflow.reference import write_reference
from serflow.training.options import AUGMENTATIONS, INPUTS

ROOT = Path(__file__).parents[1]


def test_what_is_committed_is_what_the_models_give(tmp_path):
    write_reference(tmp_path, tmp_path / "reference.md")
    for name, place in (
        ("config.schema.json", "workflow/schemas"),
        ("paper.schema.json", "workflow/schemas"),
        ("reference.md", "docs"),
    ):
        assert (tmp_path / name).read_text() == (ROOT / place / name).read_text(), "run `make reference`"


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *sorted((ROOT / "workflow/papers").glob("*.yaml"))], ids=str)
def test_an_editor_finds_no_fault_in_the_projects_own_files(path):
    schema = (path.parent / path.read_text().split("$schema=")[1].split("\n")[0]).read_text()
    jsonschema.Draft202012Validator(json.loads(schema)).validate(yaml.safe_load(path.read_text()))


def test_an_editor_finds_a_fault_in_an_option_of_a_kind():
    schema = json.loads((ROOT / "workflow/schemas/paper.schema.json").read_text())
    paper = yaml.safe_load((ROOT / "workflow/papers/deepemo.yaml").read_text())
    paper["systems"]["resnet18"]["model"]["dept"] = 18
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(paper))


@pytest.mark.parametrize(
    "kinds", [TRANSFORMS, COPIES, INPUTS, ARCHITECTURES, AUGMENTATIONS], ids=lambda kinds: kinds.package
)
def test_the_defaults_told_are_those_of_the_functions(kinds):
    for name in kinds.known():
        extra = kinds.constant(name, "EXTRA", "")
        if extra and not find_spec(extra):
            continue  # what it needs is not installed
        parameters = inspect.signature(kinds.load(name)).parameters
        for option in kinds.options(name).values():
            if not option.required:
                assert option.default == parameters[option.name].default, (name, option.name)
