import numpy as np
import pytest

from serflow.features.transforms.logpower import level
from serflow.features.transforms.logspectrogram import logspectrogram
from serflow.figures.spectrograms import centre_frequencies, draw_map, draw_spectrogram
from serflow.figures.style import new_figure
from serflow.figures.voiced import apply

RATE = 16000
LINEAR = {"sample_rate": RATE, "n_fft": 512, "hop_length": 256, "top_db": 80.0}
LOGPOWER = {"sample_rate": RATE, "win_length": 640, "hop_length": 160, "n_fft": 1600, "fmax": 4000.0, "floor_db": -80.0}
TONE = np.concatenate([np.zeros(RATE), np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / RATE), np.zeros(RATE // 2)])


def axes_of(draw, values, recipe, *more):
    figure = new_figure(4, 3)
    axes = figure.subplots()
    draw(figure, axes, values, recipe, *more)
    image = axes.get_images()[0]
    left, right, bottom, top = image.get_extent()
    values = np.asarray(image.get_array())
    rows = bottom + (np.arange(values.shape[0]) + 0.5) * (top - bottom) / values.shape[0]
    columns = left + (np.arange(values.shape[1]) + 0.5) * (right - left) / values.shape[1]
    return axes, values, rows, columns


def test_a_tone_stands_at_its_time_and_frequency_in_a_map():
    _, values, hz, seconds = axes_of(draw_map, (apply(level, TONE, LOGPOWER) + 80).T, LOGPOWER, "level")
    assert hz[0] == pytest.approx(0)
    assert hz[values.max(axis=1).argmax()] == pytest.approx(1000)
    loud = seconds[values.max(axis=0) > values.max() - 6]
    assert loud[0] == pytest.approx(1.0, abs=0.011)
    assert loud[-1] == pytest.approx(1.5, abs=0.011)


def test_a_tone_stands_at_its_time_and_beside_its_frequency_in_a_spectrogram():
    frames = logspectrogram(TONE.astype(np.float32), **LINEAR)
    axes, values, rows, seconds = axes_of(draw_spectrogram, frames, LINEAR)
    ticks = dict(zip([text.get_text() for text in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    loudest = int(values.mean(axis=1).argmax())
    assert rows[loudest] == pytest.approx(ticks["1000"])
    loud = seconds[values[loudest] > -6]
    assert (loud[0], loud[-1]) == (pytest.approx(1.0, abs=0.02), pytest.approx(1.5, abs=0.02))


def test_mel_bands_lie_between_fmin_and_fmax_and_widen():
    recipe = {"sample_rate": RATE, "n_fft": 512, "n_mels": 40, "fmin": 50.0, "fmax": 7000.0}
    centres = centre_frequencies(recipe, 40)
    assert 50 < centres[0] < centres[-1] < 7000
    assert np.diff(centres)[-1] > 3 * np.diff(centres)[0]
