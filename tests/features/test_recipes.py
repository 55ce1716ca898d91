import librosa
import numpy as np
import pytest

from serflow import sources
from serflow.errors import ConfigError
from serflow.features.recipes import COPIES, TRANSFORMS, check_relations, make_copies, make_transform
from serflow.features.transforms.logmel import logmel
from serflow.features.trim import trim

HARMONIC = {
    **{"transform": "harmonic", "sample_rate": 16000, "win_length": 640, "hop_length": 160, "n_fft": 1600},
    **{"fmax": 4000.0, "floor_db": -80.0, "pitch_floor": 75.0, "pitch_ceiling": 500.0},
    **{"depth_low_db": 20.0, "depth_high_db": 12.0},
}
MFCC = {
    **{"transform": "mfcc", "sample_rate": 16000, "n_fft": 512, "hop_length": 160, "n_mels": 40, "fmin": 50.0},
    **{"fmax": 7600.0, "n_mfcc": 13, "first": 2},
}


@pytest.mark.parametrize("taken", [{}, {"segment_seconds": 3.0}, {"dtype": "float16"}], ids=str)
def test_recipe_gives_its_transform_with_its_options(recipe, taken):
    signal = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    options = {key: value for key, value in recipe.items() if key != "transform"}
    frames = make_transform(recipe | taken)(signal)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, logmel(signal, **options))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"transform": "logmell"}, "logmell"),
        ({"n_fft": ...}, "n_fft"),
        ({"n_mel": 64}, "n_mel"),
    ],
    ids=str,
)
def test_wrong_recipe_is_named(recipe, change, named):
    wrong = {key: value for key, value in (recipe | change).items() if value is not ...}
    with pytest.raises(ConfigError, match=named):
        make_transform(wrong)


@pytest.mark.parametrize(
    "copies", [{"echo": {}}, {"noise": {}}, {"noise": {"snr_db": 15.0, "seed": 1}}, {"pitch": {"rate": 2.0}}], ids=str
)
def test_wrong_copy_is_refused(recipe, copies):
    with pytest.raises(ConfigError):
        make_copies(recipe | {"copies": copies})


@pytest.mark.parametrize(
    ("recipe", "key", "fitting", "wrong"),
    [
        (MFCC, "fmin", 7599.0, 7600.0),
        (MFCC, "fmax", 8000.0, 8000.5),
        (MFCC, "first", 13, 14),
        (MFCC, "n_mfcc", 40, 41),
        (HARMONIC, "win_length", 1600, 1601),
        (HARMONIC, "pitch_floor", 20.0, 19.9),  # two bins of 10 Hz
        (HARMONIC, "pitch_floor", 499.0, 500.0),
        (HARMONIC, "pitch_ceiling", 3999.0, 4000.0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_must_fit_each_other(recipe, key, fitting, wrong):
    check_relations(recipe | {key: fitting})
    with pytest.raises(ConfigError) as caught:
        check_relations(recipe | {key: wrong})
    assert caught.value.where == key


@pytest.mark.parametrize("other", [{"copies": {"stretch": {"rate": 0.9}}}, {"trim_db": 60.0}], ids=str)
def test_what_does_not_fit_segments(other):
    """Recordings of another length than the manifest's; of a faster copy no part is too long."""
    check_relations(MFCC | {"segment_seconds": 3.0, "copies": {"noise": {"snr_db": 15.0}, "stretch": {"rate": 1.1}}})
    with pytest.raises(ConfigError) as caught:
        check_relations(MFCC | other | {"segment_seconds": 3.0})
    assert caught.value.where == "segment_seconds"


@pytest.mark.parametrize("top_db", [60.0, 20.0])
def test_trimming_is_librosas(recipe, top_db):
    """Noise that rises out of digital silence, stays and fades: at 60 dB more of it is kept than at 20."""
    rng = np.random.default_rng(0)
    fade = 10 ** np.linspace(-5, 0, 9000)
    level = np.concatenate([np.zeros(5000), fade, np.ones(3000), fade[::-1], np.zeros(7000)])
    signal = (0.1 * level * rng.standard_normal(len(level))).astype(np.float32)
    expected, (start, end) = librosa.effects.trim(signal, top_db=top_db)
    assert 0 < start < end < len(signal)
    found = make_transform(recipe | {"trim_db": top_db})(signal)
    np.testing.assert_array_equal(found, make_transform(recipe)(expected))
    assert len(trim(signal, top_db=60.0)) == len(librosa.effects.trim(signal)[0]) > len(trim(signal, top_db=20.0))


def test_trimming_leaves_something_of_any_signal():
    for signal in (np.zeros(5000, np.float32), np.ones(3, np.float32), np.eye(1, 5000, 2500, dtype=np.float32)[0]):
        assert len(trim(signal, top_db=60.0))


@pytest.mark.parametrize(("kinds", "name"), [(kinds, name) for kinds in (TRANSFORMS, COPIES) for name in kinds.known()])
def test_every_option_has_a_type_and_a_meaning(kinds, name):
    options = kinds.options(name)
    assert options
    for option in options.values():
        assert option.annotation is not object
        assert option.meaning
        assert option.required
    if kinds is TRANSFORMS:
        assert "sample_rate" in options


def test_recipes_need_nothing_heavy():
    files = {path.name for path in sources.closure("serflow.features.recipes")}
    assert not files & {"store.py", "kernels.py", "audio.py", "copies.py", "trim.py"}
