import librosa
import numpy as np
import pytest

from serflow.features.transforms.logmel import logmel

#: Recordings shorter than a window are meant.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=")

DEEPEMO = {
    "sample_rate": 16000,
    "n_fft": 1024,
    "hop_length": 256,
    "n_mels": 128,
    "fmin": 0.0,
    "fmax": 8000.0,
    "top_db": 80.0,
}
NARROW = {
    "sample_rate": 8000,
    "n_fft": 400,
    "hop_length": 160,
    "n_mels": 40,
    "fmin": 50.0,
    "fmax": 3800.0,
    "top_db": 40.0,
}


@pytest.mark.parametrize("options", [DEEPEMO, NARROW], ids=["deepemo", "narrow"])
@pytest.mark.parametrize("n_samples", [16000, 300, 4095])
def test_logmel_is_librosas(options, n_samples):
    rng = np.random.default_rng(n_samples)
    signal = (rng.standard_normal(n_samples) * np.linspace(0, 0.3, n_samples)).astype(np.float32)
    names = {"sr": "sample_rate", "n_fft": "n_fft", "hop_length": "hop_length", "n_mels": "n_mels"}
    arguments = {ours: options[theirs] for ours, theirs in names.items()}
    power = librosa.feature.melspectrogram(y=signal, fmin=options["fmin"], fmax=options["fmax"], **arguments)
    expected = librosa.power_to_db(power, ref=np.max, top_db=options["top_db"]).T
    found = logmel(signal, **options)
    assert found.dtype == np.float32
    assert found.shape == (1 + n_samples // options["hop_length"], options["n_mels"]) == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert found.max() == 0
    assert found.min() >= -options["top_db"]


def slaney_centres(n_mels, fmax):
    """The centres of mel bands from 0 Hz to `fmax`: 200/3 Hz a mel up to 1 kHz, then 27 mels to a factor of 6.4."""
    step = np.log(6.4) / 27
    mels = np.linspace(0, 15 + np.log(fmax / 1000) / step, n_mels + 2)[1:-1]
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * step))


@pytest.mark.parametrize("frequency", [300, 1000, 5000])
def test_a_pure_tone_peaks_in_the_band_nearest_to_it(frequency):
    tone = np.sin(2 * np.pi * frequency * np.arange(16000) / 16000).astype(np.float32)
    frames = logmel(tone, **DEEPEMO | {"n_mels": 40})
    nearest = np.abs(slaney_centres(40, 8000) - frequency).argmin()
    assert set(frames[5:-5].argmax(axis=1)) == {nearest}  # away from the ends, where the tone starts and stops


def test_loudness_does_not_matter_but_silence_is_bounded():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal(8000).astype(np.float32)
    np.testing.assert_allclose(logmel(signal, **DEEPEMO), logmel(signal * 0.01, **DEEPEMO), atol=1e-2)
    silence = logmel(np.zeros(8000, np.float32), **DEEPEMO)
    assert np.isfinite(silence).all()
