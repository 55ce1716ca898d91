"""Damaged and odd recordings: read for what they are, or refused by name with nothing half-written."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from serflow import cli
from serflow.corpora.manifest import read_manifest
from serflow.corpora.row import write_manifest
from serflow.corpora.scan import read_pcm16, scan_corpus
from serflow.errors import CorpusError, SerflowError
from serflow.features.audio import read_signal
from serflow.features.build import build_store, make_signals
from serflow.features.noise import mix
from serflow.features.recipes import make_copies, make_transform
from serflow.features.stand_ins import SOUNDS, make_noise
from serflow.features.store import open_store
from serflow.inference.recordings import seconds_of

ROOT = Path(__file__).parents[2]
RATE = 16000
TURN = "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{}.wav"
#: Corpus -> a whole recording and the one at fault.
PATHS = {
    "ravdess": ("Actor_01/03-01-01-01-01-01-01.wav", "Actor_01/03-01-02-01-01-01-01.wav"),
    "savee": ("AudioData/DC/a01.wav", "AudioData/DC/a02.wav"),
    "iemocap": (TURN.format("F000"), TURN.format("M000")),
}
SOUND = (0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE // 2) / RATE)).astype(np.float32)


@pytest.fixture(params=PATHS)
def corpus(request, tmp_path):
    """A corpus, its tree with one whole recording, and the path of the other, which a test writes."""
    name = request.param
    whole, bad = (tmp_path / path for path in PATHS[name])
    whole.parent.mkdir(parents=True)
    soundfile.write(whole, SOUND, RATE)
    if name == "iemocap":
        annotations = tmp_path / "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
        annotations.parent.mkdir(parents=True)
        lines = [
            f"[{k}.0 - {k}.5]\tSes01F_impro01_{turn}\tneu\t[2.5, 2.5, 2.5]" for k, turn in ((1, "F000"), (2, "M000"))
        ]
        annotations.write_text("\n".join(lines))
    return name, tmp_path, bad


def spoilt(change):
    """A recording that is a whole one until its bytes are changed."""

    def write(path):
        soundfile.write(path, SOUND, RATE)
        path.write_bytes(change(path.read_bytes()))

    return write


def sound(samples, rate=RATE, subtype="PCM_16"):
    return lambda path: soundfile.write(path, samples, rate, subtype=subtype)


NOT_FINITE = SOUND.copy()
NOT_FINITE[100] = np.nan
REFUSED = {
    "truncated": spoilt(lambda data: data[: len(data) // 2]),
    "empty": spoilt(lambda data: b""),
    "header alone": sound(SOUND[:0]),
    "not finite": sound(NOT_FINITE, subtype="FLOAT"),
    "text": spoilt(lambda data: b"<html>Not found</html>\n" * 40),
    "another format": spoilt(lambda data: b"\xff\xfb\x90\x00" + bytes(400)),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_recording_that_cannot_be_used_is_named_and_no_manifest_written(corpus, fault, capsys):
    name, root, bad = corpus
    REFUSED[fault](bad)
    out = root.parent / f"{root.name}-out"
    arguments = ["manifest", name, "--root", str(root), "--output", str(out / "m.csv"), "--report", str(out / "m.json")]
    assert cli.main([*arguments, "--workers", "2"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"serflow manifest: {bad}: ")
    assert not list(out.rglob("*"))


def test_a_truncated_flac_is_refused(tmp_path):
    flac = tmp_path / "a.flac"
    soundfile.write(flac, SOUND, RATE)
    flac.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])
    with pytest.raises(CorpusError) as caught:
        read_pcm16(flac)
    assert caught.value.where == str(flac)


READERS = [read_pcm16, lambda path: read_signal(path, RATE), seconds_of]
#: How libsndfile names formats that say how much there should be -> file.
FORMATS = {
    **{"AIFF": "a.aiff", "AU": "a.au", "CAF": "a.caf", "FLAC": "a.flac", "RF64": "a.rf64", "W64": "a.w64"},
    **{"WAV": "a.wav", "WAVEX": "b.wav"},
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_a_file_that_was_cut_off_is_refused_by_every_reader(tmp_path, name, share):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    whole, cut = tmp_path / FORMATS[name], tmp_path / f"cut{Path(FORMATS[name]).suffix}"
    soundfile.write(whole, noise, RATE, format=name)
    cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    for read in READERS[: 2 if name == "FLAC" else 3]:  # the header of a FLAC does not tell
        read(whole)
        with pytest.raises(SerflowError, match=re.escape(str(cut))):
            read(cut)


@pytest.mark.parametrize("codec", ["VORBIS", "OPUS"])
def test_an_ogg_is_refused_wherever_it_is_cut_off_and_read_where_it_is_filled_up(tmp_path, codec):
    path, noise = tmp_path / "a.ogg", np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    soundfile.write(path, noise, RATE, format="OGG", subtype=codec)
    content = path.read_bytes()
    for size in (content.rindex(b"OggS"), int(0.8 * len(content)), int(0.9 * len(content)), len(content) - 1):
        path.write_bytes(content[:size])
        for read in READERS:
            with pytest.raises(SerflowError, match=r"a\.ogg"):
                read(path)
    path.write_bytes(content + bytes(70_000))
    assert len(read_pcm16(path)[0]) == len(noise)


def test_an_aiff_that_was_written_to_a_pipe_is_read(tmp_path):
    """SoX announces 0x7f000000 bytes where it does not know how many there will be."""
    path = tmp_path / "a.aiff"
    soundfile.write(path, SOUND, RATE)
    content = path.read_bytes()
    at = content.index(b"SSND") + 4
    path.write_bytes(content[:at] + (0x7F000000 + 8).to_bytes(4, "big") + content[at + 4 :])
    assert len(read_pcm16(path)[0]) == len(SOUND)


@pytest.mark.parametrize("change", ["longer", "one sample", "other rate"])
def test_a_recording_that_was_replaced_after_the_manifest_is_named_and_no_cache_written(tmp_path, change):
    names = ["03-01-01-01-01-01-01.wav", "03-01-02-01-01-01-01.wav"]
    for name in names:
        soundfile.write(tmp_path / name, np.stack([SOUND, -SOUND / 2], axis=1), RATE)
    rows, _ = scan_corpus("ravdess", tmp_path, 1)
    samples, _ = soundfile.read(tmp_path / names[1], dtype="int16")
    samples[100, 1] += change == "one sample"
    samples = np.concatenate([samples] * (1 + (change == "longer")))
    soundfile.write(tmp_path / names[1], samples, RATE // 2 if change == "other rate" else RATE)
    with pytest.raises(CorpusError, match=rf"{names[1]}: is not the recording that the manifest was made of"):
        features(RECIPES["logspectrogram"], rows, tmp_path)
    assert not (tmp_path.parent / f"{tmp_path.name}-cache/features.zarr").exists()


@pytest.mark.parametrize("read", READERS)
def test_a_file_of_samples_alone_is_refused_in_a_sentence(tmp_path, read):
    (tmp_path / "a.raw").write_bytes(bytes(RATE))
    with pytest.raises(CorpusError, match="does not say its sampling rate"):
        read(tmp_path / "a.raw")


@pytest.mark.parametrize(("name", "codec"), [("a.ogg", "VORBIS"), ("a.opus", "OPUS"), ("a.mp3", "MPEG_LAYER_III")])
def test_what_is_louder_than_full_scale_is_clipped_by_both_readers_alike(tmp_path, name, codec):
    """A compressed clipped sine overshoots."""
    rate = 48000
    sine = 5 * np.sin(2 * np.pi * 220 * np.arange(rate) / rate)
    soundfile.write(tmp_path / name, np.clip(sine, -1, 1), rate, format=name[2:].replace("opus", "ogg"), subtype=codec)
    read = read_signal(tmp_path / name, rate)
    assert np.abs(read).max() > 1
    samples, _ = read_pcm16(tmp_path / name)
    np.testing.assert_allclose(samples[:, 0] / 2**15, np.clip(read, -1, 1), atol=1e-3)


@pytest.mark.parametrize("read", READERS)
def test_a_flac_that_was_written_to_a_pipe_is_refused_in_a_sentence(tmp_path, read):
    """Its header has no number of samples: 36 bits at byte 21."""
    flac = tmp_path / "a.flac"
    soundfile.write(flac, SOUND, RATE)
    data = bytearray(flac.read_bytes())
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])
    flac.write_bytes(data)
    with pytest.raises(CorpusError, match="does not say how long it is"):
        read(flac)


RECIPES = {
    "logmel": {"n_fft": 1024, "hop_length": 256, "n_mels": 128, "fmin": 0.0, "fmax": 8000.0, "top_db": 80.0},
    "mfcc": {"n_fft": 512, "hop_length": 160, "n_mels": 26, "fmin": 0.0, "fmax": 8000.0, "n_mfcc": 13, "first": 2},
    "logspectrogram": {"n_fft": 512, "hop_length": 256, "top_db": 80.0},
    "logpower": {"win_length": 640, "hop_length": 160, "n_fft": 1600, "fmax": 4000.0, "floor_db": -80.0},
}
RECIPES["harmonic"] = RECIPES["logpower"] | {"pitch_floor": 75.0, "pitch_ceiling": 500.0}
RECIPES["harmonic"] |= {"depth_low_db": 20.0, "depth_high_db": 12.0}
RECIPES = {name: {"transform": name, "sample_rate": RATE, **options} for name, options in RECIPES.items()}
ALL_COPIES = {"noise": {"snr_db": 15.0}, "stretch": {"rate": 1.1}, "pitch": {"semitones": 2.0}}

stereo = np.stack([SOUND, np.zeros_like(SOUND)], axis=1)
fast = (0.3 * np.sin(2 * np.pi * 220 * np.arange(48000) / 96000)).astype(np.float32)
#: What is read -> how it is written, and its samples and rate in the manifest.
READ = {
    "one sample": (sound(SOUND[100:101]), 1, RATE),
    "silent": (sound(0 * SOUND), len(SOUND), RATE),
    "stereo": (sound(stereo), len(SOUND), RATE),
    "8 bits": (sound(SOUND, subtype="PCM_U8"), len(SOUND), RATE),
    "24 bits": (sound(SOUND, subtype="PCM_24"), len(SOUND), RATE),
    "96 kHz": (sound(fast, 96000), len(fast), 96000),
    "written to a pipe": (
        spoilt(lambda data: data[:4] + b"\xff" * 4 + data[8:40] + b"\xff" * 4 + data[44:]),
        len(SOUND),
        RATE,
    ),
    "header counted as data": (
        spoilt(lambda data: data[:40] + len(data).to_bytes(4, "little") + data[44:]),
        len(SOUND),
        RATE,
    ),
}


def features(recipe, rows, root):
    store = root.parent / f"{root.name}-cache" / "features.zarr"
    build_store(recipe, rows, root, store, 1)
    return open_store(store, recipe, rows)


@pytest.mark.parametrize(("corpus", "kind"), list(zip(itertools.cycle(PATHS), READ)), indirect=["corpus"])
def test_an_odd_recording_is_read(corpus, kind):
    """It stands in the manifest as it is, and its frames are those of its tone, mixed and resampled where need be."""
    name, root, bad = corpus
    write, samples, rate = READ[kind]
    write(bad)
    rows, _ = scan_corpus(name, root, 1)
    assert (rows[1]["samples"], rows[1]["sample_rate"]) == (str(samples), str(rate))
    found = features(RECIPES["logmel"], rows, root)
    whole, odd = (found.read(np.array([n])) for n in range(2))
    assert len(odd)
    assert np.isfinite(odd).all()
    if samples > 1 and kind != "silent":
        assert len(odd) == len(whole)
        np.testing.assert_array_equal(odd[4:-4].argmax(1), whole[4:-4].argmax(1))


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("signal", [[0.0] * 8000, [0.5], [0.0, 0.0]], ids=len)
@pytest.mark.filterwarnings("ignore:n_fft=")  # librosa says that a signal is shorter than a window
def test_silence_and_single_samples_give_frames_in_every_transform_and_copy(name, signal):
    copies = make_copies({"sample_rate": RATE, "copies": ALL_COPIES})
    for item in make_signals(np.array(signal, np.float32), {"corpus": "toy", "utterance": "u"}, copies):
        frames = make_transform(RECIPES[name])(item)
        assert len(frames)
        assert np.isfinite(frames).all()


def test_a_silent_and_a_single_sample_go_through_segments_in_half_precision(tmp_path):
    names = ["03-01-01-01-01-01-01.wav", "03-01-02-01-01-01-01.wav", "03-01-03-01-01-01-01.wav"]
    for file, samples in zip(names, (SOUND, 0 * SOUND, SOUND[:1]), strict=True):
        soundfile.write(tmp_path / file, samples, RATE)
    rows, _ = scan_corpus("ravdess", tmp_path, 1)
    for name in ("logpower", "harmonic"):
        found = features(RECIPES[name] | {"segment_seconds": 0.2, "dtype": "float16"}, rows, tmp_path)
        assert found.utterance.tolist() == [0, 0, 0, 1, 1, 1, 2]
        assert np.isfinite(found.read(np.arange(7))).all()


@pytest.mark.parametrize("sound", SOUNDS)
def test_noise_for_a_single_sample_is_mixed_or_refused(sound):
    with np.errstate(invalid="ignore"):  # a sound that is 0 there has no level
        made = make_noise(sound, 1, RATE, 0, [SOUND])
    try:
        assert np.isfinite(mix(SOUND[100:101], made, 0.0)).all()
    except CorpusError as error:
        assert "silent" in error.remedy


@pytest.mark.parametrize(
    ("corpus", "fault"), [("ravdess", "empty"), ("savee", "text"), ("iemocap", "not finite")], indirect=["corpus"]
)
def test_a_recording_that_was_spoilt_after_the_manifest_is_named_and_no_cache_written(corpus, fault, capsys):
    name, root, bad = corpus
    soundfile.write(bad, SOUND[:4000], RATE)
    rows, _ = scan_corpus(name, root, 1)
    out = root.parent / f"{root.name}-out"
    write_manifest(rows, out / "m.csv")
    REFUSED[fault](bad)
    recipe = json.dumps(RECIPES["logspectrogram"])
    arguments = ["--recipe", recipe, "--manifest", str(out / "m.csv"), "--root", str(root)]
    assert cli.main(["features", *arguments, "--output", str(out / "cache" / "features.zarr"), "--workers", "2"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"serflow features: {bad}: ")
    assert sorted(path.name for path in out.rglob("*")) == ["cache", "m.csv"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("\tneu\t", "\t"), ("M000\txxx", "F000\txxx"), ("[10.0100", "% [10.0100")],
    ids=["a field lacks", "a turn twice", "a turn lacks"],
)
def test_an_annotation_at_fault_is_named_and_no_manifest_written(iemocap, evaluation, old, new, capsys):
    file = iemocap / "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    file.write_text(evaluation.replace(old, new).replace("\n", "\r\n"), newline="")
    out = iemocap.parent / f"{iemocap.name}-out"
    arguments = ["--root", str(iemocap), "--output", str(out / "m.csv"), "--report", str(out / "m.json")]
    assert cli.main(["manifest", "iemocap", *arguments]) == 1
    assert str(file) in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


def test_windows_line_ends_in_annotations_change_nothing(iemocap, evaluation):
    unix, _ = scan_corpus("iemocap", iemocap, 1)
    file = iemocap / "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    file.write_bytes(("\ufeff" + evaluation.replace("\n", "\r\n")).encode())
    assert scan_corpus("iemocap", iemocap, 1)[0] == unix


# Names that a shell would take for something else

ODD = "my 'corpora'; $(touch pwned) `touch pwned` \"x\" & | > é 音 #1 *?"


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A RAVDESS tree of two recordings in a folder of that name below an empty working directory."""
    root = tmp_path / ODD
    for path in PATHS["ravdess"]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, SOUND, RATE)
    monkeypatch.chdir(tmp_path)
    return root


def test_a_corpus_in_a_folder_of_an_odd_name_becomes_a_manifest_and_a_cache(odd, tmp_path):
    out = tmp_path / ODD.replace("corpora", "results")
    arguments = ["--root", str(odd), "--output", str(out / "m.csv"), "--report", str(out / "m.json")]
    assert cli.main(["manifest", "ravdess", *arguments]) == 0
    arguments = ["--manifest", str(out / "m.csv"), "--root", str(odd), "--output", str(out / "f" / "features.zarr")]
    assert cli.main(["features", "--recipe", json.dumps(RECIPES["mfcc"]), *arguments, "--workers", "1"]) == 0
    assert len(read_manifest(out / "m.csv")) == 2
    assert not list(tmp_path.rglob("pwned"))


def test_no_rule_lets_a_shell_read_a_name(odd, tmp_path):
    """The real rules, on a corpus, a results folder and a working directory that a shell would take apart."""
    work = tmp_path / "a b; $(touch pwned)"
    work.mkdir()
    shutil.copy(ROOT / "config.yaml", work)
    config = {
        "papers": ["deepemo"],
        "corpora": {"ravdess": {"source": str(odd)}},
        "results": "out 'put'; $(touch pwned) é",
    }
    (work / "mine.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    target = f"{config['results']}/manifests/ravdess.csv"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    done = subprocess.run(
        [*command, "--configfile", "mine.yaml", "--", target],
        cwd=work,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_manifest(work / target)) == 2
    assert not list(tmp_path.rglob("pwned"))
