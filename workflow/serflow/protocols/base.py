"""What every kind of protocol offers. A kind is one module of `serflow.protocols.kinds` with one class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from serflow.corpora.registry import load
from serflow.items import Row
from serflow.schema import Model

#: What may stand on both sides of a split.
LEAKS = ("speakers", "statements", "identical_recordings", "augmented_siblings")
#: What a protocol is for: the paper's own; speakers never trained on; speakers and sentences never trained on; a corpus
#: never trained on; the leak that can explain high numbers; or the leak's copies without the leak, on speakers that are
#: trained on and on others.
Role = Literal[
    "published", "random", "given", "unseen", "unseen_statements", "other_corpus", "leak", "control", "unseen_control"
]
#: Item id to part, of one fold; items that are not named are unused.
Assignment = dict[str, str]
#: A manifest row for each item to assign; ``utterance`` is the item's id.
Rows = Sequence[Row]


class Protocol(Model):
    """How a corpus is divided.

    ``kind`` says which class; the class's own fields are its options. Presentation (``title``, ``role``) and the
    corpora that a protocol is for never change a split: see `rules`.
    """

    kind: str = Field(description="How the parts are made.")
    title: str = Field(description="What is said of it in tables.")
    role: Role | None = Field(None, description="What it is for; by default what its kind is for.")
    corpora: list[str] | None = Field(None, description="The corpora it is for; by default all of the paper.")
    copies: dict[str, dict[str, Any]] = Field(
        {}, description="Augmented copies to train on, made after the split: name and parameters; by default none."
    )

    #: Whether copies are made of all recordings and split as recordings are, instead of the training part's alone.
    SPLITS_COPIES: ClassVar[bool] = False
    #: Whether it tells apart the emotions that all corpora of a union have, instead of those that any of them has.
    SHARED_EMOTIONS: ClassVar[bool] = False
    #: The role of a kind.
    ROLE: ClassVar[Role] = "published"
    #: The leaks that must be empty.
    FORBIDDEN: ClassVar[tuple[str, ...]] = ()
    #: Which list of ``seeds`` in config.yaml it takes.
    SEEDS: ClassVar[Literal["random", "grouped"]] = "random"

    @property
    def purpose(self) -> Role:
        """What it is for."""
        return self.role or self.ROLE

    @property
    def unseen_speakers(self) -> bool:
        """Whether no speaker of the test part is ever trained on."""
        return "speakers" in self.FORBIDDEN

    def rules(self) -> dict[str, Any]:
        """Return all that decides a split, as plain builtins."""
        return self.model_dump(exclude={"title", "role", "corpora"}, exclude_unset=True)

    def applies_to(self, corpus: str) -> bool:
        """Return whether it is one of a corpus's protocols."""
        return self.corpora is None or corpus in self.corpora

    def count_folds(self, corpora: Sequence[str]) -> int:
        """Return the number of folds on a corpus or a union of corpora, known without data."""
        raise NotImplementedError

    def has_validation(self, corpora: Sequence[str]) -> bool:
        """Return whether there is a validation part."""
        return True

    def training_share(self, corpora: Sequence[str]) -> float:
        """Return about how many items it trains on, per item that is split."""
        raise NotImplementedError

    def assign(self, rows: Rows, corpora: Sequence[str], seed: int) -> list[Assignment]:
        """Return the assignment of each fold of the items that are split; `seed` is that of random draws.

        Raises
        ------
        SplitError
            If the corpus cannot be divided so.
        """
        raise NotImplementedError


def speaker_folds(corpora: Sequence[str]) -> list[list[str]]:
    """Return the test speakers (``corpus/speaker``) of each fold; fold k of a union holds fold k of each member."""
    lists = {name: load(name).SPEAKER_FOLDS for name in corpora}
    folds: list[list[str]] = [[] for _ in range(max(map(len, lists.values())))]
    for name, members in lists.items():
        for k, speakers in enumerate(members):
            folds[k].extend(f"{name}/{speaker}" for speaker in speakers)
    return folds
