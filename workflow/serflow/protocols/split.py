"""Splits of a corpus into training, validation and test parts, and the report of what leaks between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from serflow.errors import SplitError
from serflow.items import Item, Row, item_id, items_of, parse_item, speaker_of
from serflow.protocols.assignment import UNUSED
from serflow.protocols.base import LEAKS, Assignment, Protocol

#: What items may share: a value, empty where unknown, and what else must then be equal.
Key = tuple[str, ...]


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
        If a class is too small to be divided, a fold has no speaker in the corpus, or an emotion is tested that nothing
        of the training part has.
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

    folds = protocol.assign(used, corpora, seed)
    for k, parts in enumerate(folds):
        _check_trained(used, parts, f"{'+'.join(corpora)}, fold {k}")
    return [
        {"utterance": item_id(item, corpora), "fold": k, "part": part_of(item, parts)}
        for k, parts in enumerate(folds)
        for _, item in items
    ]


def _check_trained(rows: Sequence[Row], parts: Assignment, where: str) -> None:
    found: dict[str, set[str]] = {"train": set(), "test": set()}
    for row in rows:
        found.setdefault(parts.get(row["utterance"], UNUSED), set()).add(row["emotion"])
    untrained = sorted(found["test"] - found["train"])
    if untrained:
        fault = f"tests {' and '.join(untrained)}, of which nothing is trained on"
        raise SplitError(where, fault, "Divide the corpus otherwise, or leave this emotion out.")


def _is_selected(row: Row, select: Mapping[str, Mapping[str, str]]) -> bool:
    return all(row[column] == value for column, value in select.get(row["corpus"], {}).items())


def leakage(assignment: Sequence[Mapping[str, Any]], rows: Iterable[Row], corpora: Sequence[str]) -> dict[str, Any]:
    """Report, per fold, the size of each part and what stands in training or validation as well as in test.

    Returns
    -------
    dict
        ``folds``: one entry per fold with

        - ``fold``; ``parts`` (part -> number of items);
        - for each of `LEAKS` the sorted values found in both train or validation and test: speakers, statements of one
          corpus, SHA-1 of recordings (copies of one kind of identical recordings count as identical), and ids of
          utterances of which different items stand on both sides;
        - ``test_recordings``: how many items of the test part that concerns. ``train`` and ``train_or_validation`` hold
          for each of `LEAKS` the number that is ``shared`` with this part, and the number of which it is ``unknown``,
          because a statement is.
    """
    by_name = {(row["corpus"], row["utterance"]): row for row in rows}
    keys: dict[str, Callable[[Row, str], Key]] = {
        "speakers": lambda row, _: (row["speaker"] if len(corpora) == 1 else speaker_of(row),),
        "statements": lambda row, _: (row["statement"], row["corpus"]),
        "identical_recordings": lambda row, copy: (row["sha1"], copy),
        "augmented_siblings": lambda row, _: (row["utterance"], row["corpus"]),
    }
    folds: dict[int, dict[str, list[tuple[Row, str]]]] = defaultdict(lambda: defaultdict(list))
    for entry in assignment:
        item = parse_item(entry["utterance"], corpora)
        folds[int(entry["fold"])][entry["part"]].append((by_name[item.corpus, item.utterance], item.copy))
    report = []
    for k, parts in sorted(folds.items()):
        fold: dict[str, Any] = {"fold": k, "parts": {part: len(items) for part, items in sorted(parts.items())}}
        fold["test_recordings"] = {"train": {}, "train_or_validation": {}}
        for leak in LEAKS:
            found = {part: [keys[leak](*item) for item in items] for part, items in parts.items()}
            train, test = set(found.get("train", [])), found.get("test", [])
            both = train.union(found.get("validation", []))
            fold[leak] = sorted({value for value, *_ in both.intersection(test)} - {""})
            fold["test_recordings"]["train"][leak] = _count(test, train)
            fold["test_recordings"]["train_or_validation"][leak] = _count(test, both)
        report.append(fold)
    return {"folds": report}


def _count(test: Sequence[Key], seen: Collection[Key]) -> dict[str, int]:
    """Return how many items of a test part share their key with those seen, and of how many it is unknown."""
    hidden = {key[1:] for key in seen if not key[0]}  # those seen that may share any value
    shared = [key for key in test if key[0] and key in seen]
    unknown = [key for key in test if not key[0] or (key not in seen and key[1:] in hidden)]
    return {"shared": len(shared), "unknown": len(unknown)}


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
                remedy = f"Report this: a split of kind {protocol.kind} must never leak so."
                if leak == "identical_recordings":  # of two speakers, which no division of speakers can help
                    remedy = "Remove all but one of each from the corpus: `identical` in its manifest's report, "
                    remedy += "results/manifests/CORPUS.json, names them."
                raise SplitError(where, fault, remedy)
