"""Splits of a corpus into training, validation and test parts, and the report of what leaks between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from serflow.errors import SplitError
from serflow.items import Item, Row, item_id, items_of, parse_item, speaker_of
from serflow.protocols.assignment import UNUSED
from serflow.protocols.base import LEAKS, Assignment, Protocol


def split(
    protocol: Protocol,
    rows: Sequence[Row],
    labels: Sequence[str],
    corpora: Sequence[str],
    seed: int,
    select: Mapping[str, Mapping[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """Apply a protocol to the manifests of one or several corpora.

    Parameters
    ----------
    protocol
        Which items train, validate and test. Copies that it does not split itself train where their recording does.
    rows
        The manifests' rows, of all member corpora.
    labels
        The label set; utterances of other emotions are ``unused``.
    corpora
        The member corpora.
    seed
        Of random draws.
    select
        Corpus to the values that columns of its manifest must have; its other utterances are ``unused``.

    Returns
    -------
    list of dict
        One row per fold and item, with the columns ``utterance`` (the item's id, see `serflow.items`), ``fold``,
        ``part``.

    Raises
    ------
    SplitError
        If a class is too small to be divided, or a fold has no speaker in the corpus.
    """
    items = [(row, item) for row in rows for item in items_of(row, protocol.copies)]
    used = [
        {**row, "utterance": item_id(item, corpora)}
        for row, item in items
        if row["emotion"] in labels and _is_selected(row, select or {}) and (protocol.SPLITS_COPIES or not item.copy)
    ]

    def part_of(item: Item, parts: Assignment) -> str:
        if not item.copy or protocol.SPLITS_COPIES:
            return parts.get(item_id(item, corpora), UNUSED)
        original = parts.get(item_id(item._replace(copy=""), corpora))
        return "train" if original == "train" else UNUSED

    return [
        {"utterance": item_id(item, corpora), "fold": k, "part": part_of(item, parts)}
        for k, parts in enumerate(protocol.assign(used, corpora, seed))
        for _, item in items
    ]


def _is_selected(row: Row, select: Mapping[str, Mapping[str, str]]) -> bool:
    return all(row[column] == value for column, value in select.get(row["corpus"], {}).items())


def leakage(assignment: Sequence[Mapping[str, Any]], rows: Iterable[Row], corpora: Sequence[str]) -> dict[str, Any]:
    """Report, per fold, the size of each part and what stands in training or validation as well as in test.

    Returns
    -------
    dict
        ``folds``: one entry per fold with ``fold``, ``parts`` (part -> number of items) and, for each of `LEAKS`, the
        sorted values found in both train or validation and test: speakers, statements of one corpus, SHA-1 of
        recordings (copies of one kind of identical recordings count as identical), and ids of utterances of which
        different items stand on both sides.
    """
    by_name = {(row["corpus"], row["utterance"]): row for row in rows}
    folds: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for entry in assignment:
        folds[int(entry["fold"])][entry["part"]].append(entry["utterance"])

    def find(key: Callable[[Row, str], tuple[str, ...]], identities: Iterable[str]) -> set[tuple[str, ...]]:
        parsed = (parse_item(identity, corpora) for identity in identities)
        return {key(by_name[item.corpus, item.utterance], item.copy) for item in parsed}

    keys: dict[str, Callable[[Row, str], tuple[str, ...]]] = {
        "speakers": lambda row, _: (row["speaker"] if len(corpora) == 1 else speaker_of(row),),
        "statements": lambda row, _: (row["statement"], row["corpus"]),
        "identical_recordings": lambda row, copy: (row["sha1"], copy),
        "augmented_siblings": lambda row, _: (row["utterance"], row["corpus"]),
    }
    report = []
    for k, parts in sorted(folds.items()):
        seen, test = parts["train"] + parts["validation"], parts["test"]
        shared = {
            leak: sorted({v[0] for v in find(keys[leak], seen) & find(keys[leak], test)} - {""}) for leak in LEAKS
        }
        sizes = {part: len(items) for part, items in sorted(parts.items()) if items}
        report.append({"fold": k, "parts": sizes, **shared})
    return {"folds": report}


def check_split(protocol: Protocol, report: Mapping[str, Any], where: object) -> None:
    """Raise unless a split keeps what its protocol promises: see `Protocol.FORBIDDEN`.

    Raises
    ------
    SplitError
        If something stands on both sides of the split that its protocol forbids there.
    """
    for fold in report["folds"]:
        for leak in protocol.FORBIDDEN:
            if fold[leak]:
                fault = f"fold {fold['fold']} has {leak.replace('_', ' ')} {', '.join(fold[leak])} on both sides"
                raise SplitError(where, fault, f"Report this: a split of kind {protocol.kind} must never leak so.")
