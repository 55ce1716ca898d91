"""Identity of what is recorded and of what is made of it: utterances, speakers, augmented copies.

A speaker is (corpus, speaker) and an utterance (corpus, utterance): two corpora may use one name. Within one corpus an
item's id is the utterance's name; in a union of corpora it is ``corpus/utterance``; an augmented copy adds ``#copy``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

#: Between an utterance and the name of its augmented copy, and between the corpora of a union.
COPY_MARK, UNION_MARK = "#", "+"
Row = Mapping[str, str]


class Item(NamedTuple):
    """An utterance of a corpus, or, where ``copy`` is not empty, an augmented copy of it."""

    corpus: str
    utterance: str
    copy: str = ""


def members_of(corpus: str) -> tuple[str, ...]:
    """Return the corpora that a name joins: ``"ravdess+savee"`` gives ``("ravdess", "savee")``."""
    return tuple(corpus.split(UNION_MARK))


def item_id(item: Item, corpora: Sequence[str]) -> str:
    """Return the id of an item in a run on `corpora`, the members of one name."""
    place = f"{item.corpus}/" if len(corpora) > 1 else ""
    return f"{place}{item.utterance}" + (f"{COPY_MARK}{item.copy}" if item.copy else "")


def parse_item(identity: str, corpora: Sequence[str]) -> Item:
    """Return what `item_id` made an id of."""
    corpus, place, rest = identity.partition("/") if len(corpora) > 1 else (corpora[0], "/", identity)
    utterance, _, copy = (rest if place else identity).partition(COPY_MARK)
    return Item(corpus if place else "", utterance, copy)


def items_of(row: Row, copies: Iterable[str] = ()) -> list[Item]:
    """Return the items of a manifest's row: the utterance itself, then its copies by name, sorted."""
    return [Item(row["corpus"], row["utterance"], copy) for copy in ("", *sorted(copies))]


def utterance_name(text: str) -> str:
    """Return a name of an utterance, as manifests allow it: anything but letters, digits, - and _ becomes _."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


def speaker_of(row: Row) -> str:
    """Return a manifest row's speaker as ``corpus/speaker``, unique in a union of corpora too."""
    return f"{row['corpus']}/{row['speaker']}"
