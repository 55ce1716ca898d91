"""Opening a recording, as all readers do."""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path

import soundfile

from serflow.errors import CorpusError

#: What libsndfile says of a FLAC file without a length is at least this.
NO_FRAMES = 2**62
#: Bytes that a header may announce too many before the file is taken for truncated: some writers count the header.
SLACK = 64
#: From here on what a header announces is no length: programs that write to a pipe do not know it yet.
NO_LENGTH = 0x7F000000
#: What libsndfile says of a file that is shorter than its header announces: WAV, AIFF, AU, W64, RF64.
_SHORTER = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)$", re.MULTILINE)


@functools.cache
def suffixes() -> tuple[str, ...]:
    """Return the suffixes of the files that libsndfile reads, in small letters, other names of its formats included."""
    formats = {f".{name.lower()}" for name in soundfile.available_formats()} - {".raw"}  # which says not what it holds
    return tuple(sorted(formats | {".aif", ".aifc", ".opus", ".oga", ".snd", ".sph", ".wave"}))


@contextlib.contextmanager
def open_audio(path: Path) -> Iterator[soundfile.SoundFile]:
    """Yield a recording to read.

    Raises
    ------
    CorpusError
        If it cannot be opened or read as audio, is truncated (as far as its format tells), or does not say how long it
        is: libsndfile cannot read it then.
    """
    if path.suffix.lower() == ".raw":
        fault = "cannot be read as audio (a .raw file does not say its sampling rate and format)"
        raise CorpusError(path, fault, "Write it as WAV.")
    try:
        with soundfile.SoundFile(os.fsencode(path)) as sound:
            if sound.frames >= NO_FRAMES:
                fault = "does not say how long it is, as a FLAC file that was written to a pipe"
                raise CorpusError(path, fault, "Write it again, e.g. with `ffmpeg -i OLD.flac NEW.flac`.")
            if fault := _tell_truncated(sound, path):
                raise CorpusError(path, f"is truncated: {fault}", "Replace the file.")
            yield sound
    except (soundfile.SoundFileError, OSError) as error:  # the words alone: the rest repeats the path
        words = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
        raise CorpusError(path, f"cannot be read as audio ({str(words).rstrip('.')})", "Replace the file.") from error


def _tell_truncated(sound: soundfile.SoundFile, path: Path) -> str:
    """Return in what a file is truncated, which libsndfile reads as far as it goes; "" if nothing tells that it is."""
    if found := _SHORTER.search(sound.extra_info):
        announced, held = map(int, found.groups())
        if held + SLACK < announced < NO_LENGTH:
            return f"it holds {held:,} bytes where its header announces {announced:,}"
    return "" if sound.format != "OGG" or _has_end(path) else "its stream has no end"


def _has_end(path: Path) -> bool:
    """Return whether the last page of an Ogg file is whole and ends its stream (RFC 3533, section 6)."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        page = data.rfind(b"OggS")
        header = data[page : page + 27]
        if len(header) < 27 or not header[5] & 4:
            return False
        lengths = data[page + 27 : page + 27 + header[26]]
        return page + 27 + header[26] + sum(lengths) <= len(data)
