import hashlib
import shutil

import librosa
import numpy as np
import pytest
import soundfile
import zarr

from serflow.errors import ConfigError, CorpusError
from serflow.features import build
from serflow.features.build import build_store
from serflow.features.store import open_store
from serflow.features.transforms.logmel import logmel
from serflow.items import Item

#: Recordings shorter than a window are meant.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=")


def read_all(features):
    return features.read(np.arange(len(features.items)))


def check_content(features, expected):
    assert features.items == [Item("toy", f"u{n}") for n in range(len(expected))]
    np.testing.assert_array_equal(features.offsets, np.cumsum([0, *map(len, expected)]))
    found = read_all(features)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-3)


def files_of(store):
    files = (path for path in store.rglob("*") if path.is_file())
    return {path.relative_to(store): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_store_holds_what_a_plain_loop_computes(built, corpus, recipe, frames):
    check_content(open_store(built, recipe, corpus[1]), frames)
    assert [path.name for path in built.parent.iterdir()] == ["features.zarr"]


def test_number_of_workers_changes_nothing(built, corpus, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "BATCH", 3)
    build_store(recipe, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    one, two = (open_store(store, recipe, corpus[1]) for store in (tmp_path / "x.zarr", built))
    np.testing.assert_array_equal(read_all(one), read_all(two))
    assert one.digest(np.arange(7)) == two.digest(np.arange(7))


@pytest.mark.parametrize(("chunk", "block"), [(5, 12), (1, 1), (7, 500)])
def test_frames_are_written_in_bounded_blocks(corpus, recipe, frames, tmp_path, monkeypatch, chunk, block):
    size = recipe["n_mels"] * 4  # bytes of a frame
    monkeypatch.setattr(build, "CHUNK_BYTES", chunk * size)
    monkeypatch.setattr(build, "BLOCK_BYTES", block * size)
    written = []
    original = build._flush

    def watched(array, pending, multiple):
        written.append(sum(map(len, pending)))
        return original(array, pending, multiple)

    monkeypatch.setattr(build, "_flush", watched)
    build_store(recipe, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    check_content(open_store(tmp_path / "x.zarr", recipe, corpus[1]), frames)
    assert zarr.open_group(tmp_path / "x.zarr", mode="r")["frames"].chunks == (chunk, recipe["n_mels"])
    assert max(written) < block + chunk + max(map(len, frames))
    if block < 100:
        assert len(written) > 2


def test_store_replaces_an_earlier_one(store, corpus, recipe):
    finer = recipe | {"hop_length": 40}
    build_store(finer, corpus[1], corpus[0], store, 1)
    found = open_store(store, finer, corpus[1])
    assert np.diff(found.offsets).tolist() == [1 + int(row["samples"]) // 40 for row in corpus[1]]


def test_utterances_are_cut_before_the_transform(corpus, recipe, tmp_path):
    segmented = recipe | {"segment_seconds": 0.1, "dtype": "float16"}  # 800 samples
    build_store(segmented, corpus[1], corpus[0], tmp_path / "x.zarr", 2)
    features = open_store(tmp_path / "x.zarr", segmented, corpus[1])
    # 800, 1234, 400, 2000, 81, 1600 and 999 samples
    assert features.utterance.tolist() == [0, 1, 1, 2, 3, 3, 3, 4, 5, 5, 6, 6]
    assert features.segment.tolist() == [0, 0, 1, 0, 0, 1, 2, 0, 0, 1, 0, 1]
    assert features.items == [Item("toy", f"u{n}") for n in features.utterance]
    signal, _ = soundfile.read(corpus[0] / "wav" / "u3.wav", dtype="float32")
    options = {key: value for key, value in recipe.items() if key != "transform"}
    expected = [logmel(part, **options) for part in (signal[:667], signal[667:1334], signal[1334:])]
    found = features.read(np.flatnonzero(features.utterance == 3))
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, np.concatenate(expected).astype(np.float16))


def test_a_copy_is_cut_into_as_many_parts_as_its_recording(corpus, recipe, tmp_path):
    """Twice as fast, u3's 2000 samples are 1000: less than two parts of 800, yet three as those of the recording."""
    plain, recipe = recipe, recipe | {"segment_seconds": 0.1, "copies": {"stretch": {"rate": 2.0}}}
    build_store(recipe, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    features = open_store(tmp_path / "x.zarr", recipe, corpus[1])
    own = features.utterance == 3
    assert features.segment[own].tolist() == [0, 1, 2, 0, 1, 2]
    assert [item.copy for item, mine in zip(features.items, own, strict=True) if mine] == [""] * 3 + ["stretch"] * 3
    signal, _ = soundfile.read(corpus[0] / "wav" / "u3.wav", dtype="float32")
    options = {key: value for key, value in plain.items() if key != "transform"}
    fast = librosa.effects.time_stretch(signal, rate=2.0)
    expected = [logmel(part, **options) for part in (fast[:334], fast[334:667], fast[667:])]
    np.testing.assert_allclose(features.read(np.flatnonzero(own)[3:]), np.concatenate(expected), atol=1e-4)


def test_failed_build_leaves_nothing_and_names_the_recording(corpus, recipe, tmp_path):
    root = shutil.copytree(corpus[0], tmp_path / "tree")
    bad = root / "wav" / "u5.wav"
    bad.unlink()
    with pytest.raises(CorpusError) as caught:
        build_store(recipe, corpus[1], root, tmp_path / "out" / "x.zarr", 2)
    assert caught.value.where == str(bad)  # from a worker process
    assert not list((tmp_path / "out").iterdir())


def test_failed_build_leaves_an_earlier_store_as_it_was(store, corpus, recipe, frames, tmp_path):
    before = files_of(store)
    absent = {"corpus": "toy", "utterance": "u9", "path": "wav/u9.wav", "sha1": "0" * 40}
    with pytest.raises(CorpusError, match=r"u9\.wav"):
        build_store(recipe, [*corpus[1], absent], corpus[0], store, 1)
    assert files_of(store) == before
    assert [path.name for path in tmp_path.iterdir()] == ["features.zarr"]
    check_content(open_store(store, recipe, corpus[1]), frames)


@pytest.mark.parametrize("change", [{"fmin": 4000.0}, {"copies": {"noise": {}}}], ids=str)
def test_wrong_recipe_is_refused_before_any_work(corpus, recipe, tmp_path, change):
    with pytest.raises(ConfigError):
        build_store(recipe | change, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    assert not list(tmp_path.iterdir())
