"""What a row of a manifest may hold, and writing a manifest that keeps to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from serflow.corpora.manifest import COLUMNS
from serflow.errors import CorpusError
from serflow.io import files
from serflow.items import Row
from serflow.labels import EMOTIONS
from serflow.types import Intensity, Scenario, Sex, Text

Number = Annotated[str, Field(pattern=r"^(-?[0-9]+(\.[0-9]+)?)?$")]
Seconds = Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?)?$")]
Digits = Annotated[str, Field(pattern=r"^[0-9]*$")]
Whole = Annotated[str, Field(pattern=r"^[1-9][0-9]*$")]
#: Names stand in paths and in items' ids.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class ManifestRow(BaseModel):
    """One utterance: every value is text, as CSV holds it, and empty where a corpus has none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    utterance: Name = Field(description="Its name in the corpus.")
    path: str = Field(pattern=r"^[^/].*\.[A-Za-z0-9]+$", description="The recording, relative to the corpus tree.")
    corpus: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="The corpus.")
    speaker: Name = Field(description="The speaker's name in the corpus.")
    sex: Literal[Sex, ""] = Field(description="The speaker's sex.")
    emotion: str = Field(pattern=rf"^({'|'.join(EMOTIONS)})$", description="The label in our vocabulary.")
    native_label: Text = Field(description="The corpus's own label.")
    intensity: Literal[Intensity, ""] = Field(description="How strongly the emotion is acted.")
    statement: str = Field(description="What is said: a text of the corpus or its code; empty if unknown.")
    repetition: Digits = Field(description="Which take of the statement.")
    session: Digits = Field(description="The recording session.")
    dialogue: str = Field(description="The dialogue that the turn is of.")
    scenario: Literal[Scenario, ""] = Field(description="Whether the dialogue is scripted or improvised.")
    sample_rate: Whole = Field(description="The recording's sampling rate in Hz.")
    samples: Whole = Field(description="Its samples per channel.")
    sha1: str = Field(pattern=r"^[0-9a-f]{40}$", description="SHA-1 of its 16-bit samples.")
    start: Seconds = Field(description="Where the turn begins in its dialogue, in s.")
    end: Seconds = Field(description="Where it ends, in s.")
    valence: Number = Field(description="Mean rating of valence.")
    activation: Number = Field(description="Mean rating of activation.")
    dominance: Number = Field(description="Mean rating of dominance.")
    votes: str = Field(pattern=r"^(\{.*\})?$", description="Each rater's categories and ratings, as JSON.")


_ROWS = TypeAdapter(list[ManifestRow])
_REMEDY = "Fix the corpus module that made the row."


def write_manifest(rows: Sequence[Row], path: Path | str) -> None:
    """Check every row and write the manifest as CSV.

    Raises
    ------
    CorpusError
        If a row lacks a column, has one too many or a value that is not allowed, or an utterance occurs twice.
    """
    try:
        _ROWS.validate_python([dict(row) for row in rows])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        number, *column = first["loc"]
        name = rows[int(number)].get("utterance", f"row {number}")
        where = ": ".join(map(str, [path, name, *column]))
        raise CorpusError(where, f"{first['input']!r} is not allowed ({first['msg']})", _REMEDY) from None
    seen: set[str] = set()
    for row in rows:
        if row["utterance"] in seen:
            raise CorpusError(f"{path}: {row['utterance']}", "occurs twice", _REMEDY)
        seen.add(row["utterance"])
    files.write_csv(path, COLUMNS, rows)
