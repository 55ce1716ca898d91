import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from serflow.corpora import archive, manifest, verify
from serflow.errors import CorpusError
from serflow.io import files
from serflow.labels import EMOTIONS

NAME = "Actor_01/03-01-01-01-01-01-01.wav"
RAVDESS = Path(os.environ.get("SERFLOW_RAVDESS", "../shared/corpora/ravdess_speech_16k_flac.zip"))


def test_rows_are_sorted_and_the_report_counts_them(record, tmp_path) -> None:
    for name in ("Actor_02/03-01-08-01-01-01-02.wav", "Actor_01/03-01-03-02-01-01-01.flac", NAME):
        record(name)
    rows, report = manifest.build("ravdess", tmp_path, 2)
    assert [row["utterance"] for row in rows] == sorted(row["utterance"] for row in rows)
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
    rows, report = manifest.build("ravdess", tmp_path, 1)
    assert rows[0]["sha1"] == hashlib.sha1(samples.astype("<i2").tobytes()).hexdigest()  # noqa: S324
    assert report["identical"] == [["03-01-01-01-01-01-01", "03-01-01-01-01-02-01"]]


def test_float_and_24_bit_copies_of_a_16_bit_signal_agree_with_it(record, tmp_path) -> None:
    samples = np.random.default_rng(1).integers(-(2**15), 2**15, 500).astype(np.int16)
    paths = [
        record("a.wav", samples),
        record("b.wav", samples / 2**15, "FLOAT"),
        record("c.wav", samples.astype(np.int32) * 2**16, "PCM_24"),
    ]
    decoded = [manifest.pcm16(path)[0] for path in paths]
    assert all(np.array_equal(other, decoded[0]) for other in decoded[1:])


def test_samples_of_a_stereo_file_are_counted_per_channel(record, tmp_path) -> None:
    record(NAME, np.zeros((700, 2), np.int16))
    rows, _ = manifest.build("ravdess", tmp_path, 1)
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
        manifest.build("ravdess", tmp_path, 2)
    assert str(path) in str(caught.value)


def test_the_file_gives_back_the_rows_and_one_digest(record, tmp_path, iemocap) -> None:
    rows, _ = manifest.build("iemocap", iemocap, 1)
    path = tmp_path / "out" / "iemocap.csv"
    manifest.write(rows, path)
    assert manifest.read(path) == rows
    assert path.read_text().splitlines()[0] == ",".join(manifest.COLUMNS)
    assert manifest.digest(path) == manifest.digest(str(path)) == manifest.digest(rows)
    assert manifest.digest([rows[0] | {"samples": "1"}, *rows[1:]]) != manifest.digest(rows)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"emotion": "joy"}, "emotion"),
        ({"sample_rate": "0"}, "sample_rate"),
        ({"samples": ""}, "samples"),
        ({"path": "/data/x.wav"}, "path"),
        ({"mood": "x"}, "mood"),
    ],
)
def test_a_row_against_the_schema_is_named_and_nothing_is_written(iemocap, change: dict, told: str) -> None:
    rows, _ = manifest.build("iemocap", iemocap, 1)
    path = iemocap / "out" / "iemocap.csv"
    with pytest.raises(CorpusError, match=told) as caught:
        manifest.write([rows[0], rows[1] | change], path)
    assert rows[1]["utterance"] in str(caught.value)
    assert not path.exists()
    with pytest.raises(CorpusError, match="stands twice"):
        manifest.write([rows[0], rows[0]], path)


def test_a_manifest_with_other_columns_is_refused(tmp_path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("utterance,path\na,b\n")
    with pytest.raises(CorpusError, match="line 2"):
        manifest.read(path)
    with pytest.raises(CorpusError, match="no such manifest"):
        manifest.read(tmp_path / "absent.csv")


def test_a_manifest_that_lost_its_last_rows_is_refused(tmp_path, iemocap) -> None:
    rows, report = manifest.build("iemocap", iemocap, 1)
    path = tmp_path / "m.csv"
    manifest.write(rows, path)
    files.write_json(path.with_suffix(".json"), report)
    assert manifest.read(path) == rows
    for left in range(len(rows)):
        manifest.write(rows[:left], path)
        with pytest.raises(CorpusError, match=f"holds {left} utterances of {len(rows)}: it is not whole"):
            manifest.read(path)


def test_the_schema_agrees_with_columns_and_vocabulary() -> None:
    schema = files.read_json(manifest.SCHEMA)
    assert schema["additionalProperties"] is False
    assert tuple(schema["properties"]) == tuple(schema["required"]) == manifest.COLUMNS
    assert tuple(schema["properties"]["emotion"]["enum"]) == EMOTIONS


@pytest.mark.skipif(not RAVDESS.is_file(), reason=f"no real RAVDESS at {RAVDESS} (set SERFLOW_RAVDESS)")
def test_real_ravdess_is_complete_with_its_identical_pair(tmp_path) -> None:
    archive.extract(RAVDESS, tmp_path / "ravdess")
    rows, report = manifest.build("ravdess", tmp_path / "ravdess", 2)
    assert len(rows) == 1440
    assert set(report["speakers"].values()) == {60}
    assert len(report["speakers"]) == 24
    assert report["classes"] == dict.fromkeys(report["classes"], 192) | {"neutral": 96}
    assert report["missing"] == []
    assert report["identical"] == [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]
    assert verify.verify("ravdess", rows, report) == []
    shutil.rmtree(tmp_path / "ravdess" / "Actor_05")
    _, report = manifest.build("ravdess", tmp_path / "ravdess", 2)
    assert len(report["missing"]) == 60
    assert all(name.endswith("-05") for name in report["missing"])
