import librosa
import numpy as np
import pytest
import soundfile

from serflow.errors import ConfigError, CorpusError
from serflow.features.noise import SOUNDS, make_noise, mix, read_sounds
from serflow.features.transforms.harmonic import pitch

RATE = 16000
MADE = [sound for sound in SOUNDS if sound != "speech"]


@pytest.fixture(scope="module")
def voices():
    """Three tones of one second, whose frequencies tell them apart."""
    return [np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32) for hz in (300, 700, 1100)]


# Mixing


@pytest.mark.parametrize("snr_db", [-12.5, 0.0, 3.0, 20.0, 60.0])
@pytest.mark.parametrize("gain", [1e-4, 1.0, 30.0])
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
    with pytest.raises(CorpusError, match="mean power"):
        mix(np.full(100, signal, np.float32), np.full(100, noise, np.float32), 0.0)


def test_a_ratio_that_floats_cannot_hold_is_refused(speechlike):
    with pytest.raises(CorpusError, match="instead of 200 dB"):
        mix(speechlike, np.random.default_rng(1).standard_normal(len(speechlike)), 200.0)


# Stand-ins


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize(("rate", "n_samples"), [(16000, 16000), (8000, 20000), (44100, 10000)])
def test_a_stand_in_has_its_length_and_level_and_follows_its_seed(sound, rate, n_samples, voices):
    made = make_noise(sound, n_samples, rate, 5, voices)
    assert made.dtype == np.float32
    assert made.shape == (n_samples,)
    assert np.sqrt(np.mean(made.astype(float) ** 2)) == pytest.approx(0.1, rel=1e-5)
    np.testing.assert_array_equal(made, make_noise(sound, n_samples, rate, 5, voices))
    assert np.abs(np.corrcoef(made, make_noise(sound, n_samples, rate, 6, voices))[0, 1]) < 0.9


@pytest.mark.parametrize("sound", MADE)
def test_a_stand_in_sounds_at_once_however_short(sound):
    for seed in range(2**64 - 5, 2**64):
        assert np.abs(make_noise(sound, RATE // 10, RATE, seed)).max() > 0.1


@pytest.mark.parametrize("sound", MADE)
def test_a_stand_in_sounds_throughout(sound):
    power = make_noise(sound, 8 * RATE, RATE, 1).astype(float).reshape(16, -1) ** 2
    assert power.mean(axis=1).min() > 0.02 * power.mean()


@pytest.mark.parametrize("sound", MADE)
def test_little_lies_at_the_upper_end_of_the_band(sound):
    power = np.abs(np.fft.rfft(make_noise(sound, 2 * RATE, RATE, 1))) ** 2
    assert power[int(0.96 * len(power)) :].sum() < 0.01 * power.sum()


def test_an_unknown_sound_is_named():
    with pytest.raises(ConfigError, match=r"unknown sound 'rain'\. Allowed: ambient, pop, rock, speech"):
        make_noise("rain", 100, RATE, 0)


def envelope_spectrum(sound, seconds, seed):
    """Frequencies in Hz and power of the loudness contour of a stand-in."""
    made = make_noise(sound, seconds * RATE, RATE, seed).astype(float)
    contour = np.sqrt((made**2).reshape(-1, RATE // 100).mean(axis=1))
    return np.fft.rfftfreq(len(contour), 0.01), np.abs(np.fft.rfft(contour - contour.mean())) ** 2


def test_laughter_comes_in_four_to_five_bursts_a_second():
    spectra = [envelope_spectrum("laughter", 20, seed) for seed in range(4)]
    freqs, power = spectra[0][0], np.mean([power for _, power in spectra], axis=0)
    bands = {low: power[(freqs >= low) & (freqs < low + 1.0)].mean() for low in (2.5, 4.0, 6.0, 10.0)}
    assert max(bands, key=bands.get) == 4.0


@pytest.mark.parametrize(("sound", "low", "high"), [("pop", 112, 124), ("rock", 134, 150)])
def test_music_has_its_beat(sound, low, high):
    for seed in range(3):
        onset = librosa.onset.onset_strength(y=make_noise(sound, 20 * RATE, RATE, seed), sr=RATE, hop_length=160)
        found = float(
            librosa.feature.tempo(onset_envelope=onset, sr=RATE, hop_length=160, start_bpm=(low + high) / 2)[0]
        )
        assert low - 3 < found < high + 3


def test_applause_is_dense_and_has_no_pitch():
    made = make_noise("applause", 4 * RATE, RATE, 1)
    found = pitch(made, sample_rate=RATE, win_length=640, hop_length=160, pitch_floor=75.0, pitch_ceiling=500.0)
    assert np.mean(found > 0) < 0.02
    onset = librosa.onset.onset_detect(y=make_noise("applause", 4 * RATE, RATE, 1), sr=RATE, hop_length=64)
    assert len(onset) > 4 * 8


@pytest.mark.parametrize("sound", ["ambient", "rock", "anger"])
def test_no_pitch_dominates(sound):
    """The paper's one condition: no single dominant fundamental in the range of voices."""
    options = {"sample_rate": RATE, "win_length": 640, "hop_length": 160, "pitch_floor": 75.0, "pitch_ceiling": 500.0}
    found = np.concatenate([pitch(make_noise(sound, 4 * RATE, RATE, seed), **options) for seed in range(3)])
    assert np.mean(found > 0) < 0.5


def test_babble_is_made_of_the_voices_alone(voices):
    made = make_noise("speech", 3 * RATE, RATE, 1, [voice * k for k, voice in enumerate(voices, start=1)])
    power = np.abs(np.fft.rfft(made)) ** 2 / len(made)
    at = [3 * hz for hz in (300, 700, 1100)]
    assert power[at].sum() > 0.999 * power.sum()


def test_a_voice_shorter_than_the_noise_goes_on_from_its_start():
    ramp = np.arange(1, 101, dtype=np.float32)
    made = make_noise("speech", 1000, RATE, 1, [ramp])
    np.testing.assert_array_equal(made[:900], made[100:])


@pytest.mark.parametrize("given", [[], [np.zeros(100, np.float32)]], ids=["none", "silent"])
def test_babble_needs_voices(given):
    with pytest.raises(ConfigError, match="none was given"):
        make_noise("speech", 100, RATE, 0, given)


# Recordings


def test_recordings_are_read_by_name_at_the_rate_wanted(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100)
    soundfile.write(tmp_path / "rain.wav", np.stack([tone, tone], axis=1), 44100)
    soundfile.write(tmp_path / "Car.FLAC", tone[:8000], 16000, format="FLAC")
    (tmp_path / "README.txt").write_text("where they come from")
    sounds = read_sounds(tmp_path, 16000)
    assert list(sounds) == ["Car", "rain"]
    assert sounds["Car"].shape == (8000,)
    assert sounds["rain"].shape == (16000,)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    np.testing.assert_allclose(sounds["rain"][1000:-1000], expected[1000:-1000], atol=5e-3)


@pytest.mark.parametrize(
    ("content", "error", "named", "fault"),
    [
        (None, ConfigError, "sounds", "is no folder"),
        ({}, ConfigError, "sounds", "no recording"),
        ({"a.txt": "text"}, ConfigError, "sounds", "no recording"),
        ({"a.wav": "text"}, CorpusError, "a.wav", "cannot be read"),
        ({"a.wav": 0.0}, CorpusError, "a.wav", "is silent"),
        ({"a.flac": 0.5, "a.wav": 0.5}, ConfigError, "a.wav", "the name of another"),
    ],
    ids=["absent", "empty", "no recordings", "no audio", "silent", "twice"],
)
def test_a_folder_that_cannot_be_used_is_named(tmp_path, content, error, named, fault):
    folder = tmp_path / "sounds"
    if content is not None:
        folder.mkdir()
        for name, what in content.items():
            if isinstance(what, str):
                (folder / name).write_text(what)
            else:
                soundfile.write(folder / name, np.full(100, what), RATE)
    with pytest.raises(error, match=fault) as caught:
        read_sounds(folder, RATE)
    assert caught.value.where.endswith(named)
