"""How people write the names of corpora."""

from __future__ import annotations

from serflow.corpora import CORPORA, load
from serflow.items import members_of


def display_name(corpus: str) -> str:
    """Return a corpus as people write it, such as "RAVDESS + SAVEE"; a user's own as it is named."""
    return " + ".join(load(name).TITLE.split(" (")[0] if name in CORPORA else name for name in members_of(corpus))
