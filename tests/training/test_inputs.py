import dataclasses

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from serflow.errors import ConfigError
from serflow.training.batches import make_picker
from serflow.training.dataset import Dataset, prepare

CPU = torch.device("cpu")
IMAGE = {"kind": "image", "height": 8, "width": 8, "floor_db": -80.0}


def dataset(*items):
    frames = np.concatenate(items).astype(np.float32)
    offsets = np.cumsum([0, *map(len, items)])
    names, owner = [str(n) for n in range(len(items))], np.arange(len(items))
    return Dataset(frames, offsets, np.zeros(len(items), np.int64), {}, names, owner, ["sad"] * len(items))


def items_of(options, data):
    return picked(prepare(options, data), data)


def picked(inputs, data):
    return make_picker(inputs, CPU)(torch.arange(len(data.labels)))


def test_low_frequencies_are_at_the_bottom_and_time_runs_right():
    item = np.full((5, 4), -80.0)  # frames, bands
    item[:, 0] = 0.0  # the lowest band is loud throughout
    item[4, :] = 0.0  # the last frame is loud in all
    images = items_of(IMAGE | {"height": 4, "width": 5}, dataset(item))
    assert images.shape == (1, 1, 4, 5)
    expected = torch.zeros(4, 5)
    expected[3, :] = 1  # bottom row
    expected[:, 4] = 1  # rightmost column
    assert torch.equal(images[0, 0], expected)


@pytest.mark.parametrize(("n_frames", "floor"), [(3, -80.0), (111, -160.0)])
def test_any_duration_gives_the_same_size_by_torchs_resizing(n_frames, floor):
    rng = np.random.default_rng(n_frames)
    items = [rng.uniform(-80, 0, (n, 16)) for n in (7, n_frames)]
    images = items_of(IMAGE | {"floor_db": floor}, dataset(*items))
    assert images.shape == (2, 1, 8, 8)
    assert images.dtype == torch.float32
    picture = torch.from_numpy(items[1].astype(np.float32)).T.flip(0)[None, None] / -floor + 1
    expected = F.interpolate(picture, (8, 8), mode="bilinear", antialias=True, align_corners=False)
    torch.testing.assert_close(images[1:], expected, atol=1e-5, rtol=0)
    assert 0 <= images.min() <= images.max() <= 1


def test_a_batch_has_three_equal_channels_normalised_as_imagenets():
    inputs = prepare(IMAGE, dataset(np.full((4, 16), -40.0), np.zeros((9, 16))))
    batch = inputs.finish(torch.from_numpy(inputs.items))
    assert inputs.shape == (3, 8, 8)
    assert batch.shape == (2, 3, 8, 8)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for channel, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        torch.testing.assert_close(batch[0, channel], torch.full((8, 8), (0.5 - mean) / std))
        torch.testing.assert_close(batch[1, channel], torch.full((8, 8), (1 - mean) / std))


def test_an_unknown_kind_is_named():
    with pytest.raises(ConfigError, match=r"'picture'.*image"):
        prepare({"kind": "picture"}, dataset(np.zeros((1, 1))))


def test_colours_are_matplotlibs_magma():
    """Every step of the palette, and values between them, as matplotlib draws them from -80 dB (dark) to 0."""
    import matplotlib as mpl

    level = np.append(np.linspace(-80, 0, 1023), [-0.0])[:, None].repeat(2, 1)
    images = items_of(IMAGE | {"height": 2, "width": 1024, "colours": "magma"}, dataset(level))
    assert (images.shape, images.dtype) == ((1, 3, 2, 1024), torch.float32)
    expected = mpl.colormaps["magma"](1 + level[:, 0].astype(np.float32) / np.float32(80), bytes=True)[:, :3]
    np.testing.assert_allclose(images[0, :, 0].numpy().T * 255, expected, atol=0.1)  # kept in half precision
    assert len(np.unique(expected, axis=0)) == 256


def test_a_picture_is_what_specshow_draws(tmp_path):
    """Bands of noise of different levels, drawn by librosa without axes, saved and resized."""
    import librosa
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    rng = np.random.default_rng(0)
    level = np.repeat(rng.uniform(-80, 0, (10, 16)), 8, axis=1).repeat(20, axis=0)  # 200 frames, 128 bands
    level[0, 0], level[0, 1] = 0, -80  # specshow's colours go from the lowest to the highest value
    figure = Figure(figsize=(6.4, 4.8))
    axes = figure.add_axes((0, 0, 1, 1))
    librosa.display.specshow(level.T, sr=16000, hop_length=128, x_axis="time", y_axis="mel", ax=axes)
    axes.axis("off")
    figure.savefig(tmp_path / "picture.png")
    drawn = torch.from_numpy(imread(tmp_path / "picture.png")[..., :3]).permute(2, 0, 1)[None]
    expected = F.interpolate(drawn, (64, 64), mode="bilinear", antialias=True, align_corners=False)
    options = IMAGE | {"height": 64, "width": 64, "colours": "magma"}
    found = items_of(options | {"mel_axis": 8000.0}, dataset(level))
    assert float((found - expected).abs().mean()) < 0.03
    assert float((items_of(options, dataset(level)) - expected).abs().mean()) > 0.1  # with bands of one height


def test_colours_are_normalised_channel_by_channel():
    inputs = prepare(IMAGE | {"colours": "magma"}, dataset(np.zeros((4, 16))))
    assert inputs.shape == (3, 8, 8)
    batch = inputs.finish(torch.from_numpy(inputs.items).float())
    brightest = torch.tensor([251, 252, 191]) / 255
    expected = (brightest - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(batch[0, :, 3, 3], expected, atol=3e-3, rtol=0)


# One channel, sequences, vectors


def test_a_grey_image_stays_as_it_is():
    inputs = prepare(IMAGE | {"channels": 1, "normalise": "none"}, dataset(np.full((4, 16), -20.0)))
    assert inputs.shape == (1, 8, 8)
    batch = inputs.finish(torch.from_numpy(inputs.items))
    torch.testing.assert_close(batch, torch.full((1, 1, 8, 8), 0.75))


def test_sequences_are_filled_and_cropped_at_the_end():
    short, long = np.arange(1.0, 7.0).reshape(3, 2), np.arange(20.0).reshape(10, 2)
    data = dataset(short, long, short)
    inputs = prepare({"kind": "sequence", "frames": 5}, data)
    assert inputs.shape == (5, 2)
    found = picked(inputs, data).numpy()
    filled = [*short, [0, 0], [0, 0]]
    np.testing.assert_array_equal(found, [filled, long[:5], filled])
    assert inputs.statistics is None


def test_standardisation_knows_the_training_part_alone():
    """By scikit-learn over the training items' frames; what fills is the mean, 0; other items are not looked at."""
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    items = [rng.normal(k, 1 + k, (4 + k, 3)) * [1, 100, 0] + [0, 5, 7] for k in range(4)]
    data = dataclasses.replace(dataset(*items), parts={"train": np.array([2, 0]), "test": np.array([1, 3])})
    inputs = prepare({"kind": "sequence", "frames": 6, "standardise": True}, data)
    scaler = StandardScaler().fit(np.concatenate([items[2], items[0]]))
    np.testing.assert_allclose(inputs.statistics["mean"], scaler.mean_, rtol=1e-5)
    np.testing.assert_allclose(inputs.statistics["scale"], scaler.scale_, rtol=1e-5)
    found = picked(inputs, data)
    np.testing.assert_allclose(found[1][:5], scaler.transform(items[1]), rtol=1e-4, atol=1e-5)
    assert not found[0][4:].any()
    items[3] += 1000
    changed = dataclasses.replace(dataset(*items), parts=data.parts)
    assert torch.equal(items_of({"kind": "sequence", "frames": 6, "standardise": True}, changed)[:3], found[:3])


def test_a_vector_is_the_mean_over_time():
    items = [np.random.default_rng(n).normal(size=(3 + n, 4)) for n in range(3)]
    inputs = prepare({"kind": "vector"}, dataset(*items))
    assert inputs.shape == (4,)
    np.testing.assert_allclose(inputs.items, [item.mean(axis=0) for item in items], rtol=1e-5, atol=1e-6)


def test_given_statistics_take_the_place_of_the_training_parts():
    """As new recordings are standardised with those of a run."""
    item, known = np.array([[3.0, 7.0], [5.0, -1.0]]), {"mean": [1.0, 7.0], "scale": [2.0, 4.0]}
    inputs = prepare({"kind": "sequence", "frames": 3, "standardise": True}, dataset(item), known)
    np.testing.assert_array_equal(picked(inputs, dataset(item))[0], [[1, 0], [2, -2], [0, 0]])
    assert inputs.statistics == known


# Patches


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_patches_are_items_upright_filled_with_zeros_at_the_end(dtype):
    lengths = (3, 5, 1, 4)
    items = [np.random.default_rng(n).normal(size=(n, 2)).astype(dtype) for n in lengths]
    data = dataclasses.replace(dataset(*items), frames=np.concatenate(items))
    inputs = prepare({"kind": "patch", "frames": 5}, data)
    assert inputs.shape == (1, 2, 5)
    order = [3, 0, 0, 1, 2]  # the last item has nothing behind it to be taken by mistake
    batch = inputs.finish(make_picker(inputs, CPU)(torch.tensor(order)))
    assert batch.shape == (5, 1, 2, 5)
    assert batch.dtype == torch.float32
    for found, n in zip(batch[:, 0].numpy(), order, strict=True):
        np.testing.assert_array_equal(found[:, : lengths[n]], items[n].T.astype(np.float32))
        assert not found[:, lengths[n] :].any()


@pytest.mark.parametrize("kind", ["patch", "sequence"])
def test_patches_and_sequences_are_made_from_the_frames_as_they_are_stored(kind):
    """No second copy of them, neither in float32 nor filled up."""
    frames = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float16)
    data = dataclasses.replace(dataset(frames[:3], frames[3:]), frames=frames)
    inputs = prepare({"kind": kind, "frames": 300}, data)
    assert np.shares_memory(inputs.items, frames)
    assert inputs.items.nbytes == 7 * 4 * 2


def test_an_item_that_is_longer_than_its_patch_is_named():
    with pytest.raises(ConfigError, match=r"input\.frames.* 5\b.* 6\b") as caught:
        prepare({"kind": "patch", "frames": 5}, dataset(np.zeros((5, 2)), np.zeros((6, 2))))
    assert "segment_seconds" in caught.value.remedy


@pytest.mark.parametrize("options", [IMAGE, {"kind": "sequence", "frames": 6, "standardise": True}, {"kind": "vector"}])
def test_frames_stored_in_half_precision_are_computed_with_in_single(options):
    items = [np.random.default_rng(n).uniform(-80, 0, (n, 16)).astype(np.float16) for n in (5, 9)]
    single = dataclasses.replace(dataset(*items), parts={"train": np.array([0, 1])})
    half = dataclasses.replace(single, frames=single.frames.astype(np.float16))
    found = items_of(options, half)
    assert found.dtype == torch.float32
    assert torch.equal(found, items_of(options, single))


def test_posteriors_of_segments_are_averaged():
    data = dataclasses.replace(
        dataset(*[np.zeros((1, 1))] * 4), utterances=["a", "b"], owner=np.array([1, 0, 0, 0]), emotions=["sad", "sad"]
    )
    posteriors = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9]])
    np.testing.assert_allclose(data.average(posteriors), [[0.3, 0.7], [0.9, 0.1]])


def scoped(scope, kind="sequence", **options):
    """Six utterances, two of each of three speakers of two corpora; the last bin is constant within a speaker."""
    rng = np.random.default_rng(0)
    names = ["ravdess/01", "ravdess/02", "ravdess/01", "ravdess/02", "savee/01", "savee/01"]
    items = [rng.normal(3 * n, 1 + n, (5 + n, 3)) for n in range(6)]
    for item, name in zip(items, names, strict=True):
        item[:, 2] = len(name) + int(name[-1])
    data = dataclasses.replace(dataset(*items), speakers=names)
    return items_of({"kind": kind, "scope": scope} | options, data).numpy(), items, names


@pytest.mark.parametrize(("scope", "group"), [("utterance", None), ("speaker", str), ("corpus", lambda s: s[:5])])
def test_frames_are_standardised_within_each_group_as_scikit_learn_does(scope, group):
    found, items, names = scoped(scope, frames=10, standardise=True)
    groups = [str(n) if group is None else group(name) for n, name in enumerate(names)]
    for n, item in enumerate(items):
        mine = np.concatenate([other for other, key in zip(items, groups, strict=True) if key == groups[n]])
        expected = StandardScaler().fit(mine).transform(item.astype(np.float32))
        np.testing.assert_allclose(found[n][: len(item)], expected, atol=1e-4)
        assert not found[n][len(item) :].any()


def test_vectors_are_standardised_within_each_speaker():
    found, items, names = scoped("speaker", kind="vector")
    means = np.array([item.mean(axis=0) for item in items])
    rows = [n for n, name in enumerate(names) if name == "ravdess/02"]
    np.testing.assert_allclose(found[rows], StandardScaler().fit_transform(means[rows]), atol=1e-4)


def test_a_scope_of_speakers_needs_them():
    options = {"kind": "sequence", "frames": 4, "standardise": True, "scope": "speaker"}
    with pytest.raises(ConfigError, match=r"input\.scope"):
        prepare(options, dataset(np.ones((4, 2))))
