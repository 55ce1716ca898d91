import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
#: conda's names of packages that the Python index names otherwise.
NAMES = {
    "pytorch": "torch",
    "pysoundfile": "soundfile",
    "soxr-python": "soxr",
    "matplotlib-base": "matplotlib",
    "snakemake-minimal": "snakemake",
}


def conda_pins():
    dependencies = yaml.safe_load((ROOT / "envs" / "serflow.yaml").read_text())["dependencies"]
    pins = dict(line.partition("=")[::2] for line in dependencies)
    return {NAMES.get(name, name): version for name, version in pins.items() if name not in ("python", "pip")}


def test_conda_pins_are_those_of_the_lock():
    lock = (ROOT / "requirements.lock").read_text()
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    assert conda_pins() == {name: locked[name] for name in conda_pins()}


def test_conda_has_every_dependency_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    assert conda_pins().keys() == needed | {"setuptools"}  # which installs the package itself
