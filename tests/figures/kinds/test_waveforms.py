import numpy as np

from serflow.figures.kinds.waveforms import waveforms
from serflow.figures.request import Request

FIGURE = {"figure": "Figure 5", "kind": "waveforms", "title": "two", "corpus": "ravdess", "emotions": ["happy", "calm"]}


def test_the_mean_of_the_channels_is_drawn_as_features_take_it(make_corpus, make_record, tmp_path):
    left, right = 0.5 * np.sin(np.arange(400) / 7), 0.25 * np.cos(np.arange(400) / 3)
    manifest = make_corpus(
        [("u1", "01", "calm", np.stack([left, right], axis=1)), ("u2", "01", "happy", np.stack([left, -left], axis=1))]
    )
    paper = make_record(figures=[FIGURE]).paper
    request = Request(paper, paper.figures[0], manifests=[manifest], roots=[tmp_path])
    happy, calm = waveforms(request, **paper.figures[0].options).axes
    assert (happy.get_title(), calm.get_title()) == ("happy: u2", "calm: u1")
    np.testing.assert_allclose(calm.lines[0].get_ydata(), (left + right) / 2, atol=2**-15)
    np.testing.assert_allclose(happy.lines[0].get_ydata(), 0, atol=2**-15)
    np.testing.assert_allclose(calm.lines[0].get_xdata(), np.arange(400) / 16000)
