"""Speakers never trained on: one fold per published list of held-out speakers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from serflow.errors import SplitError
from serflow.items import speaker_of
from serflow.protocols.base import Assignment, Protocol, Role, Rows, speaker_folds


class Speakers(Protocol):
    """The corpora's published lists of held-out speakers, one fold each; nothing is drawn.

    Without ``validation`` all held-out speakers test, and the next fold's first speaker of each sex validates; where
    that fold has one sex only, the other comes from the fold after it, and so on. With ``female`` or ``male`` the
    held-out speakers of this sex validate and the others test; with ``both`` there are twice as many folds, first all
    with female validation.
    """

    kind: Literal["speakers"]
    validation: Literal["female", "male", "both"] | None = Field(
        None, description="Which of the held-out speakers validate; by default none of them."
    )

    ROLE: ClassVar[Role] = "unseen"
    FORBIDDEN: ClassVar[tuple[str, ...]] = ("speakers", "identical_recordings", "augmented_siblings")
    SEEDS = "grouped"

    @property
    def _validating(self) -> tuple[str | None, ...]:
        """Whose part of a held-out fold validates, in turn; None: the next fold's speakers do."""
        return ("female", "male") if self.validation == "both" else (self.validation,)

    def count_folds(self, corpora: Sequence[str]) -> int:
        """Return the number of lists, twice that where both sexes validate in turn."""
        return len(speaker_folds(corpora)) * len(self._validating)

    def training_share(self, corpora: Sequence[str]) -> float:
        """Return the share of the speakers who are not held out."""
        return 1 - 1 / len(speaker_folds(corpora))

    def assign(self, rows: Rows, corpora: Sequence[str], seed: int) -> list[Assignment]:
        """Return one assignment per fold; see `Protocol.assign`."""
        sexes = {speaker_of(row): row["sex"] for row in rows}
        folds = _present_folds(sexes.keys(), corpora)
        result = []
        for sex in self._validating:
            for k, held_out in enumerate(folds):
                if sex is None:
                    following = [speaker for fold in (*folds[k + 1 :], *folds[:k]) for speaker in fold]
                    validation = list({sexes[speaker]: speaker for speaker in reversed(following)}.values())
                    if len(validation) == len(following):  # somebody must train
                        validation = following[:1]
                else:
                    validation = [speaker for speaker in held_out if sexes[speaker] == sex]
                test = [speaker for speaker in held_out if speaker not in validation]
                if not test or not validation:
                    fault = f"has in fold {k} nobody left to {'validate' if test else 'test'}"
                    remedy = "Remove `validation` from the protocol, or choose another."
                    raise SplitError("+".join(corpora), fault, remedy)
                part = dict.fromkeys(sexes, "train")
                part |= dict.fromkeys(validation, "validation") | dict.fromkeys(test, "test")
                result.append({row["utterance"]: part[speaker_of(row)] for row in rows})
        return result


def _present_folds(present: Collection[str], corpora: Sequence[str]) -> list[list[str]]:
    """Return the speakers of each fold that the corpus has, after checking that each fold and each speaker has one."""
    folds = [[speaker for speaker in fold if speaker in present] for fold in speaker_folds(corpora)]
    unlisted = sorted(set(present) - {speaker for fold in folds for speaker in fold})
    if unlisted:
        fault = f"has speaker {unlisted[0]}, who is in no fold's list"
        raise SplitError("+".join(corpora), fault, "Add the speaker to SPEAKER_FOLDS of the corpus's module.")
    for k, fold in enumerate(folds):
        if not fold:
            who = ", ".join(speaker_folds(corpora)[k])
            fault = f"has no speaker of fold {k} ({who}) with a recording of the emotions asked for"
            remedy = "Complete the corpus, ask for other emotions, or put these speakers into another fold."
            raise SplitError("+".join(corpora), fault, remedy)
    return folds
