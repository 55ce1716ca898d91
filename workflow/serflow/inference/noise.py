"""Applies a trained run to its test part with noise added: each sound on its own, at each signal-to-noise ratio."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from serflow.corpora.manifest import read_manifest
from serflow.errors import CorpusError, TrainingError
from serflow.features.audio import read_signal
from serflow.features.noise import mix, read_sounds
from serflow.features.stand_ins import SOUNDS, make_noise
from serflow.io.files import check_writable, read_json, write_csv
from serflow.io.log import say, show_progress
from serflow.io.workers import start_workers
from serflow.items import Row, speaker_of
from serflow.protocols.assignment import read_fold

if TYPE_CHECKING:
    from serflow.inference.predictor import Predictor

#: What `source` says of a noise: made here, or read from the user's folder.
STAND_IN, RECORDING = "stand-in", "recording"
#: The sound that is mixed from other speakers' utterances, and of how many at most.
BABBLE, VOICES = "speech", 6


@dataclass(frozen=True)
class _Bench:
    """A run, what it computes on, and what noise is made and mixed with.

    ``rate``: in Hz; ``voices``: see `choose_voices`.
    """

    run: Path
    device: str
    rate: int
    root: Path
    sounds: tuple[str, ...]
    recordings: Mapping[str, np.ndarray]
    voices: Mapping[str, list[Row]]
    snrs: Sequence[float]


#: What a worker process recognises with.
_bench: _Bench | None = None


def evaluate(
    run: Path,
    manifest: Path,
    split: Path,
    root: Path,
    folder: Path | None,
    snrs: Sequence[float],
    output: Path,
    device: str,
    threads: int,
) -> None:
    """Write what a run predicts for its fold's test part in noise (Satt et al., section 5.3).

    The noise of an utterance is drawn from its id and the sound alone, so that it is the same for every run and ratio.
    Babble is mixed from utterances of the fold's training part, of up to `VOICES` other speakers.

    Parameters
    ----------
    run
        The run's folder.
    manifest, split
        Of the run's corpus and protocol.
    root
        The corpus tree.
    folder
        Recordings of noise, one file per sound; None: the stand-ins of `serflow.features.stand_ins`.
    snrs
        Signal-to-noise ratios in dB.
    output
        CSV: ``noise``, ``source`` (`STAND_IN` or `RECORDING`), ``snr_db``, ``utterance``, ``label``, ``predicted`` and
        one posterior per label.
    device
        See `serflow.training.device`.
    threads
        Number of processes, each of one thread.

    Raises
    ------
    TrainingError
        If the manifest lacks an utterance of the split.
    """
    check_writable(output.parent)
    info = read_json(run / "run.json")
    rate = info["system_config"]["recipe"]["sample_rate"]
    recordings = read_sounds(folder, rate) if folder else {}
    sounds = tuple(sorted(recordings)) or SOUNDS
    test, voices = (_part(manifest, split, info["fold"], part) for part in ("test", "train"))
    say(f"{len(test)} utterances in {len(sounds)} noises at {', '.join(f'{snr:g}' for snr in snrs)} dB")
    bench = _Bench(run, device, rate, root, sounds, recordings, group_voices(voices), snrs)
    with (
        tqdm(total=len(test), unit="utt", desc="noisy", disable=not show_progress()) as bar,
        start_workers(threads, _begin, bench) as pool,
    ):
        rows = []
        for found in pool.map(_recognise, test):
            rows += found
            bar.update()
    rows.sort(key=lambda row: (list(snrs).index(row["snr_db"]), sounds.index(row["noise"]), row["utterance"]))
    source = RECORDING if folder else STAND_IN
    columns = ("noise", "source", "snr_db", "utterance", "label", "predicted", *info["labels"])
    write_csv(output, columns, (row | {"source": source, "snr_db": f"{row['snr_db']:g}"} for row in rows))


def _part(manifest: Path, split: Path, fold: int, part: str) -> list[Row]:
    """Return the manifest's rows of one part of a fold."""
    known = {row["utterance"]: row for row in read_manifest(manifest)}
    names = [name for name, its_part in read_fold(split, fold).items() if its_part == part]
    for name in names:
        if name not in known:
            raise TrainingError(split, f"names {name}, which {manifest} has not", "Make the split again.")
    return [known[name] for name in names]


def _begin(bench: _Bench) -> None:
    """Set up a worker process."""
    global _bench  # noqa: PLW0603 (a worker serves one evaluation)
    threadpool_limits(1)
    _bench = bench


@functools.cache
def _load(run: Path, device: str) -> Predictor:
    """Load the run in a worker process, at its first task: the pool hands over errors of tasks alone."""
    # With torch, whose threads would not survive the fork if the parent process had imported it.
    from serflow.inference.predictor import load

    return load(run, device, threads=1)


def _recognise(row: Row) -> list[dict[str, Any]]:
    """Return the output's rows of one utterance."""
    assert _bench is not None  # noqa: S101 (the pool's initialiser has run)
    bench = _bench
    predictor = _load(bench.run, bench.device)
    path = bench.root / row["path"]
    signal = read_signal(path, bench.rate)
    labels, rows = predictor.info["labels"], []
    for sound in bench.sounds:  # one after the other: a batch of all is no faster on a core, and takes more memory
        noise = noise_of(bench, sound, row, len(signal))
        try:
            mixed = [mix(signal, noise, snr) for snr in bench.snrs]
        except CorpusError as error:
            raise CorpusError(path, f"cannot be mixed with {sound}, which {error.fault}", error.remedy) from error
        posteriors = predictor.posteriors(mixed)
        for snr, posterior in zip(bench.snrs, posteriors, strict=True):
            about = {"noise": sound, "snr_db": snr, "utterance": row["utterance"], "label": row["emotion"]}
            about |= {"predicted": labels[int(posterior.argmax())]}
            rows.append(about | {label: f"{p:.6g}" for label, p in zip(labels, posterior, strict=True)})
    return rows


def noise_of(bench: _Bench, sound: str, row: Row, n_samples: int) -> np.ndarray:
    """Return the noise for one utterance, shape (n_samples,): a stand-in, or a stretch of a recording that repeats."""
    seed = int.from_bytes(hashlib.sha256(f"{row['utterance']}/{sound}".encode()).digest()[:8])
    if bench.recordings:
        recording = bench.recordings[sound]
        start = np.random.default_rng(seed).integers(len(recording))
        return recording[(start + np.arange(n_samples)) % len(recording)]
    chosen = choose_voices(bench.voices, row, seed) if sound == BABBLE else []
    voices = [read_signal(bench.root / voice["path"], bench.rate) for voice in chosen]
    return make_noise(sound, n_samples, bench.rate, seed, voices)


def group_voices(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the utterances of each speaker."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(speaker_of(row), []).append(row)
    return found


def choose_voices(voices: Mapping[str, list[Row]], heard: Row, seed: int) -> list[Row]:
    """Return one utterance each of up to `VOICES` speakers other than that of `heard`, drawn from `seed`.

    ``voices``: what `group_voices` returns.
    """
    rng = np.random.default_rng(seed)
    names = rng.permutation(sorted(voices.keys() - {speaker_of(heard)}))[:VOICES]
    return [voices[name][rng.integers(len(voices[name]))] for name in names]
