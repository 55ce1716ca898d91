"""`serflow predict`: a trained run applied to recordings, in bounded memory, with as many processes as wanted."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from serflow.errors import ConfigError, SerflowError
from serflow.features.recipes import Recipe, make_transform
from serflow.inference.frames import compute_frames
from serflow.inference.recordings import (
    LONGEST,
    SHORTEST,
    Job,
    RecordingError,
    Windows,
    cut_windows,
    find_recordings,
    read_recording,
    seconds_of,
)
from serflow.inference.systems import TrainedRun, check_code_is_there, find_folds, find_run, heard_seconds
from serflow.io.files import atomic_path, read_csv
from serflow.io.log import say, show_progress
from serflow.io.workers import start_workers
from serflow.items import parse_item, utterance_name

if TYPE_CHECKING:
    from serflow.inference.committee import Committee

#: Recordings, or windows of them, at a time: workers compute their frames, then the network has all cores for itself.
#: (Side by side, threads of a network that wait for each other lose more time than is won.)
BATCH = 64
SUFFIXES = (".csv", ".json")

#: What a worker process computes frames with.
_recipe: Recipe = {}


@dataclass(frozen=True)
class Piece:
    """What a worker made of a job: frames of each segment, or why there are none."""

    path: Path
    start: float | None
    end: float | None
    frames: Sequence[np.ndarray]
    fault: str = ""


@dataclass(frozen=True)
class Row:
    """The result of a recording, or of a window from ``start`` to ``end`` s: an emotion, or the ``fault``."""

    path: Path
    start: float | None
    end: float | None
    emotion: str = ""
    posteriors: Sequence[str] = ()
    fault: str = ""


def predict(
    model: str,
    audio: Sequence[Path],
    results: Path,
    folds: bool,
    window: float | None,
    hop: float | None,
    output: Path | None,
    device: str,
    threads: int,
) -> None:
    """Recognise recordings: print a table, and write it to `output` where that is given.

    Parameters
    ----------
    model
        See `serflow.inference.systems.find_run`.
    audio
        Files, and folders of them.
    results
        The results folder in which ``paper/system`` is looked for.
    folds
        Whether the networks of all folds of the same seed are averaged.
    window, hop
        Length and step of windows over time, in s; None: each recording is one, or the hop is as long as the window.
    output
        CSV or JSON, written whole or not at all.
    device
        See `serflow.training.device`.
    threads
        Of the network on a CPU, and worker processes that read and compute features.

    Raises
    ------
    ModelError, InferenceError
        If the model cannot be had or applied.
    RecordingError
        If recordings or options are not what they should be, nothing is done; if some recordings cannot be recognised,
        all others are.
    """
    windows = _check_windows(window, hop)
    if output and (output.suffix.lower() not in SUFFIXES or output.is_dir()):
        raise RecordingError(output, "is no name of a CSV or JSON file", f"Allowed suffixes: {', '.join(SUFFIXES)}.")
    run, files = find_run(model, results), find_recordings(audio)
    check_code_is_there(run)
    runs = find_folds(run) if folds else [run]
    make_transform(run.recipe)  # imports what the workers call before they are forked, so that they share it
    total = sum(_count(file, windows) for file in files) if windows else len(files)
    with start_workers(threads, _begin, run.recipe) as pool:
        batches = _start_batches(pool, _jobs(files, run.recipe, windows))
        committee = _load(runs, device, threads)
        _introduce(run, runs, files, windows)
        labels = list(run.info["labels"])
        broken = _write(recognise(batches, committee, labels), labels, files, total, windows is not None, output)
    if broken:
        raise RecordingError("recordings", f"{broken} of {len(files)} could not be recognised", "Their rows say why.")


def _check_windows(window: float | None, hop: float | None) -> Windows | None:
    if window is None and hop is None:
        return None
    if window is None:
        raise RecordingError("--hop", "is given without --window", "Give both, such as --window 3 --hop 1.")
    for name, value, least in (("--window", window, SHORTEST), ("--hop", window if hop is None else hop, 0.01)):
        if not (math.isfinite(value) and least <= value <= LONGEST):
            raise RecordingError(name, f"is {value:g} s", f"Allowed: {least:g} to {LONGEST:g} s.")
    return Windows(window, window if hop is None else hop)


def _count(path: Path, windows: Windows) -> int:
    """Return the number of windows of a recording; 1 where it cannot be read."""
    with contextlib.suppress(SerflowError):
        return 1 + max(0, math.ceil((seconds_of(path) - windows.length) / windows.hop))
    return 1


def _load(runs: Sequence[TrainedRun], device: str, threads: int) -> Committee:
    """Load the runs; torch is imported here, since its threads would not survive the fork of the workers."""
    from serflow.inference.committee import load

    return load(runs, device, threads)


def _introduce(run: TrainedRun, runs: Sequence[TrainedRun], files: Sequence[Path], windows: Windows | None) -> None:
    """Say which model it is, how good it is, what it hears, and what it has heard."""
    from serflow.inference.evaluation import describe, evaluate, warn

    known = evaluate(run)
    folds = f", the mean of {len(runs)} folds" if len(runs) > 1 else ""
    say(f"model: {run.folder} ({known['system']}; {known['paper']}){folds}")
    for line in describe(known):
        say(line)
    for warning in (warn(known), _heard(runs, files), _hears(run, windows)):
        if warning:
            say(warning, aloud=True)


def _hears(run: TrainedRun, windows: Windows | None) -> str | None:
    """Return how much of a recording, or of a window of it, a system takes, if not all of it."""
    seconds = heard_seconds(run)
    if seconds is None or (windows and windows.length <= seconds):
        return None
    told = f"note: this system hears the first {seconds:.1f} s of a {'window' if windows else 'recording'}"
    whole = math.floor(10 * seconds) / 10
    return told + (f"; --window {whole:g} hears all of it." if whole >= SHORTEST else ".")


def _heard(runs: Sequence[TrainedRun], files: Sequence[Path]) -> str | None:
    """Return a warning where recordings have the names of utterances that the runs were trained on.

    A corpus names them by their files, or where several have one name by their folders too.
    """
    heard = set()
    for run in runs:
        path = run.folder / "predictions.csv"
        rows = read_csv(path) if path.is_file() else []
        heard |= {parse_item(row["utterance"], run.id.corpora).utterance for row in rows if row["part"] == "train"}
    known = [file for file in files if not heard.isdisjoint(_names_of(file))]
    if not known:
        return None
    whom = "most of these folds were trained on their speakers" if len(runs) > 1 else "the model was trained on them"
    return (
        f"warning: {len(known)} of {len(files)} recordings have names of the training corpus, and {whom}: what "
        "it says of them says nothing about new speakers."
    )


def _names_of(file: Path) -> set[str]:
    """Return what a corpus may call a recording: its file, with up to three of the folders that it is in."""
    parts = (*file.absolute().parent.parts[-3:], file.stem)
    return {utterance_name("_".join(parts[n:])) for n in range(len(parts))}


def _jobs(files: Sequence[Path], recipe: Recipe, windows: Windows | None) -> Iterator[Job]:
    for file in files:
        if windows:
            yield from cut_windows(file, recipe["sample_rate"], windows)
        else:
            yield Job(file)


def _begin(recipe: Recipe) -> None:
    """Set up a worker process."""
    global _recipe  # noqa: PLW0603 (a worker serves one prediction)
    threadpool_limits(1)
    _recipe = recipe


def _compute(job: Job) -> Piece:
    """Return the frames of a job; called in a worker process."""
    return compute_piece(_recipe, job)


def compute_piece(recipe: Recipe, job: Job) -> Piece:
    """Return the frames of a job."""
    if job.fault:
        return Piece(job.path, job.start, job.end, (), job.fault)
    try:
        signal = read_recording(job.path, recipe["sample_rate"]) if job.signal is None else job.signal
        if job.signal is None and not signal.any():
            return Piece(job.path, job.start, job.end, (), "is silent: all of its samples are zero")
        frames = compute_frames(recipe, signal)
    except SerflowError as error:
        return Piece(job.path, job.start, job.end, (), error.fault)
    finite = all(np.isfinite(item).all() for item in frames)
    return Piece(job.path, job.start, job.end, frames, "" if finite else "gives features that are not finite")


def _start_batches(pool: Executor, jobs: Iterator[Job]) -> Iterator[list[Piece]]:
    """Start the first jobs; return an iterator over the pieces in batches, in order."""

    def start() -> list[Future[Piece]]:
        return [pool.submit(_compute, job) for job in itertools.islice(jobs, BATCH)]

    def batches(started: list[Future[Piece]]) -> Iterator[list[Piece]]:
        while started:
            yield [future.result() for future in started]
            started = start()

    return batches(start())


def recognise(batches: Iterable[Sequence[Piece]], committee: Committee, labels: Sequence[str]) -> Iterator[Row]:
    """Yield a row per piece, in order."""
    for batch in batches:
        results = _classify([piece.frames for piece in batch if not piece.fault], committee)
        for piece in batch:
            found = piece.fault or next(results)
            if isinstance(found, str):
                yield Row(piece.path, piece.start, piece.end, fault=found)
            else:
                own, best = found
                yield Row(piece.path, piece.start, piece.end, labels[best], [f"{p:.6g}" for p in own])


def _classify(frames: Sequence[Sequence[np.ndarray]], committee: Committee) -> Iterator[tuple[np.ndarray, int] | str]:
    """Yield for each recording its posteriors and class, or why the system does not take it: the others are done."""
    if not frames:
        return
    try:
        yield from zip(*committee.classify(frames), strict=True)
    except ConfigError as error:
        for one in frames:
            if len(frames) == 1:
                yield f"{error.where} {error.fault}"
            else:
                yield from _classify([one], committee)


def _write(
    rows: Iterable[Row], labels: list[str], files: Sequence[Path], total: int, timed: bool, output: Path | None
) -> int:
    """Print rows as they come, write them to `output`; return how many recordings have a fault."""
    width, broken = max(len(_printable(file)) for file in files), set()
    places, emotion = (["start", "end"] if timed else []), max(map(len, [*labels, "emotion"]))
    with (
        _open_output(output, ["file", *places, "emotion", *labels, "error"]) as write,
        tqdm(total=total, unit="window" if timed else "file", disable=not show_progress()) as bar,
    ):
        heads = [f"{'file':{width}}", *(f"{name:>8}" for name in places), f"{'emotion':{emotion}}"]
        bar.write("  ".join([*heads, *(f"{label:>8}" for label in labels)]))
        for row in rows:
            times = [f"{time:.2f}" for time in (row.start, row.end) if time is not None]
            path = f"{_printable(row.path):{width}}"
            cells = [path, *(f"{time:>8}" for time in times), f"{row.emotion:{emotion}}"]
            cells += [f"{float(p):{max(8, len(label))}.3f}" for p, label in zip(row.posteriors, labels, strict=False)]
            bar.write(f"{path}  error: {row.fault}" if row.fault else "  ".join(cells))
            write(cells_of(row, labels, timed))
            broken |= {row.path} if row.fault else set()
            bar.update()
    return len(broken)


def _printable(path: Path) -> str:
    """Return a path with a mark for each byte that is no text in UTF-8, which a terminal's output refuses."""
    return str(path).encode(errors="surrogateescape").decode(errors="replace")


def cells_of(row: Row, labels: Sequence[str], timed: bool) -> dict[str, Any]:
    """Return a row as texts by column."""
    times = {"start": row.start, "end": row.end} if timed else {}
    return {
        "file": str(row.path),
        **{name: "" if time is None else f"{time:.6g}" for name, time in times.items()},
        "emotion": row.emotion,
        **(dict(zip(labels, row.posteriors, strict=True)) if row.posteriors else dict.fromkeys(labels, "")),
        "error": row.fault,
    }


@contextlib.contextmanager
def _open_output(output: Path | None, columns: list[str]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that writes a row to a CSV or JSON file, which stands at its place when all are written."""
    if output is None:
        yield lambda row: None
        return
    with (
        atomic_path(output) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as handle,
    ):
        if output.suffix.lower() == ".csv":
            writer = csv.DictWriter(handle, columns, lineterminator="\n")
            writer.writeheader()
            yield writer.writerow
            return
        handle.write("[")
        separators = itertools.chain(["\n"], itertools.repeat(",\n"))
        yield lambda row: print(next(separators), json.dumps(_plain(row)), sep="", end="", file=handle)
        handle.write("\n]\n")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row's cells as JSON has them: numbers, and None for what is empty."""
    texts = ("file", "emotion", "error")
    return {name: (cell or None) if name in texts else float(cell) if cell else None for name, cell in row.items()}
