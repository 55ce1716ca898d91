"""Where a stage's messages go: to its log file where one is given, else to standard error."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import BinaryIO

_stream: BinaryIO | None = None


def open_log(path: Path) -> None:
    """Send all further messages to the file `path`, emptied first."""
    global _stream  # noqa: PLW0603 (one process runs one stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    _stream = path.open("wb", buffering=0)  # unbuffered: what a full disk refuses must not fail again later


def say(line: str, *, aloud: bool = False) -> None:
    """Write one line, ``aloud`` to standard error too, the workflow's log. What a full disk has no room for is lost."""
    if _stream:
        with contextlib.suppress(OSError):
            _stream.write(f"{line}\n".encode())
    if aloud or not _stream:
        print(line, file=sys.stderr, flush=True)


def show_progress() -> bool:
    """Return whether a person is watching: progress bars would only fill a file."""
    return sys.stderr.isatty()
