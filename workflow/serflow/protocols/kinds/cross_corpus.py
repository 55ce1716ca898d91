"""Trained on one or several corpora, tested on another: no speaker, sentence or room of the test part is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from serflow.errors import SplitError
from serflow.items import speaker_of
from serflow.protocols.base import Assignment, Protocol, Rows, speaker_folds


class CrossCorpus(Protocol):
    """The last corpus of a union tests, whole; of the others, the first speaker of each sex in their lists validates.

    The emotions are those that all corpora have.
    """

    kind: Literal["cross_corpus"]

    ROLE = "other_corpus"
    FORBIDDEN: ClassVar[tuple[str, ...]] = ("speakers", "identical_recordings", "augmented_siblings")
    SEEDS = "grouped"
    SHARED_EMOTIONS = True

    def count_folds(self, corpora: Sequence[str]) -> int:
        """Return 1."""
        return 1

    def training_share(self, corpora: Sequence[str]) -> float:
        """Return the share of the corpora that train, as if all were of one size."""
        return 1 - 1 / len(corpora)

    def assign(self, rows: Rows, corpora: Sequence[str], seed: int) -> list[Assignment]:
        """Return one fold; see `Protocol.assign`."""
        _check_emotions(rows, corpora)
        *training, tested = corpora
        sexes = {speaker_of(row): row["sex"] for row in rows if row["corpus"] in training}
        listed = [speaker for fold in speaker_folds(training) for speaker in fold if speaker in sexes]
        validation = {sexes[speaker]: speaker for speaker in reversed([*listed, *sorted(sexes)])}.values()
        if len(validation) == len(sexes):
            fault = f"{'+'.join(training)} has {len(sexes)} speakers, who all validate, and nobody to train on"
            raise SplitError("+".join(corpora), fault, "Train on a corpus with more speakers, or on several.")

        def part_of(corpus: str, speaker: str) -> str:
            return "test" if corpus == tested else "validation" if speaker in validation else "train"

        return [{row["utterance"]: part_of(row["corpus"], speaker_of(row)) for row in rows}]


def _check_emotions(rows: Rows, corpora: Sequence[str]) -> None:
    """Raise a SplitError unless each corpus has recordings of all emotions: what is never trained cannot be tested."""
    found = {corpus: {row["emotion"] for row in rows if row["corpus"] == corpus} for corpus in corpora}
    shared = set.intersection(*found.values())
    for corpus, emotions in found.items():
        missing = sorted(set().union(*found.values()) - emotions)
        if missing:
            fault = f"{corpus} holds no utterance that is {' or '.join(missing)}, others do"
            remedy = f"Name the emotions that all of them hold: `emotions: [{', '.join(sorted(shared))}]`."
            raise SplitError("+".join(corpora), fault, remedy)
