"""The recordings of an audformat database as the rows of a table of labels; read by audformat, of the extra `features`.

Of a database all labels of the scheme ``emotion`` are read, in whatever table they are, with those of the schemes in
`SCHEMES`; a split of a table that has emotions becomes the part of its recordings.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serflow.errors import CorpusError

#: Suffixes of a database's header, such as ``db.yaml``.
SUFFIXES = (".yaml", ".yml")
#: Column of a table of labels -> the schemes that may give it, also as a label of another scheme (a speaker's gender).
SCHEMES = {
    "emotion": ("emotion",),
    "speaker": ("speaker",),
    "sex": ("sex", "gender"),
    "statement": ("statement", "transcription"),
    "session": ("session",),
    "fold": ("fold",),
    "intensity": ("intensity",),
}
NEEDED = ("emotion", "speaker")
#: What audformat calls the types of splits -> part.
PARTS = {"train": "train", "dev": "validation", "test": "test"}


def files_of(labels: Path | str) -> list[str]:
    """Return the files from which labels are read: a table, or the header of a database and its tables."""
    path = Path(labels)
    tables = sorted(map(str, path.parent.glob(f"{path.stem}.*.*"))) if path.suffix in SUFFIXES else []
    return [str(labels), *tables]


def read_database(header: Path) -> list[dict[str, str]]:
    """Return a row per recording that has an emotion, in the database's order: columns, and ``row``, its file.

    Parameters
    ----------
    header
        The database's header; its tables lie beside it.

    Raises
    ------
    CorpusError
        If it cannot be read, lacks a scheme of `NEEDED`, or labels segments of recordings; or audformat is missing.
    """
    database = _load(header)
    columns = {column: name for column, names in SCHEMES.items() if (name := _find(database, names))}
    for name in NEEDED:
        if name not in columns:
            fault = f"has no scheme {name!r}; it has {', '.join(database.schemes) or 'none'}"
            raise CorpusError(header, fault, "Export its labels to a CSV file, and name that.")
    others = [name for column, name in columns.items() if column != "emotion"]
    try:
        labels = database.get("emotion", others).dropna(subset="emotion")
    except (TypeError, ValueError) as error:  # two tables that contradict each other
        raise CorpusError(header, f"is ambiguous ({_sentence(error)})", "Correct the database.") from error
    if "start" in labels.index.names:
        fault, remedy = "labels segments of recordings", "Cut the recordings, since serflow takes them whole."
        raise CorpusError(header, fault, remedy)
    if labels.empty:
        raise CorpusError(header, "labels no recording with an emotion", "Give its emotions.")
    parts = _parts_of(database, header)
    return [
        {"path": file, **{column: _text(cells[name]) for column, name in columns.items()}, "row": file}
        | ({"part": parts.get(file, "")} if parts else {})
        for file, cells in labels.iterrows()
    ]


def _load(header: Path) -> Any:
    if find_spec("audformat") is None:
        fault = "is read by the library audformat, which is not installed"
        raise CorpusError(header, fault, "Install the extra: pip install -r requirements-features.lock")
    import audformat

    for table in header.parent.glob(f"{header.stem}.*.pkl"):
        raise CorpusError(table, "is a pickle, which can hold code", "Save the database as csv or parquet; delete it.")
    try:
        return audformat.Database.load(str(header.parent), name=header.stem, load_data=True)
    except Exception as error:  # whatever YAML, pandas and audformat raise
        fault = f"cannot be read as an audformat database ({_sentence(error)})"
        raise CorpusError(header, fault, "Name the header of one, such as db.yaml, or a CSV file.") from error


def _find(database: Any, names: tuple[str, ...]) -> str | None:
    """Return the first of some schemes that a database has, as a scheme or as a label of one."""
    known = {*database.schemes}
    for scheme in database.schemes.values():
        if isinstance(scheme.labels, str):  # the name of a misc table, whose columns are labels
            known |= set(database.misc_tables[scheme.labels].columns)
        for label in scheme.labels.values() if isinstance(scheme.labels, dict) else ():
            known |= set(label) if isinstance(label, dict) else set()
    return next((name for name in names if name in known), None)


def _parts_of(database: Any, header: Path) -> dict[str, str]:
    """Return the part of each recording that a split gives one."""
    found: dict[str, str] = {}
    for name, split in database.splits.items():
        if part := PARTS.get(split.type):
            for file in database.get("emotion", splits=name).index.get_level_values("file"):
                if found.setdefault(file, part) != part:
                    fault = f"has more than one split: {file} is in {found[file]} and, by {name}, in {part}"
                    remedy = "Keep the splits that belong together, or give a CSV file with a column `part`."
                    raise CorpusError(header, fault, remedy)
    return found


def _text(value: Any) -> str:
    """Return a label as text, nothing for a missing one."""
    import pandas as pd

    return "" if pd.isna(value) else str(value).strip()


def _sentence(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
