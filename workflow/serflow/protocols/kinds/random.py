"""A random split over items, by default stratified by emotion; the same speakers stand on all sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from serflow.errors import ConfigError, SplitError
from serflow.protocols.base import Assignment, Protocol, Rows
from serflow.schema import Model
from serflow.types import Share


class Parts(Model):
    """Fractions of the whole; they sum to 1. A validation part is watched, or chooses the epoch; it may be left out."""

    train: Share = Field(description="To train on.")
    validation: Share = Field(0.0, description="To watch, or to choose the epoch by; by default none.")
    test: Share = Field(description="To score.")

    def model_post_init(self, _context: Any) -> None:
        """Check the sum."""
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ConfigError("", f"{self.model_dump()} do not sum to 1", "Give fractions of the whole that sum to 1.")
        if not min(self.train, self.test) > 0:
            fault = f"{self.model_dump()} leaves nothing to train or test"
            raise ConfigError("", fault, "Give train and test a fraction above 0.")


class Random(Protocol):
    """Items at random, of each emotion the same fractions as near as whole numbers allow, unless not stratified."""

    kind: Literal["random"]
    parts: Parts = Field(description="Fractions of the whole.")
    stratify: bool = Field(True, description="Whether each emotion is divided in these fractions.")

    FORBIDDEN: ClassVar[tuple[str, ...]] = ("augmented_siblings",)

    def count_folds(self, corpora: Sequence[str]) -> int:
        """Return 1."""
        return 1

    def has_validation(self, corpora: Sequence[str]) -> bool:
        """Return whether it takes a fraction."""
        return self.parts.validation > 0

    def training_share(self, corpora: Sequence[str]) -> float:
        """Return the fraction of the training part."""
        return self.parts.train

    def assign(self, rows: Rows, corpora: Sequence[str], seed: int) -> list[Assignment]:
        """Return one fold; see `Protocol.assign`."""
        from sklearn.model_selection import train_test_split  # a second, which no dry run has

        names = np.array([row["utterance"] for row in rows])
        emotions = np.array([row["emotion"] for row in rows])

        def divide(items: np.ndarray, share: float) -> list[np.ndarray]:
            classes = emotions[items] if self.stratify else None
            size = math.ceil(round(len(items) * share, 6))  # as scikit-learn, but 0.1 + 0.2 is no more than 0.3
            return train_test_split(items, test_size=size, stratify=classes, random_state=seed)

        held_out = self.parts.validation + self.parts.test
        try:
            train, rest = divide(np.arange(len(names)), held_out)
            validation, test = rest[:0], rest
            if self.parts.validation:
                validation, test = divide(rest, self.parts.test / held_out)
        except ValueError as error:
            fault = f"cannot divide {len(names)} items ({error})"
            raise SplitError("protocols.parts", fault, "Use a larger corpus.") from error
        parts = {"train": train, "validation": validation, "test": test}
        return [{str(names[i]): part for part, indices in parts.items() for i in indices}]
