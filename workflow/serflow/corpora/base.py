"""What the corpus modules share: the shape of their data, and listing and parsing a tree's files.

Each corpus is one module of `serflow.corpora.known`, named as the corpus. It offers

- ``TITLE``: what it is called in tables and messages;
- ``EMOTIONS``: native label to one of `serflow.labels.EMOTIONS`;
- ``SPEAKER_FOLDS``: the test speakers of each speaker-independent fold;
- ``scan(root)``: the utterances of a corpus tree, as a `Scan`; most corpora need `scan_names` and a parser of names;

and, where there is such a thing, what is listed in `OPTIONAL`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from serflow.corpora.manifest import COLUMNS
from serflow.errors import CorpusError

AUDIO_SUFFIXES = (".wav", ".flac")
#: What a corpus module may offer, and the value where it does not: ``CITATION`` and ``LICENCE``; ``DOWNLOAD`` (a
#: `Download`; none where nothing is downloaded); ``SECONDS``, about how long all recordings last, in s; ``EXPECTED``
#: (an `Expected`), the published counts; ``SELECTIONS`` (of `Selection`), parts with published counts of their own;
#: ``expected_utterances()``, the set of published names; ``is_read(path)``, whether a file of its tree is read.
OPTIONAL: dict[str, Any] = {
    **{"CITATION": "", "LICENCE": "", "DOWNLOAD": None, "SECONDS": None, "EXPECTED": None, "SELECTIONS": ()},
    "expected_utterances": set,
    "is_read": lambda path: not_audio(path) is None,
}


@dataclass(frozen=True)
class Download:
    """Where a corpus is published, the name of its archive, and the MD5 published for it."""

    url: str
    filename: str
    md5: str


@dataclass(frozen=True)
class Expected:
    """The published numbers of utterances: in all, per speaker and per emotion (ours, not the native label).

    ``speakers`` maps to None where only the speakers' names are published, not their counts.
    """

    utterances: int
    speakers: Mapping[str, int | None]
    classes: Mapping[str, int]


@dataclass(frozen=True)
class Selection:
    """A part of a corpus with published counts of its own: rows of its emotions with these values in these columns."""

    title: str
    where: Mapping[str, str]
    expected: Expected

    def keeps(self, row: Mapping[str, str]) -> bool:
        """Return whether a row of the manifest belongs to this part."""
        return row["emotion"] in self.expected.classes and all(row[key] == value for key, value in self.where.items())


@dataclass(frozen=True)
class Scan:
    """What a corpus tree holds: rows without audio facts, sorted, and how many files were left out, by reason."""

    rows: list[dict[str, str]]
    left_out: dict[str, int]


def row(**fields: str) -> dict[str, str]:
    """Return a manifest row with `fields` filled in and every other column empty."""
    return dict.fromkeys(COLUMNS, "") | fields


def is_clutter(path: str) -> bool:
    """Return whether `path` is what macOS leaves in archives and folders (``__MACOSX``, ``._x``, ``.DS_Store``)."""
    return any(part in ("__MACOSX", ".DS_Store") or part.startswith("._") for part in PurePosixPath(path).parts)


def files(root: Path) -> Iterator[str]:
    """Yield every file under `root` but clutter, as sorted POSIX paths relative to it; linked folders are entered once.

    A link to a file that is not there is yielded too, so that whoever reads it tells.

    Raises
    ------
    CorpusError
        If `root` is no folder.
    OSError
        If a folder cannot be listed.
    """
    if not root.is_dir():
        raise CorpusError(root, "is not a folder", "Set corpora.<name>.source to the corpus's archive or folder.")
    root = root.resolve()
    unlinked, entered = {Path(folder) for folder, *_ in os.walk(root, onerror=_fail)}, set[Path]()
    paths: list[str] = []
    for folder, folders, names in os.walk(root, onerror=_fail, followlinks=True):
        place, real = Path(folder), Path(folder).resolve()
        if real in entered or (real != place and real in unlinked):  # by its own name, or by another link
            folders.clear()
            continue
        folders.sort()
        entered.add(real)
        present = (place / name for name in names if (place / name).is_file() or not (place / name).exists())
        paths += [path.relative_to(root).as_posix() for path in present]
    yield from sorted(path for path in paths if not is_clutter(path))


def _fail(error: OSError) -> None:
    """Raise what `os.walk` would pass over in silence."""
    raise error


def not_audio(path: str) -> str | None:
    """Return why a file that has no suffix of a recording is left out, or None if it has one."""
    return None if PurePosixPath(path).suffix.lower() in AUDIO_SUFFIXES else "neither WAV nor FLAC"


def scan_names(
    root: Path,
    paths: Iterable[str],
    parse: Callable[[str], dict[str, str]],
    leave_out: Callable[[str], str | None],
    layout: str,
) -> Scan:
    """Parse the names of a corpus's recordings.

    Parameters
    ----------
    root
        The corpus tree.
    paths
        The files to consider, relative to `root`.
    parse
        From a relative path to a row; raises `CorpusError`.
    leave_out
        From a relative path to the reason for which the file is no utterance here, or None if it is one.
    layout
        An example of a path, for the error on a tree without recordings.

    Raises
    ------
    CorpusError
        If a name is not in UTF-8 or cannot be parsed, an utterance occurs twice, or there is none.
    """
    rows: dict[str, dict[str, str]] = {}
    left_out: Counter[str] = Counter()
    for path in paths:
        reason = leave_out(path)
        if reason is not None:
            left_out[reason] += 1
            continue
        if any("\udc80" <= letter <= "\udcff" for letter in path):  # how Python reads what is no UTF-8
            raise CorpusError(f"{root}/{path!a}", "has a name that is not in UTF-8", "Rename the file.")
        try:
            found = parse(path)
        except CorpusError as error:
            raise CorpusError(root / path, error.fault, error.remedy) from None
        twin = rows.setdefault(found["utterance"], found)
        if twin is not found:
            fault = f"is utterance {found['utterance']} a second time; the first is {root / twin['path']}"
            raise CorpusError(root / path, fault, "Keep one of the two (some archives nest a whole second copy).")
    if not rows:
        raise CorpusError(root, "holds no recording of this corpus", f"Expected files such as {layout}.")
    return Scan([rows[utterance] for utterance in sorted(rows)], dict(sorted(left_out.items())))
