"""Reading paper files: from YAML, with a configuration's changes laid over them, to a checked `Paper`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serflow.config import Config, overlay, read_yaml
from serflow.errors import ConfigError
from serflow.items import members_of
from serflow.kinds import suggest
from serflow.models.weights import network_name
from serflow.papers.checks import check_paper
from serflow.papers.model import Paper
from serflow.schema import check

#: A paper file as plain builtins, its systems derived from those that they are ``based_on``.
Plain = dict[str, Any]
PAPERS = Path(__file__).parents[2] / "papers"


def read_paper(path: Path) -> tuple[Plain, Paper]:
    """Return a paper file's content, in which systems that are ``based_on`` others are not derived yet, and its model.

    Raises
    ------
    ConfigError
        If it is not valid YAML, or something in it is not allowed; see `make_paper`.
    """
    content = read_yaml(path)
    paper = make_paper(derive_systems(content, str(path)), str(path))
    if paper.paper != path.stem:
        raise ConfigError(f"{path}: paper", f"{paper.paper!r} differs from the file's name", f"Write {path.stem!r}.")
    return content, paper


def make_paper(content: Any, where: str) -> Paper:
    """Return a paper's content as a model.

    Raises
    ------
    ConfigError
        If a key is unknown, a value is not allowed, a name does not exist, or two things do not go together.
    """
    paper = check(Paper, content, where)
    check_paper(paper, where)
    return paper


def derive_systems(content: Any, where: str = "paper") -> Any:
    """Return a paper whose systems that are ``based_on`` another are that one with their own keys laid over it.

    Raises
    ------
    ConfigError
        If a system is based on one that does not exist, or in the end on itself.
    """
    systems = content.get("systems") if isinstance(content, Mapping) else None
    if not isinstance(systems, Mapping):
        return content  # for the model to complain about

    def derive(name: str, above: tuple[str, ...]) -> Any:
        system = systems[name]
        if not isinstance(system, Mapping) or "based_on" not in system:
            return system
        base, place = system["based_on"], f"{where}: systems.{name}.based_on"
        if not isinstance(base, str) or base not in systems:
            raise ConfigError(place, f"unknown name {base!r}", suggest(base, sorted(systems)))
        if base in (name, *above):
            raise ConfigError(place, f"{base!r} is itself based on {name!r}", "Break the circle.")
        own = {key: value for key, value in system.items() if key != "based_on"}
        found = derive(base, (name, *above))
        return overlay(found, own) if isinstance(found, Mapping) else found  # for the model to complain about

    return {**content, "systems": {name: derive(name, ()) for name in systems}}


def apply_config(content: Plain, paper: Paper, config: Config) -> tuple[Plain, Paper]:
    """Return what `read_paper` gives with a configuration's ``overrides`` and ``pretrained`` laid over it, checked.

    Raises
    ------
    ConfigError
        If the overrides rename the paper, or see `make_paper`.
    """
    name = content["paper"]
    where = f"config.yaml: overrides.{name}"
    result = derive_systems(overlay(content, config.overrides.get(name, {})), where)
    for system in result["systems"].values() if isinstance(result["systems"], Mapping) else ():
        model = system.get("model") if isinstance(system, Mapping) else None
        if isinstance(model, dict) and model.get("pretrained") == "imagenet":
            model["pretrained"] = config.weights_of(network_name(model))
    if result == derive_systems(content):
        return result, paper
    changed = make_paper(result, where)
    if changed.paper != name:
        raise ConfigError(f"{where}.paper", f"{changed.paper!r} would rename the paper", "Remove the key.")
    return result, changed


def take_partial(content: Plain, config: Config) -> tuple[Plain, dict[str, str]]:
    """Put what is configured of each union of corpora in its place, as ``allow_partial`` asks.

    A union stays as it is if none of its members is configured, or what is left of it is a corpus of the paper.

    Returns
    -------
    tuple
        The paper, what names the union naming what is run in its place; and what is run -> the union.
    """
    result, replaced = overlay(content, {}), dict[str, str]()
    for corpus in content["corpora"]:
        taken = "+".join(name for name in members_of(corpus) if config.source(name))
        if not taken or taken in result["corpora"]:
            continue
        result["corpora"][result["corpora"].index(corpus)] = taken
        entries = [one for key in ("published", "published_confusion", "figures") for one in result.get(key, [])]
        for entry in (*entries, *result["protocols"].values()):
            if entry.get("corpus") == corpus:
                entry["corpus"] = taken
            names = entry.get("corpora") or []
            if corpus in names:
                names[names.index(corpus)] = taken
        replaced[taken] = corpus
    return result, replaced
