"""A corpus of one's own, made from its recordings and a table of labels.

The table is a CSV file in UTF-8 with one row per recording; commas, semicolons or tabs separate its cells. Rows are
counted as spreadsheets do: the names of the columns are row 1. Or it is the header of an audformat database
(`serflow.corpora.database`), whose rows are called by their files.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType
from typing import Annotated

import yaml
from pydantic import Field

from serflow.corpora.base import OPTIONAL, Expected, Scan, files, row
from serflow.corpora.database import SUFFIXES, read_database
from serflow.errors import CorpusError
from serflow.io.files import digest_value
from serflow.items import utterance_name
from serflow.labels import EMOTIONS, NO_EMOTIONS
from serflow.schema import Model
from serflow.types import Limit, Text

NEEDED = ("path", "emotion", "speaker")
#: What the values of a column must be, in a sentence and as a pattern; an optional one may be empty.
VALUES = {
    "speaker": ("letters without accents, digits, - and _", r"[A-Za-z0-9_-]+"),
    "sex": ("female, male or nothing", "|female|male"),
    "session": ("digits or nothing", "[0-9]*"),
    "intensity": ("normal, strong or nothing", "|normal|strong"),
    "part": ("train, validation, test, or nothing for unused", "|train|validation|test"),
}
COLUMNS = (*NEEDED, "sex", "statement", "session", "fold", "part", "intensity")
#: How many folds are made where the table gives none and the corpus has as many speakers.
N_FOLDS = 5
#: About how long a recording lasts, in s: nothing is read before a run, and `serflow plan` needs a guess.
SECONDS = 3.0


class Table(Model):
    """Where a table of labels is, and what to make of it: see `serflow.config.CorpusConfig`."""

    labels: Text
    emotions: dict[Text, Text] = Field({})
    folds: Annotated[int, Limit(ge=2)] | None = None


def make_corpus(name: str, table: Table) -> ModuleType:
    """Return what a module of `serflow.corpora.known` offers, of the corpus that a table describes.

    Beside it, ``LISTED`` (an `Expected`) counts the table's rows, ``HAS_STATEMENTS`` says whether any names its
    sentence, and ``PARTS`` maps utterances to the part that the table gives them, empty where it has no such column.

    Raises
    ------
    CorpusError
        If the table cannot be read, a value is not allowed or contradicts another, or its speakers cannot be divided
        into folds; it names the row and the column.
    """
    path = Path(table.labels)
    raw = read_table(path)
    rows = _make_rows(raw, path, table.emotions)
    corpus, listed = ModuleType(name), {_compose(one["path"]) for one in rows}
    vars(corpus).update(OPTIONAL)
    vars(corpus).update(
        TITLE=name,
        EMOTIONS={one["native_label"]: one["emotion"] for one in rows},
        SECONDS=SECONDS * len(rows),
        SPEAKER_FOLDS=_folds_of(raw, rows, path, table.folds),
        HAS_STATEMENTS=any(one["statement"] for one in rows),
        PARTS=_parts_of(raw, rows, path),
        LISTED=Expected(len(rows), *(Counter(one[key] for one in rows) for key in ("speaker", "emotion"))),
        scan=lambda root: _scan(root, raw, rows, path),
        is_read=lambda place: _compose(place) in listed,
    )
    return corpus


def read_table(path: Path) -> list[dict[str, str]]:
    """Return a table's rows, every value without blanks around it; columns that are not `COLUMNS` are left out.

    Raises
    ------
    CorpusError
        If it is missing, not in UTF-8 or no CSV; lacks a column of `NEEDED` or a value in one; has a column twice, one
        under a misspelt name or with values that are not allowed (`VALUES`); or has no row. Of a database see
        `serflow.corpora.database.read_database`.
    """
    if path.suffix in SUFFIXES:
        rows = read_database(path)
    else:
        rows = [
            {name: cell for name, cell in cells.items() if name in COLUMNS} | {"row": str(number)}
            for number, cells in read_rows(path, _check_header)
        ]
    for cells in rows:
        _check_values(cells, path)
    return rows


def read_rows(path: Path, check_header: Callable[[Sequence[str], Path], None]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each row that is not empty, and its cells by column, without blanks around them.

    Parameters
    ----------
    path
        See above for what a table is.
    check_header
        Raises an error unless the names of the columns, in the table at `path`, are what they should be.

    Raises
    ------
    CorpusError
        If it is missing, not in UTF-8 or no CSV; has no row; or a row has more or fewer cells than there are columns.
    """
    header, *lines = _read_cells(path)
    names = [name.strip() for name in header]
    check_header(names, path)
    filled = [(number, cells) for number, cells in enumerate(lines, start=2) if any(map(str.strip, cells))]
    if not filled:
        raise CorpusError(path, "has no row below the names of its columns", "Write one row per recording.")
    for number, cells in filled:
        if len(cells) != len(names):
            fault = f"has {len(cells)} cells, row 1 names {len(names)} columns"
            remedy = "Put a value that holds the separator into double quotes."
            raise CorpusError(f"{path}: row {number}", fault, remedy)
        yield number, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}


def _read_cells(path: Path) -> list[list[str]]:
    """Return the cells of each row, those with the names of the columns first."""
    text = _read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        return list(reader) or [[]]
    except csv.Error as error:
        raise CorpusError(f"{path}: line {reader.line_num}", f"is no CSV ({error})", "Close all quotes.") from error


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(path, f"cannot be read ({error.strerror})", "Name a CSV file.") from error
    try:
        return content.decode("utf-8-sig")  # with or without a byte-order mark
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        fault = f"is not in UTF-8 (byte 0x{content[error.start]:02x})"
        remedy = "Save it as `CSV UTF-8`, or convert it: iconv -f LATIN1 -t UTF-8 OLD.csv > NEW.csv"
        raise CorpusError(f"{path}: row {number}", fault, remedy) from error


def _delimiter(text: str) -> str:
    """Return what separates the names in a table's first line: the most frequent of comma, semicolon and tab."""
    first = text.partition("\n")[0]
    return max((",", ";", "\t"), key=first.count)


def _check_header(names: Sequence[str], path: Path) -> None:
    where, allowed = f"{path}: row 1", f"Columns: {', '.join(NEEDED)}; may be left out: {', '.join(COLUMNS[3:])}."
    for name in NEEDED:
        if name not in names:
            raise CorpusError(
                where, f"names no column {name!r}; it names {', '.join(filter(None, names)) or 'nothing'}", allowed
            )
    for name in names:
        if name in COLUMNS and names.count(name) > 1:
            raise CorpusError(where, f"names the column {name!r} twice", "Keep one of them.")
        close = difflib.get_close_matches(name.lower(), [one for one in COLUMNS if one not in names], n=1, cutoff=0.8)
        if name not in COLUMNS and close:
            remedy = f"Write {close[0]!r}, or rename it clearly if it is something else: other columns are ignored."
            raise CorpusError(where, f"names a column {name!r}, which may be meant for {close[0]!r}", remedy)


def _check_values(cells: Mapping[str, str], path: Path) -> None:
    for name, value in cells.items():
        where = f"{path}: row {cells['row']}, column {name}"
        if not value and name in (*NEEDED, "fold"):
            raise CorpusError(where, "is empty", "Fill it in, or remove the row" + " or the column." * (name == "fold"))
        told, pattern = VALUES.get(name, ("", ".*"))
        if not re.fullmatch(pattern, value, re.DOTALL):
            raise CorpusError(where, f"{value!r} is not allowed", f"Allowed: {told}.")


def _make_rows(raw: Sequence[Mapping[str, str]], path: Path, emotions: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the manifest's rows, in the order of the table."""
    paths = [_check_path(cells, path) for cells in raw]
    _check_repeats(raw, map(_compose, paths), path, "path")
    names = [utterance_name(PurePosixPath(one).stem) for one in paths]
    if len(set(names)) < len(names):
        stems = [_compose(one.rpartition(".")[0]) for one in paths]
        _check_repeats(raw, stems, path, "path", "utterance ")
        names = [utterance_name(one) for one in stems]
        alike = {name for name, count in Counter(names).items() if count > 1}  # such as two of Chinese letters
        names = [
            f"{name}_{digest_value(stem)[:8]}" if name in alike else name
            for name, stem in zip(names, stems, strict=True)
        ]
    _check_constant(raw, path, "sex")
    rows = []
    for cells, name, place in zip(raw, names, paths, strict=True):
        label = cells["emotion"]
        emotion = emotions.get(label, label)
        if emotion not in EMOTIONS:
            where = f"{path}: row {cells['row']}, column emotion"
            if label in emotions:
                fault = f"{label!r} means {emotion!r} by `emotions` of the corpus in config.yaml, no emotion"
                raise CorpusError(where, fault, f"Allowed: {', '.join(EMOTIONS)}.")
            allowed = ", ".join(dict.fromkeys([*emotions, *EMOTIONS]))
            remedy = f"Say what it means under `emotions` of the corpus in config.yaml. Allowed: {allowed}."
            if (read := _as_yaml(label)) != label and read in emotions:
                remedy = f"Put it in quotes under `emotions` of the corpus in config.yaml: YAML reads it as {read}."
            raise CorpusError(where, f"unknown label {label!r}", remedy)
        given = {key: cells[key] for key in ("speaker", "sex", "session", "intensity") if key in cells}
        given["statement"] = " ".join(cells.get("statement", "").split())  # one line, and equal where it is said alike
        rows.append(row(utterance=name, path=place, emotion=emotion, native_label=label, **given))
    found = sorted({one["emotion"] for one in rows}.difference(NO_EMOTIONS))
    if len(found) < 2:
        fault = f"has {found[0] if found else rows[0]['emotion']} alone"
        raise CorpusError(f"{path}: column emotion", fault, "Give two emotions or more.")
    return rows


def _as_yaml(label: str) -> str:
    """Return how the keys of config.yaml name a label that stands there without quotes: `01` as 1, `no` as False."""
    try:
        return str(yaml.safe_load(label))
    except (yaml.YAMLError, ValueError):  # such as a date that is none
        return label


def _check_path(cells: Mapping[str, str], path: Path) -> str:
    """Return the path of a row, with slashes; it must stay within the corpus's folder and end as a file does."""
    found, where = PureWindowsPath(cells["path"]), f"{path}: row {cells['row']}, column path"
    if found.drive or found.root or ".." in found.parts:
        remedy = "Write it relative to the folder or archive that `source` names."
        raise CorpusError(where, f"{cells['path']!r} leaves the corpus's folder", remedy)
    if not re.fullmatch(r"\.[A-Za-z0-9]+", found.suffix):
        raise CorpusError(where, f"{cells['path']!r} has no suffix such as .wav", "Name a recording.")
    return found.as_posix()


def _check_repeats(
    raw: Sequence[Mapping[str, str]], values: Iterable[str], path: Path, column: str, what: str = ""
) -> None:
    first: dict[str, str] = {}
    for cells, value in zip(raw, values, strict=True):
        if first.setdefault(value, cells["row"]) != cells["row"]:
            fault = f"{what}{value!r} stands in row {first[value]} too"
            raise CorpusError(f"{path}: row {cells['row']}, column {column}", fault, "Keep one row, or rename a file.")


def _check_constant(raw: Sequence[Mapping[str, str]], path: Path, column: str) -> dict[str, str]:
    """Return the value that a column has for each speaker, and refuse two."""
    first: dict[str, Mapping[str, str]] = {}
    for cells in raw:
        other = first.setdefault(cells["speaker"], cells)
        if cells.get(column) != other.get(column):
            fault = f"is {cells[column]!r} for speaker {cells['speaker']}, in row {other['row']} {other[column]!r}"
            raise CorpusError(f"{path}: row {cells['row']}, column {column}", fault, f"Give each speaker one {column}.")
    return {speaker: cells.get(column, "") for speaker, cells in first.items()}


def _folds_of(
    raw: Sequence[Mapping[str, str]], rows: Sequence[Mapping[str, str]], path: Path, wanted: int | None
) -> tuple[tuple[str, ...], ...]:
    """Return the speakers of each fold, sorted: those of the table's column, in order, or folds that are made."""
    given = "fold" in raw[0]
    if given and wanted:
        raise CorpusError(f"{path}: column fold", f"gives folds; config.yaml asks for {wanted} others", "Remove one.")
    speakers: dict[str, set[str]] = defaultdict(set)
    for one in rows:
        if one["emotion"] not in NO_EMOTIONS:
            speakers[one["emotion"]].add(one["speaker"])
    everyone = {one["speaker"] for one in rows}
    if len(everyone) < 3:
        fault, remedy = f"names {len(everyone)}", "Three speakers are needed: to train, to validate and to test."
        raise CorpusError(f"{path}: column speaker", fault, remedy)
    n_folds = 2 if given else wanted or min(N_FOLDS, len(everyone))
    for emotion, names in speakers.items():
        if len(names) < n_folds:
            fault = f"{emotion!r} is spoken by {', '.join(sorted(names))} alone"
            remedy = f"It needs a speaker in each of {n_folds} folds. Set `folds` lower, or leave out its rows."
            if n_folds == 2:
                remedy = "It needs a second speaker, to train when the first one tests. Leave out its rows."
            raise CorpusError(f"{path}: column emotion", fault, remedy)
    folds = _given_folds(raw, path) if given else make_folds(rows, n_folds)
    for fold in folds:
        if len(rest := sorted(everyone - set(fold))) < 2:
            fault = f"{rest[0]} alone is left to train and to validate when {', '.join(fold)} are tested"
            where = f"{path}: column {'fold' if given else 'speaker'}"
            raise CorpusError(where, fault, "Each fold must leave two speakers: give or ask for more folds.")
    return folds


def _given_folds(raw: Sequence[Mapping[str, str]], path: Path) -> tuple[tuple[str, ...], ...]:
    folds: dict[str, list[str]] = defaultdict(list)
    for speaker, fold in sorted(_check_constant(raw, path, "fold").items()):
        folds[fold].append(speaker)
    if len(folds) < 2:
        raise CorpusError(f"{path}: column fold", "has one value alone", "Give two folds or more, or no such column.")
    return tuple(tuple(folds[fold]) for fold in sorted(folds, key=_natural))


def _parts_of(raw: Sequence[Mapping[str, str]], rows: Sequence[Mapping[str, str]], path: Path) -> dict[str, str]:
    """Return the part of each utterance that has one; none where the table has no such column."""
    parts = {one["utterance"]: cells["part"] for one, cells in zip(rows, raw, strict=True) if cells.get("part")}
    for part in ("train", "test"):
        if "part" in raw[0] and part not in parts.values():
            raise CorpusError(f"{path}: column part", f"has no {part!r}", "Give one, or no such column.")
    return parts


def _natural(text: str) -> tuple[int, str]:
    """Return a key that sorts numbers by value, before other texts."""
    return (int(text), "") if text.isdecimal() else (10**9, text)


def make_folds(rows: Sequence[Mapping[str, str]], n_folds: int) -> tuple[tuple[str, ...], ...]:
    """Divide speakers into folds that have about as many utterances of each emotion, and of each sex.

    The speaker with most utterances comes first, and each goes to the fold that lacks most what the speaker has: this
    keeps the sum of the squared shares of all emotions and sexes as low as one step can. Nothing is drawn.

    Returns
    -------
    tuple
        The speakers of each fold, sorted; no fold is empty where there are as many speakers as folds.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in rows:
        counts[one["speaker"]].update([one["emotion"], one["sex"]])
    total = Counter[str]()
    for count in counts.values():
        total.update(count)
    folds: list[Counter[str]] = [Counter() for _ in range(n_folds)]
    speakers: list[list[str]] = [[] for _ in folds]

    def overlap(fold: int, own: Counter[str]) -> tuple[float, int]:
        return sum(folds[fold][key] * n / total[key] ** 2 for key, n in own.items()), folds[fold].total()

    for speaker in sorted(counts, key=lambda name: (-counts[name].total(), name)):
        best = min(range(n_folds), key=lambda fold: overlap(fold, counts[speaker]))
        folds[best].update(counts[speaker])
        speakers[best].append(speaker)
    return tuple(tuple(sorted(names)) for names in speakers)


def _compose(path: str) -> str:
    """Return a path with its accents on their letters: macOS takes them apart in names of files."""
    return unicodedata.normalize("NFC", path)


def _scan(root: Path, raw: Sequence[Mapping[str, str]], rows: Sequence[dict[str, str]], path: Path) -> Scan:
    """Return the recordings that the table lists, all of which must lie under `root`."""
    from serflow.io.audio import suffixes  # loads libsndfile, which checking a configuration does not need

    there = set(files(root))
    written = {_compose(found): found for found in there}
    for one in rows:
        one["path"] = written.get(_compose(one["path"]), one["path"])
    missing = [(cells["row"], one["path"]) for cells, one in zip(raw, rows, strict=True) if one["path"] not in there]
    if missing:
        row, lacked = missing[0]
        where = f"{path}: row {row}, column path"
        fault = f"{lacked!r} is not in {root}; of {len(rows)} recordings {len(missing)} are missing"
        raise CorpusError(where, fault, "Correct the path, or remove the row.")
    spare = there - {one["path"] for one in rows}
    audio = sum(PurePosixPath(found).suffix.lower() in suffixes() for found in spare)
    others = {"no recording": len(spare) - audio, "not in the table of labels": audio}
    return Scan(sorted(rows, key=lambda one: one["utterance"]), {reason: n for reason, n in others.items() if n})
