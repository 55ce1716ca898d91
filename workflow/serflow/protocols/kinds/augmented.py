"""A leak: recordings and their augmented copies, split at random afterwards, so that copies stand on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from serflow.protocols.kinds.random import Random


class Augmented(Random):
    """As a random split, but over the recordings and their copies: the leak that this kind is there to measure."""

    kind: Literal["augmented"]  # type: ignore[assignment]
    made: dict[str, dict[str, Any]] = Field(
        alias="copies", min_length=1, description="Copies of each recording: name and parameters."
    )

    ROLE = "leak"
    FORBIDDEN: ClassVar[tuple[str, ...]] = ()

    @property
    def copies(self) -> Mapping[str, Mapping[str, Any]]:
        """The copies by name."""
        return self.made
