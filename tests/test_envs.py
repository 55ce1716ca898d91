import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import yaml

from serflow.papers.load import PAPERS, read_paper

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


def test_slurm_sends_what_trains_no_network_to_the_partition_without_gpus():
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    expression = profile["set-resources"]["train"]["slurm_partition"]
    for path in PAPERS.glob("*.yaml"):
        for name, system in read_paper(path)[1].systems.items():
            if system.model:
                found = eval(expression, {"wildcards": SimpleNamespace(system=name)})  # noqa: S307 -- as Snakemake does
                assert found == ("gpu" if system.training else "cpu"), name
