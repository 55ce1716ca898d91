"""Where a stage's messages go: to its log file where one is given, else to standard error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

_stream: TextIO | None = None


def open_log(path: Path) -> None:
    """Send all further messages to the file `path`, emptied first."""
    global _stream  # noqa: PLW0603 (one process runs one stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    _stream = path.open("w", encoding="utf-8", buffering=1)


def say(line: str) -> None:
    """Write one line."""
    print(line, file=_stream or sys.stderr, flush=True)


def show_progress() -> bool:
    """Return whether a person watches: bars would only fill a file."""
    return sys.stderr.isatty()
