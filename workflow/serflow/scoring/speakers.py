"""Scores of single speakers."""

from __future__ import annotations

from serflow.runs import Group
from serflow.scoring.scores import Score, Scores

METRIC = "WA"


def speakers_of(scores: Scores) -> dict[Group, list[Score]]:
    """Return the accuracy of each speaker on the test part by (corpus, system, protocol)."""
    groups: dict[Group, list[Score]] = {}
    for score in scores.select(part="test", metric=METRIC):
        if score.scope.startswith("speaker ") and score.value is not None:
            groups.setdefault((score.corpus, score.system, score.protocol), []).append(score)
    return groups


def speaker_name(score: Score) -> str:
    """Return the speaker of a score, in a union of corpora with the corpus."""
    corpus, _, name = score.scope.removeprefix("speaker ").partition("/")
    return name if score.corpus == corpus else f"{corpus}/{name}"
