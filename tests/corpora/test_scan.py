import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from serflow.corpora.archive import extract
from serflow.corpora.scan import read_pcm16, scan_corpus
from serflow.corpora.verify import find_differences
from serflow.errors import CorpusError
from serflow.tables.data import describe_corpus

NAME = "Actor_01/03-01-01-01-01-01-01.wav"
RAVDESS = Path(os.environ.get("SERFLOW_RAVDESS", "../shared/corpora/ravdess_speech_16k_flac.zip"))


def test_rows_are_sorted_and_the_report_counts_them(record, tmp_path) -> None:
    for name in ("Actor_02/03-01-08-01-01-01-02.wav", "Actor_01/03-01-03-02-01-01-01.flac", NAME):
        record(name)
    rows, report = scan_corpus("ravdess", tmp_path, 2)
    assert [row["utterance"] for row in rows] == sorted(row["utterance"] for row in rows)
    assert {row["corpus"] for row in rows} == {report["corpus"]} == {"ravdess"}
    assert (report["utterances"], report["published"]) == (3, 1440)
    assert report["speakers"] == {"01": 2, "02": 1}
    assert report["classes"] == {"happy": 1, "neutral": 1, "surprised": 1}
    assert report["sample_rates"] == {"16000": 3}
    assert report["seconds"] == pytest.approx(0.3)
    assert len(report["missing"]) == 1437
    assert "03-01-01-01-01-01-01" not in report["missing"]


def test_linked_folders_are_read_once(record, tmp_path) -> None:
    record("elsewhere/03-01-03-02-01-01-02.wav")
    record(f"tree/{NAME}")
    (tmp_path / "tree/Actor_02").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "tree/Actor_01/up").symlink_to(tmp_path / "tree")
    (tmp_path / "tree/Actor_00").symlink_to("Actor_01")  # which is there by its own name too
    rows, _ = scan_corpus("ravdess", tmp_path / "tree", 1)
    assert [row["path"] for row in rows] == [NAME, "Actor_02/03-01-03-02-01-01-02.wav"]


def test_a_folder_that_cannot_be_listed_is_not_passed_over(record, tmp_path, monkeypatch) -> None:
    record(NAME)
    locked = tmp_path / "Actor_02"
    locked.mkdir()
    listing = os.scandir

    def refuse(path: str) -> object:  # as for all but root, who reads every folder
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(locked))
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="Actor_02"):
        scan_corpus("ravdess", tmp_path, 1)


def test_a_link_to_a_recording_that_is_not_there_is_not_passed_over(record, tmp_path) -> None:
    record(NAME)
    (tmp_path / "Actor_01/03-01-02-01-01-01-01.wav").symlink_to("not-fetched.wav")  # as git-annex has it
    with pytest.raises(CorpusError, match=r"03-01-02-01-01-01-01\.wav"):
        scan_corpus("ravdess", tmp_path, 1)


def test_names_that_are_not_in_utf_8_are_left_out_or_named(record, tmp_path) -> None:
    record(NAME)
    (tmp_path / os.fsdecode("Lies für mich.txt".encode("latin-1"))).touch()
    assert scan_corpus("ravdess", tmp_path, 1)[1]["left_out"] == {"neither WAV nor FLAC": 1}
    (tmp_path / os.fsdecode("für.wav".encode("latin-1"))).touch()
    with pytest.raises(CorpusError, match=r"f\\udcfcr\.wav'?: has a name that is not in UTF-8"):
        scan_corpus("ravdess", tmp_path, 1)


def test_all_faulty_recordings_are_named_at_once(record, tmp_path) -> None:
    record(NAME)
    record("Actor_01/03-01-02-01-01-01-01.wav", np.zeros(0, np.int16))
    (tmp_path / "Actor_01/03-01-02-01-01-02-01.wav").write_text("no audio")
    with pytest.raises(CorpusError) as caught:
        scan_corpus("ravdess", tmp_path, 2)
    told = str(caught.value)
    assert "2 recordings" in told
    assert "Actor_01/03-01-02-01-01-01-01.wav is empty (0 samples)" in told
    assert "Actor_01/03-01-02-01-01-02-01.wav cannot be read as audio (Format not recognised)" in told
    assert told.count(str(tmp_path)) == 1
    for statement in (1, 2):
        for repetition in (1, 2):
            for intensity in (1, 2):
                for emotion in (3, 4):
                    name = f"03-01-0{emotion}-0{intensity}-0{statement}-0{repetition}-01.wav"
                    (tmp_path / "Actor_01" / name).write_text("no audio")
    with pytest.raises(CorpusError, match=r"18 recordings .*; and 8 more"):
        scan_corpus("ravdess", tmp_path, 2)


def test_recordings_of_zeros_are_told(record, tmp_path, capsys) -> None:
    record(NAME)
    record("Actor_01/03-01-02-01-01-01-01.wav", np.zeros(1600, np.int16))
    rows, report = scan_corpus("ravdess", tmp_path, 1)
    assert report["silent"] == ["03-01-02-01-01-01-01"]
    assert "1 of 2 recordings hold nothing but zeros, such as 03-01-02-01-01-01-01" in capsys.readouterr().err
    assert "of zeros alone: 03-01-02-01-01-01-01" in describe_corpus(report)
    assert all("silent" not in row for row in rows)


def test_the_digest_is_of_the_samples_so_wav_and_flac_agree(record, tmp_path) -> None:
    samples = np.arange(-800, 800, dtype=np.int16)
    record(NAME, samples)
    record("Actor_01/03-01-01-01-01-02-01.flac", samples)
    record("Actor_01/03-01-01-01-02-01-01.wav", samples[::-1])
    rows, report = scan_corpus("ravdess", tmp_path, 1)
    assert rows[0]["sha1"] == hashlib.sha1(samples.astype("<i2").tobytes()).hexdigest()  # noqa: S324
    assert report["identical"] == [["03-01-01-01-01-01-01", "03-01-01-01-01-02-01"]]


def test_float_and_24_bit_copies_of_a_16_bit_signal_agree_with_it(record) -> None:
    samples = np.random.default_rng(1).integers(-(2**15), 2**15, 500).astype(np.int16)
    paths = [
        record("a.wav", samples),
        record("b.wav", samples / 2**15, "FLOAT"),
        record("c.wav", samples.astype(np.int32) * 2**16, "PCM_24"),
    ]
    decoded = [read_pcm16(path)[0] for path in paths]
    assert all(np.array_equal(other, decoded[0]) for other in decoded[1:])


@pytest.mark.skipif(not RAVDESS.is_file(), reason=f"no real RAVDESS at {RAVDESS} (set SERFLOW_RAVDESS)")
def test_real_ravdess_is_complete_with_its_identical_pair(tmp_path) -> None:
    extract(RAVDESS, tmp_path / "ravdess")
    rows, report = scan_corpus("ravdess", tmp_path / "ravdess", 2)
    assert len(rows) == 1440
    assert set(report["speakers"].values()) == {60}
    assert len(report["speakers"]) == 24
    assert report["classes"] == dict.fromkeys(report["classes"], 192) | {"neutral": 96}
    assert report["identical"] == [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]
    assert find_differences("ravdess", rows, report["missing"]) == []
