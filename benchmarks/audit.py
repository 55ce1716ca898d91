"""How well `serflow audit` finds changed copies, and how long it takes.

    python benchmarks/audit.py TREE [--copies 240] [--many 10000] [--workers 2]

TREE holds real recordings, such as RAVDESS. Of some of them copies are made in each of the ways below, by serflow's own
augmentation, NumPy, soxr and libsndfile's encoders. All recordings are searched for all copies, and for each other;
those that are copied are also given mains hum, and searched for each other once more.
Prints Markdown: for each kind the share of copies found, how many of these are named rightly, and how many pairs of
recordings that are no copies were taken for some. With --many, times the command on so many recordings: TREE's own and
copies of them, divided at random into 80 % training, 10 % validation and 10 % test.
"""

import argparse
import csv
import io
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from serflow.audit.search import find_copies, read_prints
from serflow.features.audio import read_signal
from serflow.features.copies import noise, pitch, stretch

RATE = 16_000
#: How far hum is below the speech, in dB.
HUM_DB = 5


def later(signal: np.ndarray, seconds: float) -> np.ndarray:
    """Delay a signal and keep its length."""
    return np.pad(signal, (round(seconds * RATE), 0))[: len(signal)]


def encode(signal: np.ndarray, form: str, subtype: str) -> np.ndarray:
    """Encode and decode a signal by libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, RATE, format=form, subtype=subtype)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")[0]


def narrow(signal: np.ndarray) -> np.ndarray:
    """Resample to 8 kHz and back."""
    return soxr.resample(soxr.resample(signal, RATE, 8000), 8000, RATE)


def with_noise(snr_db: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what adds white noise."""
    return lambda signal: noise(signal, sample_rate=RATE, seed=len(signal), snr_db=snr_db)


def with_hum(signal: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Add mains hum of 50 Hz, `HUM_DB` below the signal, of which each harmonic has its own level and phase."""
    numbers = np.arange(1, 41)[:, np.newaxis]
    phases = 2 * np.pi * (50 * numbers * np.arange(len(signal)) / RATE + draw.uniform(size=numbers.shape))
    hum = (draw.uniform(0.3, 1, numbers.shape) / numbers * np.sin(phases)).sum(axis=0)
    return signal + hum * np.sqrt(np.mean(signal**2) / np.mean(hum**2)) * 10 ** (-HUM_DB / 20)


def with_tempo(rate: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what changes the tempo by a phase vocoder."""
    return lambda signal: stretch(signal, sample_rate=RATE, seed=0, rate=rate)


def with_pitch(semitones: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what changes the pitch by a phase vocoder."""
    return lambda signal: pitch(signal, sample_rate=RATE, seed=0, semitones=semitones)


def with_speed(rate: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what plays faster, at a higher pitch."""
    return lambda signal: soxr.resample(signal, RATE * rate, RATE)


#: Kind -> how it is made, and a word that its name must have.
KINDS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "gain -12 dB": (lambda x: x * 0.25, "gain"),
    "gain +20 dB, clipped": (lambda x: np.clip(10 * x, -1, 1), "gain"),
    "delay 0.15 s": (lambda x: later(x, 0.15), "shift"),
    "circular shift 1 s": (lambda x: np.roll(x, RATE), "shift"),
    "first 0.5 s cut off": (lambda x: x[RATE // 2 :], "shift"),
    "noise 15 dB": (with_noise(15), "noise"),
    "noise 5 dB": (with_noise(5), "noise"),
    "noise 0 dB": (with_noise(0), "noise"),
    "noise -5 dB": (with_noise(-5), "noise"),
    "MP3": (lambda x: encode(x, "MP3", "MPEG_LAYER_III"), "re-encoding"),
    "Ogg Vorbis": (lambda x: encode(x, "OGG", "VORBIS"), "re-encoding"),
    "Ogg Opus": (lambda x: encode(x, "OGG", "OPUS"), "re-encoding"),
    "8 kHz and back": (narrow, "resampling"),
    "-6 dB, noise 10 dB, delay, MP3": (
        lambda x: encode(later(with_noise(10)(x / 2), 0.1), "MP3", "MPEG_LAYER_III"),
        "shift",
    ),
    "speed 0.9": (with_speed(0.9), "speed"),
    "speed 1.1": (with_speed(1.1), "speed"),
    "tempo 0.8": (with_tempo(0.8), "tempo"),
    "tempo 1.1": (with_tempo(1.1), "tempo"),
    "tempo 1.25": (with_tempo(1.25), "tempo"),
    "pitch +1": (with_pitch(1), "pitch"),
    "pitch +2": (with_pitch(2), "pitch"),
    "pitch -4": (with_pitch(-4), "pitch"),
}
#: Those that the 10,000 recordings are made by.
QUICK = ("gain -12 dB", "delay 0.15 s", "noise 15 dB", "Ogg Vorbis", "8 kHz and back", "speed 1.1", "tempo 1.1")


def main() -> None:
    """Print the table and, if asked, the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--copies", type=int, default=240, help="recordings to copy in each way")
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    originals = sorted(path for path in options.tree.rglob("*") if path.suffix in (".flac", ".wav"))
    with tempfile.TemporaryDirectory() as folder:
        if options.copies:
            measure(originals, options.copies, Path(folder), options.workers)
        if options.many:
            clock(originals, options.many, Path(folder), options.workers)


def write_copy(original: Path, kind: str, folder: Path) -> Path:
    """Write one copy as 16-bit WAV; return its path."""
    path = folder / f"{kind.replace(' ', '_')}_{original.parent.name}_{original.stem}.wav"
    soundfile.write(path, np.clip(KINDS[kind][0](read_signal(original, RATE)), -1, 1), RATE, subtype="PCM_16")
    return path


def measure(originals: list[Path], n_copies: int, folder: Path, workers: int) -> None:
    """Print recall and false pairs of each kind."""
    source = sorted(random.Random(0).sample(range(len(originals)), min(n_copies, len(originals))))
    copies = [[write_copy(originals[n], kind, folder) for n in source] for kind in KINDS]
    paths = [*originals, *(path for made in copies for path in made)]
    everyone = range(len(originals))
    sides = [(everyone, everyone)]
    sides += [(everyone, range(at, at + len(source))) for at in range(len(originals), len(paths), len(source))]
    prints = read_prints({path: str(path) for path in paths}, workers)
    found = find_copies(paths, prints, sides, workers)
    twins = {(pair.first, pair.second) for pair in found[0] if pair.first < pair.second}
    total = len(originals) * (len(originals) - 1) // 2
    print(f"{len(originals)} recordings, {total} pairs of them: {len(twins)} taken for changed copies")
    for pair in found[0]:
        if pair.first < pair.second:
            print("   ", originals[pair.first].stem, originals[pair.second].stem, pair.changes)
    print(f"With mains hum {HUM_DB} dB below: {count_false_in_hum([originals[n] for n in source], folder, workers)}")
    same = {one.digest: n for n, one in enumerate(prints[: len(originals)])}
    others = len(source) * (len(originals) - 1)
    print(f"\n| kind of copy | found of {len(source)} | named rightly | false pairs of {others} |")
    print("| --- | --- | --- | --- |")
    for (kind, (_, word)), (_, second), pairs in zip(KINDS.items(), sides[1:], found[1:], strict=True):
        of = {n: same[prints[source[n - second[0]]].digest] for n in second}
        right = {pair.second: pair.changes for pair in pairs if same[prints[pair.first].digest] == of[pair.second]}
        false = sum(same[prints[pair.first].digest] != of[pair.second] for pair in pairs)
        named = sum(any(word in change for change in changes) for changes in right.values())
        share = f"{len(right) / len(source):.1%}"
        print(f"| {kind} | {share} | {named / max(1, len(right)):.1%} | {false} |", flush=True)
        names = [", ".join(changes) for changes in right.values()]
        print(f"{kind}: {names[:3]}", file=sys.stderr)


def count_false_in_hum(originals: list[Path], folder: Path, workers: int) -> str:
    """Return how many pairs of recordings with hum are taken for copies."""
    draw, paths = np.random.default_rng(0), []
    for original in originals:
        paths.append(folder / f"hum_{original.parent.name}_{original.stem}.wav")
        signal = with_hum(read_signal(original, RATE), draw)
        soundfile.write(paths[-1], np.clip(signal, -1, 1), RATE, subtype="PCM_16")
    everyone = range(len(paths))
    (found,) = find_copies(
        paths, read_prints({path: str(path) for path in paths}, workers), [(everyone, everyone)], workers
    )
    false = sum(pair.first < pair.second for pair in found)
    return f"{false} of {len(paths) * (len(paths) - 1) // 2} pairs taken for changed copies"


def clock(originals: list[Path], n: int, folder: Path, workers: int) -> None:
    """Print what the command takes on n recordings."""
    draw = random.Random(1)
    paths = originals[:n]
    while len(paths) < n:
        kind = QUICK[len(paths) // len(originals) % len(QUICK)]
        made = folder / str(len(paths) // len(originals))
        made.mkdir(exist_ok=True)
        paths.append(write_copy(originals[len(paths) % len(originals)], kind, made))
    table = folder / "labels.csv"
    with table.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["path", "speaker", "part"])
        for path in paths:
            writer.writerow(
                [path.resolve(), path.stem[-2:], draw.choices(["train", "validation", "test"], [8, 1, 1])[0]]
            )
    command = [sys.executable, "-m", "serflow.cli", "audit", str(table), "--workers", str(workers)]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(done.stdout[:400], done.stderr[-400:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = f"largest process {after.ru_maxrss / 1024:.0f} MiB"
    print(f"{n} recordings, {workers} workers, exit status {done.returncode}: {seconds:.0f} s, {cpu:.0f} CPU s, {peak}")


if __name__ == "__main__":
    main()
