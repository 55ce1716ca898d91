"""The table of what a paper's runs stand on: its corpora, and what its splits share between training and test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from serflow.errors import ConfigError
from serflow.io.files import read_json
from serflow.papers.model import PaperRecord
from serflow.tables.table import SYNTHETIC, Table

COLUMNS = (
    *("Corpus", "Protocol", "Seed", "Fold", "Training", "Validation", "Test"),
    *("Shared speakers", "Shared statements", "Shared recordings"),
)
SHARED = "Shared: occurs in training or validation and in test; recordings: identical ones."


def data_table(record: PaperRecord, reports: Iterable[Path], splits: Iterable[Path]) -> Table:
    """Return one row per fold of each split, and one note per corpus.

    ``reports``: beside the manifest of each corpus; ``splits``: the leakage report beside each split,
    ``.../CORPUS/PROTOCOL/seedS.json``.

    Raises
    ------
    ConfigError
        If the path of a report in ``splits`` does not end so.
    """
    paper, rows = record.paper, []
    for path in splits:
        place = re.search(r"([^/]+)/([^/]+)/seed(\d+)\.json$", path.as_posix())
        if place is None:
            raise ConfigError(path, "does not end in CORPUS/PROTOCOL/seedS.json", "Give reports below results/splits.")
        corpus, protocol, seed = place.groups()
        for fold in read_json(path)["folds"]:
            sizes = [str(fold["parts"].get(part, 0)) for part in ("train", "validation", "test")]
            shared = [str(len(fold[leak])) for leak in ("speakers", "statements", "identical_recordings")]
            rows.append([corpus, protocol.replace("_", " "), seed, str(fold["fold"]), *sizes, *shared])
    protocols = [f"{name.replace('_', ' ')}: {protocol.title}." for name, protocol in paper.protocols.items()]
    notes = [*(describe_corpus(read_json(path)) for path in reports), SHARED, *protocols]
    banner = SYNTHETIC if record.synthetic else ""
    return Table(f"{paper.title}: corpora and splits", COLUMNS, rows, notes, banner=banner)


def describe_corpus(report: Mapping[str, Any]) -> str:
    """Return a sentence on a corpus: utterances, speakers and classes, what is missing, what is identical."""
    classes = ", ".join(f"{n} {emotion}" for emotion, n in report["classes"].items())
    pairs = "; ".join(" = ".join(pair) for pair in report["identical"]) or "none"
    missing = f"{len(report['missing'])} of the published utterances are missing" if report["missing"] else "complete"
    return (
        f"{report['corpus']}: {report['utterances']} utterances of {len(report['speakers'])} speakers ({classes}); "
        f"{missing}; identical recordings: {pairs}."
    )
