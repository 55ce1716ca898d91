import numpy as np
import pytest

from serflow.errors import ConfigError
from serflow.features import transform
from serflow.features.transforms.spectrogram import logmel


def test_a_recipe_gives_its_transform_with_its_parameters(recipe):
    signal = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    options = {key: value for key, value in recipe.items() if key != "transform"}
    np.testing.assert_array_equal(transform(recipe)(signal), logmel(signal, **options))


@pytest.mark.parametrize("taken", [{"segment_seconds": 3}, {"segment_seconds": 0.5}, {"dtype": "float16"}], ids=str)
def test_what_the_cache_takes_does_not_change_the_transform(recipe, taken):
    signal = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    frames = transform(recipe | taken)(signal)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, transform(recipe)(signal))


@pytest.mark.parametrize(
    ("change", "named", "remedy"),
    [
        ({"segment_seconds": 0}, "'segment_seconds' is 0", "in s"),
        ({"segment_seconds": -3.0}, "'segment_seconds' is -3.0", "in s"),
        ({"segment_seconds": float("inf")}, "'segment_seconds' is inf", "in s"),
        ({"segment_seconds": float("nan")}, "'segment_seconds' is nan", "in s"),
        ({"segment_seconds": "3 s"}, "'segment_seconds' is '3 s'", "in s"),
        ({"segment_seconds": True}, "'segment_seconds' is True", "in s"),
        ({"dtype": "float64"}, "'dtype' is 'float64'", "float32, float16"),
        ({"dtype": None}, "'dtype' is None", "float32, float16"),
        ({"copies": {"noise": {"snr_db": 0.0}}, "segment_seconds": 3.0}, "both 'copies' and 'segment_seconds'", "one"),
    ],
    ids=str,
)
def test_a_wrong_value_for_the_cache_is_named(recipe, change, named, remedy):
    with pytest.raises(ConfigError) as caught:
        transform(recipe | change, "toy.yaml: recipes.x")
    assert caught.value.where == "toy.yaml: recipes.x"
    assert named in caught.value.fault
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"transform": "logmell"}, "unknown transform 'logmell'"),
        ({"transform": None}, "unknown transform None"),
        ({"n_fft": ...}, "'n_fft' is missing"),
        ({"sample_rate": ...}, "'sample_rate' is missing"),
        ({"n_mel": 64}, "'n_mel' is not a parameter"),
        ({"signal": 1}, "'signal' is not a parameter"),
    ],
    ids=str,
)
def test_a_wrong_recipe_is_named(recipe, change, named):
    wrong = {key: value for key, value in (recipe | change).items() if value is not ...}
    with pytest.raises(ConfigError) as caught:
        transform(wrong, "toy.yaml: recipes.x")
    assert caught.value.where == "toy.yaml: recipes.x"
    assert named in caught.value.fault
    assert ("logmel" if "transform" in change else "hop_length") in caught.value.remedy
