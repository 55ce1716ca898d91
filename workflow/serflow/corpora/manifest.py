"""The manifest: one row per utterance of a corpus, with what its names, annotations and audio say."""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from serflow import corpora
from serflow.corpora.base import COLUMNS
from serflow.errors import CorpusError
from serflow.io import files

__all__ = ["COLUMNS", "build", "digest", "read", "write"]

#: Bytes that a WAV header may announce too many before the file is taken for truncated: some writers count the header.
SLACK = 64
#: From here on what a WAV header announces is no length: programs that write to a pipe do not know it yet.
NO_LENGTH = 2**31 - 2**16
SCHEMA = Path(__file__).parents[2] / "schemas" / "manifest.schema.json"


def pcm16(path: Path) -> tuple[np.ndarray, int]:
    """Decode a recording to 16-bit samples, ``(n_samples, n_channels)``, and its sampling rate in Hz.

    16-bit files come out bit for bit, so a WAV and a FLAC of one signal agree; wider integers keep their upper 16
    bits; floats are scaled by 2**15, rounded and clipped.

    Raises
    ------
    CorpusError
        If the file cannot be decoded, is truncated or empty, or holds samples that are not finite.
    """
    import soundfile

    remedy = "Fetch the file anew from the corpus's archive."
    try:
        with soundfile.SoundFile(path) as sound:
            rate, floating = sound.samplerate, sound.subtype in ("FLOAT", "DOUBLE")
            samples = sound.read(dtype="float64" if floating else "int16", always_2d=True)
            # What libsndfile says of a file; it reads as much as there is.
            data = re.search(r"^data : (\d+) \(should be (\d+)\)$", sound.extra_info, re.MULTILINE)
    except (soundfile.SoundFileError, OSError) as error:
        raise CorpusError(path, f"cannot be read as audio ({error})", remedy) from error
    if not len(samples):
        raise CorpusError(path, "is empty (0 samples)", remedy)
    announced, held = map(int, data.groups()) if data else (0, 0)
    if held + SLACK < announced < NO_LENGTH:
        fault = f"is truncated: it holds {held:,} bytes of samples, its header announces {announced:,}"
        raise CorpusError(path, fault, remedy)
    if floating:
        if not np.isfinite(samples).all():
            raise CorpusError(path, "holds samples that are not finite", remedy)
        samples = np.clip(np.rint(samples * 2**15), -(2**15), 2**15 - 1).astype(np.int16)
    return samples, rate


def _audio_facts(path: Path) -> dict[str, str]:
    """Return sampling rate (Hz), samples per channel, and the SHA-1 of the interleaved little-endian samples."""
    samples, rate = pcm16(path)
    sha1 = hashlib.sha1(samples.astype("<i2").tobytes(), usedforsecurity=False).hexdigest()
    return {"sample_rate": str(rate), "samples": str(len(samples)), "sha1": sha1}


def build(corpus: str, root: Path, workers: int) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Scan a corpus tree, read every recording in it, and report what was found.

    Parameters
    ----------
    corpus
        One of `serflow.corpora.CORPORA`.
    root
        The corpus tree; paths in the manifest are relative to it.
    workers
        Threads that decode (libsndfile works outside Python's lock).

    Returns
    -------
    rows
        One per utterance, sorted by utterance, all values text (as `read` gives them).
    report
        ``corpus``; ``utterances`` (their number); ``speakers`` and ``classes`` (utterances of each); ``left_out``
        (files, by reason); ``missing`` (published names that are not there; none where names cannot be listed);
        ``identical`` (lists of utterances with the same samples); ``sample_rates`` (utterances at each, Hz);
        ``seconds`` (of audio).

    A copy that is not complete is no error: it is logged, and `serflow.corpora.verify` tells the differences.

    Raises
    ------
    ConfigError
        If there is no such corpus.
    CorpusError
        If a name or annotation is faulty, or a recording is unreadable, empty or not finite.
    """
    module = corpora.load(corpus)
    scan = module.scan(Path(root))
    paths = [Path(root) / row["path"] for row in scan.rows]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        facts = tqdm(pool.map(_audio_facts, paths), f"{corpus}: reading", len(paths), unit="file", disable=None)
        rows = [row | fact for row, fact in zip(scan.rows, facts, strict=True)]
    rows.sort(key=lambda row: row["utterance"])
    expected = module.expected_utterances() or set()
    report: dict[str, Any] = {
        "corpus": corpus,
        "utterances": len(rows),
        "speakers": _count(rows, "speaker"),
        "classes": _count(rows, "emotion"),
        "left_out": scan.left_out,
        "missing": sorted(expected - {row["utterance"] for row in rows}),
        "identical": _identical(rows),
        "sample_rates": _count(rows, "sample_rate"),
        "seconds": round(sum(int(row["samples"]) / int(row["sample_rate"]) for row in rows), 3),
    }
    if len(rows) != module.EXPECTED.utterances:
        text = "%s: %d utterances, published are %d; `serflow verify %s` says what differs"
        logging.getLogger(__name__).warning(text, corpus, len(rows), module.EXPECTED.utterances, corpus)
    return rows, report


def _count(rows: Sequence[Mapping[str, str]], column: str) -> dict[str, int]:
    return dict(sorted(Counter(row[column] for row in rows).items()))


def _identical(rows: Sequence[Mapping[str, str]]) -> list[list[str]]:
    by_content: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_content[row["sha1"]].append(row["utterance"])
    return [utterances for utterances in by_content.values() if len(utterances) > 1]


@functools.cache
def _validator() -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(files.read_json(SCHEMA))


def write(rows: Sequence[Mapping[str, str]], path: Path | str) -> None:
    """Check every row against ``workflow/schemas/manifest.schema.json`` and write the manifest as CSV.

    Raises
    ------
    CorpusError
        If a row lacks a column, has one too many or a value that is not allowed, or an utterance stands twice.
    """
    seen: set[str] = set()
    for row in rows:
        utterance = str(row.get("utterance", "a row without a name"))
        for error in _validator().iter_errors(dict(row)):
            where = f"{path}: {utterance}" + "".join(f": {column}" for column in error.path)
            raise CorpusError(where, error.message, "Mend the corpus module that made the row.")
        if utterance in seen:
            raise CorpusError(f"{path}: {utterance}", "stands twice", "Mend the corpus module that made the row.")
        seen.add(utterance)
    files.write_csv(path, COLUMNS, rows)


def read(path: Path | str) -> list[dict[str, str]]:
    """Return a manifest's rows, every value text.

    Raises
    ------
    CorpusError
        If there is no such file, its columns are not `COLUMNS`, or it has other rows than its report beside it says.
    """
    remedy = "Make the manifest anew: serflow manifest."
    try:
        rows = files.read_csv(path)
    except FileNotFoundError:
        raise CorpusError(path, "no such manifest", remedy) from None
    for number, row in enumerate(rows, start=2):
        if tuple(row) != COLUMNS or None in row.values():
            raise CorpusError(f"{path}: line {number}", f"expected the columns {', '.join(COLUMNS)}", remedy)
    report = Path(path).with_suffix(".json")
    expected = files.read_json(report)["utterances"] if report.is_file() else len(rows)
    if len(rows) != expected or not rows:
        raise CorpusError(path, f"holds {len(rows)} utterances of {expected}: it is not whole", remedy)
    return rows


def digest(manifest: Path | str | Sequence[Mapping[str, str]]) -> str:
    """Return the SHA-256 of a manifest's content, the same for its file and for its rows."""
    rows = read(manifest) if isinstance(manifest, Path | str) else manifest
    return files.digest_value([[row[column] for column in COLUMNS] for row in rows])
