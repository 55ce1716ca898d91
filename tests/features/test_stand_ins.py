import numpy as np
import pytest

from serflow.errors import ConfigError
from serflow.features.stand_ins import SOUNDS, make_noise
from serflow.features.transforms.harmonic import pitch

RATE = 16000
PRAAT = {"sample_rate": RATE, "win_length": 640, "hop_length": 160, "pitch_floor": 75.0, "pitch_ceiling": 500.0}


@pytest.fixture(scope="module")
def voices():
    """Three tones of one second, whose frequencies tell them apart."""
    return [np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32) for hz in (300, 700, 1100)]


@pytest.mark.parametrize("sound", SOUNDS)
def test_a_stand_in_has_its_length_and_level_and_depends_on_its_seed(sound, voices):
    made = make_noise(sound, 20000, RATE, 5, voices)
    assert made.dtype == np.float32
    assert made.shape == (20000,)
    assert np.sqrt(np.mean(made.astype(float) ** 2)) == pytest.approx(0.1, rel=1e-5)
    np.testing.assert_array_equal(made, make_noise(sound, 20000, RATE, 5, voices))
    assert np.abs(np.corrcoef(made, make_noise(sound, 20000, RATE, 6, voices))[0, 1]) < 0.9


def test_an_unknown_sound_is_named():
    with pytest.raises(ConfigError, match="'rain'"):
        make_noise("rain", 100, RATE, 0)


def test_applause_has_no_pitch():
    assert np.mean(pitch(make_noise("applause", 4 * RATE, RATE, 1), **PRAAT) > 0) < 0.02


@pytest.mark.parametrize("sound", ["ambient", "rock", "anger"])
def test_no_pitch_dominates(sound):
    """The paper's one condition: no single dominant fundamental in the range of voices."""
    found = np.concatenate([pitch(make_noise(sound, 4 * RATE, RATE, seed), **PRAAT) for seed in range(2)])
    assert np.mean(found > 0) < 0.5


def test_babble_is_made_of_the_voices_alone(voices):
    made = make_noise("speech", 3 * RATE, RATE, 1, [voice * k for k, voice in enumerate(voices, start=1)])
    power = np.abs(np.fft.rfft(made)) ** 2 / len(made)
    at = [3 * hz for hz in (300, 700, 1100)]
    assert power[at].sum() > 0.999 * power.sum()


def test_a_voice_shorter_than_the_noise_is_repeated():
    ramp = np.arange(1, 101, dtype=np.float32)
    made = make_noise("speech", 1000, RATE, 1, [ramp])
    np.testing.assert_array_equal(made[:900], made[100:])


@pytest.mark.parametrize("given", [[], [np.zeros(100, np.float32)]], ids=["none", "silent"])
def test_babble_needs_voices(given):
    with pytest.raises(ConfigError):
        make_noise("speech", 100, RATE, 0, given)
