"""Every corpus of a configuration: the built-in ones, and those that tables of labels make.

Not in `serflow.corpora`, which every training imports: what a table says reaches a training by its manifest and split.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from serflow import corpora
from serflow.corpora.table import Table, make_corpus
from serflow.errors import ConfigError
from serflow.items import members_of
from serflow.kinds import suggest
from serflow.schema import check

_TABLES: dict[str, ModuleType] = {}


def use_tables(tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the corpora of `tables` (corpus -> keys of a `Table`) known by name, and forget those of an earlier call.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is not allowed.
    CorpusError
        See `serflow.corpora.table.make_corpus`.
    """
    _TABLES.clear()
    _TABLES.update({name: make_corpus(name, check(Table, table, name)) for name, table in tables.items()})


def known() -> tuple[str, ...]:
    """Return the names of all corpora, the built-in ones first."""
    return (*corpora.CORPORA, *_TABLES)


def load(name: str) -> ModuleType:
    """Return what a corpus offers: see `serflow.corpora.base` and, of a table's, `serflow.corpora.table.make_corpus`.

    Raises
    ------
    ConfigError
        If there is no such corpus.
    """
    if name not in known():
        raise ConfigError(name, f"unknown corpus {name!r}", suggest(name, known()))
    return _TABLES[name] if name in _TABLES else corpora.load(name)


def members(name: str) -> tuple[str, ...]:
    """Return the corpora that `name` joins: ``"ravdess+savee"`` gives ``("ravdess", "savee")``.

    Raises
    ------
    ConfigError
        If a member is no corpus or is named twice.
    """
    parts = members_of(name)
    for part in parts:
        load(part)
    if len(set(parts)) < len(parts):
        raise ConfigError(name, "names a corpus twice", "Name each corpus once.")
    return parts
