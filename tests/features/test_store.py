import hashlib
import importlib.metadata
import pickle
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zarr

from serflow import kinds, sources
from serflow.errors import CacheError
from serflow.features import build, recipes
from serflow.features import store as stores
from serflow.features.build import build_store
from serflow.features.store import INDEX, Features, open_store, store_key

#: Recordings shorter than a window are meant.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=")


# The key: a store of other settings can never be read


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("hop_length", 81), ("transform", "mfcc"), ("dtype", "float16"), ("copies", {"noise": {"snr_db": 15.0}})],
)
def test_store_of_another_recipe_is_refused(built, corpus, recipe, parameter, value):
    with pytest.raises(CacheError, match="recipe") as caught:
        open_store(built, recipe | {parameter: value}, corpus[1])
    assert caught.value.where == str(built)
    assert f"'{parameter}': {value!r}" in caught.value.fault


def test_store_of_other_audio_is_refused(built, corpus, recipe):
    rows = corpus[1]
    reencoded, renamed = rows[0] | {"sha1": "0" * 40}, rows[0] | {"utterance": "v0"}
    for other in ([reencoded, *rows[1:]], [renamed, *rows[1:]], rows[::-1], rows[:-1], [*rows, renamed]):
        with pytest.raises(CacheError, match="audio"):
            open_store(built, recipe, other)


def test_where_the_recordings_lie_does_not_matter(built, corpus, recipe):
    moved = [row | {"path": f"elsewhere/{row['path']}"} for row in corpus[1]]
    assert len(open_store(built, recipe, moved).items) == 7


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """A function that edits a file of a copy of the package, whose code the keys are then computed from."""
    package = shutil.copytree(kinds.PACKAGE, tmp_path / "serflow", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(kinds, "PACKAGE", package)
    monkeypatch.setattr(sources, "digest", lambda *entries: sources.Sources(package).digest(*entries))

    def replace(name: str, old: str, new: str) -> None:
        text = (package / name).read_text()
        assert old in text
        (package / name).write_text(text.replace(old, new, 1))

    return replace


def test_edited_comment_keeps_a_store_and_edited_code_does_not(edit, corpus, recipe, tmp_path):
    store = tmp_path / "x.zarr"
    build_store(recipe, corpus[1], corpus[0], store, 1)
    edit("features/transforms/logmel.py", "Number of mel bands.", "How many bands.")
    edit("features/build.py", "# Last:", "# At the end:")
    edit("features/mel.py", "    power = ", "\n    # Periodogram\n    power = ")
    assert len(open_store(store, recipe, corpus[1]).items) == 7
    edit("features/mel.py", "** 2", "** 1")
    with pytest.raises(CacheError, match="code"):
        open_store(store, recipe, corpus[1])


COPIES = {"copies": {"noise": {"snr_db": 15.0}}}


@pytest.mark.parametrize(
    ("name", "edited", "invalidated"),
    [
        ("features/audio.py", ("axis=1", "axis=0"), ["logmel", "logpower", "copies", "trimmed"]),
        ("features/mel.py", ("** 2", "** 1"), ["logmel", "copies", "trimmed"]),
        ("features/transforms/logpower.py", ('"hamming"', '"hann"'), ["logpower"]),
        ("features/copies.py", ("snr_db / 10", "snr_db / 20"), ["copies"]),
        ("features/trim.py", ("[0]", "[0][1:]"), ["trimmed"]),
        ("features/stand_ins.py", ("RMS = 0.1", "RMS = 0.2"), []),
        ("corpora/scan.py", ('"VORBIS", ', ""), []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_edit_invalidates_the_stores_that_are_computed_with_it(edit, name, edited, invalidated):
    recipes = {"logmel": {"transform": "logmel"}, "logpower": {"transform": "logpower"}}
    recipes |= {"copies": recipes["logmel"] | COPIES, "trimmed": recipes["logmel"] | {"trim_db": 60.0}}
    before = {key: store_key(recipe, [])["code"] for key, recipe in recipes.items()}
    edit(name, *edited)
    assert [key for key, recipe in recipes.items() if store_key(recipe, [])["code"] != before[key]] == invalidated


def test_a_store_made_with_another_version_of_a_library_is_refused(monkeypatch, corpus, recipe, tmp_path):
    store = tmp_path / "x.zarr"
    build_store(recipe, corpus[1], corpus[0], store, 1)
    real = importlib.metadata.version
    monkeypatch.setattr(recipes, "version", lambda name: "0.0" if name == "soxr" else real(name))
    with pytest.raises(CacheError, match=f"was made with soxr {real('soxr')} instead of 0.0"):
        open_store(store, recipe, corpus[1])


def test_reading_imports_neither_the_builder_nor_librosa():
    files = {path.name for path in sources.closure("serflow.features.store")}
    assert "recipes.py" in files
    assert not files & {"build.py", "kernels.py", "audio.py", "copies.py", "schema.py"}


@pytest.mark.parametrize("attribute", ["format", "recipe", "audio", "code"])
def test_store_without_its_key_is_refused(store, corpus, recipe, attribute):
    group = zarr.open_group(store, mode="r+")
    del group.attrs[attribute]
    with pytest.raises(CacheError, match=attribute):
        open_store(store, recipe, corpus[1])


# Damage


@pytest.mark.parametrize("array", ["frames", "sha256"])
def test_store_without_an_array_is_refused(store, corpus, recipe, array):
    shutil.rmtree(store / array)
    with pytest.raises(CacheError):
        open_store(store, recipe, corpus[1])


def test_store_with_frames_missing_is_refused(store, corpus, recipe):
    frames = zarr.open_group(store, mode="r+")["frames"]
    frames.resize((frames.shape[0] - 1, frames.shape[1]))
    with pytest.raises(CacheError):
        open_store(store, recipe, corpus[1])


@pytest.mark.parametrize("kind", ["absent", "file"])
def test_no_store_at_all_is_an_error_that_names_it(tmp_path, corpus, recipe, kind):
    path = tmp_path / "features.zarr"
    if kind == "file":
        path.write_text("not a store")
    with pytest.raises(CacheError) as caught:
        open_store(path, recipe, corpus[1])
    assert caught.value.where == str(path)


@pytest.mark.parametrize("array", INDEX)
def test_lost_chunk_of_the_index_is_refused(store, corpus, recipe, array):
    group = zarr.open_group(store, mode="r+")
    content = group[array][:]
    group.create_array(array, data=np.where(content == content[-1], content + 1, content), overwrite=True)
    with pytest.raises(CacheError, match="index"):
        open_store(store, recipe, corpus[1])


def test_cut_chunk_of_the_index_is_refused(store, corpus, recipe):
    (chunk,) = (path for path in (store / "sha256" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-5])  # the decompressor has an error of its own
    with pytest.raises(CacheError) as caught:
        open_store(store, recipe, corpus[1])
    assert caught.value.where == str(store)


@pytest.fixture
def chunked(corpus, recipe, tmp_path, monkeypatch):
    """A store with a chunk for every four frames, opened."""
    monkeypatch.setattr(build, "CHUNK_BYTES", 4 * recipe["n_mels"] * 4)
    for module in (build, stores):
        monkeypatch.setattr(module, "BLOCK_BYTES", 9 * recipe["n_mels"] * 4)
    build_store(recipe, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    return open_store(tmp_path / "x.zarr", recipe, corpus[1])


@pytest.mark.parametrize("damage", ["truncated", "lost", "one bit"])
def test_damaged_chunk_is_refused_by_the_items_that_lie_in_it_alone(chunked, damage):
    chunk = chunked.store / "frames" / "c" / "6" / "0"  # frames 24 to 27, of items 1 (from 11) and 2 (from 27)
    assert chunked.offsets[:3].tolist() == [0, 11, 27]
    content = bytearray(chunk.read_bytes())
    content[37] ^= 1
    if damage == "lost":
        chunk.unlink()
    else:
        chunk.write_bytes(content[:-100] if damage == "truncated" else content)
    assert len(chunked.read(np.array([6, 5, 4, 3, 0])))
    with pytest.raises(CacheError) as caught:
        chunked.read(np.array([2, 1]))
    assert caught.value.where == str(chunked.store)


def test_a_damaged_chunk_of_many_is_told_and_nothing_else_is_printed(corpus, recipe, tmp_path, monkeypatch):
    """Python warns of reads that Zarr has begun and that the end of the process stops."""
    monkeypatch.setattr(build, "CHUNK_BYTES", recipe["n_mels"] * 4)
    build_store(recipe, corpus[1], corpus[0], tmp_path / "x.zarr", 1)
    store = open_store(tmp_path / "x.zarr", recipe, corpus[1])
    (store.store / "frames/c/0/0").write_bytes(b"")
    (tmp_path / "pickled").write_bytes(pickle.dumps(store))
    code = """
import pickle, sys
try:
    pickle.load(open(sys.argv[1], "rb")).read([*range(7)])
except Exception as error:
    print(type(error).__name__)
"""
    command = [sys.executable, "-c", code, tmp_path / "pickled"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("CacheError\n", "")


# Reading


@pytest.mark.parametrize("chosen", [[], [6, 0, 3, 3, 1], [5, 4, 3]], ids=str)
def test_items_come_in_the_order_asked_for(chunked, recipe, frames, chosen):
    expected = [np.empty((0, recipe["n_mels"])), *(frames[n] for n in chosen)]
    np.testing.assert_allclose(chunked.read(np.array(chosen, dtype=int)), np.concatenate(expected), atol=1e-3)


def test_digest_belongs_to_the_items_and_their_order(chunked):
    whole = chunked.read(np.arange(7))
    parts = [whole[start:stop].tobytes() for start, stop in zip(chunked.offsets, chunked.offsets[1:], strict=False)]
    digests = [hashlib.sha256(part).digest() for part in parts]
    assert chunked.digest(np.array([4, 2])) == hashlib.sha256(digests[4] + digests[2]).hexdigest()
    assert chunked.digest(np.array([2, 4])) != chunked.digest(np.array([4, 2]))


def test_reading_takes_the_frames_asked_for_and_little_more(tmp_path: Path):
    frames = 40_000  # of 400 bins in two bytes: 32 MB, in items of 200
    group = zarr.create_group(tmp_path / "x.zarr")
    stored = group.create_array("frames", shape=(frames, 400), chunks=(1310, 400), dtype="float16", compressors=None)
    stored[:] = np.random.default_rng(0).random((frames, 400), dtype=np.float32).astype(np.float16)
    content = stored[:]
    offsets = np.arange(0, frames + 1, 200)
    sha256 = [list(hashlib.sha256(content[start : start + 200].data).digest()) for start in offsets[:-1]]
    del content
    index = np.arange(200)
    arrays = (offsets, index, index, index, np.array(sha256, np.uint8))
    features = Features(*arrays, items=[], store=tmp_path / "x.zarr", stored=group["frames"])
    chosen = np.random.default_rng(1).permutation(200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "BLOCK_BYTES", 4 << 20)
        tracemalloc.start()
        read = features.read(chosen)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert read.nbytes == frames * 800
    assert peak < read.nbytes + 4 * (4 << 20)  # a block, and what zarr copies of it
