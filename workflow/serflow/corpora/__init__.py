"""The corpora: each built-in one is a module of `serflow.corpora.known`; `base` says what such a module offers."""

from __future__ import annotations

from types import ModuleType

from serflow.corpora.base import OPTIONAL
from serflow.errors import ConfigError
from serflow.kinds import Kinds, suggest

KINDS = Kinds("serflow.corpora.known")
CORPORA = tuple(KINDS.known())


def load(name: str) -> ModuleType:
    """Return the module of the single corpus `name`; what it may offer and does not is None or empty (`OPTIONAL`).

    Raises
    ------
    ConfigError
        If there is no such corpus.
    """
    if name not in CORPORA:
        raise ConfigError(name, f"unknown corpus {name!r}", suggest(name, CORPORA))
    module = KINDS.module(name)
    for attribute, absent in OPTIONAL.items():
        vars(module).setdefault(attribute, absent)
    return module
