"""What a run was computed in, for the record: versions, git commit, memory."""

from __future__ import annotations

import datetime
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


def versions(libraries: Sequence[str]) -> dict[str, str]:
    """Return the versions of what a run's numbers depend on."""
    return {name: version(name) for name in libraries}


def commit() -> str:
    """Return the code's git commit, with ``+`` where the package has changes, or ``unknown`` outside a checkout."""
    try:
        head, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", str(PACKAGE))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changes else "")


def times(started: datetime.datetime, clock: float, before: float = 0.0) -> dict[str, Any]:
    """Return when a job ran and its seconds, with `before`, those of the jobs it resumed; `clock`: `time.monotonic`."""
    return {
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(before + time.monotonic() - clock, 1),
    }


def peak_memory_mib() -> float:
    """Return the largest resident set of this process so far, in MiB."""
    unit = 1024**2 if sys.platform == "darwin" else 1024  # macOS counts in bytes, Linux in KiB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=True).stdout.strip()
