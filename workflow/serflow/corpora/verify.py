"""Checking a user's copy of a corpus against the counts that were published for it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from serflow import corpora
from serflow.corpora.archive import extract
from serflow.corpora.base import Selection
from serflow.corpora.scan import scan_corpus
from serflow.errors import ConfigError, CorpusError
from serflow.items import Row

#: Up to so many missing utterances are listed by name, more are counted by speaker.
LISTED = 20


class Count(NamedTuple):
    """Something that is counted, its published number (None: not published) and the number found."""

    what: str
    published: int | None
    found: int

    @property
    def differs(self) -> bool:
        """Whether another number was published."""
        return self.published not in (None, self.found)


def verify(corpus: str, source: Path, workers: int) -> tuple[str, list[str]]:
    """Check a copy of a corpus, an archive or a folder, against the published counts.

    Returns
    -------
    text
        The table of counts, what is missing, and the utterances with the same recording.
    differences
        See `find_differences`.

    Raises
    ------
    ConfigError
        If there is no such corpus, or no counts are published for it.
    CorpusError
        If the copy does not exist or cannot be read.
    """
    if corpora.load(corpus).EXPECTED is None:
        raise ConfigError(corpus, "has no published counts to check against", "Give EXPECTED in the corpus's module.")
    if not source.exists():
        raise CorpusError(source, "does not exist", f"Give the archive or folder of your copy of {corpus}.")
    with tempfile.TemporaryDirectory() as folder:
        tree = source
        if source.is_file():
            tree = Path(folder, "tree")
            extract(source, tree)
        rows, report = scan_corpus(corpus, tree, workers)
    told = _tell_missing(corpus, report["missing"])
    told += [f"identical recordings: {', '.join(names)}" for names in report["identical"]]
    text = "\n".join([format_counts(corpus, rows), *(f"- {line}" for line in told)])
    return text, find_differences(corpus, rows, report["missing"])


def find_differences(corpus: str, rows: Sequence[Row], missing: Sequence[str]) -> list[str]:
    """Return what differs between a manifest and the published counts, one sentence each; empty if nothing does.

    `missing` are the published names that are not there; see `serflow.corpora.scan.scan_corpus`.
    """
    differences = [
        f"{title}: {count.what}: published {count.published}, found {count.found}"
        for title, counts in _sections(corpus, rows)
        for count in counts
        if count.differs
    ]
    return differences + _tell_missing(corpus, missing)


def _tell_missing(corpus: str, missing: Sequence[str]) -> list[str]:
    """Return a line on the utterances that are not there: their names or, of many, their numbers by speaker."""
    if len(missing) <= LISTED:
        return [f"missing, {len(missing)} in all: {', '.join(missing)}"] if missing else []
    speakers = Counter(corpora.load(corpus).parse(f"{name}.wav")["speaker"] for name in missing)
    counts = ", ".join(f"{speaker} {number}" for speaker, number in sorted(speakers.items()))
    return [f"missing, {len(missing)} in all, by speaker: {counts}"]


def format_counts(corpus: str, rows: Sequence[Row]) -> str:
    """Return published and found counts side by side as text, the differing ones marked."""
    lines = []
    for title, counts in _sections(corpus, rows):
        lines += ["", title, f"  {'':24}{'published':>10}{'found':>10}"]
        for count in counts:
            published = "-" if count.published is None else count.published
            lines.append(f"  {count.what:24}{published:>10}{count.found:>10}{'  differs' if count.differs else ''}")
    return "\n".join(lines[1:]) + "\n"


def _sections(corpus: str, rows: Sequence[Row]) -> Iterator[tuple[str, list[Count]]]:
    """Yield the counts of the whole corpus, then those of each selection of it."""
    module = corpora.load(corpus)
    whole = Selection(module.TITLE, {}, module.EXPECTED)
    for selection in (whole, *module.SELECTIONS):
        expected, kept = selection.expected, [row for row in rows if selection.keeps(row)]
        speakers = Counter(row["speaker"] for row in kept)
        classes = Counter(row["emotion"] for row in kept)
        counts = [
            Count("utterances", expected.utterances, len(kept)),
            Count("speakers", len(expected.speakers), len(speakers)),
        ]
        counts += [Count(f"emotion {name}", number, classes[name]) for name, number in expected.classes.items()]
        counts += [Count(f"speaker {name}", number, speakers[name]) for name, number in expected.speakers.items()]
        title = selection.title if selection is whole else f"{module.TITLE}, {selection.title}"
        yield title, counts
