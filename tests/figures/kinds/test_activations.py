import numpy as np
import pytest
import torch
from safetensors.torch import save_model
from scipy.signal import correlate2d

from serflow.corpora.manifest import read_manifest
from serflow.features.build import build_store
from serflow.figures.kinds.activations import RULES, activation_maps, choose_filter
from serflow.figures.published import plot_published
from serflow.models import build

NETWORK = {"module": "satt", "convolutions": [[3, 12, 16]], "dense": 4, "dropout": 0.0, "lstm": None}
LABELS = ["neutral", "sad"]
FIGURE = {"figure": "Figure 2", "kind": "activations", "title": "two filters", "corpora": ["ravdess", "iemocap"]}
FIGURE |= {"recipe": "logpower", "systems": ["d"], "emotion": "neutral", "filters": ["vertical", "silence"]}


@pytest.fixture
def sources(voices, make_run, logpower, tmp_path):
    """A network with random weights, whose test part has two neutral utterances and a sad one, and its corpus."""
    torch.manual_seed(0)
    shape = [1, 400, 300]
    found = [("u1", "train", "neutral"), ("u3", "test", "neutral"), ("u2", "test", "neutral"), ("u4", "test", "sad")]
    system = {"recipe": logpower, "input": {"kind": "patch", "frames": 300}, "model": NETWORK}
    info = {"input_shape": shape, "input_statistics": None, "threads": 1, "precision": "fp32"}
    run = make_run(
        [(*known, known[-1]) for known in found],
        **{"corpus": "iemocap", "labels": LABELS, "system_config": system, "model_format": "safetensors", **info},
    )
    save_model(build(NETWORK, len(LABELS), shape), str(run / "model"))
    store = tmp_path / "features.zarr"
    build_store(logpower, read_manifest(voices), tmp_path, store, workers=1)
    return {"runs": [run], "manifests": [voices], "features": [store]}


def test_maps_of_the_first_test_utterance_stand_beside_its_spectrogram(
    sources, make_record, logpower, tmp_path, texts_of, assert_whole
):
    record = make_record(figures=[FIGURE], corpora=["ravdess", "iemocap"], recipes={"logpower": logpower})
    plot_published(record, "figure_2", tmp_path / "figure", **sources)
    text = " ".join(texts_of(tmp_path / "figure"))
    for part in ("first part of u2", "fold 0, seed 0, iemocap", "vertical: ", "silence: "):
        assert part in text
    assert_whole(tmp_path / "figure")


def test_maps_are_the_first_convolution_after_relu_before_pooling():
    torch.manual_seed(1)
    network = build(NETWORK, 2, [1, 40, 30]).eval()
    item = torch.rand(1, 1, 40, 30)
    maps = activation_maps(network, item)
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
    chosen = {kind: choose_filter(maps, spectrogram, kind) for kind in RULES}
    assert chosen == {"vertical": (3, np.inf), "horizontal": (1, 0.0), "silence": (5, pytest.approx(-1))}


def test_the_ratio_is_that_of_the_slopes_squared():
    frequency, time = np.mgrid[:5, :6]
    spectrogram = 3.0 * time + 2.0 * frequency
    assert choose_filter(spectrogram[None], spectrogram, "vertical") == (0, pytest.approx(9 / 4))


def test_no_filter_is_chosen_where_none_responds_so():
    spectrogram = np.random.default_rng(0).random((4, 5))
    dead, falling = np.zeros_like(spectrogram), 1 - spectrogram
    loud = np.maximum(spectrogram - np.median(spectrogram), 0)
    assert choose_filter(np.stack([dead, loud]), spectrogram, "silence") is None
    for kind in ("vertical", "horizontal"):
        assert choose_filter(np.stack([dead, falling]), spectrogram, kind) is None
