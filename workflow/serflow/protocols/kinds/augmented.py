"""A leak: recordings and their augmented copies, split at random afterwards, so that copies stand on both sides."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from serflow.protocols.kinds.random import Random


class Augmented(Random):
    """As a random split, but over the recordings and their copies: the leak that this kind is there to measure."""

    kind: Literal["augmented"]  # type: ignore[assignment]
    copies: dict[str, dict[str, Any]] = Field(
        min_length=1, description="Copies of each recording, made before the split: name and parameters."
    )

    ROLE = "leak"
    FORBIDDEN: ClassVar[tuple[str, ...]] = ()
    SPLITS_COPIES = True
