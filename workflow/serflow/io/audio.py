"""Opening a recording, as all readers do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import soundfile

from serflow.errors import CorpusError

#: What libsndfile says of a FLAC file without a length is at least this.
NO_FRAMES = 2**62


@contextlib.contextmanager
def open_audio(path: Path) -> Iterator[soundfile.SoundFile]:
    """Yield a recording to read.

    Raises
    ------
    CorpusError
        If it cannot be opened or read as audio, or does not say how long it is: libsndfile cannot read it then.
    """
    if path.suffix.lower() == ".raw":
        fault = "cannot be read as audio (a .raw file does not say its sampling rate and format)"
        raise CorpusError(path, fault, "Write it as WAV.")
    try:
        with soundfile.SoundFile(path) as sound:
            if sound.frames >= NO_FRAMES:
                fault = "does not say how long it is, as a FLAC file that was written to a pipe"
                raise CorpusError(path, fault, "Write it again, e.g. with `ffmpeg -i OLD.flac NEW.flac`.")
            yield sound
    except (soundfile.SoundFileError, OSError) as error:
        raise CorpusError(path, f"cannot be read as audio ({error})", "Replace the file.") from error
