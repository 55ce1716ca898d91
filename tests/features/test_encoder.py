"""Pretrained encoders, where the extra `features` is installed: small ones with random weights, made here."""

import json
import shutil
import sys

import numpy as np
import pytest
import soundfile
import torch

from recordings import facts
from serflow import cli
from serflow.errors import ConfigError, CorpusError, WeightsError
from serflow.features.build import build_store
from serflow.features.encoders import CLASSES, FOLDERS, identify
from serflow.features.recipes import TRANSFORMS, make_transform
from serflow.features.store import open_store, store_key
from workflow_project import DEMO, copy_project, snakemake

RATE = 16000
OPTIONS = {"transform": "encoder", "sample_rate": RATE, "layer": "last", "pooled": False, "normalise": False}
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CONVOLUTIONS = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
WHISPER = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2, "num_mel_bins": 8}
WHISPER |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "vocab_size": 9}
WHISPER |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
#: ``model_type`` -> configuration, its options, and the class that is published, which holds more than the encoder.
MADE = {
    "data2vec-audio": ("Data2VecAudioConfig", SIZES | CONVOLUTIONS, "Data2VecAudioForCTC"),
    "hubert": ("HubertConfig", SIZES | CONVOLUTIONS, "HubertForCTC"),
    "wav2vec2": ("Wav2Vec2Config", SIZES | CONVOLUTIONS, "Wav2Vec2ForPreTraining"),
    "wavlm": ("WavLMConfig", SIZES | CONVOLUTIONS, "WavLMForCTC"),
    "whisper": ("WhisperConfig", WHISPER, "WhisperForConditionalGeneration"),
}


def save(folder, family, seed=0):
    """Write an encoder with random weights, as it is published."""
    transformers = pytest.importorskip("transformers")
    config, options, published = MADE[family]
    torch.manual_seed(seed)
    getattr(transformers, published)(getattr(transformers, config)(**options)).save_pretrained(folder)
    extractor = getattr(transformers, CLASSES[family][1])
    extractor(**({"feature_size": 8} if family == "whisper" else {"do_normalize": True})).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    return {family: save(root / family, family) for family in MADE}


@pytest.fixture
def recipe(folders, monkeypatch):
    """Return what makes a recipe of a family."""
    monkeypatch.setenv(FOLDERS, ":".join(map(str, folders.values())))
    return lambda family, **options: OPTIONS | {"weights": identify(folders[family])} | options


@pytest.fixture(scope="module")
def signal():
    return np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)  # 1 s


def forward(folder, family, signal):
    """Return all hidden states by the library's own forward pass of the whole published network, (layers, T, width)."""
    transformers = pytest.importorskip("transformers")
    whole = getattr(transformers, MADE[family][2]).from_pretrained(folder).eval()
    with torch.inference_mode():
        if family == "whisper":
            mel = transformers.WhisperFeatureExtractor.from_pretrained(folder)(
                signal, sampling_rate=RATE, return_tensors="pt"
            )
            assert mel.input_features.shape == (1, 8, 3000)  # 30 s of log-mel frames of 10 ms
            found = whole.model.encoder(mel.input_features, output_hidden_states=True)
            return torch.cat(found.hidden_states)[:, : len(signal) // 320].numpy()
        values = torch.from_numpy((signal - signal.mean()) / np.sqrt(signal.var() + 1e-7))[None]
        base = getattr(whole, whole.base_model_prefix)
        return torch.cat(base(values, output_hidden_states=True).hidden_states).numpy()


@pytest.mark.parametrize("family", MADE)
def test_frames_are_the_librarys_own_hidden_states(folders, recipe, signal, family):
    assert set(MADE) == set(CLASSES)
    states = forward(folders[family], family, signal)
    assert states.shape == (3, 50 if family == "whisper" else 49, 16)
    for layer, expected in (("last", states[2]), (0, states[0]), (1, states[1])):
        found = make_transform(recipe(family, layer=layer))(signal)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)  # other threads, other rounding


def test_frames_may_be_normalised_and_pooled_of_one_layer_or_of_all(folders, recipe, signal):
    states = forward(folders["wavlm"], "wavlm", signal)
    pooled = make_transform(recipe("wavlm", layer="all", pooled=True))(signal)
    np.testing.assert_allclose(pooled, states.mean(1), rtol=1e-5, atol=1e-6)  # one frame per layer
    found = make_transform(recipe("wavlm", normalise=True))(signal)
    np.testing.assert_allclose(found, (states[2] - states[2].mean()) / states[2].std(), rtol=1e-3, atol=1e-4)
    assert make_transform(recipe("wavlm", layer=1, pooled=True))(signal).shape == (1, 16)


def test_whisper_sees_the_recording_alone(recipe, signal):
    """The frames of a recording are as many as its length asks for, and differ from those of the silence behind it."""
    frames = make_transform(recipe("whisper", normalise=True))(signal[: RATE // 2])
    assert frames.shape == (25, 16)
    assert frames.mean() == pytest.approx(0, abs=1e-5)  # of these 25, not of all 1500


@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_a_store_is_made_by_worker_processes_and_does_not_depend_on_their_number(
    tmp_path, recipe, signal, write_corpus, family
):
    torch.stft(torch.zeros(480000), 400, window=torch.ones(400), return_complex=True)  # starts torch's threads here
    rows, options = write_corpus(signal), recipe(family, layer=1)
    frames = []
    for workers in (1, 2):
        store = tmp_path / f"{workers}.zarr"
        build_store(options, rows, tmp_path, store, workers)
        frames.append(open_store(store, options, rows).read(np.arange(3)))
    np.testing.assert_array_equal(*frames)
    alone = make_transform(options)(soundfile.read(tmp_path / "u0.wav", dtype="float32")[0])
    np.testing.assert_allclose(frames[0][: len(alone)], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("family", MADE)
def test_a_gpu_gives_the_same_frames_up_to_rounding(tmp_path, recipe, signal, write_corpus, family):
    rows, options = write_corpus(signal), recipe(family)
    frames = []
    for device in ("cpu", "cuda"):
        store = tmp_path / f"{device}.zarr"
        build_store(options, rows, tmp_path, store, 1, device)
        frames.append(open_store(store, options, rows).read(np.arange(3)))
    np.testing.assert_allclose(*frames, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", MADE)
def test_what_an_encoder_takes_is_put_on_its_device(recipe, family, monkeypatch, signal):
    """On the stand-in `meta`, which has no values: torch refuses an input that is left on the CPU."""
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: torch.zeros_like(tensor, device="cpu"))
    assert make_transform(recipe(family), "meta")(signal).shape == (50 if family == "whisper" else 49, 16)


def test_a_gpu_without_room_for_a_recording_ends_in_its_name(tmp_path, recipe, signal, write_corpus, monkeypatch):
    rows, options = write_corpus(signal), recipe("hubert")

    def fill(*_arguments, **_options):
        raise torch.OutOfMemoryError

    taken = TRANSFORMS.module("encoder").prepare(sample_rate=RATE, weights=options["weights"], layer="last")
    monkeypatch.setattr(type(taken.network), "forward", fill)
    with pytest.raises(CorpusError, match=r"u0\.wav: lasts 1\.0 s, too long for the memory.*device: cpu"):
        build_store(options, rows, tmp_path, tmp_path / "features.zarr", 1)
    assert not (tmp_path / "features.zarr").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_wanted_and_missing_is_no_silent_fallback(tmp_path, recipe, capsys):
    (tmp_path / "manifest.csv").write_text("corpus,utterance\n")
    places = ["--manifest", str(tmp_path / "manifest.csv"), "--root", str(tmp_path), "--output", str(tmp_path / "out")]
    assert cli.main(["features", "--recipe", json.dumps(recipe("wavlm")), *places, "--device", "cuda"]) == 1
    assert "is cuda, but torch sees no GPU" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_workflow_tells_the_device_to_the_features_of_an_encoder(tmp_path, folders):
    systems = f"papers: [emobox]\nsystems: [wavlm_base, egemaps]\nencoders: {{wavlm_base: {folders['wavlm']}}}\n"
    copy_project(tmp_path, DEMO.replace("device: cpu", "device: cuda") + systems)
    told = snakemake(tmp_path, "emobox", "-n", "--quiet", "host", "--printshellcmds")
    commands = [line for line in told.splitlines() if "serflow features" in line]
    assert sorted(('"transform": "encoder"' in line, "--device cuda" in line) for line in commands) == [
        (False, False),
        (True, True),
    ]


def test_an_encoder_is_known_by_its_weights_and_settings_not_by_its_place(tmp_path, folders, recipe, signal):
    copy = shutil.copytree(folders["hubert"], tmp_path / "copy")
    (copy / "README.md").write_text("is not read")
    other = save(tmp_path / "other", "hubert", seed=1)
    first, same, different = identify(folders["hubert"]), identify(copy), identify(other)
    assert first == same != different
    keys = [store_key(recipe("hubert", weights=weights), []) for weights in (first, same, different)]
    assert keys[0] == keys[1] != keys[2]
    settings = shutil.copytree(copy, tmp_path / "settings") / "preprocessor_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"do_normalize": False}))
    assert identify(settings.parent) != first


def test_without_the_library_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "serflow.features.transforms.encoder", raising=False)
    with pytest.raises(ConfigError, match=r"requirements-features\.lock"):
        make_transform(OPTIONS | {"weights": "wav2vec2_base"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": 3}, r"recipe\.layer: is 3, the encoder has 2\. Allowed: 0 to 2"),
        ({"layer": "all"}, r"pooled: true"),
        ({"sample_rate": 8000}, r"recipe\.sample_rate: is 8000, the encoder's is 16000"),
        ({"weights": f"sha256:{'0' * 64}"}, r"the encoder sha256:00000000 is in none of its folders"),
    ],
)
def test_a_recipe_that_does_not_suit_the_encoder_is_refused(recipe, options, words):
    with pytest.raises((ConfigError, WeightsError), match=words):
        make_transform(recipe("wav2vec2", **options))


def test_recordings_that_an_encoder_cannot_hear_are_named(tmp_path, recipe, signal, write_corpus):
    rows = write_corpus(signal)
    soundfile.write(tmp_path / "u1.wav", signal[:100], RATE)
    rows[1] |= facts(tmp_path / "u1.wav")
    with pytest.raises(CorpusError, match=r"u1\.wav: has 100 samples, too few for a frame"):
        build_store(recipe("wav2vec2"), rows, tmp_path, tmp_path / "features.zarr", 2)
    assert not (tmp_path / "features.zarr").exists()
    with pytest.raises(CorpusError, match=r"lasts 31\.0 s, Whisper hears 30 s.*segment_seconds: 30"):
        make_transform(recipe("whisper"))(np.zeros(31 * RATE, np.float32))


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1000])


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def shard(folder):
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    weight_map = {"one": "a.safetensors", "two": "b.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


DAMAGES = {
    "pickle": (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "neither .*Convert"),
    "truncated": (lambda folder: cut_off(folder / "model.safetensors"), "cannot be read as an encoder"),
    "no settings": (
        lambda folder: (folder / "preprocessor_config.json").unlink(),
        r"holds no preprocessor_config\.json",
    ),
    "another model": (lambda folder: change(folder / "config.json", model_type="bert"), "model_type is 'bert'"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), "is no JSON"),
    "more layers": (lambda folder: change(folder / "config.json", num_hidden_layers=3), "lacks .* more tensors"),
    "other shapes": (lambda folder: change(folder / "config.json", hidden_size=24), "cannot be read as an encoder"),
    "a shard is lost": (shard, r"holds no b\.safetensors, which"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_ends_in_a_sentence(tmp_path, folders, monkeypatch, damage):
    folder = shutil.copytree(folders["wav2vec2"], tmp_path / "encoder")
    spoil, words = DAMAGES[damage]
    spoil(folder)
    monkeypatch.setenv(FOLDERS, str(folder))
    with pytest.raises(WeightsError, match=words) as caught:
        make_transform(OPTIONS | {"weights": identify(folder)})
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
