"""Reading a corpus tree into a manifest's rows, and the report of what was found in it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from serflow.corpora.registry import load
from serflow.errors import CorpusError
from serflow.io.audio import open_audio
from serflow.io.log import say
from serflow.items import Row

#: What is decoded to floats: libsndfile clips none of them when it reads integers, so that loud samples change sign.
FLOATING = ("FLOAT", "DOUBLE", "VORBIS", "OPUS")
_REMEDY = "Replace the file from the corpus's archive."
#: How many faulty recordings an error names at most.
NAMED = 10


def read_pcm16(path: Path) -> tuple[np.ndarray, int]:
    """Decode a recording to 16-bit samples, ``(n_samples, n_channels)``, and its sampling rate in Hz.

    16-bit files are read bit by bit, so a WAV and a FLAC of one signal agree; wider integers keep their upper 16 bits;
    floats, as which Vorbis and Opus are decoded, are scaled by 2**15, rounded and clipped.

    Raises
    ------
    CorpusError
        If the file cannot be decoded, is truncated or empty, or holds samples that are not finite.
    """
    with open_audio(path) as sound:
        rate, floating = sound.samplerate, sound.subtype in FLOATING
        samples = sound.read(dtype="float64" if floating else "int16", always_2d=True)
    if not len(samples):
        raise CorpusError(path, "is empty (0 samples)", _REMEDY)
    if floating:
        if not np.isfinite(samples).all():
            raise CorpusError(path, "holds samples that are not finite", _REMEDY)
        samples = np.clip(np.rint(samples * 2**15), -(2**15), 2**15 - 1).astype(np.int16)
    return samples, rate


def _audio_facts(path: Path) -> dict[str, str] | CorpusError:
    """Return a manifest's columns on the audio, and whether it is silent.

    The SHA-1 is of the interleaved little-endian samples.
    """
    try:
        samples, rate = read_pcm16(path)
    except CorpusError as error:  # told when all are read, so that nobody mends one file per call
        return error
    sha1 = hashlib.sha1(samples.astype("<i2").tobytes(), usedforsecurity=False).hexdigest()
    silent = "" if samples.any() else "silent"
    return {"sample_rate": str(rate), "samples": str(len(samples)), "sha1": sha1, "silent": silent}


def scan_corpus(corpus: str, root: Path, workers: int) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Scan a corpus tree, read every recording in it, and report what was found.

    An incomplete copy is no error: a warning is given, and `serflow.corpora.verify` lists the differences.

    Parameters
    ----------
    corpus
        One of `serflow.corpora.registry.known`.
    root
        The corpus tree; paths in the manifest are relative to it.
    workers
        Threads that decode (libsndfile works outside Python's lock).

    Returns
    -------
    rows
        One per utterance, sorted by utterance, all values text.
    report
        ``corpus``; ``utterances`` (their number) and ``published`` (the published number, None where there is none);
        ``speakers`` and ``classes`` (utterances of each); ``left_out`` (files, by reason); ``missing`` (published names
        that are not there; none where names cannot be listed); ``identical`` (lists of utterances with the same
        samples); ``silent`` (utterances of zeros alone); ``sample_rates`` (utterances at each, Hz); ``seconds`` (of
        audio).

    Raises
    ------
    ConfigError
        If there is no such corpus.
    CorpusError
        If a name or annotation is faulty, or recordings are unreadable, empty or not finite: all are named.
    """
    module = load(corpus)
    scan = module.scan(root)
    paths = [root / row["path"] for row in scan.rows]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        read = list(tqdm(pool.map(_audio_facts, paths), f"{corpus}: reading", len(paths), unit="file", disable=None))
    facts = [fact for fact in read if not isinstance(fact, CorpusError)]
    if len(facts) < len(read):
        raise _join([fact for fact in read if isinstance(fact, CorpusError)], root)
    rows = [row | fact | {"corpus": corpus} for row, fact in zip(scan.rows, facts, strict=True)]
    rows.sort(key=lambda row: row["utterance"])
    silent = [row["utterance"] for row in rows if row.pop("silent")]
    if silent:
        say(
            f"{corpus}: {len(silent)} of {len(rows)} recordings hold nothing but zeros, such as {silent[0]}", aloud=True
        )
    published = module.EXPECTED.utterances if module.EXPECTED else None
    if published not in (None, len(rows)):
        differs = f"{corpus}: found {len(rows)} of {published} published utterances"
        say(f"{differs}; `serflow verify {corpus}` lists the differences", aloud=True)
    return rows, {
        "corpus": corpus,
        "utterances": len(rows),
        "published": published,
        "speakers": _count(rows, "speaker"),
        "classes": _count(rows, "emotion"),
        "left_out": scan.left_out,
        "missing": sorted(module.expected_utterances() - {row["utterance"] for row in rows}),
        "identical": _find_identical(rows),
        "silent": silent,
        "sample_rates": _count(rows, "sample_rate"),
        "seconds": round(sum(int(row["samples"]) / int(row["sample_rate"]) for row in rows), 3),
    }


def _join(errors: Sequence[CorpusError], root: Path) -> CorpusError:
    """Return one error that names the recordings of all."""
    if len(errors) == 1:
        return errors[0]
    named = [f"{Path(error.where).relative_to(root)} {error.fault}" for error in errors[:NAMED]]
    more = [f"and {len(errors) - NAMED} more"] if len(errors) > NAMED else []
    fault = f"{len(errors)} recordings cannot be used: {'; '.join([*named, *more])}"
    return CorpusError(root, fault, "Replace these files, or remove their rows if the corpus is a table of your own.")


def _count(rows: Sequence[Row], column: str) -> dict[str, int]:
    return dict(sorted(Counter(row[column] for row in rows).items()))


def _find_identical(rows: Sequence[Row]) -> list[list[str]]:
    by_content: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_content[row["sha1"]].append(row["utterance"])
    return [utterances for utterances in by_content.values() if len(utterances) > 1]
