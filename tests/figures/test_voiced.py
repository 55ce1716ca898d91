import numpy as np
import pytest

from serflow.errors import CorpusError
from serflow.figures.voiced import choose_speech, longest_run


@pytest.mark.parametrize(
    ("voiced", "expected"),
    [([0, 0], (0, 0)), ([1, 1], (0, 2)), ([1, 0, 1, 1], (2, 4)), ([0, 1, 1, 0, 1, 1, 0], (1, 3))],
)
def test_the_longest_voiced_run(voiced, expected):
    assert longest_run(np.array(voiced, dtype=bool)) == expected


def test_speech_without_enough_voice_is_passed_over(voice, harmonic):
    brief = voice(200, before=0.5, seconds=0.1, after=0.5)
    late = np.concatenate([np.zeros(48000), voice(200, before=0, seconds=1.0, after=1.0)])  # in its second part
    tried = [({}, np.zeros(16000)), ({}, brief), ({}, late), ({"utterance": "x"}, late[48000:])]
    assert choose_speech(tried, harmonic).row == {"utterance": "x"}
    with pytest.raises(CorpusError):
        choose_speech([({}, brief)], harmonic)
