"""A run's folder is enough to recognise new signals as the training job recognised its own."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch

from serflow.errors import TrainingError
from serflow.inference import predictor as inference
from serflow.io.files import read_csv, read_json, write_json

LABELS = ["neutral", "happy", "sad"]


@pytest.fixture(scope="module")
def signals(trained):
    """Utterance -> its recording's signal."""
    return {path.stem: soundfile.read(path, dtype="float32")[0] for path in (trained / "corpus").iterdir()}


#: On other CPUs torch has no bf16 LSTM of two layers.
BF16_LSTM = pytest.param(
    "bf16_sequence", marks=pytest.mark.skipif(not torch.cpu.get_capabilities().get("avx512_f"), reason="no AVX-512")
)


@pytest.mark.parametrize("system", ["attention", "sequence", "image", "svm", "bf16_attention", BF16_LSTM])
def test_posteriors_are_those_that_the_training_job_wrote(run_of, signals, system):
    """Of all parts; standardisation with the training part's statistics, though other signals are given."""
    rows = read_csv(run_of(system) / "predictions.csv")
    expected = [[float(row[label]) for label in LABELS] for row in rows]
    predictor = inference.load(run_of(system), "cpu", threads=1)
    found = predictor.posteriors([signals[row["utterance"]] for row in rows])
    assert (found.shape, found.dtype) == ((24, 3), np.float64)
    tolerance = 5e-3 if system.startswith("bf16") else 1e-5  # other batches round bf16 otherwise
    np.testing.assert_allclose(found, expected, atol=tolerance)
    np.testing.assert_allclose(predictor.posteriors([signals[rows[8]["utterance"]]]), found[[8]], atol=tolerance)
    assert predictor.posteriors([]).shape == (0, 3)


def test_threads_are_the_trainings_unless_told(run_of):
    for options, expected in (({"threads": 2}, 2), ({}, 1)):
        network = inference.load(run_of("net"), **options)
        taken = []
        network.network.register_forward_hook(lambda *_, taken=taken: taken.append(torch.get_num_threads()))
        network.posteriors([np.ones(4000, np.float32)])
        assert taken == [expected]


@pytest.mark.parametrize(
    ("signal", "fault"),
    [
        (np.zeros((2, 800), np.float32), r"\(2, 800\)"),
        (np.zeros(0, np.float32), r"\(0,\)"),
        (np.array([0.1, np.nan], np.float32), "not finite"),
    ],
)
def test_a_signal_that_cannot_be_recognised_is_named(run_of, signals, signal, fault):
    with pytest.raises(inference.InferenceError, match=f"signal 1: .*{fault}"):
        inference.load(run_of("net"), threads=1).posteriors([signals["u00"], signal])


# Folders that are not what they should be


@pytest.fixture
def copied(run_of, tmp_path):
    return lambda system: shutil.copytree(run_of(system), tmp_path / system)


def test_memory_that_runs_out_on_a_device_names_it_and_what_to_do(run_of, signals, monkeypatch):
    def greedy(self, items):
        raise torch.OutOfMemoryError("CUDA out of memory")

    predictor = inference.load(run_of("image"), "cpu", 1)
    monkeypatch.setattr(type(predictor.network), "forward", greedy)
    with pytest.raises(TrainingError, match=r"device: .*cpu with 24 items.*--threads"):
        predictor.posteriors(list(signals.values()))


def test_a_missing_file_is_named(copied):
    run = copied("net")
    (run / "model").unlink()
    with pytest.raises(inference.InferenceError, match="model"):
        inference.load(run)


@pytest.mark.parametrize("damage", ["cut", "other network"])
def test_weights_that_do_not_fit_are_named(copied, run_of, damage):
    run = copied("net")
    whole = (run / "model").read_bytes()
    (run / "model").write_bytes(whole[:-9] if damage == "cut" else (run_of("sequence") / "model").read_bytes())
    with pytest.raises(inference.InferenceError, match="does not fit the network"):
        inference.load(run)


def test_a_run_without_a_model_of_its_own_is_named(copied):
    """Such as a two-step predictor's."""
    run = copied("net")
    write_json(run / "run.json", read_json(run / "run.json") | {"model_format": "none"})
    with pytest.raises(inference.InferenceError, match="model_format"):
        inference.load(run)


class Foreign:
    """A type that is none of scikit-learn's."""


def test_an_estimator_with_foreign_types_is_not_loaded(copied):
    import skops.io

    run = copied("svm")
    model = skops.io.load(run / "model", trusted=[])
    model.extra = Foreign()
    skops.io.dump(model, run / "model")
    with pytest.raises(inference.InferenceError, match=r"not trusted: .*Foreign"):
        inference.load(run)


def test_a_pickle_is_not_loaded(copied):
    import pickle

    run = copied("svm")
    (run / "model").write_bytes(pickle.dumps({"a": json.dumps}))
    with pytest.raises(inference.InferenceError, match="cannot be read"):
        inference.load(run)
