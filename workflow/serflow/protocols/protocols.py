"""Splits of a corpus into train, validation and test parts, and the report of what leaks between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serflow.errors import ConfigError, SplitError
from serflow.io.files import read_csv, read_json

COLUMNS = ("utterance", "fold", "part")
PARTS = ("train", "validation", "test", "unused")
#: What may stand on both sides of a split.
LEAKS = ("speakers", "statements", "identical_recordings", "augmented_siblings")
#: Kind of protocol -> the leaks that must be empty. `augmented` forbids none: it is there to show what they are worth.
FORBIDDEN = {
    "random": ("augmented_siblings",),
    "speakers": ("speakers", "identical_recordings", "augmented_siblings"),
    "augmented": (),
}
#: Between an utterance's id and the name of its augmented copy.
COPY_MARK = "#"
Rows = Sequence[Mapping[str, str]]


def item_ids(utterance: str, copies: Iterable[str] = ()) -> list[str]:
    """Return the ids of the items of an utterance, itself first, copies sorted: ``["u", "u#noise", "u#pitch"]``."""
    return [utterance, *(f"{utterance}{COPY_MARK}{copy}" for copy in sorted(copies))]


def base_of(item: str) -> str:
    """Return the id of the utterance that an item is, or is an augmented copy of."""
    return item.partition(COPY_MARK)[0]


def speaker_folds(corpora: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the test speakers of each speaker-independent fold; fold k of a union holds fold k of each member."""
    from serflow.corpora import load

    lists = [load(name).SPEAKER_FOLDS for name in corpora]
    n_folds = max(map(len, lists))
    folds: list[list[str]] = [[] for _ in range(n_folds)]
    for members in lists:
        for k, speakers in enumerate(members):
            folds[k].extend(speakers)
    return [tuple(fold) for fold in folds]


def holds_for(protocol: Mapping[str, Any], corpus: str) -> bool:
    """Return whether a protocol is one of a corpus: it may name its ``corpora``, else it is one of all."""
    return corpus in protocol.get("corpora", [corpus])


def count_folds(protocol: Mapping[str, Any], corpora: Sequence[str]) -> int:
    """Return the number of folds of a protocol on a corpus or a union of corpora, known without data."""
    if protocol["kind"] != "speakers":
        return 1
    return len(speaker_folds(corpora)) * len(_validating_sexes(protocol))


def _validating_sexes(protocol: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return whose part of a held-out fold validates, in turn; None: nobody's, the next fold's speakers do."""
    wanted = protocol.get("validation")
    return ("female", "male") if wanted == "both" else (wanted,)


def split(
    protocol: Mapping[str, Any],
    rows: Rows,
    labels: Sequence[str],
    corpora: Sequence[str],
    seed: int,
    select: Mapping[str, Mapping[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """Apply a protocol to a manifest.

    Parameters
    ----------
    protocol
        ``kind: random`` with ``parts`` (fractions of the whole, stratified by emotion, drawn from `seed`);
        ``kind: speakers`` (the corpora's published lists of held-out speakers; `seed` plays no part; with
        ``validation: female`` or ``male`` those of this sex validate and the others test, with ``both`` there are twice
        as many folds, first all with female validation; without, all test and speakers of the next fold validate); or
        ``kind: augmented`` with ``parts`` and ``copies`` (name -> parameters): as random, but over the recordings and
        their augmented copies, which is the leak that this kind is there to measure.
    rows
        The manifest's rows, of all member corpora.
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
        One row per fold and item: `COLUMNS`; ``utterance`` holds item ids (see `item_ids`).

    Raises
    ------
    SplitError
        If a class is too small to be divided, or a fold has no speaker in the corpus.
    """
    kinds: dict[str, Callable[..., list[dict[str, str]]]]
    kinds = {"random": _random, "speakers": _by_speaker, "augmented": _random}
    if protocol["kind"] not in kinds:
        raise ConfigError("protocols.kind", f"unknown kind {protocol['kind']!r}", f"Allowed: {', '.join(kinds)}.")
    copies = protocol["copies"] if protocol["kind"] == "augmented" else ()
    items = [{**row, "utterance": item} for row in rows for item in item_ids(row["utterance"], copies)]
    used = [item for item in items if item["emotion"] in labels and _is_selected(item, select or {})]
    folds = kinds[protocol["kind"]](protocol, used, corpora, seed)
    return [
        {"utterance": item["utterance"], "fold": k, "part": parts.get(item["utterance"], "unused")}
        for k, parts in enumerate(folds)
        for item in items
    ]


def read_fold(path: Path, fold: int) -> dict[str, str]:
    """Return the part of each item of one fold of a split's file, in its order.

    Raises
    ------
    SplitError
        If a row is faulty, or the parts are not as large as the report beside the file says.
    """
    remedy, found = "Make the split again with `serflow split`.", {}
    for number, row in enumerate(read_csv(path), start=1):
        if tuple(row) != COLUMNS or not row["fold"].isdecimal() or row["part"] not in PARTS:
            raise SplitError(path, f"row {number} is no utterance, fold and part: {', '.join(row.values())}", remedy)
        if int(row["fold"]) == fold:
            found[row["utterance"]] = row["part"]
    report = path.with_suffix(".json")
    folds = read_json(report)["folds"] if report.is_file() else []
    for part, expected in next((entry["parts"] for entry in folds if entry["fold"] == fold), {}).items():
        held = list(found.values()).count(part)
        if held != expected:
            fault = f"holds {held} utterances to {part} in fold {fold}, its report says {expected}"
            raise SplitError(path, fault, remedy)
    return found


def _is_selected(row: Mapping[str, str], select: Mapping[str, Mapping[str, str]]) -> bool:
    return all(row[column] == value for column, value in select.get(row["corpus"], {}).items())


def _random(protocol: Mapping[str, Any], rows: Rows, corpora: Sequence[str], seed: int) -> list[dict[str, str]]:
    """One fold: the items at random, the same fractions of each class, as near as whole numbers allow."""
    from sklearn.model_selection import train_test_split

    names = np.array([row["utterance"] for row in rows])
    emotions = np.array([row["emotion"] for row in rows])
    fractions = protocol["parts"]
    held_out = fractions["validation"] + fractions["test"]
    try:
        train, rest = train_test_split(np.arange(len(names)), test_size=held_out, stratify=emotions, random_state=seed)
        share = fractions["test"] / held_out
        validation, test = train_test_split(rest, test_size=share, stratify=emotions[rest], random_state=seed)
    except ValueError as error:
        raise SplitError(
            "protocols.parts", f"cannot divide {len(names)} items ({error})", "Use a larger corpus."
        ) from error
    parts = {"train": train, "validation": validation, "test": test}
    return [{str(names[i]): part for part, indices in parts.items() for i in indices}]


def _by_speaker(protocol: Mapping[str, Any], rows: Rows, corpora: Sequence[str], seed: int) -> list[dict[str, str]]:
    """One fold per list of held-out speakers: all of them test, or the protocol's ``validation`` says who validates.

    Without ``validation`` the next fold's first speaker of each sex validates; where that fold has one sex only
    (EmoBox's second list of RAVDESS is all women), one speaker does.
    """
    present = {row["speaker"]: row["sex"] for row in rows}
    folds = [[speaker for speaker in fold if speaker in present] for fold in speaker_folds(corpora)]
    unlisted = sorted(set(present) - {speaker for fold in folds for speaker in fold})
    if unlisted:
        fault = f"has speaker {unlisted[0]}, who is in no fold's list"
        raise SplitError("+".join(corpora), fault, "Add the speaker to SPEAKER_FOLDS of the corpus's module.")
    for k, fold in enumerate(folds):
        if not fold:
            raise SplitError(
                "+".join(corpora), f"has no speaker of fold {k}", "Complete the corpus (`serflow verify`)."
            )
    result = []
    for sex in _validating_sexes(protocol):
        for k, held_out in enumerate(folds):
            if sex is None:
                following = folds[(k + 1) % len(folds)]
                validation = list({present[speaker]: speaker for speaker in reversed(following)}.values())
            else:
                validation = [speaker for speaker in held_out if present[speaker] == sex]
            test = [speaker for speaker in held_out if speaker not in validation]
            if not test or not validation:
                fault = f"has in fold {k} nobody left to {'validate' if test else 'test'}"
                raise SplitError("+".join(corpora), fault, "Remove `validation` from the protocol, or choose another.")
            part = dict.fromkeys(present, "train")
            part |= dict.fromkeys(validation, "validation") | dict.fromkeys(test, "test")
            result.append({row["utterance"]: part[row["speaker"]] for row in rows})
    return result


def leakage(assignment: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Any]:
    """Report, per fold, the size of each part and what stands in training or validation as well as in test.

    Returns
    -------
    dict
        ``folds``: one entry per fold with ``fold``, ``parts`` (part -> number of items) and, for each of `LEAKS`, the
        sorted values found in both train or validation and test: speakers, statements of one corpus, SHA-1 of
        recordings (copies of one kind of identical recordings count as identical), and ids of utterances of which
        different items stand on both sides.
    """
    by_name = {row["utterance"]: row for row in rows}
    folds: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for entry in assignment:
        folds[int(entry["fold"])][entry["part"]].append(entry["utterance"])
    keys: dict[str, Callable[[str], tuple[str, str]]] = {
        "speakers": lambda item: (by_name[base_of(item)]["speaker"], ""),
        "statements": lambda item: (by_name[base_of(item)]["statement"], by_name[base_of(item)]["corpus"]),
        "identical_recordings": lambda item: (by_name[base_of(item)]["sha1"], item.removeprefix(base_of(item))),
        "augmented_siblings": lambda item: (base_of(item), ""),
    }
    report = []
    for k, parts in sorted(folds.items()):
        seen, test = parts["train"] + parts["validation"], parts["test"]
        shared = {leak: _shared(map(keys[leak], seen), map(keys[leak], test)) for leak in LEAKS}
        sizes = {part: len(items) for part, items in sorted(parts.items()) if items}
        report.append({"fold": k, "parts": sizes, **shared})
    return {"folds": report}


def _shared(seen: Iterable[tuple[str, str]], test: Iterable[tuple[str, str]]) -> list[str]:
    return sorted({value for value, _ in set(seen) & set(test)} - {""})


def check(protocol: Mapping[str, Any], report: Mapping[str, Any], where: object) -> None:
    """Raise unless a split keeps what its protocol promises: see `FORBIDDEN`.

    Raises
    ------
    SplitError
        If something stands on both sides of the split that its protocol forbids there.
    """
    for fold in report["folds"]:
        for leak in FORBIDDEN[protocol["kind"]]:
            if fold[leak]:
                fault = f"fold {fold['fold']} has {leak.replace('_', ' ')} {', '.join(fold[leak])} on both sides"
                raise SplitError(where, fault, f"Report this: a split of kind {protocol['kind']} must never leak so.")
