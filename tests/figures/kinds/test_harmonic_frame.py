import numpy as np
import pytest

from serflow.figures.kinds.harmonic_frame import middle_frame
from serflow.figures.published import plot_published

FIGURE = {"figure": "Figure 4", "kind": "harmonic_frame", "title": "a frame", "corpus": "iemocap", "recipe": "harmonic"}


def test_the_frame_has_the_tones_level_at_its_harmonics_and_the_depth_between_them(voice, harmonic):
    frame = middle_frame(voice(200, before=0.5, seconds=1.0, after=0.3), harmonic)
    assert frame.f0 == pytest.approx(200, rel=0.002)
    assert frame.time == pytest.approx(1.0, abs=0.05)
    peaks = np.isin(frame.freqs, 200.0 * np.arange(1, 19))
    amplitude_db = 20 * np.log10(0.05)
    np.testing.assert_allclose(frame.original[peaks], amplitude_db, atol=0.2)
    np.testing.assert_allclose(frame.modified[peaks], amplitude_db, atol=0.7)
    valleys = np.isin(frame.freqs, 100.0 + 200.0 * np.arange(1, 18))
    depth = 20 - 8 * frame.freqs[valleys] / 4000
    np.testing.assert_allclose(frame.envelope[valleys] - frame.modified[valleys], depth, atol=0.7)


def test_it_is_of_the_first_utterance_with_voice(voices, make_record, harmonic, tmp_path, texts_of, assert_whole):
    record = make_record(figures=[FIGURE], corpora=["iemocap"], recipes={"harmonic": harmonic})
    plot_published(record, "figure_4", tmp_path / "figure", manifests=[voices], roots=[tmp_path])
    text = " ".join(texts_of(tmp_path / "figure"))
    for part in ("utterance u2 of iemocap", "F0 200.", "original", "modified", "envelope"):
        assert part in text
    assert_whole(tmp_path / "figure")
