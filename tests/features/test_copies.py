import numpy as np
import pytest

from serflow.errors import CacheError
from serflow.features import cache, transform
from serflow.features.audio import read_signal
from serflow.features.copies import make_items

pytest.importorskip("librosa")
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


def peak(signal, rate):
    """Return the frequency of the strongest bin in Hz."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return spectrum.argmax() * rate / len(signal)


def test_noise_stands_at_the_wanted_ratio_and_is_white(speechlike, rate):
    _, noisy = make_items(speechlike, rate, "a", {"noise": {"snr_db": 15.0}})
    added = noisy.astype(float) - speechlike
    assert 10 * np.log10(np.mean(speechlike.astype(float) ** 2) / np.mean(added**2)) == pytest.approx(15, abs=0.01)
    halves = [np.mean(np.abs(band) ** 2) for band in np.array_split(np.fft.rfft(added), 2)]
    assert halves[0] == pytest.approx(halves[1], rel=0.1)


def test_noise_depends_on_the_utterance_alone(speechlike, rate):
    noisy = {name: make_items(speechlike, rate, name, COPIES)[1] for name in ("a", "b")}
    assert not np.array_equal(noisy["a"], noisy["b"])
    assert np.array_equal(noisy["a"], make_items(speechlike, rate, "a", {"noise": {"snr_db": 15.0}})[1])


def test_silence_stays_silent(rate):
    assert not make_items(np.zeros(rate, np.float32), rate, "a", {"noise": {"snr_db": 15.0}})[1].any()


def test_stretching_shortens_and_keeps_the_pitch(rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    _, stretched = make_items(tone, rate, "a", {"stretch": {"rate": 1.25}})
    assert len(stretched) == round(2 * rate / 1.25)
    assert peak(stretched, rate) == pytest.approx(440, abs=2)


def test_a_pitch_shift_keeps_the_duration(rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    _, shifted = make_items(tone, rate, "a", {"pitch": {"semitones": 2.0}})
    assert len(shifted) == len(tone)
    assert peak(shifted, rate) == pytest.approx(440 * 2 ** (2 / 12), abs=2)


@pytest.fixture
def corpus(tmp_path, speechlike, rate):
    """Three recordings of different length and their manifest."""
    soundfile = pytest.importorskip("soundfile")
    manifest = []
    for k, name in enumerate(["u1", "u2", "u3"]):
        soundfile.write(tmp_path / f"{name}.wav", speechlike[: rate - 2000 * k], rate)
        manifest.append({"utterance": name, "path": f"{name}.wav", "sha1": name})
    return tmp_path, manifest


def test_a_cache_with_copies_names_each_item_and_holds_its_frames(corpus, rate):
    root, manifest = corpus
    store = root / "store.zarr"
    cache.build(RECIPE, manifest, root, store, workers=1)
    features = cache.load(store, RECIPE, manifest)
    expected = [name + copy for name in ("u1", "u2", "u3") for copy in ("", "#noise", "#pitch", "#stretch")]
    assert features.names(manifest) == expected
    assert features.utterance.tolist() == [n for n in range(3) for _ in range(4)]
    function, n = transform(RECIPE), 0
    for row in manifest:
        for signal in make_items(read_signal(root / row["path"], rate), rate, row["utterance"], COPIES):
            np.testing.assert_allclose(features.read([n]), function(signal), atol=1e-3)
            n += 1
    assert n == len(features.offsets) - 1


def test_a_cache_without_copies_has_an_item_per_utterance_and_is_not_taken_for_one_with(corpus):
    root, manifest = corpus
    store = root / "store.zarr"
    plain = {key: value for key, value in RECIPE.items() if key != "copies"}
    cache.build(plain, manifest, root, store, workers=1)
    assert cache.load(store, plain, manifest).names(manifest) == ["u1", "u2", "u3"]
    with pytest.raises(CacheError, match="another recipe"):
        cache.load(store, RECIPE, manifest)
