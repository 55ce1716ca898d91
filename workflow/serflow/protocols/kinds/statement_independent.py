"""Speakers and sentences never trained on: folds of unseen speakers who say a group of unseen sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from serflow.errors import SplitError
from serflow.items import Row
from serflow.protocols.assignment import UNUSED
from serflow.protocols.base import Assignment, Rows
from serflow.protocols.kinds.speakers import Speakers
from serflow.types import Limit

#: A sentence: its corpus and the value of ``statement``.
Statement = tuple[str, str]


class StatementIndependent(Speakers):
    """The folds of `speakers`, once for each group of sentences; those of the first group come first.

    The held-out speakers test with the sentences of the group alone, the others train and validate with all other
    sentences, and the rest is unused: over all folds each recording is tested once. The groups are of about as many
    recordings each, and the sentences of each corpus are grouped apart.
    """

    kind: Literal["statement_independent"]  # type: ignore[assignment]
    groups: Annotated[int, Limit(ge=2)] = Field(
        2, description="Groups of sentences; there are as many times the folds of speakers."
    )

    ROLE = "unseen_statements"
    FORBIDDEN: ClassVar[tuple[str, ...]] = ("speakers", "statements", "identical_recordings", "augmented_siblings")

    def count_folds(self, corpora: Sequence[str]) -> int:
        """Return the number of folds of speakers times that of groups."""
        return super().count_folds(corpora) * self.groups

    def training_share(self, corpora: Sequence[str]) -> float:
        """Return the share of the speakers who are not held out, of the other groups' sentences."""
        return super().training_share(corpora) * (1 - 1 / self.groups)

    def assign(self, rows: Rows, corpora: Sequence[str], seed: int) -> list[Assignment]:
        """Return one assignment per group and fold of speakers; see `Protocol.assign`."""
        group_of: dict[Statement, int] = {}
        for corpus in corpora:
            group_of |= _group([row for row in rows if row["corpus"] == corpus], corpus, self.groups)
        group = {row["utterance"]: group_of[_statement_of(row)] for row in rows}
        folds = super().assign(rows, corpora, seed)
        result = [
            {name: part for name, part in parts.items() if (part == "test") == (group[name] == held_out)}
            for held_out in range(self.groups)
            for parts in folds
        ]
        for k, parts in enumerate(result):
            _check_fold(parts, rows, f"{'+'.join(corpora)}, fold {k}")
        return result


def _statement_of(row: Row) -> Statement:
    return row["corpus"], row["statement"]


def _check_fold(parts: Assignment, rows: Rows, where: str) -> None:
    """Raise a SplitError unless something is tested, and all of its emotions are trained."""
    found: dict[str, set[str]] = {"train": set(), "test": set()}
    for row in rows:
        found.setdefault(parts.get(row["utterance"], UNUSED), set()).add(row["emotion"])
    lacking = sorted(found["test"] - found["train"])
    if lacking or not found["test"]:
        fault = (
            f"the sentences left to train on are never said {' or '.join(lacking)}" if lacking else "nothing to test"
        )
        raise SplitError(where, fault, "Choose another number of `groups`, or take a protocol of kind speakers.")


def _group(rows: Rows, corpus: str, n_groups: int) -> dict[Statement, int]:
    """Return the group of each sentence of a corpus: the most frequent one goes to the smallest group, and so on.

    Raises
    ------
    SplitError
        If a sentence is unknown, there are fewer than groups, or each is said in one emotion alone, as where an id
        stands for an emotion and a number: then one text may have several.
    """
    unknown = [row for row in rows if not row["statement"]]
    if unknown:
        first = unknown[0]["utterance"]
        fault = f"does not tell the sentence of {len(unknown)} of {len(rows)} utterances, such as {first}"
        remedy = "Give transcripts, or ids of sentences, of all; or take a protocol of kind speakers."
        raise SplitError(corpus, fault, remedy)
    emotions: dict[Statement, set[str]] = defaultdict(set)
    for row in rows:
        emotions[_statement_of(row)].add(row["emotion"])
    if all(len(said) == 1 for said in emotions.values()):
        fault = f"has {len(emotions)} sentences, each in one emotion alone: no sentence can be told from an emotion"
        raise SplitError(corpus, fault, "Give equal texts equal ids, or take a protocol of kind speakers.")
    if len(emotions) < n_groups:
        raise SplitError(corpus, f"has {len(emotions)} sentences for {n_groups} groups", "Choose fewer `groups`.")
    counts = Counter(map(_statement_of, rows))
    sizes, group_of = [0] * n_groups, {}
    for statement in sorted(counts, key=lambda one: (-counts[one], one)):
        group_of[statement] = sizes.index(min(sizes))
        sizes[group_of[statement]] += counts[statement]
    return group_of
