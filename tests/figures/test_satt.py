import json
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
import torch
from matplotlib.image import imread
from safetensors.torch import save_model
from scipy.signal import correlate2d

from serflow.errors import CorpusError, TrainingError
from serflow.figures import satt
from serflow.figures.published import plot_figure
from serflow.io.files import write_csv
from serflow.models import build

RATE, HOP, WINDOW = 16000, 160, 640
LOGPOWER = {
    **{"transform": "logpower", "segment_seconds": 3.0, "dtype": "float16", "sample_rate": RATE},
    **{"win_length": WINDOW, "hop_length": HOP, "n_fft": 1600, "fmax": 4000.0, "floor_db": -80.0},
}
HARMONIC = LOGPOWER | {
    **{"transform": "harmonic", "pitch_floor": 75.0, "pitch_ceiling": 500.0},
    **{"depth_low_db": 20.0, "depth_high_db": 12.0},
}
NETWORK = {"module": "satt", "convolutions": [[3, 12, 16]], "dense": 4, "dropout": 0.0, "lstm": None}
LABELS = ["neutral", "sad"]
ABOUT = {"corpora": ["toy"]}
PAPER = {
    "title": "Toy paper",
    "recipes": {"logpower": LOGPOWER, "harmonic": HARMONIC},
    "figures": [
        {"figure": "Figure 2", "kind": "activations", "title": "one filter", "recipe": "logpower", **ABOUT}
        | {"systems": ["net"], "emotion": "neutral", "filters": ["vertical"]},
        {"figure": "Figure 3", "kind": "activations", "title": "two filters", "recipe": "logpower", **ABOUT}
        | {"systems": ["net"], "emotion": "neutral", "filters": ["horizontal", "silence"]},
        {"figure": "Figure 4", "kind": "harmonic_frame", "title": "a frame", "recipe": "harmonic", **ABOUT},
        {"figure": "Figure 5", "kind": "noisy_spectrograms", "title": "noisy", "recipe": "harmonic", **ABOUT}
        | {"sounds": ["speech", "rock"], "snr_db": 0.0},
    ],
}


def voice(f0, *, before, seconds, after, level=0.05):
    """Harmonics of `f0` up to 4 kHz, of equal amplitude, between two silences."""
    t = np.arange(round(seconds * RATE)) / RATE
    tone = sum(level * np.sin(2 * np.pi * k * f0 * t + k * k) for k in range(1, int(4000 / f0)))
    return np.concatenate([np.zeros(round(before * RATE)), tone, np.zeros(round(after * RATE))])


def texts_of(path):
    nodes = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314
    return " ".join("".join(node.itertext()) for node in nodes)


@pytest.fixture
def corpus(tmp_path):
    """Three speakers; the first utterance by name is silent, u2 is the first with voice, of speaker B."""
    rng = np.random.default_rng(0)
    rows = []
    for name, speaker, emotion, signal in (
        ("u1", "A", "neutral", np.zeros(RATE)),
        ("u2", "B", "neutral", voice(200, before=0.5, seconds=1.0, after=0.3)),
        ("u3", "C", "neutral", voice(120, before=0.1, seconds=0.6, after=0.1)),
        ("u4", "C", "sad", voice(150, before=0.1, seconds=0.6, after=0.1)),
    ):
        soundfile.write(tmp_path / f"{name}.wav", signal + 1e-5 * rng.standard_normal(len(signal)), RATE)
        rows.append(
            {"utterance": name, "path": f"{name}.wav", "corpus": "toy", "speaker": speaker, "emotion": emotion}
            | {"sha1": name, "samples": str(len(signal)), "sample_rate": str(RATE)}
        )
    write_csv(tmp_path / "manifest.csv", list(rows[0]), rows)
    return rows


@pytest.fixture
def run(tmp_path):
    """A network with random weights, whose test part has two neutral utterances and a sad one."""
    torch.manual_seed(0)
    shape = [1, 400, 300]
    path = tmp_path / "run"
    path.mkdir()
    save_model(build(NETWORK, len(LABELS), shape), str(path / "model"))
    info = {"labels": LABELS, "corpus": "toy", "seed": 0, "fold": 2, "input_shape": shape, "input_statistics": None}
    info |= {"threads": 1, "precision": "fp32", "model_format": "safetensors"}
    info["system_config"] = {"recipe": LOGPOWER, "input": {"kind": "patch", "frames": 300}, "model": NETWORK}
    (path / "run.json").write_text(json.dumps(info))
    found = [("u1", "train", "neutral"), ("u3", "test", "neutral"), ("u2", "test", "neutral"), ("u4", "test", "sad")]
    rows = [{"utterance": u, "part": part, "label": label, "predicted": label} for u, part, label in found]
    write_csv(path / "predictions.csv", list(rows[0]), rows)
    return path


@pytest.fixture
def sources(corpus, run, tmp_path):
    """What each figure of the paper is drawn from."""
    from serflow.features import cache

    store = tmp_path / "features.zarr"
    cache.build(LOGPOWER, corpus, tmp_path, store, workers=1)
    manifests = [tmp_path / "manifest.csv"]
    shown = {"runs": [run], "manifests": manifests, "store": store}
    heard = {"manifests": manifests, "roots": [tmp_path]}
    return {"figure_2": shown, "figure_3": shown, "figure_4": heard, "figure_5": heard}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("figure_2", ["first part of u2", "first neutral utterance", "fold 2", "vertical: ", satt.RULES["vertical"]]),
        ("figure_3", ["first part of u2", "horizontal: ", "silence: ", satt.RULES["silence"]]),
        ("figure_4", ["utterance u2 of toy", "F0 200.", "original", "modified", "envelope"]),
        (
            "figure_5",
            ["utterance u2 of toy", "clean: log spectrogram", "speech (generated stand-in), 0 dB", "rock (generated"],
        ),
    ],
)
def test_each_figure_is_drawn_whole_and_says_what_it_shows(sources, tmp_path, name, expected):
    plot_figure(PAPER, name, tmp_path / name, **sources[name])
    text = texts_of(tmp_path / f"{name}.svg")
    assert [part for part in expected if part not in text] == []
    pixels = imread(tmp_path / f"{name}.png")[..., :3]
    for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
        assert (edge == 1).all()


@pytest.mark.parametrize(("names", "shown"), [(("rock", "wind"), ["rock"]), (("rain", "sea", "wind"), ["rain", "sea"])])
def test_recordings_take_the_place_of_the_stand_ins(sources, tmp_path, names, shown):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name in names:
        soundfile.write(folder / f"{name}.wav", 0.1 * np.random.default_rng(1).standard_normal(4000), RATE)
    plot_figure(PAPER, "figure_5", tmp_path / "figure", **sources["figure_5"], sounds_folder=folder)
    text = texts_of(tmp_path / "figure.svg")
    assert [name for name in ("rain", "rock", "sea", "speech", "wind") if f"{name} (recorded), 0 dB" in text] == shown
    assert "stand-in" not in text


def test_babble_is_of_other_speakers_than_the_utterances(sources, tmp_path, monkeypatch):
    heard = {}

    def make_noise(sound, n_samples, sample_rate, seed, voices=()):
        heard[sound] = [len(voice) for voice in voices]
        return np.random.default_rng(seed).standard_normal(n_samples)

    monkeypatch.setattr("serflow.features.noise.make_noise", make_noise)
    plot_figure(PAPER, "figure_5", tmp_path / "figure", **sources["figure_5"])
    own = round(1.8 * RATE)
    assert heard["speech"]
    assert own not in heard["speech"]


def test_a_run_without_the_emotion_in_its_test_part_is_named(sources, tmp_path):
    paper = PAPER | {"figures": [PAPER["figures"][0] | {"emotion": "angry"}]}
    with pytest.raises(TrainingError, match="no angry utterance in its test part"):
        plot_figure(paper, "figure_2", tmp_path / "figure", **sources["figure_2"])


def test_maps_are_the_first_convolution_after_relu_before_pooling():
    torch.manual_seed(1)
    network = build(NETWORK, 2, [1, 40, 30]).eval()
    item = torch.rand(1, 1, 40, 30)
    maps = satt.activation_maps(network, item)
    state = network.state_dict()
    weight, bias = (next(value for key, value in state.items() if key.endswith(end)) for end in ("weight", "bias"))
    padded = np.pad(item[0, 0].numpy(), ((5, 6), (7, 8)))  # 'same' for a kernel of 12 x 16
    expected = [
        np.maximum(correlate2d(padded, kernel[0], mode="valid") + offset, 0)
        for kernel, offset in zip(weight.numpy(), bias.numpy(), strict=True)
    ]
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)


def test_filters_are_told_apart_by_the_stripes_and_the_sign_of_their_maps():
    frequency, time = np.mgrid[:40, :60]
    harmonics, onsets = 1 + np.sin(frequency), 1 + np.sin(time)
    spectrogram = harmonics + onsets
    seldom = np.where(spectrogram < np.quantile(spectrogram, 0.2), 1.0, 0.0)  # silent over most of the silence
    maps = np.stack([np.zeros_like(spectrogram), harmonics, spectrogram, onsets, seldom, 4 - spectrogram, 2 - onsets])
    chosen = {kind: satt.choose_filter(maps, spectrogram, kind) for kind in satt.RULES}
    assert chosen == {"vertical": (3, np.inf), "horizontal": (1, 0.0), "silence": (5, pytest.approx(-1))}


def test_the_ratio_is_that_of_the_slopes_squared():
    frequency, time = np.mgrid[:5, :6]
    spectrogram = 3.0 * time + 2.0 * frequency
    assert satt.choose_filter(spectrogram[None], spectrogram, "vertical") == (0, pytest.approx(9 / 4))


def test_no_filter_is_chosen_where_none_responds_so():
    spectrogram = np.random.default_rng(0).random((4, 5))
    dead, falling = np.zeros_like(spectrogram), 1 - spectrogram
    loud = np.maximum(spectrogram - np.median(spectrogram), 0)
    assert satt.choose_filter(np.stack([dead, loud]), spectrogram, "silence") is None
    for kind in ("vertical", "horizontal"):
        assert satt.choose_filter(np.stack([dead, falling]), spectrogram, kind) is None


@pytest.mark.parametrize(
    ("voiced", "expected"),
    [([0, 0], (0, 0)), ([1, 1], (0, 2)), ([1, 0, 1, 1], (2, 4)), ([0, 1, 1, 0, 1, 1, 0], (1, 3))],
)
def test_the_longest_voiced_run(voiced, expected):
    assert satt.longest_run(np.array(voiced, dtype=bool)) == expected


def test_speech_without_enough_voice_is_passed_over():
    brief = voice(200, before=0.5, seconds=0.1, after=0.5)
    late = np.concatenate([np.zeros(3 * RATE), voice(200, before=0, seconds=1.0, after=1.0)])  # in its second part
    found = satt.choose_speech(
        iter([({}, np.zeros(RATE)), ({}, brief), ({}, late), ({"utterance": "x"}, late[3 * RATE :])]), HARMONIC
    )
    assert found.row == {"utterance": "x"}
    with pytest.raises(CorpusError, match="no utterance has a voiced run"):
        satt.choose_speech(iter([({}, brief)]), HARMONIC)


def test_the_frame_shown_has_the_tones_level_at_its_harmonics_and_the_depth_between_them():
    frame = satt.middle_frame(voice(200, before=0.5, seconds=1.0, after=0.3), HARMONIC)
    assert frame.f0 == pytest.approx(200, rel=0.002)
    assert frame.time == pytest.approx(1.0, abs=0.05)
    peaks = np.isin(frame.freqs, 200.0 * np.arange(1, 19))
    amplitude_db = 20 * np.log10(0.05)
    np.testing.assert_allclose(frame.original[peaks], amplitude_db, atol=0.2)
    np.testing.assert_allclose(frame.modified[peaks], amplitude_db, atol=0.7)
    valleys = np.isin(frame.freqs, 100.0 + 200.0 * np.arange(1, 18))
    depth = 20 - 8 * frame.freqs[valleys] / 4000
    np.testing.assert_allclose(frame.envelope[valleys] - frame.modified[valleys], depth, atol=0.7)


def test_a_tone_stands_at_its_time_and_frequency():
    from serflow.features.transforms.logpower import level

    tone = voice(1000, before=1.0, seconds=0.5, after=0.5)
    pair = (level(tone, **satt._options(level, HARMONIC)) + 80).T
    figure = satt.noisy_spectrograms({"tone": (pair, pair)}, HARMONIC, "toy")
    image = figure.axes[0].get_images()[0]
    left, right, bottom, top = image.get_extent()
    values = np.asarray(image.get_array())
    hz = bottom + (np.arange(values.shape[0]) + 0.5) * (top - bottom) / values.shape[0]
    seconds = left + (np.arange(values.shape[1]) + 0.5) * (right - left) / values.shape[1]
    assert hz[0] == pytest.approx(0)
    assert hz[values[:200].max(axis=1).argmax()] == pytest.approx(1000)
    loud = seconds[values.max(axis=0) > values.max() - 6]
    assert loud[0] == pytest.approx(1.0, abs=0.011)
    assert loud[-1] == pytest.approx(1.5, abs=0.011)


def test_no_label_is_longer_than_its_axis():
    from serflow.figures.style import style

    pair = (np.eye(400, 100), np.eye(400, 100))
    figure = satt.noisy_spectrograms({"clean": pair, "rock": pair}, HARMONIC, "toy")
    with style():
        figure.draw_without_rendering()
    for axes in figure.axes:
        if axes.get_ylabel():
            assert axes.yaxis.label.get_window_extent().height <= axes.bbox.height, axes.get_ylabel()
