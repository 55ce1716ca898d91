"""The verdict on a published number, by a stated rule."""

from __future__ import annotations

from typing import NamedTuple

from serflow.scoring.metrics import MIN_SPEAKERS
from serflow.scoring.results import Cell, Result

RULE = (
    "Verdict, the first that applies. No published number: the paper prints none for this corpus and system. Cannot be "
    "compared: nothing was run, the corpus is synthetic, only some folds of the paper's protocol were run, or the runs "
    f"depart from the paper as the last column says. Inconclusive: ours has fewer than {MIN_SPEAKERS} test speakers. "
    "Reproduced: the published value lies within the 95 % interval of ours (same metric, same part, the paper's "
    "protocol). Not reproduced: otherwise; 'reached under the leak' where the published value lies above the interval "
    "of ours, and below or within that of ours under the leak (test part)."
)


class Verdict(NamedTuple):
    """A verdict and its reason."""

    verdict: str
    reason: str = ""


def judge(result: Result) -> Verdict:
    """Return the verdict on a published number by `RULE`."""
    own = result.cells["published"]
    if result.published is None:
        return Verdict("no published number")
    if obstacle := _find_obstacle(result, own):
        return Verdict("cannot be compared", obstacle)
    if own.low is None or own.high is None:
        return Verdict("inconclusive", f"{own.speakers} speakers are too few for an interval")
    published, low, high = (100 * value for value in (result.published, own.low, own.high))
    if own.low <= result.published <= own.high:
        return Verdict("reproduced", f"{published:.1f} lies within [{low:.1f}, {high:.1f}]")
    side = f"{published - high:.1f} points above" if published > high else f"{low - published:.1f} points below"
    reached = "; reached under the leak" if _is_reached(result.published, own.high, result.cells["leak"]) else ""
    return Verdict("not reproduced", f"{published:.1f} lies {side} [{low:.1f}, {high:.1f}]{reached}")


def _find_obstacle(result: Result, own: Cell) -> str:
    """Return why a published number cannot be compared with ours; empty if it can."""
    if own.value is None:
        return own.note
    if result.synthetic:
        return "synthetic corpus"
    if own.note:
        return f"only {own.note}"
    return "the runs depart from the paper" if own.deviations else ""


def _is_reached(published: float, high: float, leak: Cell) -> bool:
    return leak.high is not None and high < published <= leak.high
