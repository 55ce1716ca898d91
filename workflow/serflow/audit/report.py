"""The leak report of a split: what its parts share, as a value, as text and as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serflow.audit.fingerprint import Fingerprint
from serflow.audit.search import find_copies, read_prints
from serflow.audit.table import PARTS, Recording, read_recordings

#: The pairs of parts that are compared.
SIDES = (("train", "test"), ("validation", "test"), ("train", "validation"))
#: How many lines of each list the text shows.
SHOWN = 20


@dataclass(frozen=True)
class Part:
    """A part of the split; `emotions` counts its recordings, `missing` are classes that only other parts have."""

    name: str
    recordings: int
    speakers: int
    seconds: float
    emotions: dict[str, int]
    missing: list[str]


@dataclass(frozen=True)
class Pair:
    """Two recordings on two sides, by the table's paths, and what was changed between them (nothing: identical)."""

    first: str
    second: str
    changes: list[str]


@dataclass(frozen=True)
class Shared:
    """What two parts share; `affected` counts the second part's recordings that each item of the rest concerns.

    ``judged``: whether results are given on the second part, which is test, or validation where the table has no test.
    What training shares with a validation part that only chooses a model is told, but is no leak. ``statements``: None
    where one of the two has none to compare.
    """

    parts: tuple[str, str]
    judged: bool
    speakers: list[str]
    statements: list[str] | None
    identical: list[Pair]
    copies: list[Pair]
    affected: dict[str, int]

    @property
    def leaks(self) -> bool:
        """Whether a result is better than on new speakers and recordings because of it."""
        return self.judged and bool(self.speakers or self.identical or self.copies)


@dataclass(frozen=True)
class Report:
    """The leak report of a table."""

    table: str
    parts: list[Part]
    shared: list[Shared]
    validation_is_test: bool
    not_checked: list[str]

    @property
    def leaks(self) -> bool:
        """Whether something leaks into the part that results are given on."""
        return any(one.leaks for one in self.shared)

    def to_json(self) -> dict[str, Any]:
        """Return all of it, for `json`."""
        return {"leaks": self.leaks, **asdict(self)}


def audit(table: Path, root: Path | None, workers: int) -> Report:
    """Audit a split.

    Parameters
    ----------
    table
        See `serflow.audit.table`.
    root
        The folder that its paths start from; None for the table's own.
    workers
        Number of processes.

    Raises
    ------
    CorpusError, SplitError
        If the table cannot be used, or a recording cannot be read; they name the row and the column.
    """
    recordings = read_recordings(table)
    files = [(root or table.parent) / one.path for one in recordings]
    wheres: dict[Path, str] = {}
    for file, one in zip(files, recordings, strict=True):
        wheres.setdefault(file, f"{table}: row {one.row}, column path")
    by_file = dict(zip(wheres, read_prints(wheres, workers), strict=True))
    prints = [by_file[file] for file in files]
    parts = {name: [n for n, one in enumerate(recordings) if one.part == name] for name in PARTS}
    sides = [(first, second) for first, second in SIDES if parts[first] and parts[second]]
    copies = find_copies(files, prints, [(parts[first], parts[second]) for first, second in sides], workers)
    shared = []
    for (first, second), found in zip(sides, copies, strict=True):
        pairs = [Pair(recordings[one.first].path, recordings[one.second].path, one.changes) for one in found]
        shared.append(_share((first, second), recordings, prints, parts, pairs))
    digests = {name: sorted(prints[n].digest for n in numbers) for name, numbers in parts.items()}
    same = bool(digests["test"]) and digests["validation"] == digests["test"]
    return Report(
        str(table), _describe(recordings, prints, parts), shared, same, _not_checked(recordings, parts, prints)
    )


def _share(
    names: tuple[str, str],
    recordings: Sequence[Recording],
    prints: Sequence[Fingerprint],
    parts: dict[str, list[int]],
    copies: list[Pair],
) -> Shared:
    first, second = (parts[name] for name in names)
    speakers = {recordings[n].speaker for n in first} & {recordings[n].speaker for n in second}
    spoken = [{recordings[n].statement for n in part} - {""} for part in (first, second)]
    statements = sorted(spoken[0] & spoken[1]) if all(spoken) else None
    by_digest = defaultdict(list)
    for n in first:
        by_digest[prints[n].digest].append(recordings[n].path)
    identical = [Pair(path, recordings[n].path, []) for n in second for path in by_digest.get(prints[n].digest, [])]
    affected = {
        "speakers": sum(recordings[n].speaker in speakers for n in second),
        "statements": sum(recordings[n].statement in (statements or ()) for n in second),
        "identical": len({pair.second for pair in identical}),
        "copies": len({pair.second for pair in copies}),
    }
    judged = names[1] == "test" or not parts["test"]
    return Shared(names, judged, sorted(speakers), statements, identical, copies, affected)


def _describe(
    recordings: Sequence[Recording], prints: Sequence[Fingerprint], parts: dict[str, list[int]]
) -> list[Part]:
    everything = {one.emotion for one in recordings} - {""}
    described = []
    for name, numbers in parts.items():
        if numbers:
            emotions = Counter(recordings[n].emotion for n in numbers if recordings[n].emotion)
            speakers = len({recordings[n].speaker for n in numbers})
            seconds = round(sum(prints[n].seconds for n in numbers), 1)
            missing = sorted(everything - set(emotions))
            described.append(Part(name, len(numbers), speakers, seconds, dict(sorted(emotions.items())), missing))
    return described


def _not_checked(
    recordings: Sequence[Recording], parts: dict[str, list[int]], prints: Sequence[Fingerprint]
) -> list[str]:
    """Return what the table and its recordings give no answer to, one sentence each."""
    told = [f"The table has no recordings for {name}." for name, numbers in parts.items() if not numbers]
    for column, what in (("statement", "Sentences"), ("emotion", "Classes")):
        lacking = sum(not getattr(one, column) for one in recordings)
        if lacking:
            told.append(f"{what}: {lacking} of {len(recordings)} rows have no {column}, and were not compared.")
    if mute := [one.path for one, found in zip(recordings, prints, strict=True) if not found.fine.any()]:
        told.append(
            f"{count(len(mute), 'recording')} without sound, such as {mute[0]}: only equal samples were looked for."
        )
    return told


def to_text(report: Report) -> str:
    """Return a report as text; long lists are cut."""
    lines = [f"{report.table}: {'LEAK FOUND' if report.leaks else 'no leak found'}"]
    for part in report.parts:
        minutes = f"{part.seconds / 60:.1f} min"
        lines.append(
            f"  {part.name:10} {count(part.recordings, 'recording')}, {count(part.speakers, 'speaker')}, {minutes}"
        )
    if report.validation_is_test:
        lines += ["", "Validation and test are the same recordings: whatever was tuned was tuned on test."]
    sizes = {part.name: part.recordings for part in report.parts}
    for one in report.shared:
        lines += ["", *_describe_shared(one, sizes[one.parts[1]])]
    lines += [f"Missing in {part.name}: {', '.join(part.missing)}" for part in report.parts if part.missing]
    return "\n".join([*lines, *report.not_checked])


def count(n: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{n} {noun}{'s' * (n != 1)}"


def title_of(shared: Shared) -> str:
    """Return the title of what two parts share."""
    return f"{shared.parts[0].capitalize()} and {shared.parts[1]}"


def _describe_shared(shared: Shared, n_second: int) -> list[str]:
    def concerned(key: str) -> str:
        return f"{shared.affected[key]} of {n_second} {shared.parts[1]} recordings"

    lines = [title_of(shared)]
    for what, key, values in (
        ("speakers", "speakers", shared.speakers),
        ("sentences", "statements", shared.statements),
    ):
        if values is None:
            lines.append(f"  {what}: not compared")
            continue
        named = ", ".join(values[:SHOWN]) + (", ..." if len(values) > SHOWN else "")
        lines.append(f"  {what}: " + (f"{len(values)} ({named}), {concerned(key)}" if values else "none"))
    for what, key, pairs in (
        ("identical recordings", "identical", shared.identical),
        ("changed copies", "copies", shared.copies),
    ):
        lines.append(f"  {what}: " + (f"{count(len(pairs), 'pair')}, {concerned(key)}" if pairs else "none"))
        for pair in pairs[:SHOWN]:
            lines.append("    " + " | ".join(filter(None, [pair.first, pair.second, ", ".join(pair.changes)])))
        lines += [f"    and {len(pairs) - SHOWN} more: --json lists all"] if len(pairs) > SHOWN else []
    return lines
