"""openSMILE's functionals, where the extra `features` is installed."""

import importlib.metadata
import sys

import numpy as np
import pytest

from serflow.errors import ConfigError
from serflow.features import recipes
from serflow.features.build import build_store
from serflow.features.recipes import TRANSFORMS, make_transform
from serflow.features.store import open_store, store_key

RECIPE = {"transform": "opensmile", "sample_rate": 16000, "feature_set": "eGeMAPSv02"}


def test_a_store_holds_what_opensmile_gives_for_the_files(tmp_path, speechlike, write_corpus):
    """From worker processes, one frame per utterance; compared with the library reading the files itself."""
    opensmile = pytest.importorskip("opensmile")
    rows = write_corpus(speechlike)
    build_store(RECIPE, rows, tmp_path, tmp_path / "features.zarr", 2)
    found = open_store(tmp_path / "features.zarr", RECIPE, rows).read(np.arange(3))
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    expected = smile.process_files([tmp_path / f"u{n}.wav" for n in range(3)])
    assert found.shape == (3, 88)
    np.testing.assert_allclose(found, expected.to_numpy(), rtol=1e-4, atol=1e-5)
    falling = found[0, list(expected.columns).index("F0semitoneFrom27.5Hz_sma3nz_percentile50.0")]
    assert falling == pytest.approx(12 * np.log2(160 / 27.5), abs=1)  # the tone falls from 180 to 140 Hz


def test_compare_has_6373_functionals(speechlike):
    pytest.importorskip("opensmile")
    frames = make_transform(RECIPE | {"feature_set": "ComParE_2016"})(speechlike)
    assert (frames.shape, frames.dtype) == ((1, 6373), np.float32)


def test_without_the_library_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    monkeypatch.delitem(sys.modules, "serflow.features.transforms.opensmile", raising=False)
    with pytest.raises(ConfigError, match=r"requirements-features\.lock"):
        make_transform(RECIPE)


def test_the_librarys_version_is_part_of_the_key_of_its_recipes_alone(monkeypatch, recipe):
    def keys(number):
        monkeypatch.setattr(recipes, "version", lambda name: number if name == "opensmile" else real(name))
        return [store_key(one, [])["libraries"] for one in (RECIPE, recipe)]

    real = importlib.metadata.version
    (before, other), (after, same) = keys("2.6.0"), keys("2.7.0")
    assert (before != after, other == same) == (True, True)
    assert TRANSFORMS.constant("opensmile", "EXTRA", "") == "opensmile"
