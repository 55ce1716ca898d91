import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from serflow.corpora.archive import extract
from serflow.corpora.audit import find_differences
from serflow.corpora.scan import read_pcm16, scan_corpus
from serflow.errors import CorpusError

NAME = "Actor_01/03-01-01-01-01-01-01.wav"
RAVDESS = Path(os.environ.get("SERFLOW_RAVDESS", "../shared/corpora/ravdess_speech_16k_flac.zip"))


def test_rows_are_sorted_and_the_report_counts_them(record, tmp_path) -> None:
    for name in ("Actor_02/03-01-08-01-01-01-02.wav", "Actor_01/03-01-03-02-01-01-01.flac", NAME):
        record(name)
    rows, report = scan_corpus("ravdess", tmp_path, 2)
    assert [row["utterance"] for row in rows] == sorted(row["utterance"] for row in rows)
    assert {row["corpus"] for row in rows} == {report["corpus"]} == {"ravdess"}
    assert report["utterances"] == 3
    assert report["speakers"] == {"01": 2, "02": 1}
    assert report["classes"] == {"happy": 1, "neutral": 1, "surprised": 1}
    assert report["sample_rates"] == {"16000": 3}
    assert report["seconds"] == pytest.approx(0.3)
    assert len(report["missing"]) == 1437
    assert "03-01-01-01-01-01-01" not in report["missing"]
    assert json.loads(json.dumps(report)) == report


def test_the_digest_is_of_the_samples_so_wav_and_flac_agree(record, tmp_path) -> None:
    samples = np.arange(-800, 800, dtype=np.int16)
    record(NAME, samples)
    record("Actor_01/03-01-01-01-01-02-01.flac", samples)
    record("Actor_01/03-01-01-01-02-01-01.wav", samples[::-1])
    rows, report = scan_corpus("ravdess", tmp_path, 1)
    assert rows[0]["sha1"] == hashlib.sha1(samples.astype("<i2").tobytes()).hexdigest()  # noqa: S324
    assert report["identical"] == [["03-01-01-01-01-01-01", "03-01-01-01-01-02-01"]]


def test_float_and_24_bit_copies_of_a_16_bit_signal_agree_with_it(record, tmp_path) -> None:
    samples = np.random.default_rng(1).integers(-(2**15), 2**15, 500).astype(np.int16)
    paths = [
        record("a.wav", samples),
        record("b.wav", samples / 2**15, "FLOAT"),
        record("c.wav", samples.astype(np.int32) * 2**16, "PCM_24"),
    ]
    decoded = [read_pcm16(path)[0] for path in paths]
    assert all(np.array_equal(other, decoded[0]) for other in decoded[1:])


def test_samples_of_a_stereo_file_are_counted_per_channel(record, tmp_path) -> None:
    record(NAME, np.zeros((700, 2), np.int16))
    rows, _ = scan_corpus("ravdess", tmp_path, 1)
    assert (rows[0]["samples"], rows[0]["sample_rate"]) == ("700", "16000")


@pytest.mark.parametrize("fault", ["empty file", "no samples", "truncated header", "text", "not finite"])
def test_audio_that_cannot_be_used_is_named(record, tmp_path, fault: str) -> None:
    record("Actor_01/03-01-01-01-01-02-01.wav")
    path = record(NAME)
    if fault == "no samples":
        record(NAME, np.zeros(0, np.int16))
    elif fault == "not finite":
        record(NAME, np.array([0.1, np.nan]), "FLOAT")
    else:
        path.write_bytes({"empty file": b"", "truncated header": path.read_bytes()[:30], "text": b"hello" * 9}[fault])
    with pytest.raises(CorpusError) as caught:
        scan_corpus("ravdess", tmp_path, 2)
    assert str(path) in str(caught.value)


@pytest.mark.skipif(not RAVDESS.is_file(), reason=f"no real RAVDESS at {RAVDESS} (set SERFLOW_RAVDESS)")
def test_real_ravdess_is_complete_with_its_identical_pair(tmp_path) -> None:
    extract(RAVDESS, tmp_path / "ravdess")
    rows, report = scan_corpus("ravdess", tmp_path / "ravdess", 2)
    assert len(rows) == 1440
    assert set(report["speakers"].values()) == {60}
    assert len(report["speakers"]) == 24
    assert report["classes"] == dict.fromkeys(report["classes"], 192) | {"neutral": 96}
    assert report["missing"] == []
    assert report["identical"] == [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]
    assert find_differences("ravdess", rows, report["missing"]) == []
    shutil.rmtree(tmp_path / "ravdess" / "Actor_05")
    _, report = scan_corpus("ravdess", tmp_path / "ravdess", 2)
    assert len(report["missing"]) == 60
    assert all(name.endswith("-05") for name in report["missing"])
