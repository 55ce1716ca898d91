import numpy as np
import pytest

from serflow.features.segments import count_segments, cut


@pytest.mark.parametrize(
    ("samples", "rate", "seconds", "expected"),
    [
        (1, 16000, 3.0, 1),
        (48001, 16000, 3.0, 2),
        (96000, 16000, 3.0, 2),
        (320000, 16000, 3.0, 7),  # 20 s
        (30870, 44100, 0.7, 1),
        (30871, 44100, 0.7, 2),
    ],
)
def test_there_are_as_few_parts_as_can_be(samples, rate, seconds, expected):
    assert count_segments(samples, rate, seconds) == expected


@pytest.mark.parametrize("samples", [48001, 319999])
def test_parts_are_near_equal_and_short_enough_and_lose_nothing(samples):
    signal = np.arange(samples, dtype=np.float32)
    parts = cut(signal, count_segments(samples, 16000, 3.0))
    lengths = [len(part) for part in parts]
    assert max(lengths) <= 48000
    assert max(lengths) - min(lengths) <= 1
    np.testing.assert_array_equal(np.concatenate(parts), signal)
