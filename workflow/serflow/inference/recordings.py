"""Recordings of one's own: finding the files, reading them whole or in windows in bounded memory. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from serflow.corpora.base import files
from serflow.errors import SerflowError
from serflow.features.audio import read_signal, resampled_length
from serflow.io.audio import open_audio, suffixes

#: The longest recording or window that is recognised as one, in s: an utterance of the corpora lasts up to 35 s.
LONGEST = 60.0
#: The shortest, in s: less is no speech.
SHORTEST = 0.1
#: How much of a long recording is read at a time, in s.
BLOCK = 10.0


class RecordingError(SerflowError):
    """Recordings cannot be found, or one of them cannot be read."""


@dataclass(frozen=True)
class Windows:
    """Windows of ``length`` s every ``hop`` s."""

    length: float
    hop: float


@dataclass(frozen=True)
class Job:
    """What is recognised as one: a recording, or a window of it from ``start`` to ``end`` s, with its ``signal``.

    ``fault``: why the rest of the recording cannot be read.
    """

    path: Path
    start: float | None = None
    end: float | None = None
    signal: np.ndarray | None = None
    fault: str = ""


def find_recordings(paths: Sequence[Path]) -> list[Path]:
    """Return files as given, and all recordings below folders, linked ones too, by name; each once.

    Raises
    ------
    RecordingError
        If a path does not exist, or a folder holds no recording.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise RecordingError(path, "does not exist", "Give files or folders with recordings.")
        recordings = [path]
        if path.is_dir():
            recordings = sorted(path / name for name in files(path) if Path(name).suffix.lower() in suffixes())
            if not recordings:
                raise RecordingError(path, "holds no recording", f"Files end in {', '.join(suffixes())}.")
        found |= {file.resolve(): file for file in recordings if file.resolve() not in found}
    return list(found.values())


def seconds_of(path: Path) -> float:
    """Return how long a recording lasts, in s, as its header says.

    Raises
    ------
    RecordingError
        If it cannot be read, is empty, or ends before its header says.
    """
    with open_audio(path) as sound:
        _check(sound, path)
        seconds: float = sound.frames / sound.samplerate
        return seconds


def read_recording(path: Path, sample_rate: int) -> np.ndarray:
    """Return a recording as a corpus's is read for its features; see `serflow.features.audio.read_signal`.

    Raises
    ------
    CorpusError, RecordingError
        If it cannot be read, or lasts less than `SHORTEST` or more than `LONGEST`.
    """
    seconds = seconds_of(path)
    if seconds < SHORTEST:
        raise RecordingError(path, f"lasts {seconds:.3g} s, less than {SHORTEST:g} s", "Give a longer recording.")
    if seconds > LONGEST:
        fault = f"lasts {seconds:.0f} s, more than {LONGEST:g} s: windows are needed (--window 3 --hop 1)"
        raise RecordingError(path, fault, "Give --window 3 --hop 1 for a track over time.")
    return read_signal(path, sample_rate)


def cut_windows(path: Path, sample_rate: int, windows: Windows) -> Iterator[Job]:
    """Yield the windows of a recording, which is read and resampled block by block.

    Windows begin at 0, `hop`, 2 `hop` … while they lie within the recording; one more ends where it ends. A recording
    shorter than a window is one. Where it cannot be read on, the last job has a ``fault``.

    Parameters
    ----------
    path
        The recording.
    sample_rate
        In Hz, to which it is resampled; its channels are averaged.
    windows
        Their length and hop.
    """
    length, hop = (round(seconds * sample_rate) for seconds in (windows.length, windows.hop))
    held, first, start, made = np.zeros(0, np.float32), 0, 0, -1  # `held` begins at sample `first`

    def job(begin: int, stop: int) -> Job:
        return Job(path, begin / sample_rate, stop / sample_rate, held[begin - first : stop - first].copy())

    try:
        for block in _resampled(path, sample_rate):
            held = np.concatenate([held, block])
            while first + len(held) >= start + length:
                yield job(start, start + length)
                made, start = start, start + hop
            keep = max(0, min(start, first + len(held) - length) - first)
            held, first = held[keep:], first + keep
    except SerflowError as error:
        yield Job(path, fault=error.fault)
        return
    end = first + len(held)
    if end < SHORTEST * sample_rate:
        yield Job(path, fault=f"lasts {end / sample_rate:.3g} s, less than {SHORTEST:g} s")
    elif made < 0 or made + length < end:
        yield job(max(0, end - length), end)


def _resampled(path: Path, sample_rate: int) -> Iterator[np.ndarray]:
    """Yield a recording's mono signal at `sample_rate` Hz in blocks, as `read_signal` gives it whole."""
    with open_audio(path) as sound:
        _check(sound, path)
        same = sound.samplerate == sample_rate
        stream = None if same else soxr.ResampleStream(sound.samplerate, sample_rate, 1, "float32", "soxr_hq")
        read = made = 0
        while len(block := sound.read(int(BLOCK * sound.samplerate), dtype="float32", always_2d=True)):
            mono = block.mean(axis=1) if block.shape[1] > 1 else block[:, 0]
            if not np.isfinite(mono).all():
                raise RecordingError(path, "holds values that are not finite", "Replace the file.")
            signal = stream.resample_chunk(mono) if stream else mono
            read, made = read + len(mono), made + len(signal)
            yield signal
        if stream:
            signal = stream.resample_chunk(np.zeros(0, np.float32), last=True)
            rest = resampled_length(read, sound.samplerate, sample_rate) - made
            yield np.pad(signal, (0, max(0, rest - len(signal))))[:rest]


def _check(sound: soundfile.SoundFile, path: Path) -> None:
    """Raise unless there are samples."""
    if not sound.frames:
        raise RecordingError(path, "has no samples", "Replace the file.")
