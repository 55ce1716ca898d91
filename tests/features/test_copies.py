import numpy as np
import pytest
import soundfile

from recordings import facts
from serflow.features.audio import read_signal
from serflow.features.build import build_store, make_signals
from serflow.features.recipes import make_copies, make_transform
from serflow.features.store import open_store
from serflow.items import Item

COPIES = {"noise": {"snr_db": 15.0}, "stretch": {"rate": 1.25}, "pitch": {"semitones": 2.0}}
RECIPE = {
    "transform": "mfcc",
    "sample_rate": 16000,
    "n_fft": 512,
    "hop_length": 160,
    "n_mels": 40,
    "fmin": 0.0,
    "fmax": 8000.0,
    "n_mfcc": 13,
    "first": 1,
    "copies": COPIES,
}


def copied(signal, copies, utterance="a"):
    """The copies of a signal."""
    made = make_copies({"sample_rate": 16000, "copies": copies})
    return make_signals(signal, {"corpus": "toy", "utterance": utterance}, made)[1:]


def peak(signal, rate):
    """Return the frequency of the strongest bin in Hz."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return spectrum.argmax() * rate / len(signal)


def test_noise_has_the_wanted_ratio_and_is_white(speechlike):
    (noisy,) = copied(speechlike, {"noise": {"snr_db": 15.0}})
    added = noisy.astype(float) - speechlike
    assert 10 * np.log10(np.mean(speechlike.astype(float) ** 2) / np.mean(added**2)) == pytest.approx(15, abs=0.01)
    halves = [np.mean(np.abs(band) ** 2) for band in np.array_split(np.fft.rfft(added), 2)]
    assert halves[0] == pytest.approx(halves[1], rel=0.1)


def test_noise_depends_on_the_utterance_alone(speechlike):
    noisy = {name: copied(speechlike, COPIES, name)[0] for name in ("a", "b")}
    assert not np.array_equal(noisy["a"], noisy["b"])
    assert np.array_equal(noisy["a"], copied(speechlike, {"noise": {"snr_db": 15.0}})[0])


def test_silence_stays_silent(rate):
    assert not copied(np.zeros(rate, np.float32), {"noise": {"snr_db": 15.0}})[0].any()


def test_stretching_shortens_and_keeps_the_pitch(rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    (stretched,) = copied(tone, {"stretch": {"rate": 1.25}})
    assert len(stretched) == round(2 * rate / 1.25)
    assert peak(stretched, rate) == pytest.approx(440, abs=2)


def test_a_pitch_shift_keeps_the_duration(rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    (shifted,) = copied(tone, {"pitch": {"semitones": 2.0}})
    assert len(shifted) == len(tone)
    assert peak(shifted, rate) == pytest.approx(440 * 2 ** (2 / 12), abs=2)


def test_store_with_copies_names_each_item_and_holds_its_frames(tmp_path, speechlike, rate):
    manifest = []
    for k, name in enumerate(["u1", "u2", "u3"]):
        soundfile.write(tmp_path / f"{name}.wav", speechlike[: rate - 2000 * k], rate)
        manifest.append({"corpus": "toy", "utterance": name, "path": f"{name}.wav"} | facts(tmp_path / f"{name}.wav"))
    build_store(RECIPE, manifest, tmp_path, tmp_path / "store.zarr", workers=1)
    features = open_store(tmp_path / "store.zarr", RECIPE, manifest)
    expected = [Item("toy", name, copy) for name in ("u1", "u2", "u3") for copy in ("", "noise", "pitch", "stretch")]
    assert features.items == expected
    assert features.utterance.tolist() == [n for n in range(3) for _ in range(4)]
    transform, copies, n = make_transform(RECIPE), make_copies(RECIPE), 0
    for row in manifest:
        for signal in make_signals(read_signal(tmp_path / row["path"], rate), row, copies):
            np.testing.assert_allclose(features.read([n]), transform(signal), atol=1e-3)
            n += 1
    assert n == len(features.offsets) - 1
