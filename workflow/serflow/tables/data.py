"""The table of what a paper's runs stand on: its corpora, and what its splits share between training and test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from serflow.errors import ConfigError
from serflow.io.files import read_json
from serflow.items import members_of
from serflow.papers.model import Paper, PaperRecord
from serflow.runs import RunRecord
from serflow.tables.table import SYNTHETIC, Table

#: What test recordings may share with training, and the column that counts those that do.
SHARED = {
    "augmented_siblings": "Copies in training",
    "identical_recordings": "Identical in training",
    "speakers": "Speaker in training",
    "statements": "Sentence in training",
}
COLUMNS = ("Corpus", "Protocol", "Seed", "Fold", "Training", "Validation", "Test", *SHARED.values())
NOTES = (
    "Training, Validation, Test: recordings, augmented copies included.",
    "In training: for how many test recordings the training part holds an augmented copy (for a copy: its original or "
    "another copy), an identical recording, the speaker, the sentence. "
    "With validation: the training or the validation part.",
    "Sentence: the same text in the same corpus, as names and transcripts tell it; unknown where they do not. "
    "A text that a corpus lists under two numbers counts as two: the true count may be higher, never lower.",
)


def data_table(
    record: PaperRecord, reports: Iterable[Path], splits: Iterable[Path], runs: Iterable[RunRecord] = ()
) -> Table:
    """Return one row per fold of each split, and notes on each corpus.

    ``reports``: beside the manifest of each corpus; ``splits``: the leakage report beside each split,
    ``.../CORPUS/PROTOCOL/seedS.json``; ``runs``: the paper's.

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
            shared = [_tell_shared(fold, leak) for leak in SHARED]
            rows.append([corpus, protocol.replace("_", " "), seed, str(fold["fold"]), *sizes, *shared])
    protocols = [f"{name.replace('_', ' ')}: {protocol.title}." for name, protocol in paper.protocols.items()]
    described, runs = [read_json(path) for path in reports], list(runs)
    notes = [describe_corpus(report) for report in described]
    notes += [*_describe_emotions(paper, runs, described), *_describe_clipping(paper, runs), *NOTES, *protocols]
    banner = SYNTHETIC if record.synthetic else ""
    return Table(f"{paper.title}: corpora and splits", COLUMNS, rows, notes, banner=banner)


def _tell_shared(fold: Mapping[str, Any], leak: str) -> str:
    """Return how many test recordings a leak concerns: from training, and with validation where that is more."""
    total = fold["parts"].get("test", 0)
    train, both = (_tell(counts[leak], total) for counts in fold["test_recordings"].values())
    return train if train == both else f"{train} (with validation {both})"


def _tell(count: Mapping[str, int], total: int) -> str:
    if 0 < total == count["unknown"]:
        return "unknown"
    unknown = f", {count['unknown']} unknown" if count["unknown"] else ""
    return f"{count['shared']} of {total}{unknown}"


def _describe_emotions(paper: Paper, runs: Iterable[RunRecord], reports: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence per union of corpora on the emotions that all its members have, and those left out of each."""
    classes = {report["corpus"]: report["classes"] for report in reports}
    shared = (run for run in runs if paper.protocols[run.id.protocol].SHARED_EMOTIONS)
    for (corpus, _, protocol), labels in {run.group: run.labels for run in shared}.items():
        told = []
        for member in members_of(corpus):
            parts = {
                kept: [one for one in classes[member].items() if (one[0] in labels) == kept] for kept in (True, False)
            }
            texts = [", ".join(f"{n} {emotion}" for emotion, n in parts[kept]) or "none" for kept in (True, False)]
            told.append(f"{member}: {texts[0]} (left out: {texts[1]})")
        yield f"{corpus}, {protocol.replace('_', ' ')}: {'; '.join(told)}."


def _describe_clipping(paper: Paper, runs: Iterable[RunRecord]) -> Iterator[str]:
    """Yield a sentence per corpus on the share of points at or below a recipe's constant noise level."""
    shares: dict[str, dict[str, str]] = {}
    for run in runs:
        recipe = paper.systems[run.id.system].recipe
        if "clipped" in run.info and recipe:
            floor = paper.recipes[recipe]["floor_db"]
            text = f"{recipe} {100 * run.info['clipped']:.1f} % at {floor:g} dB"
            shares.setdefault(run.id.corpus, {}).setdefault(recipe, text)
    for corpus, texts in shares.items():
        yield f"{corpus}: share of points clipped at the constant noise level: {', '.join(texts.values())}."


def describe_corpus(report: Mapping[str, Any]) -> str:
    """Return a sentence on a corpus: utterances, speakers, classes, identical and silent recordings."""
    classes = ", ".join(f"{n} {emotion}" for emotion, n in report["classes"].items())
    pairs = "; ".join(" = ".join(pair) for pair in report["identical"]) or "none"
    silent = f"; of zeros alone: {', '.join(report['silent'])}" if report.get("silent") else ""
    published = "" if report["published"] is None else f" of {report['published']} published"
    return (
        f"{report['corpus']}: {report['utterances']}{published} utterances of {len(report['speakers'])} speakers "
        f"({classes}); identical recordings: {pairs}{silent}."
    )
