"""The corpora, each a module of one shape: `serflow.corpora.base` says what such a module offers."""

from __future__ import annotations

import importlib
from types import ModuleType

from serflow.errors import ConfigError

#: A new corpus is a module of this package, its name here, and an entry in config.yaml.
CORPORA = ("ravdess", "savee", "iemocap")


def members(name: str) -> tuple[str, ...]:
    """Return the corpora that `name` joins: ``"ravdess+savee"`` gives ``("ravdess", "savee")``.

    Raises
    ------
    ConfigError
        If a member is no corpus or stands twice.
    """
    parts = tuple(name.split("+"))
    for part in parts:
        if part not in CORPORA:
            raise ConfigError(
                name, f"unknown corpus {part!r}", f"Allowed, alone or joined by '+': {', '.join(CORPORA)}."
            )
    if len(set(parts)) < len(parts):
        raise ConfigError(name, "names a corpus twice", "Name each corpus once.")
    return parts


def load(name: str) -> ModuleType:
    """Return the module of the single corpus `name`.

    Raises
    ------
    ConfigError
        If there is no such corpus.
    """
    if name not in CORPORA:
        raise ConfigError(name, f"unknown corpus {name!r}", f"Allowed: {', '.join(CORPORA)}.")
    return importlib.import_module(f"serflow.corpora.known.{name}")
