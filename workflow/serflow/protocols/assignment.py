"""The file of a split: which part each item has in each fold."""

from __future__ import annotations

from pathlib import Path

from serflow.errors import SplitError
from serflow.io.files import read_csv, read_json

COLUMNS = ("utterance", "fold", "part")
UNUSED = "unused"
PARTS = ("train", "validation", "test", UNUSED)
SPLIT_AGAIN = "Make the split again with `serflow split`."


def read_fold(path: Path, fold: int) -> dict[str, str]:
    """Return the part of each item of one fold of a split's file, in its order.

    Raises
    ------
    SplitError
        If a row is faulty, or the parts are not as large as the report beside the file says.
    """
    found = {}
    for number, row in enumerate(read_csv(path), start=1):
        if tuple(row) != COLUMNS or not row["fold"].isdecimal() or row["part"] not in PARTS:
            fault = f"row {number} is no utterance, fold and part: {', '.join(row.values())}"
            raise SplitError(path, fault, SPLIT_AGAIN)
        if int(row["fold"]) == fold:
            found[row["utterance"]] = row["part"]
    report = path.with_suffix(".json")
    folds = read_json(report)["folds"] if report.is_file() else []
    for part, expected in next((entry["parts"] for entry in folds if entry["fold"] == fold), {}).items():
        held = list(found.values()).count(part)
        if held != expected:
            fault = f"holds {held} utterances to {part} in fold {fold}, its report says {expected}"
            raise SplitError(path, fault, SPLIT_AGAIN)
    return found
