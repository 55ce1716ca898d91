"""One table of what a paper's runs stand on: its corpora, and who and what stands on both sides of its splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from serflow.io.files import read_json, write_text
from serflow.tables.render import render
from serflow.tables.tables import SYNTHETIC, Table

COLUMNS = (
    *("Corpus", "Protocol", "Seed", "Fold", "Training", "Validation", "Test"),
    *("Speakers on both sides", "Statements on both sides", "Identical recordings on both sides"),
)


def write_data_table(
    paper: Mapping[str, Any],
    reports: Iterable[Path],
    leaks: Sequence[tuple[str, str, int, Path]],
    stem: Path | str,
    *,
    synthetic: bool,
) -> None:
    """Write the table as csv, md, tex and html.

    Parameters
    ----------
    paper
        The paper as run.
    reports
        The reports that `serflow manifest` wrote, one per corpus.
    leaks
        (corpus, protocol, seed, leakage report that `serflow split` wrote).
    stem
        Path without suffix.
    synthetic
        Whether the corpora are synthetic.
    """
    table = data_table(paper, [read_json(path) for path in reports], [(*key, read_json(path)) for *key, path in leaks])
    table = replace(table, banner=SYNTHETIC if synthetic else "")
    for suffix, text in render(table).items():
        write_text(f"{stem}.{suffix}", text)


def data_table(
    paper: Mapping[str, Any], reports: Sequence[Mapping[str, Any]], leaks: Sequence[tuple[Any, ...]]
) -> Table:
    """Return one row per fold of each split, and one note per corpus; see `write_data_table`."""
    rows = []
    for corpus, protocol, seed, report in leaks:
        for fold in report["folds"]:
            sizes = [str(fold["parts"].get(part, 0)) for part in ("train", "validation", "test")]
            shared = [str(len(fold[leak])) for leak in ("speakers", "statements", "identical_recordings")]
            rows.append([corpus, protocol.replace("_", " "), str(seed), str(fold["fold"]), *sizes, *shared])
    protocols = [f"{name.replace('_', ' ')}: {entry['title']}." for name, entry in paper["protocols"].items()]
    notes = [*map(describe, reports), "Both sides: in training or validation, and in test.", *protocols]
    return Table(f"{paper['title']}: corpora and splits", list(COLUMNS), rows, notes)


def describe(report: Mapping[str, Any]) -> str:
    """Return a sentence on a corpus: how many utterances of whom, what is missing, what stands twice."""
    classes = ", ".join(f"{n} {emotion}" for emotion, n in report["classes"].items())
    pairs = "; ".join(" = ".join(pair) for pair in report["identical"]) or "none"
    missing = f"{len(report['missing'])} of the published utterances are missing" if report["missing"] else "complete"
    return (
        f"{report['corpus']}: {report['utterances']} utterances of {len(report['speakers'])} speakers ({classes}); "
        f"{missing}; identical recordings: {pairs}."
    )
