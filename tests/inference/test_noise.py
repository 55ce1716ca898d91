import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile

from serflow.corpora.manifest import COLUMNS
from serflow.errors import CorpusError, TrainingError
from serflow.features.noise import mix
from serflow.inference import noise as noises
from serflow.inference.noise import VOICES, choose_voices, evaluate, group_voices
from serflow.io.files import read_csv, write_csv

RATE = 100
SOUNDS = ("pop", "speech")
#: Speaker, part of fold 1; each has two utterances, and utterance n is a constant of n / 64 that lasts 10 + n samples.
SPEAKERS = [("a", "train"), ("b", "train"), ("c", "validation"), ("d", "test"), ("e", "test")]
VALUES = {f"{name}{k}": (2 * i + k + 1) / 64 for i, (name, _) in enumerate(SPEAKERS) for k in range(2)}


@pytest.fixture
def fakes(monkeypatch):
    """Stand in for noise and inference so that the posteriors tell what was mixed: its sum of constants, its length."""

    def make_noise(sound, n_samples, sample_rate, seed, voices=()):
        assert sample_rate == RATE
        assert 0 <= seed < 2**64
        return np.full(n_samples, sum(voice[0] for voice in voices) if sound == "speech" else seed / 2**64)

    def mix(signal, noise, snr_db):
        assert len(signal) == len(noise)
        return signal + 100 * noise + 1000 * snr_db

    def posteriors(signals):
        return np.array([[signal.mean(dtype=float), len(signal)] for signal in signals])

    def load(run, device="auto", threads=8):
        assert threads == 1
        info = json.loads((run / "run.json").read_text())
        return SimpleNamespace(info=info, recipe=info["system_config"]["recipe"], posteriors=posteriors)

    def read_sounds(folder, sample_rate):
        return {"rain": np.arange(7) / 7, "car": np.arange(500) / 500}

    for name, fake in {"SOUNDS": SOUNDS, "make_noise": make_noise, "mix": mix, "read_sounds": read_sounds}.items():
        monkeypatch.setattr(noises, name, fake)
    inference = ModuleType("inference")
    inference.load = load
    monkeypatch.setitem(sys.modules, "serflow.inference.predictor", inference)


@pytest.fixture
def corpus(tmp_path):
    """The run's folder, manifest, split and tree; fold 0 has other parts than fold 1."""
    rows, parts = [], []
    for name, part in SPEAKERS:
        for k in range(2):
            utterance = f"{name}{k}"
            samples = np.full(10 + round(64 * VALUES[utterance]), VALUES[utterance])
            soundfile.write(tmp_path / f"{utterance}.wav", samples, RATE)
            about = {"utterance": utterance, "path": f"{utterance}.wav", "speaker": name, "corpus": "toy"}
            rows.append(dict.fromkeys(COLUMNS, "") | about | {"emotion": ("happy", "sad")[k]})
            parts += [{"utterance": utterance, "fold": 0, "part": "test"}, about | {"fold": 1, "part": part}]
    write_csv(tmp_path / "manifest.csv", COLUMNS, rows)
    write_csv(tmp_path / "split.csv", ("utterance", "fold", "part"), [{k: p[k] for k in list(parts[0])} for p in parts])
    (tmp_path / "run").mkdir()
    info = {"fold": 1, "labels": ["happy", "sad"], "system_config": {"recipe": {"sample_rate": RATE}}}
    (tmp_path / "run" / "run.json").write_text(json.dumps(info))
    return tmp_path / "run", tmp_path / "manifest.csv", tmp_path / "split.csv", tmp_path


def run(corpus, name, *, folder=None, snrs=(0.0, 10.0), threads=2):
    output = corpus[-1] / name
    evaluate(*corpus, folder, snrs, output, "cpu", threads)
    return output


def test_every_test_utterance_is_recognised_with_each_sound_at_each_ratio(fakes, corpus):
    """Babble is mixed from training utterances alone."""
    rows = read_csv(run(corpus, "noisy.csv"))
    keys = [(row["snr_db"], row["noise"], row["utterance"]) for row in rows]
    assert keys == [(snr, s, u) for snr in ("0", "10") for s in SOUNDS for u in ("d0", "d1", "e0", "e1")]
    assert {(row["utterance"], row["label"]) for row in rows} >= {("d0", "happy"), ("e1", "sad")}
    assert {row["source"] for row in rows} == {"stand-in"}
    for row in rows:
        assert float(row["sad"]) == 10 + 64 * VALUES[row["utterance"]]
        assert row["predicted"] == ("happy" if float(row["happy"]) > float(row["sad"]) else "sad")
    mixtures = {(VALUES[f"a{i}"] + VALUES[f"b{j}"]) for i in range(2) for j in range(2)}
    for row in (row for row in rows if row["noise"] == "speech" and row["snr_db"] == "0"):
        voices = (float(row["happy"]) - VALUES[row["utterance"]]) / 100
        assert min(abs(voices - mixture) for mixture in mixtures) < 1e-4


def test_noise_is_the_same_at_every_ratio_and_with_any_number_of_processes(fakes, corpus):
    two = run(corpus, "two.csv")
    assert two.read_bytes() == run(corpus, "one.csv", threads=1).read_bytes()
    values = {(row["snr_db"], row["noise"], row["utterance"]): float(row["happy"]) for row in read_csv(two)}
    pops = [values["0", "pop", utterance] for utterance in ("d0", "d1", "e0", "e1")]
    assert len(set(pops)) == 4
    for (snr, sound, utterance), value in values.items():
        assert value == pytest.approx(values["0", sound, utterance] + (10000 if snr == "10" else 0), rel=1e-4)


def test_recordings_are_repeated_from_a_place_of_each_utterances_own(fakes, corpus):
    rows = read_csv(run(corpus, "noisy.csv", folder=corpus[-1], snrs=(0.0,)))
    assert [row["noise"] for row in rows] == ["car"] * 4 + ["rain"] * 4
    assert {row["source"] for row in rows} == {"recording"}
    for row in rows:
        n = round(10 + 64 * VALUES[row["utterance"]])
        recording = np.arange(7) / 7 if row["noise"] == "rain" else np.arange(500) / 500
        stretches = [np.resize(np.roll(recording, -start), n).mean() for start in range(len(recording))]
        noise = (float(row["happy"]) - VALUES[row["utterance"]]) / 100
        assert min(abs(noise - mean) for mean in stretches) < 1e-4


def test_each_sound_and_utterance_has_a_noise_of_its_own_the_same_for_every_run(corpus):
    bench = noises._Bench(corpus[0], "cpu", 16000, corpus[-1], noises.SOUNDS, {}, {}, (0.0,))
    rows = [{"utterance": name} for name in ("d0", "d1")]
    made = [noises.noise_of(bench, sound, row, 1000) for sound in ("rock", "applause") for row in (*rows, rows[0])]
    for first, other, again in (made[:3], made[3:]):
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
    assert not np.array_equal(made[0], made[3])


def test_voices_are_of_different_other_speakers():
    rows = [{"utterance": f"{s}{k}", "corpus": "toy", "speaker": s} for s in "abcdefghij" for k in range(3)]
    known = group_voices(rows)
    chosen = [choose_voices(known, rows[1], seed) for seed in range(50)]
    assert chosen[3] == choose_voices(known, rows[1], 3)
    for voices in chosen:
        speakers = [row["speaker"] for row in voices]
        assert len(set(speakers)) == len(speakers) == VOICES
        assert "a" not in speakers
    assert {row["utterance"] for voices in chosen for row in voices} == {r["utterance"] for r in rows[3:]}
    assert len(choose_voices(group_voices(rows[:6]), rows[0], 0)) == 1


def test_a_speaker_of_another_corpus_is_another_speaker_whatever_the_name():
    rows = [{"utterance": f"{c}{k}", "corpus": c, "speaker": "01"} for c in ("left", "right") for k in range(2)]
    known = group_voices(rows)
    assert {row["corpus"] for seed in range(9) for row in choose_voices(known, rows[0], seed)} == {"right"}


def test_why_a_run_cannot_be_loaded_in_a_worker_is_told(fakes, corpus, monkeypatch):
    def load(run, device="auto", threads=8):
        raise TrainingError("device", "is cuda, but torch sees no GPU", "Set `device: cpu`.")

    monkeypatch.setattr(sys.modules["serflow.inference.predictor"], "load", load)
    with pytest.raises(TrainingError, match="sees no GPU"):
        run(corpus, "noisy.csv")


def test_the_process_that_forks_workers_imports_no_torch():
    code = "import sys; import serflow.inference.noise, serflow.inference.predict; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_split_of_another_corpus_is_refused(fakes, corpus):
    with corpus[2].open("a") as handle:
        handle.write("z0,1,test\n")
    with pytest.raises(TrainingError, match="names z0"):
        run(corpus, "noisy.csv")
    assert not (corpus[-1] / "noisy.csv").exists()


def test_a_silent_recording_has_no_ratio_and_is_named(fakes, corpus, monkeypatch):
    monkeypatch.setattr(noises, "mix", mix)
    soundfile.write(corpus[-1] / "e0.wav", np.zeros(20), RATE)
    with pytest.raises(CorpusError, match=r"e0\.wav: .*pop") as caught:
        run(corpus, "noisy.csv")
    assert "silent" in caught.value.remedy
    assert not (corpus[-1] / "noisy.csv").exists()
