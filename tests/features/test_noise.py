import numpy as np
import pytest
import soundfile

from serflow.errors import ConfigError, CorpusError
from serflow.features.noise import mix, read_sounds


@pytest.mark.parametrize(("snr_db", "gain"), [(-12.5, 1.0), (0.0, 1e-4), (3.0, 30.0), (60.0, 1.0)])
def test_the_mixture_holds_the_ratio_and_the_signal_as_it_was(speechlike, snr_db, gain):
    noise = gain * np.random.default_rng(1).uniform(-1, 1, len(speechlike))
    mixed = mix(speechlike, noise, snr_db)
    assert mixed.dtype == np.float32
    added = mixed.astype(float) - speechlike
    found = 10 * np.log10(np.mean(speechlike.astype(float) ** 2) / np.mean(added**2))
    assert found == pytest.approx(snr_db, abs=0.01)
    assert np.corrcoef(added, noise)[0, 1] > 0.999


@pytest.mark.parametrize(("signal", "noise"), [(1, 0), (0, 1), (1, np.nan)])
def test_silence_cannot_be_mixed(signal, noise):
    with pytest.raises(CorpusError):
        mix(np.full(100, signal, np.float32), np.full(100, noise, np.float32), 0.0)


def test_a_ratio_that_floats_cannot_hold_is_refused(speechlike):
    with pytest.raises(CorpusError):
        mix(speechlike, np.random.default_rng(1).standard_normal(len(speechlike)), 200.0)


def test_recordings_are_read_by_name_at_the_rate_wanted(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100)
    soundfile.write(tmp_path / "rain.wav", np.stack([tone, tone], axis=1), 44100)
    soundfile.write(tmp_path / "Car.FLAC", tone[:8000], 16000, format="FLAC")
    soundfile.write(tmp_path / "wind.au", tone[:8000], 16000, format="AU")
    (tmp_path / "README.txt").write_text("where they come from")
    sounds = read_sounds(tmp_path, 16000)
    assert list(sounds) == ["Car", "rain", "wind"]
    assert sounds["Car"].shape == (8000,)
    assert sounds["rain"].shape == (16000,)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    np.testing.assert_allclose(sounds["rain"][1000:-1000], expected[1000:-1000], atol=5e-3)


@pytest.mark.parametrize(
    ("content", "error", "named"),
    [
        (None, ConfigError, "sounds"),
        ({}, ConfigError, "sounds"),
        ({"a.txt": "text"}, ConfigError, "sounds"),
        ({"a.wav": "text"}, CorpusError, "a.wav"),
        ({"a.wav": 0.0}, CorpusError, "a.wav"),
        ({"a.flac": 0.5, "a.wav": 0.5}, ConfigError, "a.wav"),
    ],
    ids=["absent", "empty", "no recordings", "no audio", "silent", "twice"],
)
def test_a_folder_that_cannot_be_used_is_named(tmp_path, content, error, named):
    folder = tmp_path / "sounds"
    if content is not None:
        folder.mkdir()
        for name, what in content.items():
            if isinstance(what, str):
                (folder / name).write_text(what)
            else:
                soundfile.write(folder / name, np.full(100, what), 16000)
    with pytest.raises(error) as caught:
        read_sounds(folder, 16000)
    assert caught.value.where.endswith(named)
