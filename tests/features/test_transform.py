import numpy as np
import pytest

from serflow.errors import ConfigError
from serflow.features import transform
from serflow.features.spectrogram import logmel


def test_a_recipe_gives_its_transform_with_its_parameters(recipe):
    signal = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    options = {key: value for key, value in recipe.items() if key != "transform"}
    np.testing.assert_array_equal(transform(recipe)(signal), logmel(signal, **options))


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
