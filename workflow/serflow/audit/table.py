"""The table of a split that is audited: one row per recording and part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from serflow.corpora.table import read_rows
from serflow.errors import SplitError

NEEDED = ("path", "speaker", "part")
OPTIONAL = ("statement", "emotion")
PARTS = ("train", "validation", "test")


class Recording(NamedTuple):
    """A row of the table; `statement` and `emotion` are empty where the table has none."""

    row: int
    path: str
    speaker: str
    part: str
    statement: str = ""
    emotion: str = ""


def read_recordings(table: Path) -> list[Recording]:
    """Return the rows of a table with the columns `NEEDED` and, where it has them, `OPTIONAL`.

    Rows are counted as spreadsheets do: the names of the columns are row 1. A path may stand in two parts, which is a
    leak to report, but not twice in one.

    Raises
    ------
    CorpusError
        See `serflow.corpora.table.read_rows`.
    SplitError
        If it lacks a column, a value or a second part, or repeats a path within a part.
    """
    recordings = []
    for number, cells in read_rows(table, _check_header):
        _check_values(cells, f"{table}: row {number}")
        cells["path"] = PureWindowsPath(cells["path"]).as_posix()  # ./a.wav is a.wav, and Windows writes backslashes
        recordings.append(Recording(number, *(cells.get(name, "") for name in (*NEEDED, *OPTIONAL))))
    _check_rows(recordings, table)
    return recordings


def _check_header(names: Sequence[str], table: Path) -> None:
    for name in (*NEEDED, *OPTIONAL):
        if names.count(name) > 1:
            raise SplitError(f"{table}: row 1", f"names the column {name!r} twice", "Keep one of them.")
        if name in NEEDED and name not in names:
            fault = f"names no column {name!r}; it names {', '.join(filter(None, names)) or 'nothing'}"
            remedy = f"Columns: {', '.join(NEEDED)}; may be left out: {', '.join(OPTIONAL)}."
            raise SplitError(f"{table}: row 1", fault, remedy)


def _check_values(cells: Mapping[str, str], where: str) -> None:
    for name in NEEDED:
        if not cells[name]:
            raise SplitError(f"{where}, column {name}", "is empty", "Fill it in, or remove the row.")
    if cells["part"] not in PARTS:
        remedy = f"Allowed: {', '.join(PARTS)}. Remove the rows of recordings that are not used."
        raise SplitError(f"{where}, column part", f"unknown part {cells['part']!r}", remedy)


def _check_rows(recordings: list[Recording], table: Path) -> None:
    first: dict[tuple[str, str], int] = {}
    for one in recordings:
        row = first.setdefault((one.path, one.part), one.row)
        if row != one.row:
            fault = f"{one.path!r} stands in part {one.part} in row {row} too"
            raise SplitError(f"{table}: row {one.row}, column path", fault, "Keep one of the two rows.")
    if len({one.part for one in recordings}) < 2:
        fault = f"has {recordings[0].part!r} alone"
        raise SplitError(f"{table}: column part", fault, "Give two parts or more: there is nothing to compare.")
