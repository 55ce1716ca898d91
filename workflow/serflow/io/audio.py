"""What all readers of recordings check first."""

from __future__ import annotations

from pathlib import Path

import soundfile

from serflow.errors import CorpusError

#: What libsndfile says of a FLAC file without a length is at least this.
NO_FRAMES = 2**62


def check_length(sound: soundfile.SoundFile, path: Path) -> None:
    """Raise a CorpusError if a file does not say how long it is: libsndfile cannot read it then."""
    if sound.frames >= NO_FRAMES:
        fault = "does not say how long it is, as a FLAC file that was written to a pipe"
        raise CorpusError(path, fault, "Write it again, e.g. with `ffmpeg -i OLD.flac NEW.flac`.")
