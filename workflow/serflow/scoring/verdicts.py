"""The verdict on a published number, by a stated rule."""

from __future__ import annotations

import re
from typing import NamedTuple

from serflow.scoring.differences import Estimate, published_estimate, subtract, widen
from serflow.scoring.results import Cell, Result

#: Half of an interval's width, as a fraction, up to which a difference of nothing means "reproduced".
NARROW = 0.10
#: Spread of the last epochs, as a fraction, above which the last epoch is a draw, and the seeds that it then takes.
UNSTABLE, SEEDS_IF_UNSTABLE = 0.05, 5
#: Deviations that leave a system what it is: all options of training but those that decide which epochs it is trained.
MINOR = re.compile(r"training\.(?!(epochs|early_stopping|phases)\b)")

NO_NUMBER = "no published number"
CANNOT = "cannot be compared"
NOT_REPRODUCED = "not reproduced"
LEAK_ONLY = "reached only under the leak"
EXCEEDED = "exceeded"
REPRODUCED = "reproduced"
COMPATIBLE = "compatible, too few recordings to tell"

RULE = (
    "Verdict: by d, the published number minus ours under the paper's protocol (same metric, same part, all folds, the "
    "repository's seeds), and its 95 % interval. The interval takes the error of both sides: of ours the bootstrap "
    "over speakers and the variance between seeds (left out where there is one seed); of the published number Wilson's "
    "interval at the size of its test set (assumed to be that of ours where the paper names none) and the variance "
    f"between seeds for its one run. The first that applies: {CANNOT} (nothing run, seeds or folds missing, a "
    "synthetic corpus, or deviations in corpus, weights, architecture, epochs, protocol, labels, recipe or input); "
    f"{NOT_REPRODUCED} (the interval lies above 0; '{LEAK_ONLY}' where ours under the leak, of all test items, copies "
    f"included, lacks nothing either and is not below the published number by the same rule); {EXCEEDED} (the interval "
    f"lies below 0: a finding to explain); {REPRODUCED} (the interval holds 0 and half of its width is at most "
    f"{100 * NARROW:.0f} points); {COMPATIBLE} (it is wider). Where a network takes its last epoch and its validation "
    f"accuracy moves by more than {100 * UNSTABLE:.0f} points over the last tenth of epochs, a verdict takes "
    f"{SEEDS_IF_UNSTABLE} seeds."
)


class Verdict(NamedTuple):
    """A verdict, its reason, and the difference that it stands on (published minus ours), where there is one."""

    verdict: str
    reason: str = ""
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None


def judge(result: Result) -> Verdict:
    """Return the verdict on a published number by `RULE`."""
    own = result.cells["published"]
    if result.published is None:
        return Verdict(NO_NUMBER)
    difference = _subtract(result.published, own, own)
    obstacles = find_obstacles(result)
    if difference is None:
        return Verdict(CANNOT, "; ".join(obstacles))
    told, but_for = _decide(result, difference)
    numbers = f"d = {_points(difference.value)} [{_points(difference.low)}, {_points(difference.high)}]"
    numbers += " over utterances" if own.unit == "utterances" else ""
    if obstacles:
        return Verdict(CANNOT, f"{numbers}; would be: {told}, were it not for: {'; '.join(obstacles)}", *difference)
    numbers += f"; the leak would reach it, were it not for: {'; '.join(but_for)}" if but_for else ""
    return Verdict(told, numbers, *difference)


def _subtract(published: float, ours: Cell, error: Cell) -> Estimate | None:
    """Return published minus ours; `error` is the cell whose test set stands for the paper's."""
    if ours.value is None or ours.low is None or ours.high is None or error.n_effective is None or error.value is None:
        return None
    variance = error.seed_variance or 0.0
    theirs = published_estimate(published, error.n_effective, error.value, variance)
    mine = widen(Estimate(ours.value, ours.low, ours.high), (ours.seed_variance or 0.0) / (ours.seeds or 1))
    return subtract(theirs, mine)


def _decide(result: Result, difference: Estimate) -> tuple[str, list[str]]:
    """Return the verdict that a difference leads to, and what alone keeps it from being `LEAK_ONLY`."""
    if difference.low > 0:
        assert result.published is not None  # noqa: S101 -- the difference has it
        leak = _subtract(result.published, result.cells["leak"], result.cells["published"])
        if leak is None or leak.low > 0:
            return NOT_REPRODUCED, []
        lacking = _list_shortcomings(result.cells["leak"])
        return NOT_REPRODUCED if lacking else LEAK_ONLY, lacking
    if difference.high < 0:
        return EXCEEDED, []
    return REPRODUCED if (difference.high - difference.low) / 2 <= NARROW else COMPATIBLE, []


def find_obstacles(result: Result) -> list[str]:
    """Return why a published number cannot be compared with ours; empty if it can."""
    own = result.cells["published"]
    if own.value is None:
        return [own.note]
    return [*(["synthetic corpus"] if result.synthetic else []), *_list_shortcomings(own)]


def list_departures(cell: Cell) -> list[str]:
    """Return the deviations of ours under a protocol that keep it from being compared with a published number."""
    return [text for text in cell.deviations if not MINOR.match(text)]


def _list_shortcomings(cell: Cell) -> list[str]:
    """Return why ours under a protocol is not what the paper asks for."""
    found = [f"only {cell.missing}"] if cell.missing else []
    found += list_departures(cell)
    if (cell.spread or 0.0) > UNSTABLE and (cell.seeds or 0) < SEEDS_IF_UNSTABLE:
        found.append(
            f"the last epoch is a draw (its neighbours differ by {_points(cell.spread or 0.0)} points): "
            f"{SEEDS_IF_UNSTABLE} seeds are needed"
        )
    return found


def _points(value: float) -> str:
    return f"{100 * value:.1f}"
