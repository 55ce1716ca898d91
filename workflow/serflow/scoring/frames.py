"""CSV files as data frames whose columns have real types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from serflow.errors import RunError
from serflow.io.files import read_csv, write_text

REMAKE = "Delete the file and run the workflow again."
#: Annotation of a dataclass's field -> type of its column.
_TYPES = {"str": "str", "float | None": "float", "int | None": "Int64", "bool": "Int64", "tuple[str, ...]": "str"}


def column_types(rows: type) -> dict[str, str]:
    """Return the columns of a dataclass, each with its type, without the fields that are no single cell."""
    return {own.name: _TYPES[str(own.type)] for own in fields(rows) if own.type in _TYPES}


def make_frame(rows: Iterable[Any], types: Mapping[str, str]) -> pd.DataFrame:
    """Return rows as a data frame with the columns `types`."""
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def read_frame(path: Path | str, types: Mapping[str, str]) -> pd.DataFrame:
    """Read the columns of a CSV file.

    Parameters
    ----------
    path
        The file.
    types
        Column to its type: ``str``, ``float`` or ``Int64``; an empty cell is a missing number or an empty text.

    Raises
    ------
    RunError
        If the file or a column is missing, or a cell is no number where one belongs.
    """
    if not Path(path).is_file():
        raise RunError(path, "is missing", "Run the workflow to its end first.")
    rows = read_csv(path)
    missing = [column for column in types if rows and column not in rows[0]]
    if missing:
        raise RunError(path, f"column {missing[0]!r} is missing", REMAKE)
    frame = pd.DataFrame(rows, columns=list(types), dtype="str")
    try:
        return frame.assign(
            **{name: pd.to_numeric(frame[name]) for name, kind in types.items() if kind != "str"}
        ).astype(types)
    except (TypeError, ValueError) as error:
        raise RunError(path, f"a cell is no number ({error})", REMAKE) from error


def write_frame(path: Path | str, frame: pd.DataFrame) -> None:
    """Write a data frame as CSV, numbers with six significant digits, missing ones as empty cells."""
    write_text(path, frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a data frame as builtins, None where a number is missing."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]
