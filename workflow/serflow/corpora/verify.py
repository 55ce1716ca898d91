"""Holding a user's copy of a corpus against the counts that were published for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serflow import corpora
from serflow.corpora.base import Selection

#: (what is counted, published number or None, number found)
Count = tuple[str, int | None, int]


def verify(corpus: str, rows: Sequence[Mapping[str, str]], report: Mapping[str, Any]) -> list[str]:
    """Return what differs between a manifest and the published counts, one sentence each; empty if nothing does.

    Parameters
    ----------
    corpus
        One of `serflow.corpora.CORPORA`.
    rows
        The corpus's manifest.
    report
        What `serflow.corpora.manifest.build` reported; its ``missing`` names are told one by one.

    Raises
    ------
    ConfigError
        If there is no such corpus.
    """
    differences = [
        f"{title}: {what}: published {published}, found {found}"
        for title, counts in _sections(corpus, rows)
        for what, published, found in counts
        if published not in (None, found)
    ]
    missing = list(report.get("missing", []))
    if missing:
        differences.append(f"missing, {len(missing)} in all: {', '.join(missing)}")
    return differences


def table(corpus: str, rows: Sequence[Mapping[str, str]]) -> str:
    """Return published and found counts side by side as text, the differing ones marked.

    Raises
    ------
    ConfigError
        If there is no such corpus.
    """
    lines = []
    for title, counts in _sections(corpus, rows):
        lines += ["", title, f"  {'':24}{'published':>10}{'found':>10}"]
        for what, published, found in counts:
            differs = "  differs" if published not in (None, found) else ""
            lines.append(f"  {what:24}{'-' if published is None else published:>10}{found:>10}{differs}")
    return "\n".join(lines[1:]) + "\n"


def _sections(corpus: str, rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, list[Count]]]:
    """Yield the counts of the whole corpus, then those of each selection of it."""
    module = corpora.load(corpus)
    whole = Selection(module.TITLE, {}, module.EXPECTED)
    for selection in (whole, *getattr(module, "SELECTIONS", ())):
        expected, kept = selection.expected, [row for row in rows if selection.keeps(row)]
        speakers = Counter(row["speaker"] for row in kept)
        classes = Counter(row["emotion"] for row in kept)
        counts: list[Count] = [
            ("utterances", expected.utterances, len(kept)),
            ("speakers", len(expected.speakers), len(speakers)),
        ]
        counts += [(f"emotion {name}", number, classes[name]) for name, number in expected.classes.items()]
        counts += [(f"speaker {name}", number, speakers[name]) for name, number in expected.speakers.items()]
        title = selection.title if selection is whole else f"{module.TITLE}, {selection.title}"
        yield title, counts
