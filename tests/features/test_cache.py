import hashlib
import shutil
import tracemalloc

import librosa
import numpy as np
import pytest
import soundfile
import zarr

from serflow.errors import CacheError, ConfigError, CorpusError
from serflow.features import cache
from serflow.features.transforms.spectrogram import logmel

#: Recordings shorter than a window are meant.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=")


def loop(corpus, recipe):
    """The frames of every utterance, by librosa alone."""
    root, rows = corpus
    items = []
    for row in rows:
        signal, _ = soundfile.read(root / row["path"], dtype="float32")
        power = librosa.feature.melspectrogram(
            y=signal,
            sr=recipe["sample_rate"],
            n_fft=recipe["n_fft"],
            hop_length=recipe["hop_length"],
            n_mels=recipe["n_mels"],
            fmin=recipe["fmin"],
            fmax=recipe["fmax"],
        )
        items.append(librosa.power_to_db(power, ref=np.max, top_db=recipe["top_db"]).T)
    return items


def read_all(features):
    return features.read(np.arange(len(features.utterance)))


def check_content(features, items):
    frames = read_all(features)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(features.offsets, np.cumsum([0, *map(len, items)]))
    np.testing.assert_array_equal(features.utterance, np.arange(len(items)))
    assert not features.copy.any()
    assert not features.segment.any()
    np.testing.assert_allclose(frames, np.concatenate(items), atol=1e-3)


def files_of(store):
    return {
        path.relative_to(store): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in store.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def built(corpus, recipe, tmp_path_factory):
    """A store that no test changes."""
    root, rows = corpus
    store = tmp_path_factory.mktemp("built") / "features.zarr"
    cache.build(recipe, rows, root, store, 2)
    return store


@pytest.fixture
def store(built, tmp_path):
    """A copy of a store."""
    return shutil.copytree(built, tmp_path / "features.zarr")


def test_a_store_holds_what_a_plain_loop_gives(built, corpus, recipe):
    check_content(cache.load(built, recipe, corpus[1]), loop(corpus, recipe))
    assert [path.name for path in built.parent.iterdir()] == ["features.zarr"]


def test_the_number_of_workers_changes_nothing(built, corpus, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "BATCH", 3)
    cache.build(recipe, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    one, two = (cache.load(store, recipe, corpus[1]) for store in (tmp_path / "x.zarr", built))
    np.testing.assert_array_equal(read_all(one), read_all(two))
    assert one.digest(np.arange(7)) == two.digest(np.arange(7))


@pytest.mark.parametrize(("chunk", "flush"), [(5, 12), (1, 1), (7, 500), (4, 4)])
def test_frames_are_written_in_bounded_blocks(corpus, recipe, tmp_path, monkeypatch, chunk, flush):
    frame = recipe["n_mels"] * 4  # bytes
    monkeypatch.setattr(cache, "CHUNK_BYTES", chunk * frame)
    monkeypatch.setattr(cache, "FLUSH_BYTES", flush * frame)
    blocks = []
    original = cache._flush

    def watched(array, pending, multiple):
        blocks.append(sum(map(len, pending)))
        return original(array, pending, multiple)

    monkeypatch.setattr(cache, "_flush", watched)
    cache.build(recipe, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    items = loop(corpus, recipe)
    check_content(cache.load(tmp_path / "x.zarr", recipe, corpus[1]), items)
    assert zarr.open_group(tmp_path / "x.zarr", mode="r")["frames"].chunks == (chunk, recipe["n_mels"])
    assert max(blocks) < flush + chunk + max(map(len, items))
    if flush < 100:
        assert len(blocks) > 2


def test_a_store_replaces_an_earlier_one(store, corpus, recipe):
    finer = recipe | {"hop_length": 40}
    cache.build(finer, corpus[1], corpus[0], store, 1)
    check_content(cache.load(store, finer, corpus[1]), loop(corpus, finer))


# A store of other settings can never be read


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("hop_length", 81),
        ("n_fft", 512),
        ("n_mels", 21),
        ("fmin", 20.0),
        ("fmax", 3999.0),
        ("top_db", 80.0),
        ("sample_rate", 16000),
        ("transform", "mfcc"),
        ("window", "hann"),
        ("segment_seconds", 0.1),
        ("dtype", "float16"),
    ],
)
def test_a_store_of_another_recipe_is_refused(built, corpus, recipe, parameter, value):
    with pytest.raises(CacheError, match="another recipe") as caught:
        cache.load(built, recipe | {parameter: value}, corpus[1])
    assert caught.value.where == str(built)
    assert f"'{parameter}': {value!r}" in caught.value.fault
    assert "build it again" in caught.value.remedy


def changed(rows, change):
    rows = [dict(row) for row in rows]
    if change == "audio":
        rows[3]["sha1"] = "0" * 40
    elif change == "name":
        rows[3]["utterance"] = "v3"
    elif change == "order":
        rows[2], rows[3] = rows[3], rows[2]
    elif change == "fewer":
        del rows[-1]
    elif change == "more":
        rows.append(dict(rows[0], utterance="u9"))
    return rows


@pytest.mark.parametrize("change", ["audio", "name", "order", "fewer", "more"])
def test_a_store_of_other_audio_is_refused(built, corpus, recipe, change):
    with pytest.raises(CacheError, match="another audio"):
        cache.load(built, recipe, changed(corpus[1], change))


def test_where_the_files_lie_does_not_matter(built, corpus, recipe):
    moved = [row | {"path": f"elsewhere/{row['path']}"} for row in corpus[1]]
    assert len(cache.load(built, recipe, moved).utterance) == 7


def test_a_store_of_other_code_is_refused(built, corpus, recipe, monkeypatch):
    monkeypatch.setattr(cache, "code_digest", lambda: "other")
    with pytest.raises(CacheError, match="another code"):
        cache.load(built, recipe, corpus[1])


def test_the_code_digest_covers_sources_and_libraries(monkeypatch):
    before = cache.code_digest()
    assert cache.code_digest() == before
    monkeypatch.setattr(cache, "version", lambda name: "0.0" if name == "librosa" else "1.0")
    with_other_librosa = cache.code_digest()
    assert with_other_librosa != before
    monkeypatch.setattr(cache, "digest_file", lambda path: "edited" if path.name == "spectrogram.py" else "same")
    assert cache.code_digest() not in (before, with_other_librosa)


def test_a_store_of_another_format_is_refused(built, corpus, recipe, monkeypatch):
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    with pytest.raises(CacheError, match="another format"):
        cache.load(built, recipe, corpus[1])


@pytest.mark.parametrize("attribute", ["format", "recipe", "audio", "code"])
def test_a_store_without_its_key_is_refused(store, corpus, recipe, attribute):
    group = zarr.open_group(store, mode="r+")
    del group.attrs[attribute]
    with pytest.raises(CacheError, match=f"another {attribute}"):
        cache.load(store, recipe, corpus[1])


@pytest.mark.parametrize("array", ["frames", "offsets", "utterance", "copy", "segment", "sha256"])
def test_a_store_without_an_array_is_refused(store, corpus, recipe, array):
    shutil.rmtree(store / array)
    with pytest.raises(CacheError, match="no complete feature cache"):
        cache.load(store, recipe, corpus[1])


def test_a_store_with_frames_missing_is_refused(store, corpus, recipe):
    group = zarr.open_group(store, mode="r+")
    frames = group["frames"]
    frames.resize((frames.shape[0] - 1, frames.shape[1]))
    with pytest.raises(CacheError, match="7 items, expected 7 with frames each"):
        cache.load(store, recipe, corpus[1])


@pytest.mark.parametrize("kind", ["absent", "empty folder", "file"])
def test_no_store_at_all_is_an_error_that_names_it(tmp_path, corpus, recipe, kind):
    path = tmp_path / "features.zarr"
    if kind == "empty folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("not a store")
    with pytest.raises(CacheError) as caught:
        cache.load(path, recipe, corpus[1])
    assert caught.value.where == str(path)


def chunks_of(store, array):
    return [path for path in sorted((store / array / "c").rglob("*")) if path.is_file()]


@pytest.mark.parametrize("array", cache.INDEX)
def test_a_lost_chunk_of_the_index_is_refused(store, corpus, recipe, array):
    group = zarr.open_group(store, mode="r+")
    content = group[array][:]
    group.create_array(array, data=np.where(content == content[-1], content + 1, content), overwrite=True)
    with pytest.raises(CacheError, match="another index"):
        cache.load(store, recipe, corpus[1])


@pytest.mark.parametrize("array", ["offsets", "utterance", "sha256"])  # Zarr stores no chunk of zeros
def test_a_cut_chunk_of_the_index_is_refused(store, corpus, recipe, array):
    (chunk,) = chunks_of(store, array)
    chunk.write_bytes(chunk.read_bytes()[:-5])  # the decompressor has an error of its own
    with pytest.raises(CacheError, match="is no complete feature cache") as caught:
        cache.load(store, recipe, corpus[1])
    assert caught.value.where == str(store)


@pytest.fixture
def chunked(corpus, recipe, tmp_path, monkeypatch):
    """A store with a chunk for every four frames, opened."""
    monkeypatch.setattr(cache, "CHUNK_BYTES", 4 * recipe["n_mels"] * 4)
    monkeypatch.setattr(cache, "FLUSH_BYTES", 9 * recipe["n_mels"] * 4)
    cache.build(recipe, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    return cache.load(tmp_path / "x.zarr", recipe, corpus[1])


@pytest.mark.parametrize("damage", ["truncated", "lost", "one bit"])
def test_a_damaged_chunk_is_refused_by_the_items_that_lie_in_it_alone(chunked, damage):
    chunk = chunked.store / "frames" / "c" / "6" / "0"  # frames 24 to 27, of items 1 (from 11) and 2 (from 27)
    assert chunked.offsets[:3].tolist() == [0, 11, 27]
    content = bytearray(chunk.read_bytes())
    content[37] ^= 1
    if damage == "lost":
        chunk.unlink()
    else:
        chunk.write_bytes(content[:-100] if damage == "truncated" else content)
    assert len(chunked.read(np.array([6, 5, 4, 3, 0])))
    with pytest.raises(CacheError, match=r"damaged|cannot be read") as caught:
        chunked.read(np.array([2, 1]))
    assert caught.value.where == str(chunked.store)


@pytest.mark.parametrize("chosen", [[], [3], [6, 0, 3, 3, 1], [5, 4, 3], [0, 6]], ids=str)
def test_items_come_in_the_order_asked_for(chunked, corpus, recipe, chosen):
    items = loop(corpus, recipe)
    expected = [np.empty((0, recipe["n_mels"])), *(items[n] for n in chosen)]
    np.testing.assert_allclose(chunked.read(np.array(chosen, dtype=int)), np.concatenate(expected), atol=1e-3)


def test_a_digest_belongs_to_the_items_and_their_order(chunked):
    whole = read_all(chunked)
    parts = [whole[start:stop].tobytes() for start, stop in zip(chunked.offsets, chunked.offsets[1:], strict=False)]
    digests = [hashlib.sha256(part).digest() for part in parts]
    assert chunked.digest(np.array([4, 2])) == hashlib.sha256(digests[4] + digests[2]).hexdigest()
    assert chunked.digest(np.array([2, 4])) != chunked.digest(np.array([4, 2]))


def test_reading_takes_the_frames_asked_for_and_little_more(tmp_path):
    frames = 40_000  # of 400 bins in two bytes: 32 MB, in items of 200
    group = zarr.create_group(tmp_path / "x.zarr")
    stored = group.create_array("frames", shape=(frames, 400), chunks=(1310, 400), dtype="float16", compressors=None)
    stored[:] = np.random.default_rng(0).random((frames, 400), dtype=np.float32).astype(np.float16)
    content = stored[:]
    offsets = np.arange(0, frames + 1, 200)
    sha256 = [list(hashlib.sha256(content[start : start + 200].data).digest()) for start in offsets[:-1]]
    del content
    index = np.arange(200)
    features = cache.Features(
        offsets, index, index, index, np.array(sha256, np.uint8), (), tmp_path / "x.zarr", group["frames"]
    )
    chosen = np.random.default_rng(1).permutation(200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "FLUSH_BYTES", 4 << 20)
        tracemalloc.start()
        read = features.read(chosen)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert read.nbytes == frames * 800
    assert peak < read.nbytes + 4 * (4 << 20)  # a block, and what zarr copies of it


# Segments and the stored precision


def test_utterances_are_cut_before_the_transform(corpus, recipe, tmp_path):
    segmented = recipe | {"segment_seconds": 0.1, "dtype": "float16"}  # 800 samples
    cache.build(segmented, corpus[1], corpus[0], tmp_path / "x.zarr", 2)
    features = cache.load(tmp_path / "x.zarr", segmented, corpus[1])
    # 800, 1234, 400, 2000, 81, 1600 and 999 samples
    assert features.utterance.tolist() == [0, 1, 1, 2, 3, 3, 3, 4, 5, 5, 6, 6]
    assert features.segment.tolist() == [0, 0, 1, 0, 0, 1, 2, 0, 0, 1, 0, 1]
    assert features.names(corpus[1]) == [f"u{n}" for n in features.utterance]
    signal, _ = soundfile.read(corpus[0] / "wav" / "u3.wav", dtype="float32")
    options = {key: value for key, value in recipe.items() if key != "transform"}
    expected = [logmel(part, **options) for part in (signal[:667], signal[667:1334], signal[1334:])]
    found = features.read(np.flatnonzero(features.utterance == 3))
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, np.concatenate(expected).astype(np.float16))
    assert features.copies == ()


# A build that fails


@pytest.mark.parametrize("fault", ["absent", "text", "nan"])
def test_a_failed_build_leaves_nothing_and_names_the_recording(corpus, recipe, tmp_path, fault):
    root = shutil.copytree(corpus[0], tmp_path / "tree")
    bad = root / "wav" / "u5.wav"
    bad.unlink()
    if fault == "text":
        bad.write_text("no recording")
    elif fault == "nan":
        soundfile.write(bad, np.full(900, np.nan, np.float32), recipe["sample_rate"], subtype="FLOAT")
    with pytest.raises(CorpusError) as caught:
        cache.build(recipe, corpus[1], root, tmp_path / "out" / "x.zarr", 2)
    assert caught.value.where == str(bad)  # from a worker process
    assert not list((tmp_path / "out").iterdir())


def test_a_failed_build_leaves_an_earlier_store_as_it_was(store, corpus, recipe, tmp_path):
    before = files_of(store)
    rows = [*corpus[1], {"utterance": "u9", "path": "wav/u9.wav", "sha1": "0" * 40}]
    with pytest.raises(CorpusError, match=r"u9\.wav"):
        cache.build(recipe, rows, corpus[0], store, 1)
    assert files_of(store) == before
    assert [path.name for path in tmp_path.iterdir()] == ["features.zarr"]
    check_content(cache.load(store, recipe, corpus[1]), loop(corpus, recipe))


def test_a_wrong_parameter_is_told_before_any_work(corpus, recipe, tmp_path):
    with pytest.raises(ConfigError, match="'n_mel'"):
        cache.build(recipe | {"n_mel": 3}, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    assert not list(tmp_path.iterdir())
