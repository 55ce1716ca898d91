import numpy as np
import pytest

from serflow.corpora.demo.names import DEMOS, utterances
from serflow.corpora.demo.synthesis import synthesise
from serflow.features.transforms.harmonic import envelope, harmonic, harmonic_spectrum, pitch
from serflow.features.transforms.logpower import frequencies, level

FRAME = {"sample_rate": 16000, "win_length": 640, "hop_length": 160}
GRID = {**FRAME, "n_fft": 1600, "fmax": 4000.0, "floor_db": -80.0}
RANGE = {"pitch_floor": 75.0, "pitch_ceiling": 500.0}
OPTIONS = {**GRID, **RANGE, "depth_low_db": 20.0, "depth_high_db": 12.0}
FREQS = np.arange(400) * 10.0


def complex_tone(f0, rate=16000, seconds=1.0, slope_db=-1.0):
    """A sum of the harmonics of `f0` up to 4 kHz, each `slope_db` dB from the one below, the first at -20 dB."""
    time = np.arange(int(rate * seconds)) / rate
    numbers = np.arange(1, int(4000 / f0))
    amplitudes = 10 ** ((-20 + slope_db * (numbers - 1)) / 20)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, len(numbers))
    tones = amplitudes[:, None] * np.sin(2 * np.pi * f0 * numbers[:, None] * time + phases[:, None])
    return tones.sum(axis=0).astype(np.float32)


# Formula (1)


def test_the_formula_is_the_envelope_at_harmonics_and_d_below_it_midway():
    smooth = -30 - FREQS / 200
    found = harmonic_spectrum(smooth, 200.0, FREQS, fmax=4000.0, depth_low_db=20.0, depth_high_db=12.0)
    np.testing.assert_allclose(found[::20], smooth[::20], atol=1e-9)  # 0, 200, 400 Hz
    midway = np.arange(100.0, 4000.0, 200.0)
    np.testing.assert_allclose(found[10::20], smooth[10::20] - (20 - 8 * midway / 4000), atol=1e-9)
    np.testing.assert_allclose(found[5::20], smooth[5::20] - 0.5 * (20 - 8 * FREQS[5::20] / 4000), atol=1e-9)


def test_the_formula_takes_many_frames_at_once():
    envelopes, f0 = np.random.default_rng(0).uniform(-60, -20, (3, 400)), np.array([90.0, 200.0, 333.0])
    options = {"fmax": 4000.0, "depth_low_db": 20.0, "depth_high_db": 12.0}
    together = harmonic_spectrum(envelopes, f0, FREQS, **options)
    for n in range(3):
        expected = harmonic_spectrum(envelopes[n], f0[n], FREQS, **options)
        np.testing.assert_allclose(together[n], expected)


@pytest.mark.parametrize("f0", [100.0, 250.0])
def test_a_tone_of_known_f0_is_rebuilt(f0):
    tone = complex_tone(f0)
    np.testing.assert_array_equal(frequencies(16000, 1600, 4000.0), FREQS)
    numbers = np.arange(1, int(4000 / f0))
    levels = -20.0 - (numbers - 1)
    frame = level(tone, **GRID)[40]
    found = envelope(frame, f0, FREQS)
    at_harmonics = (numbers * f0 / 10).astype(int)
    np.testing.assert_allclose(found[at_harmonics], levels, atol=0.1)
    midway = at_harmonics[:-1] + int(f0 / 20)
    np.testing.assert_allclose(found[midway], levels[:-1] - 0.5, atol=0.1)
    np.testing.assert_allclose(found[: int(f0 / 10)], levels[0], atol=0.1)
    # the whole transform, by the levels that were put in: E at k F0, E - D midway, lifted and in units of its spread
    frames = harmonic(tone, **OPTIONS)
    depth = 20 - 8 * FREQS / 4000
    expected = np.maximum(
        np.interp(FREQS, numbers * f0, levels) - 0.5 * (1 - np.cos(2 * np.pi * FREQS / f0)) * depth, -80
    )
    inside = slice(0, at_harmonics[-1] + 1)
    spread = np.std(expected[expected > -80] + 80)
    np.testing.assert_allclose(frames[40, inside] * spread, expected[inside] + 80, atol=0.01)  # dB


@pytest.mark.parametrize("f0", [75.0, 81.3, 123.4, 500.0])
def test_an_envelope_exists_for_every_pitch_on_either_grid(f0):
    for step in (10.0, 20.0):
        freqs = np.arange(0, 4000, step)
        found = envelope(np.linspace(-10, -70, len(freqs)), f0, freqs)
        assert np.isfinite(found).all()
        assert found.max() <= -10
        assert (np.diff(found) <= 1e-9).all()


# Pitch


@pytest.mark.parametrize("f0", [90.0, 310.0])
@pytest.mark.parametrize("win", [640, 320])
def test_a_steady_tone_has_its_pitch_in_every_inner_frame(f0, win):
    tone = complex_tone(f0)
    found = pitch(tone, **FRAME | {"win_length": win}, **RANGE)
    assert found.shape == (1 + (16000 - win) // 160,)
    np.testing.assert_allclose(found[3:-3], f0, rtol=1e-3)


def test_pitch_stands_at_the_frames_centres():
    time = np.arange(16000) / 16000
    f0 = 150 + 100 * time
    phase = 2 * np.pi * np.cumsum(f0) / 16000
    glide = (0.1 * sum(np.cos(k * phase) for k in range(1, 10))).astype(np.float32)
    # a signal whose length leaves Praat's frames half a hop beside ours
    for length in (16000, 15920):
        found = pitch(glide[:length], **FRAME, **RANGE)
        centres = 0.02 + 0.01 * np.arange(len(found))
        np.testing.assert_allclose(found[5:-5], 150 + 100 * centres[5:-5], atol=0.3)


@pytest.mark.parametrize("n_samples", [1, 640, 960])
def test_a_signal_too_short_for_praat_is_unvoiced(n_samples):
    found = pitch(np.ones(n_samples, np.float32), **FRAME, **RANGE)
    assert found.shape == (1 + max(0, n_samples - 640) // 160,)
    assert not found.any()
    frames = harmonic(np.ones(n_samples, np.float32), **OPTIONS)
    assert frames.shape == (len(found), 400)
    assert not frames.any()


def test_noise_and_silence_are_unvoiced_and_so_silent():
    assert not harmonic(np.zeros(16000, np.float32), **OPTIONS).any()
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    frames = harmonic(noise, **OPTIONS)
    assert (frames.any(axis=1) == (pitch(noise, **FRAME, **RANGE) > 0)).all()
    assert frames.any(axis=1).mean() < 0.1


@pytest.mark.parametrize("corpus", DEMOS)
def test_pitch_agrees_with_the_demo_corpora_s_true_f0(corpus):
    """Within 5 % on voiced frames, 99 % of those that both call voiced; few are missed."""
    turns = utterances(corpus)
    errors, missed, voiced = [], 0, 0
    for utterance in turns[:: len(turns) // 8]:
        signal, truth = synthesise(corpus, utterance)
        found = pitch(signal.astype(np.float32), **FRAME, **RANGE)
        true = truth[320 + 160 * np.arange(len(found))]
        both = (found > 0) & (true > 0)
        errors.extend(np.abs(found[both] / true[both] - 1))
        missed += np.sum((true > 0) & (found == 0))
        voiced += np.sum(true > 0)
    assert np.mean(np.array(errors) < 0.05) >= 0.99
    assert missed < 0.1 * voiced


# As a transform


def test_voiced_frames_hold_what_the_spectrogram_has_at_its_harmonics(speechlike):
    frames = harmonic(speechlike, **OPTIONS)
    f0 = pitch(speechlike, **FRAME, **RANGE)
    assert frames.dtype == np.float32
    assert frames.shape == (97, 400)
    assert frames.min() == 0
    assert 0 < np.mean(f0 > 0) < 1
    np.testing.assert_array_equal(frames.any(axis=1), f0 > 0)
    assert np.var(frames[frames > 0], dtype=float) == pytest.approx(1, abs=1e-5)


def test_noise_between_harmonics_goes(rate):
    tone = complex_tone(200.0)
    noisy = tone + 0.02 * np.random.default_rng(0).standard_normal(rate).astype(np.float32)
    options = {key: OPTIONS[key] for key in ("fmax", "depth_low_db", "depth_high_db")}
    before = level(noisy, **GRID)[40]
    after = harmonic_spectrum(envelope(before, 200.0, FREQS), 200.0, FREQS, **options)
    valleys = np.arange(10, 380, 20)
    assert np.all(after[valleys] - after[valleys + 10] < -8)
