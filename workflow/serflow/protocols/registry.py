"""The kinds of protocol, found in `serflow.protocols.kinds`, and reading one from what a paper file says."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from serflow.errors import ConfigError
from serflow.kinds import Kinds, suggest
from serflow.protocols.base import Protocol

KINDS = Kinds("serflow.protocols.kinds")


@functools.cache
def protocol_class(kind: str) -> type[Protocol]:
    """Return the class of a kind: the one that its module defines.

    Raises
    ------
    ConfigError
        If there is no such kind.
    """
    if kind not in KINDS.known():
        raise ConfigError("protocols.kind", f"unknown kind {kind!r}", suggest(kind, KINDS.known()))
    module = import_module(f"{KINDS.package}.{kind}")
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Protocol)]
    return next(found for found in classes if found.__module__ == module.__name__)


def make_protocol(rules: Mapping[str, Any]) -> Protocol:
    """Return the protocol that `Protocol.rules` describes; it needs no title."""
    return protocol_class(rules["kind"]).model_validate({"title": "", **rules})
