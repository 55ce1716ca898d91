import numpy as np
import pytest

from serflow.features.transforms.logpower import level, logpower

OPTIONS = {
    "sample_rate": 16000,
    "win_length": 640,
    "hop_length": 160,
    "n_fft": 1600,
    "fmax": 4000.0,
    "floor_db": -80.0,
}


def direct(signal, rate, win, hop, n_fft, rows, floor_db):
    """The normalised spectrogram by the definition of the DFT, in float64; no FFT, no strides."""
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(win) / win)
    time, k = np.arange(win), np.arange(rows)
    basis = np.exp(-2j * np.pi * np.outer(time, k) / n_fft)
    starts = range(0, len(signal) - win + 1, hop)
    power = np.array([np.abs((signal[start : start + win] * window) @ basis) ** 2 for start in starts])
    lifted = np.maximum(10 * np.log10(power / (window.sum() / 2) ** 2), floor_db) - floor_db
    points = lifted[lifted > 0]
    return lifted / np.sqrt(np.mean((points - points.mean()) ** 2))


@pytest.mark.parametrize(("win", "n_fft", "rows"), [(640, 1600, 400), (320, 1600, 400), (640, 800, 200)], ids=str)
def test_the_spectrogram_is_that_of_the_definition(speechlike, rate, win, n_fft, rows):
    found = logpower(speechlike, **OPTIONS | {"win_length": win, "n_fft": n_fft})
    expected = direct(speechlike.astype(float), rate, win, 160, n_fft, rows, -80.0)
    assert found.dtype == np.float32
    assert found.shape == expected.shape == (1 + (rate - win) // 160, rows)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert (found == 0).any()
    assert np.var(found[found > 0], dtype=float) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("n_samples", "n_frames"),
    [(1, 1), (640, 1), (799, 1), (800, 2), (48000, 297)],
)
def test_frames_lie_wholly_within_the_signal(n_samples, n_frames):
    signal = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)
    assert logpower(signal, **OPTIONS).shape == (n_frames, 400)


@pytest.mark.parametrize("frequency", [500, 3000])
def test_a_full_scale_sine_stands_at_0_db_in_its_row(frequency):
    sine = np.sin(2 * np.pi * frequency * np.arange(16000) / 16000).astype(np.float32)
    frames = level(sine, **OPTIONS)
    assert set(frames.argmax(axis=1)) == {frequency // 10}
    np.testing.assert_allclose(frames[:, frequency // 10], 0, atol=1e-3)
    quieter = level(sine / 10, **OPTIONS)
    np.testing.assert_allclose(quieter[:, frequency // 10], -20, atol=1e-3)
    lifted = logpower(sine, **OPTIONS)
    spread = np.std((frames + 80)[frames > -80], dtype=float)
    np.testing.assert_allclose(lifted[:, frequency // 10], 80 / spread, rtol=1e-4)


def test_rows_end_below_fmax():
    assert logpower(np.ones(640, np.float32), **OPTIONS | {"fmax": 3995.0}).shape == (1, 400)
    assert logpower(np.ones(640, np.float32), **OPTIONS | {"fmax": 3990.0}).shape == (1, 399)


def test_a_short_signal_is_padded_with_zeros_at_its_end():
    short = np.random.default_rng(0).standard_normal(300).astype(np.float32)
    padded = np.concatenate([short, np.zeros(340, np.float32)])
    np.testing.assert_array_equal(logpower(short, **OPTIONS), logpower(padded, **OPTIONS))


def test_silence_is_zero_and_what_does_not_vary_is_only_lifted():
    assert not logpower(np.zeros(16000, np.float32), **OPTIONS).any()
    one_point = OPTIONS | {"fmax": 10.0, "floor_db": -20.0}  # 0 Hz alone, where 0.5 is 0 dB
    np.testing.assert_allclose(logpower(np.full(640, 0.5, np.float32), **one_point), [[20.0]], atol=1e-4)


def test_the_flat_spectrum_of_a_single_sample_stays_within_half_precision():
    """What rounding leaves of its spread is no unit."""
    for at in (40, 80, 110):
        signal = np.zeros(16000, np.float32)
        signal[at] = 0.5
        assert np.isfinite(logpower(signal, **OPTIONS).astype(np.float16)).all()
