"""The split that the table of a corpus gives in its column ``part``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from serflow.corpora.registry import load
from serflow.errors import SplitError
from serflow.items import parse_item
from serflow.protocols.base import Assignment, Protocol, Role, Rows


class Given(Protocol):
    """One fold, as the corpus's own table divides it; what leaks is reported, not refused."""

    kind: Literal["given"]

    ROLE: ClassVar[Role] = "given"
    SEEDS: ClassVar[Literal["random", "grouped"]] = "grouped"

    def count_folds(self, corpora: Sequence[str]) -> int:
        """Return 1."""
        return 1

    def has_validation(self, corpora: Sequence[str]) -> bool:
        """Return whether a table names one."""
        return any("validation" in _parts_of(name).values() for name in corpora)

    def training_share(self, corpora: Sequence[str]) -> float:
        """Return the training part's share of all rows, of which some may be in no part."""
        parts = [part for name in corpora for part in _parts_of(name).values()]
        return parts.count("train") / sum(load(name).LISTED.utterances for name in corpora)

    def assign(self, rows: Rows, corpora: Sequence[str], seed: int) -> list[Assignment]:
        """Return one fold; see `Protocol.assign`."""
        parts = {(name, utterance): part for name in corpora for utterance, part in _parts_of(name).items()}
        found = {row["utterance"]: parts.get(parse_item(row["utterance"], corpora)[:2]) for row in rows}
        return [{name: part for name, part in found.items() if part}]


def _parts_of(corpus: str) -> dict[str, str]:
    parts: dict[str, str] = getattr(load(corpus), "PARTS", {})
    if not parts:
        raise SplitError(corpus, "has no split of its own", "Give its table of labels a column `part`.")
    return parts
