import numpy as np
import pytest

from serflow.features.recipes import make_transform

librosa = pytest.importorskip("librosa")

MEL = {"sample_rate": 16000, "n_fft": 512, "hop_length": 160, "n_mels": 40, "fmin": 50.0, "fmax": 7600.0}
LOGSPECTROGRAM = {"transform": "logspectrogram", "sample_rate": 16000, "n_fft": 512, "hop_length": 160}


def test_mfcc_is_librosas(speechlike):
    options = {key: value for key, value in MEL.items() if key != "sample_rate"}
    expected = librosa.feature.mfcc(y=speechlike, n_mfcc=20, sr=16000, **options)
    frames = make_transform({"transform": "mfcc", "n_mfcc": 20, "first": 1, **MEL})(speechlike)
    assert frames.shape == (101, 20)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames, expected.T, rtol=1e-4, atol=2e-3)


def test_coefficients_2_to_13_are_twelve_without_the_mean_level(speechlike):
    """Twice the amplitude is 6.02 dB more in each band: that moves the DCT's constant alone, which is coefficient 1."""
    options = {"transform": "mfcc", "n_mfcc": 13, **MEL}
    kept = make_transform({**options, "first": 2})
    assert kept(speechlike).shape == (101, 12)
    np.testing.assert_allclose(kept(2 * speechlike), kept(speechlike), atol=2e-3)
    whole = make_transform({**options, "first": 1})
    moved = whole(2 * speechlike) - whole(speechlike)
    np.testing.assert_allclose(moved[:, 0], 20 * np.log10(2) * np.sqrt(40), rtol=1e-3)  # orthonormal: sqrt(n_mels)


def test_lnmel_is_the_natural_logarithm_of_librosas_mel_power(speechlike):
    options = {key: value for key, value in MEL.items() if key != "sample_rate"}
    expected = np.log(librosa.feature.melspectrogram(y=speechlike, sr=16000, **options) + 1e-10)
    transform = make_transform({"transform": "lnmel", "offset": 1e-10, **MEL})
    assert transform(speechlike).dtype == np.float32
    np.testing.assert_allclose(transform(speechlike), expected.T, rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose(transform(np.zeros(800, np.float32)), -10 * np.log(10), rtol=1e-6)  # silence


def test_logspectrogram_is_librosas(speechlike):
    magnitude = np.abs(librosa.stft(speechlike, n_fft=512, hop_length=160))
    expected = librosa.amplitude_to_db(magnitude, ref=np.max, top_db=70)
    frames = make_transform({**LOGSPECTROGRAM, "top_db": 70.0})(speechlike)
    assert frames.shape == (101, 257)
    np.testing.assert_allclose(frames, expected.T, rtol=1e-4, atol=2e-3)


def test_pure_tone_has_its_maximum_in_its_bin_of_the_linear_scale(rate):
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    middle = make_transform({**LOGSPECTROGRAM, "top_db": 80.0})(tone)[50]
    assert middle.argmax() == 1000 * 512 // rate
    assert middle.max() == pytest.approx(0, abs=0.01)
    assert middle.min() == -80
