"""Splits of a corpus into train, validation and test parts, and the report of what leaks between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serflow.errors import ConfigError, SplitError

COLUMNS = ("utterance", "fold", "part")
#: What may stand on both sides of a split, and the manifest's column that tells.
LEAKS = {"speakers": "speaker", "statements": "statement", "identical_recordings": "sha1"}
Rows = Sequence[Mapping[str, str]]


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


def count_folds(protocol: Mapping[str, Any], corpora: Sequence[str]) -> int:
    """Return the number of folds of a protocol on a corpus or a union of corpora, known without data."""
    return len(speaker_folds(corpora)) if protocol["kind"] == "speakers" else 1


def split(
    protocol: Mapping[str, Any], rows: Rows, labels: Sequence[str], corpora: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    """Apply a protocol to a manifest.

    Parameters
    ----------
    protocol
        ``kind: random`` with ``parts`` (fractions of the whole, stratified by emotion, drawn from `seed`) or
        ``kind: speakers`` (the corpora's published lists of test speakers; `seed` plays no part).
    rows
        The manifest's rows, of all member corpora.
    labels
        The label set; utterances of other emotions are ``unused``.
    corpora
        The member corpora.
    seed
        Of random draws.

    Returns
    -------
    list of dict
        One row per fold and utterance: `COLUMNS`.

    Raises
    ------
    SplitError
        If a class is too small to be divided, or a fold has no speaker in the corpus.
    """
    kinds = {"random": _random, "speakers": _by_speaker}
    if protocol["kind"] not in kinds:
        raise ConfigError("protocols.kind", f"unknown kind {protocol['kind']!r}", f"Allowed: {', '.join(kinds)}.")
    used = [row for row in rows if row["emotion"] in labels]
    folds = kinds[protocol["kind"]](protocol, used, corpora, seed)
    return [
        {"utterance": row["utterance"], "fold": k, "part": parts.get(row["utterance"], "unused")}
        for k, parts in enumerate(folds)
        for row in rows
    ]


def _random(protocol: Mapping[str, Any], rows: Rows, corpora: Sequence[str], seed: int) -> list[dict[str, str]]:
    """One fold: a random split with the same fractions of each class, as near as whole numbers allow."""
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
            "protocols.parts", f"cannot divide {len(names)} utterances ({error})", "Use a larger corpus."
        ) from error
    parts = {"train": train, "validation": validation, "test": test}
    return [{str(names[i]): part for part, indices in parts.items() for i in indices}]


def _by_speaker(protocol: Mapping[str, Any], rows: Rows, corpora: Sequence[str], seed: int) -> list[dict[str, str]]:
    """One fold per list of test speakers; the next fold's first speaker of each sex validates, the others train.

    Where the next fold has one sex only (EmoBox's second list of RAVDESS is all women), one speaker validates.
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
    for k, test in enumerate(folds):
        following = folds[(k + 1) % len(folds)]
        validation = {present[speaker]: speaker for speaker in reversed(following)}.values()
        part = dict.fromkeys(present, "train") | dict.fromkeys(validation, "validation") | dict.fromkeys(test, "test")
        result.append({row["utterance"]: part[row["speaker"]] for row in rows})
    return result


def leakage(assignment: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Any]:
    """Report, per fold, the size of each part and what stands in training or validation as well as in test.

    Returns
    -------
    dict
        ``folds``: one entry per fold with ``fold``, ``parts`` (part -> number of utterances) and, for each key of
        `LEAKS`, the sorted values found in both train or validation and test.
    """
    by_name = {row["utterance"]: row for row in rows}
    folds: dict[int, dict[str, list[Mapping[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for entry in assignment:
        folds[int(entry["fold"])][entry["part"]].append(by_name[entry["utterance"]])
    report = []
    for k, parts in sorted(folds.items()):
        seen, test = parts["train"] + parts["validation"], parts["test"]
        shared = {name: _shared(seen, test, column) for name, column in LEAKS.items()}
        report.append(
            {"fold": k, "parts": {part: len(members) for part, members in sorted(parts.items()) if members}, **shared}
        )
    return {"folds": report}


def _shared(seen: Rows, test: Rows, column: str) -> list[str]:
    both = {row[column] for row in seen} & {row[column] for row in test} - {""}
    return sorted(both)


def check(protocol: Mapping[str, Any], report: Mapping[str, Any], where: object) -> None:
    """Raise unless a split keeps what its protocol promises: no speaker of the test part is trained or validated on.

    Raises
    ------
    SplitError
        If a speaker-independent split has a speaker or a recording on both sides.
    """
    if protocol["kind"] != "speakers":
        return
    for fold in report["folds"]:
        for leak in ("speakers", "identical_recordings"):
            if fold[leak]:
                fault = f"fold {fold['fold']} has {leak.replace('_', ' ')} {', '.join(fold[leak])} on both sides"
                raise SplitError(where, fault, "Report this: a speaker-independent split must never leak.")
