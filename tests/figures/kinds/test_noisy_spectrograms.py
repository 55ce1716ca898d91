import numpy as np
import pytest
import soundfile

from serflow.figures.kinds import noisy_spectrograms
from serflow.figures.published import plot_published

RATE = 16000
FIGURE = {"figure": "Figure 5", "kind": "noisy_spectrograms", "title": "noisy", "corpus": "iemocap"}
FIGURE |= {"recipe": "harmonic", "sounds": ["speech", "rock"], "snr_db": 0.0}


@pytest.fixture
def draw(voices, make_record, harmonic, tmp_path, texts_of):
    """Draw the figure and return its texts."""

    def run(**sources):
        record = make_record(figures=[FIGURE], corpora=["iemocap"], recipes={"harmonic": harmonic})
        plot_published(record, "figure_5", tmp_path / "figure", manifests=[voices], roots=[tmp_path], **sources)
        return " ".join(texts_of(tmp_path / "figure"))

    return run


def test_stand_ins_are_mixed_with_the_first_utterance_that_has_voice_babble_is_of_other_speakers(
    draw, tmp_path, assert_whole, monkeypatch
):
    lengths = {}

    def make_noise(sound, n_samples, sample_rate, seed, voices=()):
        lengths[sound] = [len(voice) for voice in voices]
        return np.random.default_rng(seed).standard_normal(n_samples)

    monkeypatch.setattr(noisy_spectrograms, "make_noise", make_noise)
    text = draw()
    assert lengths["speech"]
    assert round(1.8 * RATE) not in lengths["speech"]  # the utterance's own
    for part in ("utterance u2 of iemocap", "clean: log spectrogram", "speech (generated stand-in), 0 dB", "rock (gen"):
        assert part in text
    assert_whole(tmp_path / "figure")


@pytest.mark.parametrize(("names", "shown"), [(("rock", "wind"), ["rock"]), (("rain", "sea", "wind"), ["rain", "sea"])])
def test_recordings_take_the_place_of_the_stand_ins(draw, tmp_path, names, shown):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name in names:
        soundfile.write(folder / f"{name}.wav", 0.1 * np.random.default_rng(1).standard_normal(4000), RATE)
    text = draw(sounds=[folder])
    assert [name for name in ("rain", "rock", "sea", "speech", "wind") if f"{name} (recorded), 0 dB" in text] == shown
    assert "stand-in" not in text
