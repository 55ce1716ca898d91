"""A run's folder is enough to recognise new signals as the training job recognised its own."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch

from serflow.corpora.manifest import COLUMNS, read_manifest
from serflow.errors import TrainingError
from serflow.features.build import build_store
from serflow.inference import predictor as inference
from serflow.io.files import digest_file, read_csv, read_json, write_csv, write_json
from serflow.runs import RunId, Spec
from serflow.training.run import train
from toy_recipe import LABELS, RATE, RECIPE

SEGMENTS = RECIPE | {"segment_seconds": 0.1, "dtype": "float16"}
SGD = {"epochs": 2, "batch_size": 3, "optimiser": "adam", "learning_rate": 0.01}
SATT = {"module": "satt", "convolutions": [[2, 3, 3]], "dense": 4, "dropout": 0.1}
IMAGE = {"kind": "image", "height": 32, "width": 32, "floor_db": -80.0}
SYSTEMS = {
    "patch": {
        "recipe": SEGMENTS,
        "input": {"kind": "patch", "frames": 14},
        "model": SATT | {"lstm": {"size": 3, "layers": 1, "attention": True}},
        "training": SGD | {"early_stopping": {"metric": "loss", "patience": 2}},
    },
    "sequence": {
        "recipe": RECIPE,
        "input": {"kind": "sequence", "frames": 15, "standardise": True},
        "model": {"module": "bilstm", "hidden_size": 4, "dropout": 0.1},
        "training": SGD,
    },
    "image": {
        "recipe": RECIPE,
        "input": IMAGE | {"channels": 1, "normalise": "none"},
        "model": SATT | {"lstm": None},
        "training": SGD,
    },
    "vector": {"recipe": RECIPE, "input": {"kind": "vector"}, "model": {"module": "svm", "C": 1.0, "gamma": "scale"}},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Ten tones of 0.075 to 0.1425 s, two emotions; their signals as they are read back."""
    folder, rng, rows, signals = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0), [], {}
    for n in range(10):
        length, name = 600 + 60 * n, f"u{n}"
        tone = 0.3 * np.sin(2 * np.pi * (500 + 1500 * (n % 2)) * np.arange(length) / RATE)
        soundfile.write(folder / f"{name}.wav", tone + 0.1 * rng.standard_normal(length), RATE)
        signals[name] = soundfile.read(folder / f"{name}.wav", dtype="float32")[0]
        row = {"utterance": name, "corpus": "c", "path": f"{name}.wav", "emotion": LABELS[n % 2], "sample_rate": RATE}
        row |= {"samples": length, "sha1": digest_file(folder / f"{name}.wav", "sha1")}
        rows.append(dict.fromkeys(COLUMNS, "") | row)
    write_csv(folder / "manifest.csv", COLUMNS, rows)
    parts = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    split = [{"utterance": f"u{n}", "fold": 0, "part": part} for n, part in enumerate(parts)]
    write_csv(folder / "split.csv", list(split[0]), split)
    return folder, signals


@pytest.fixture(scope="module")
def runs(corpus):
    """Return a function from a system to its run's folder, trained once."""
    folder, _ = corpus
    threads = torch.get_num_threads()

    def run_of(kind, precision="fp32"):
        system, output = SYSTEMS[kind], folder / f"{kind}-{precision}"
        if not output.exists():
            store = folder / f"{kind}-{precision}.zarr"
            build_store(system["recipe"], read_manifest(folder / "manifest.csv"), folder, store, 1)
            spec = Spec(RunId("toy", "c", kind, "p", 0, 0), tuple(LABELS), (), system)
            paths = [folder / "manifest.csv"], [store], folder / "split.csv", None, output, folder / "x.pt"
            train(spec, *paths, "cpu", precision, 1)
        return output

    yield run_of
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    torch.set_flush_denormal(False)


def written(run):
    rows = read_csv(run / "predictions.csv")
    return [row["utterance"] for row in rows], np.array([[float(row[label]) for label in LABELS] for row in rows])


#: On other CPUs torch has no bf16 LSTM of two layers.
BF16_LSTM = pytest.param(
    "sequence", "bf16", marks=pytest.mark.skipif(not torch.cpu.get_capabilities().get("avx512_f"), reason="no AVX-512")
)


@pytest.mark.parametrize(("kind", "precision"), [*((kind, "fp32") for kind in SYSTEMS), ("patch", "bf16"), BF16_LSTM])
def test_posteriors_are_those_that_the_training_job_wrote(corpus, runs, kind, precision):
    """Of all parts; standardisation with the training part's statistics, though other signals are given."""
    run = runs(kind, precision)
    names, expected = written(run)
    predictor = inference.load(run, "cpu", threads=1)
    found = predictor.posteriors([corpus[1][name] for name in names])
    assert found.shape == (10, 2)
    assert found.dtype == np.float64
    tolerance = 1e-5 if precision == "fp32" else 5e-3  # other batches round bf16 otherwise
    np.testing.assert_allclose(found, expected, atol=tolerance)
    np.testing.assert_allclose(predictor.posteriors([corpus[1]["u8"]]), found[names.index("u8")][None], atol=tolerance)
    assert predictor.posteriors([]).shape == (0, 2)


def test_threads_are_the_trainings_unless_told(runs):
    torch.set_num_threads(2)
    inference.load(runs("patch"))
    assert torch.get_num_threads() == 1
    inference.load(runs("patch"), threads=2)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("signal", "fault"),
    [
        (np.zeros((2, 800), np.float32), r"\(2, 800\)"),
        (np.zeros(0, np.float32), r"\(0,\)"),
        (np.array([0.1, np.nan], np.float32), "not finite"),
    ],
)
def test_a_signal_that_cannot_be_recognised_is_named(corpus, runs, signal, fault):
    with pytest.raises(inference.InferenceError, match=f"signal 1: .*{fault}"):
        inference.load(runs("patch"), threads=1).posteriors([corpus[1]["u0"], signal])


# Folders that are not what they should be


@pytest.fixture
def copied(runs, tmp_path):
    return lambda kind: shutil.copytree(runs(kind), tmp_path / kind)


def test_memory_that_runs_out_on_a_device_names_it_and_what_to_do(corpus, runs, monkeypatch):
    def greedy(self, items):
        raise torch.OutOfMemoryError("CUDA out of memory")

    predictor = inference.load(runs("image"), "cpu", 1)
    monkeypatch.setattr(type(predictor.network), "forward", greedy)
    with pytest.raises(TrainingError, match=r"device: .*cpu with 10 items.*--threads"):
        predictor.posteriors(list(corpus[1].values()))


def test_a_missing_file_is_named(copied):
    run = copied("patch")
    (run / "model").unlink()
    with pytest.raises(inference.InferenceError, match="model"):
        inference.load(run)


@pytest.mark.parametrize("damage", ["cut", "other network"])
def test_weights_that_do_not_fit_are_named(copied, runs, damage):
    run = copied("patch")
    whole = (run / "model").read_bytes()
    (run / "model").write_bytes(whole[:-9] if damage == "cut" else (runs("sequence") / "model").read_bytes())
    with pytest.raises(inference.InferenceError, match="does not fit the network"):
        inference.load(run)


def test_a_run_without_a_model_of_its_own_is_named(copied):
    """Such as a two-step predictor's."""
    run = copied("patch")
    write_json(run / "run.json", read_json(run / "run.json") | {"model_format": "none"})
    with pytest.raises(inference.InferenceError, match="model_format"):
        inference.load(run)


class Foreign:
    """A type that is none of scikit-learn's."""


def test_an_estimator_with_foreign_types_is_not_loaded(copied):
    import skops.io

    run = copied("vector")
    model = skops.io.load(run / "model", trusted=[])
    model.extra = Foreign()
    skops.io.dump(model, run / "model")
    with pytest.raises(inference.InferenceError, match=r"not trusted: .*Foreign"):
        inference.load(run)


def test_a_pickle_is_not_loaded(copied):
    import pickle

    run = copied("vector")
    (run / "model").write_bytes(pickle.dumps({"a": json.dumps}))
    with pytest.raises(inference.InferenceError, match="cannot be read"):
        inference.load(run)
