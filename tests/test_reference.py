"""The schemas and the reference page that are committed are those of the models; the files of the project fit them."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from serflow.reference import write_reference

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
