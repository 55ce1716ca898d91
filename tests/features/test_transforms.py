import numpy as np
import pytest

from serflow.errors import ConfigError
from serflow.features import transform

librosa = pytest.importorskip("librosa")

MEL = {"sample_rate": 16000, "n_fft": 512, "hop_length": 160, "n_mels": 40, "fmin": 50.0, "fmax": 7600.0}


def librosa_options(sr="sr"):
    return {sr: MEL["sample_rate"], **{key: value for key, value in MEL.items() if key != "sample_rate"}}


def test_mfcc_is_librosas(speechlike):
    expected = librosa.feature.mfcc(y=speechlike, n_mfcc=20, **librosa_options())
    frames = transform({"transform": "mfcc", "n_mfcc": 20, "first": 1, **MEL})(speechlike)
    assert frames.shape == (101, 20)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames, expected.T, rtol=1e-4, atol=2e-3)


def test_coefficients_2_to_13_are_twelve_without_the_mean_level(speechlike):
    """Twice the amplitude is 6.02 dB more in each band: that moves the DCT's constant alone, which is coefficient 1."""
    options = {"transform": "mfcc", "n_mfcc": 13, **MEL}
    kept = transform({**options, "first": 2})
    assert kept(speechlike).shape == (101, 12)
    np.testing.assert_allclose(kept(2 * speechlike), kept(speechlike), atol=2e-3)
    whole = transform({**options, "first": 1})
    moved = whole(2 * speechlike) - whole(speechlike)
    np.testing.assert_allclose(moved[:, 0], 20 * np.log10(2) * np.sqrt(40), rtol=1e-3)  # orthonormal: sqrt(n_mels)


def test_logmel_is_librosas(speechlike):
    power = librosa.feature.melspectrogram(y=speechlike, **librosa_options())
    expected = librosa.power_to_db(power, ref=np.max, top_db=60)
    frames = transform({"transform": "logmel", "top_db": 60.0, **MEL})(speechlike)
    np.testing.assert_allclose(frames, expected.T, rtol=1e-4, atol=2e-3)


def test_logspectrogram_is_librosas(speechlike):
    magnitude = np.abs(librosa.stft(speechlike, n_fft=512, hop_length=160))
    expected = librosa.amplitude_to_db(magnitude, ref=np.max, top_db=70)
    recipe = {"transform": "logspectrogram", "sample_rate": 16000, "n_fft": 512, "hop_length": 160, "top_db": 70.0}
    frames = transform(recipe)(speechlike)
    assert frames.shape == (101, 257)
    np.testing.assert_allclose(frames, expected.T, rtol=1e-4, atol=2e-3)


def test_a_pure_tone_stands_in_its_bin_of_the_linear_scale(rate):
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    recipe = {"transform": "logspectrogram", "sample_rate": rate, "n_fft": 512, "hop_length": 160, "top_db": 80.0}
    middle = transform(recipe)(tone)[50]
    assert middle.argmax() == 1000 * 512 // rate
    assert middle.max() == pytest.approx(0, abs=0.01)
    assert middle.min() == -80


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"transform": "mfc"}, "unknown transform 'mfc'"),
        ({"lifter": 3}, "'lifter' is not a parameter"),
        ({"copies": {"echo": {}}}, "unknown copy 'echo'"),
        ({"copies": {"noise": {}}}, "'snr_db' is missing"),
        ({"copies": {"noise": {"snr_db": 15.0, "seed": 1}}}, "'seed' is not a parameter"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(changes, fault):
    with pytest.raises(ConfigError, match=fault):
        transform({"transform": "mfcc", "n_mfcc": 13, "first": 2, **MEL, **changes}, "recipes.mfcc")


def test_a_missing_sampling_rate_is_named_for_every_transform():
    with pytest.raises(ConfigError, match="'sample_rate' is missing"):
        transform({"transform": "logspectrogram", "n_fft": 512, "hop_length": 160, "top_db": 70.0})
