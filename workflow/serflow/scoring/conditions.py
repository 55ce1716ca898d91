"""What runs were computed with, and where they depart from their paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serflow.papers.model import PaperRecord
from serflow.runs import RunRecord

LIBRARIES = ("torch", "scikit-learn")
#: What is said of runs in bf16, which is not listed among the deviations of each.
BF16 = (
    "bf16: what convolutions and matrix products take is rounded to 8 significant bits, weights stay in fp32; none of "
    "the reproduced papers names its precision, and fp32 was the usual one."
)


def describe_conditions(infos: Iterable[Mapping[str, Any]]) -> str:
    """Return one sentence on what runs were computed with, since numbers depend on it; `infos`: each ``run.json``."""
    infos = list(infos)
    if not infos:
        return "No run was made."

    def values(key: str) -> str:
        return ", ".join(sorted({str(info.get(key) or "unknown") for info in infos}))

    versions = [info.get("versions", {}) for info in infos]
    libraries = {f"{name} {known[name]}" for known in versions for name in LIBRARIES if name in known}
    commits = {short_commit(str(info.get("commit") or "unknown")) for info in infos}
    told = (
        f"Runs: {len(infos)}; device: {values('device')} ({values('device_name')}); precision: {values('precision')}; "
        f"libraries: {', '.join(sorted(libraries)) or 'unknown'}; commit: {', '.join(sorted(commits))}."
    )
    return f"{told} {BF16}" if any(info.get("precision") == "bf16" for info in infos) else told


def short_commit(commit: str) -> str:
    """Return a commit's first ten digits, with the + of uncommitted changes."""
    return commit[:10] + "+" * commit.endswith("+")


def find_deviations(record: PaperRecord, runs: Sequence[RunRecord]) -> list[str]:
    """Return where runs depart from their paper; a deviation of only some of them says of how many."""
    counts = Counter(text for run in runs for text in dict.fromkeys(record.deviations_of(run.group)))
    return [text if n == len(runs) else f"{text} ({n} of {len(runs)} runs)" for text, n in counts.items()]
