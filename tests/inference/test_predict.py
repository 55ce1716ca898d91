"""`serflow predict` recognises recordings as the experiment did, and tells what it cannot recognise."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from serflow import cli
from serflow.errors import ConfigError
from serflow.inference import recordings
from serflow.inference.predict import Piece, recognise
from serflow.inference.recordings import Windows, cut_windows, find_recordings
from serflow.io.files import read_csv, read_json, write_csv, write_json
from toy_recipe import RATE, RECIPE

LABELS = ["neutral", "happy", "sad"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


def predict(*arguments, threads=1):
    return cli.main(["predict", *map(str, arguments), "--device", "cpu", "--threads", str(threads)])


def table(*arguments, code=0, threads=1):
    assert predict(*arguments, "--output", "out.csv", threads=threads) == code
    return read_csv("out.csv")


def posteriors(rows):
    return np.array([[float(row[label]) for label in LABELS] for row in rows])


def written(run):
    """What the experiment wrote: utterance -> predicted emotion and posteriors, as texts."""
    rows = read_csv(run / "predictions.csv")
    return {row["utterance"]: [row["predicted"], *(row[label] for label in LABELS)] for row in rows}


def found(rows):
    names = [Path(row["file"]).name.partition(".")[0] for row in rows]
    return {name: [row["emotion"], *(row[label] for label in LABELS)] for name, row in zip(names, rows, strict=True)}


@pytest.mark.parametrize(
    ("system", "threads"), [("net", 2), ("bf16", 1), ("sequence", 1), ("image", 1), ("svm", 2), ("two_step", 1)]
)
def test_posteriors_are_those_of_the_experiment_bit_for_bit(trained, run_of, system, threads):
    assert found(table(run_of(system), trained / "corpus", threads=threads)) == written(run_of(system))


@pytest.mark.parametrize("system", ["net", "bf16", "image"])
def test_a_recordings_posteriors_do_not_depend_on_what_else_is_given(trained, run_of, system):
    rows = table(run_of(system), trained / "corpus/u07.wav")
    assert found(rows) == {"u07": written(run_of(system))["u07"]}


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "au"])
def test_recordings_of_any_format_rate_and_number_of_channels(trained, run_of, tmp_path, suffix):
    """At 16 kHz, in two channels whose mean is the recording: a tone is added to one and taken off the other."""
    signal = soxr.resample(soundfile.read(trained / "corpus/u20.wav")[0], RATE, 2 * RATE)
    tone = 0.2 * np.sin(2 * np.pi * 900 * np.arange(len(signal)) / (2 * RATE))
    soundfile.write(tmp_path / f"a.{suffix}", np.stack([signal + tone, signal - tone], axis=1), 2 * RATE)
    rows = table(run_of("net"), tmp_path / f"a.{suffix}", trained / "corpus/u20.wav")
    np.testing.assert_allclose(*posteriors(rows), atol=0.1)  # lossy formats too


def test_folders_are_searched_and_each_recording_is_taken_once(trained, tmp_path):
    for name in ("b.flac", "sub/a.WAV", "notes.txt", "._b.flac", "noise.raw"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    paths = find_recordings([tmp_path / "sub/a.WAV", tmp_path, tmp_path / "notes.txt"])
    assert [path.name for path in paths] == ["a.WAV", "b.flac", "notes.txt"]


def test_linked_folders_are_searched_once(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "speech").mkdir()
    (tmp_path / "disk/a.wav").touch()
    (tmp_path / "speech/linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/back").symlink_to(tmp_path / "speech")
    assert find_recordings([tmp_path / "speech"]) == [tmp_path / "speech/linked/a.wav"]


def test_a_reader_that_has_enough_is_told_from_a_fault_of_a_file(trained, run_of, tmp_path):
    command = [sys.executable, "-m", "serflow.cli", "predict", run_of("svm"), trained / "corpus"]
    job = subprocess.Popen([*command, "--output", tmp_path / "o.csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    job.stdout.close()
    told = job.stderr.read().decode()
    assert job.wait() == 1
    assert "nobody reads what it prints" in told
    assert "o.csv" not in told
    assert "Traceback" not in told


# Windows over time


def test_a_track_is_what_its_pieces_are_recognised_as(trained, run_of, tmp_path):
    signal = np.concatenate([soundfile.read(trained / f"corpus/u{n:02d}.wav")[0] for n in range(6)])  # 2 s
    soundfile.write(tmp_path / "long.wav", signal, RATE)
    rows = table(run_of("net"), tmp_path / "long.wav", "--window", 0.4, "--hop", 0.25)
    ends = [(0.25 * n, 0.25 * n + 0.4) for n in range(7)] + [(len(signal) / RATE - 0.4, len(signal) / RATE)]
    times = [(float(row["start"]), float(row["end"])) for row in rows]
    np.testing.assert_allclose(times, [end for end in ends if end[1] <= len(signal) / RATE], atol=1e-5)
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    for n, (start, end) in enumerate(times):
        soundfile.write(pieces / f"p{n}.wav", signal[round(start * RATE) : round(end * RATE)], RATE)
    assert list(found(table(run_of("net"), pieces)).values()) == [
        [row["emotion"], *(row[label] for label in LABELS)] for row in rows
    ]


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_a_long_recording_is_read_in_blocks_as_it_is_read_whole(tmp_path, monkeypatch, rate):
    monkeypatch.setattr(recordings, "BLOCK", 0.7)
    path = tmp_path / "long.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (5 * rate, 2)), rate)
    whole = recordings.read_recording(path, 16000)
    jobs = list(cut_windows(path, 16000, Windows(1.0, 0.3)))
    assert [round(job.start, 6) for job in jobs] == [round(0.3 * n, 6) for n in range(14)] + [4.0]
    for job in jobs:
        np.testing.assert_array_equal(job.signal, whole[round(job.start * 16000) : round(job.end * 16000)])


def test_a_silent_recording_is_given_no_emotion(trained, run_of, tmp_path):
    """Its spectrogram in decibels below its maximum would be as bright as can be."""
    soundfile.write(tmp_path / "mute.wav", np.zeros(RATE), RATE)
    (row,) = table(run_of("net"), tmp_path / "mute.wav", code=1)
    assert row["emotion"] == ""
    assert "is silent" in row["error"]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_the_end_of_a_recording_of_any_length_is_as_it_is_read_whole(tmp_path, rate):
    """soxr rounds the number of samples down or up."""
    path = tmp_path / "odd.wav"
    for n in range(rate, rate + 5):
        soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, n), rate)
        (job,) = cut_windows(path, 16000, Windows(2.0, 1.0))
        np.testing.assert_array_equal(job.signal, recordings.read_recording(path, 16000))


def test_a_recording_shorter_than_a_window_is_one(trained, run_of):
    (row,) = table(run_of("net"), trained / "corpus/u03.wav", "--window", 3)
    assert (row["start"], float(row["end"])) == ("0", pytest.approx(0.33, abs=1e-3))
    assert [row["emotion"], *(row[label] for label in LABELS)] == written(run_of("net"))["u03"]


# Which model


def test_a_system_stands_for_its_first_speaker_independent_run_whichever_ended_last(trained, results, capsys):
    for fold, finished in ((0, "2026-01-01"), (1, "2026-01-02")):
        path = results / f"runs/toypaper/toy/net/speaker_independent/seed0/fold{fold}/run.json"
        write_json(path, read_json(path) | {"finished": finished})
    assert predict("toypaper/net", trained / "corpus/u00.wav", "--results", results) == 0
    err = capsys.readouterr().err
    assert "speaker_independent/seed0/fold0 (title of net" in err
    assert "WA 62.5 % [50.0, 75.0], UA 60.0 % [45.0, 70.0]" in err
    assert "99.0" not in err


def test_a_leak_is_taken_by_its_path_with_a_warning(trained, run_of, capsys):
    """What it says of unseen speakers is of the system's other runs."""
    assert predict(run_of("net", "leak"), trained / "corpus/u00.wav") == 0
    out, err = capsys.readouterr()
    assert "warning: this run was trained under a leak" in err
    assert "WA 62.5 % [50.0, 75.0]" in err
    assert "warning" not in out


def test_folds_are_averaged_and_who_was_heard_is_told(trained, run_of, capsys):
    rows = table(run_of("two_step"), trained / "corpus", "--folds")
    mean = np.mean(
        [[list(map(float, row[1:])) for row in written(run_of("two_step", fold=k)).values()] for k in (0, 1)], 0
    )
    np.testing.assert_allclose(posteriors(rows), mean, atol=2e-6)
    assert [row["emotion"] for row in rows] == [LABELS[best] for best in posteriors(rows).argmax(1)]
    assert (
        "warning: 18 of 24 recordings" in capsys.readouterr().err
    )  # fold 0 trains on speakers 2 and 3, fold 1 on 1 and 2


def test_recordings_that_no_fold_trained_on_are_not_counted_as_heard(trained, run_of, capsys):
    """Speaker 0 is tested and validated; speaker 1, of u06, is trained on in the second fold."""
    assert predict(run_of("net"), *(trained / f"corpus/{name}.wav" for name in ("u00", "u01", "u06")), "--folds") == 0
    assert "warning: 1 of 3 recordings have names of the training corpus" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["DC/a01.wav", "speaker 1/take.1.wav"])
def test_a_recording_is_known_by_the_name_that_its_corpus_gives_it(trained, results, run_of, name, tmp_path, capsys):
    """SAVEE names DC/a01.wav DC_a01; a table of one's own whose files share names names them by their paths."""
    run = results / run_of("net").relative_to(trained)
    rows = read_csv(run / "predictions.csv")
    heard = next(row["utterance"] for row in rows if row["part"] == "train")
    given = {"DC/a01.wav": "DC_a01", "speaker 1/take.1.wav": "speaker_1_take_1"}[name]
    rows = [row | {"utterance": given} if row["utterance"] == heard else row for row in rows]
    write_csv(run / "predictions.csv", list(rows[0]), rows)
    (tmp_path / name).parent.mkdir()
    shutil.copy(trained / f"corpus/{heard}.wav", tmp_path / name)
    assert predict(run, tmp_path / name) == 0
    assert "warning: 1 of 1 recordings have names of the training corpus" in capsys.readouterr().err


def test_a_name_that_is_not_in_utf8_does_not_stop_the_others(trained, run_of, tmp_path):
    """As an old archive's names in Latin-1 are; the table holds the bytes of the name."""
    folder = tmp_path / "old"
    folder.mkdir()
    for name in (b"a.wav", b"b\xe9.wav", b"c.wav"):
        shutil.copy(trained / "corpus/u00.wav", folder / os.fsdecode(name))
    assert predict(run_of("net"), folder, "--output", tmp_path / "out.csv") == 0
    lines = (tmp_path / "out.csv").read_bytes().splitlines()
    assert len(lines) == 4
    assert b"b\xe9.wav," in lines[2]


@pytest.mark.parametrize("left", [0, 1])
def test_without_scores_a_run_tells_its_own_test_part(trained, run_of, results, capsys, left):
    """There are none, or those of a later configuration."""
    path = results / "scores/toypaper.csv"
    lines = path.read_text().splitlines(keepends=True)[:left]
    path.write_text("".join(lines)) if lines else path.unlink()
    run = results / run_of("net").relative_to(trained)
    assert predict(run, trained / "corpus/u00.wav") == 0
    rows = [row for row in read_csv(run / "predictions.csv") if row["part"] == "test"]
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert f"WA {100 * right:.1f} %," in capsys.readouterr().err


# Output


def test_the_table_is_printed_and_json_says_the_same_as_csv(trained, run_of, capsys):
    rows = table(run_of("net"), trained / "corpus/u00.wav", trained / "corpus/u01.wav")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "emotion", *LABELS]
    assert lines[2].split()[:2] == [str(trained / "corpus/u01.wav"), rows[1]["emotion"]]
    assert predict(run_of("net"), trained / "corpus/u00.wav", trained / "corpus/u01.wav", "--output", "out.json") == 0
    listed = read_json("out.json")
    assert [row["happy"] for row in listed] == [float(row["happy"]) for row in rows]
    assert [row["error"] for row in listed] == [None, None]


def broken_files(folder, good):
    """File -> what its row says."""
    whole = good.read_bytes()
    signal, _ = soundfile.read(good)
    soundfile.write(folder / "whole.flac", signal, RATE)
    (folder / "text.wav").write_text("no audio")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "cut.flac").write_bytes((folder / "whole.flac").read_bytes()[:900])
    soundfile.write(folder / "silent.wav", np.zeros(0), RATE)
    soundfile.write(folder / "nan.wav", np.array([0.1] * 2000 + [np.nan] * 9), RATE, subtype="FLOAT")
    soundfile.write(folder / "click.wav", signal[:100], RATE)
    soundfile.write(folder / "long.flac", np.zeros(61 * RATE), RATE)
    return {
        "text.wav": "cannot be read as audio",
        "empty.wav": "cannot be read as audio",
        "cut.wav": "is truncated",
        "cut.flac": "cannot be read as audio",
        "silent.wav": "has no samples",
        "nan.wav": "not finite",
        "click.wav": "less than 0.1 s",
        "long.flac": "--window 3",
    }


@pytest.mark.parametrize("more", [(), ("--window", 0.4)])
def test_a_broken_recording_is_a_row_and_the_others_are_done(trained, run_of, tmp_path, capsys, more):
    audio = tmp_path / "audio"
    audio.mkdir()
    faults = broken_files(audio, trained / "corpus/u00.wav")
    if more:
        faults.pop("long.flac")
        (audio / "long.flac").unlink()
    rows = {}
    for row in table(run_of("net"), audio, *more, code=1):
        rows.setdefault(Path(row["file"]).name, []).append(row)
    assert set(rows) == {*faults, "whole.flac"}
    assert found(rows["whole.flac"])["whole"] == written(run_of("net"))["u00"]
    for name, fault in faults.items():
        assert fault in rows[name][-1]["error"], name
        assert rows[name][-1]["emotion"] == ""
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith(f"serflow predict: recordings: {len(faults)} of {len(faults) + 1} ")


def test_a_recording_that_a_system_does_not_take_is_a_row_and_the_others_are_done(tmp_path):
    """A user's own system may take frames of a fixed number without cutting recordings into segments."""

    class Short:
        def classify(self, frames):
            if max(len(item) for signal in frames for item in signal) > 26:
                raise ConfigError("input.frames", "is 26, but an item has 40 frames", "Raise it.")
            return np.tile([0.2, 0.8], (len(frames), 1)), np.ones(len(frames), int)

    pieces = [Piece(tmp_path / f"{n}.wav", None, None, [np.zeros((n, 4))]) for n in (20, 40, 26)]
    rows = list(recognise([pieces], Short(), ["sad", "happy"]))
    assert [row.emotion for row in rows] == ["happy", "", "happy"]
    assert rows[1].fault == "input.frames is 26, but an item has 40 frames"


def test_what_a_system_does_not_hear_is_told(trained, run_of, capsys):
    seconds = 30 * RECIPE["hop_length"] / RATE
    for arguments, told in (((), "of a recording"), (("--window", 0.5), "of a window"), (("--window", 0.2), None)):
        predict(run_of("sequence"), trained / "corpus/u23.wav", *arguments)
        note = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
        assert len(note) == (told is not None)
        if told:
            assert note[0].startswith(f"note: this system hears the first {seconds:.1f} s {told}")
            window = float(note[0].partition("--window ")[2].split()[0])
            assert seconds - 0.1 < window <= seconds


def test_recordings_that_are_all_broken_are_told_for_a_combined_run_too(run_of, tmp_path, capsys):
    (tmp_path / "a.wav").write_text("no audio")
    assert predict(run_of("two_step"), tmp_path / "a.wav") == 1
    assert "a.wav  error: cannot be read as audio" in capsys.readouterr().out


# What is wrong before anything is done


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["toypaper/nett", "AUDIO"], "Did you mean 'toypaper/net'"),
        (["otherpaper/net", "AUDIO"], "Allowed: toypaper"),
        (["toypaper/seen", "AUDIO"], "no finished run under a speaker-independent protocol"),
        (["RESULTS/runs/toypaper/toy/net", "AUDIO"], "holds no run.json"),
        (["RESULTS/runs/toypaper/toy/own_scope/speaker_independent/seed0/fold0", "AUDIO"], "within each speaker"),
        (["toypaper/net", "nowhere.wav"], "nowhere.wav: does not exist"),
        (["toypaper/net", "."], "holds no recording"),
        (["toypaper/net", "AUDIO", "--output", "out.xlsx"], "Allowed suffixes: .csv, .json"),
        (["toypaper/net", "AUDIO", "--output", "."], "no name of a CSV or JSON file"),
        (["toypaper/net", "AUDIO", "--hop", "1"], "--window"),
        (["toypaper/net", "AUDIO", "--window", "0"], "--window: is 0 s"),
        (["toypaper/net", "AUDIO", "--window", "nan"], "--window: is nan s"),
        (["toypaper/net", "AUDIO", "--window", "3", "--hop", "-1"], "--hop: is -1 s"),
        (["toypaper/net", "AUDIO", "--window", "600"], "Allowed: 0.1 to 60 s"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_written(results, capsys, arguments, told):
    leak = results / "runs/toypaper/toy/svm/leak"
    shutil.copytree(leak, results / "runs/toypaper/toy/seen/leak")
    places = {"AUDIO": str(results / "corpus/u00.wav")}
    arguments = [places.get(part, part).replace("RESULTS", str(results)) for part in arguments]
    assert cli.main(["predict", *arguments, "--results", str(results)]) == 1
    out, err = capsys.readouterr()
    assert told in err
    assert err.startswith("serflow predict: ")
    assert err.count("\n") == 1
    assert out == ""
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("system", "damage", "told"),
    [
        ("net", lambda run: (run / "model").unlink(), "model is missing"),
        ("net", lambda run: (run / "model").write_bytes(b"0" * 99), "does not fit the network"),
        ("svm", lambda run: (run / "model").write_bytes(b"0" * 99), "cannot be read"),
        ("net", lambda run: (run / "run.json").write_text("{"), "no JSON"),
        ("net", lambda run: (run / "run.json").write_text("{}"), "is no run's"),
        ("two_step", lambda run: shutil.rmtree(run.parents[3] / "neutral_sad"), "neutral_sad"),
    ],
)
def test_a_damaged_model_is_a_sentence_and_nothing_is_written(trained, results, run_of, capsys, system, damage, told):
    run = results / run_of(system).relative_to(trained)
    damage(run)
    assert predict(run, trained / "corpus/u00.wav", "--output", "out.csv") == 1
    out, err = capsys.readouterr()
    assert told in err
    assert "serflow predict: " in err
    assert (out, list(Path().iterdir())) == ("", [])


def test_a_folder_that_holds_one_fold_has_no_others(trained, run_of, tmp_path, capsys):
    run = shutil.copytree(run_of("net"), tmp_path / "copied")
    assert predict(run, trained / "corpus/u00.wav", "--folds") == 1
    assert "holds one fold alone" in capsys.readouterr().err


def test_folds_of_two_divisions_are_not_averaged(trained, results, run_of, capsys):
    run = results / run_of("net").relative_to(trained)
    shutil.copytree(run, run.with_name("fold9"))  # left from another division
    assert predict(run, trained / "corpus/u00.wav", "--folds") == 1
    assert "the two are of different divisions into folds" in capsys.readouterr().err


def test_a_module_of_ones_own_that_is_not_there_is_named(trained, results, run_of, capsys):
    run = results / run_of("net").relative_to(trained)
    info = read_json(run / "run.json")
    info["system_config"]["model"] = {"module": "mine.py"}
    write_json(run / "run.json", info)
    assert predict(run, trained / "corpus/u00.wav") == 1
    assert "run.json: names mine.py, which is not there. Run the command in the folder" in capsys.readouterr().err


def test_a_run_of_another_version_is_taken_by_its_path_alone(trained, results, run_of, capsys):
    """Whether a system's runs are speaker-independent is not known then."""
    write_json(results / "papers/toypaper.json", {"paper": {}, "labels": {}})
    assert predict(results / run_of("net").relative_to(trained), trained / "corpus/u00.wav") == 0
    err = capsys.readouterr().err
    assert "warning: " in err
    assert "toypaper.json was written by another version" in err
    assert "is not known" in err
    assert predict("toypaper/net", trained / "corpus/u00.wav", "--results", results) == 1
    assert "was written by another version" in capsys.readouterr().err


def test_a_folder_from_elsewhere_runs_no_code(trained, run_of, tmp_path, capsys):
    (tmp_path / "evil.py").write_text("open('ran', 'w')\n")
    run = shutil.copytree(run_of("net"), tmp_path / "download")
    info = read_json(run / "run.json")
    info["system_config"]["model"] = {"module": str(tmp_path / "evil.py")}
    write_json(run / "run.json", info)
    assert predict(run, trained / "corpus/u00.wav") == 1
    assert "no part of serflow" in capsys.readouterr().err
    assert not list(Path().iterdir())


def test_a_run_whose_encoder_is_not_there_is_a_sentence(trained, results, run_of, capsys):
    """Without the extra it names that instead."""
    path = results / "runs/toypaper/toy/net/speaker_independent/seed0/fold0"
    info = read_json(path / "run.json")
    info["system_config"]["recipe"] = {
        **{"transform": "encoder", "sample_rate": 16000, "weights": f"sha256:{'0' * 64}"},
        **{"layer": "last", "pooled": False, "normalise": False},
    }
    write_json(path / "run.json", info)
    assert predict(path, trained / "corpus/u00.wav") == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "the encoder sha256:00000000 is in none of its folders" in err or "requirements-features.lock" in err
