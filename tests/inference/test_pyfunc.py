"""MLflow loads what a run logs as its model, and recognises as the experiment did."""

import shutil

import mlflow
import pandas as pd
import pytest
import torch

from serflow.errors import SerflowError
from serflow.io.files import read_csv
from serflow.tracking.store import MLMODEL

LABELS = ["neutral", "happy", "sad"]


@pytest.fixture(params=["net", "svm"])
def logged(request, trained, run_of, tmp_path):
    """A run's folder and the model that MLflow loads from what is logged of it."""
    run = run_of(request.param)
    for name in ("run.json", "model"):
        shutil.copy(run / name, tmp_path)
    (tmp_path / "MLmodel").write_text(MLMODEL)
    return run, mlflow.pyfunc.load_model(str(tmp_path))


def test_posteriors_are_those_of_the_experiment(logged, trained):
    run, model = logged
    written = {row["utterance"]: row for row in read_csv(run / "predictions.csv")}
    paths = [str(trained / "corpus" / f"{name}.wav") for name in written]
    for given in (paths, pd.DataFrame({"path": paths})):
        found = model.predict(given)
        assert list(found.columns) == ["file", "emotion", *LABELS, "error"]
        assert list(found["emotion"]) == [row["predicted"] for row in written.values()]
        expected = [[float(row[label]) for label in LABELS] for row in written.values()]
        assert found[LABELS].to_numpy().tolist() == expected


def test_there_is_a_row_for_each_path_also_of_one_that_comes_twice(logged, trained):
    _, model = logged
    paths = [str(trained / "corpus" / name) for name in ("u07.wav", "u03.wav", "u07.wav")]
    found = model.predict(pd.DataFrame({"path": paths}))
    assert list(found["file"]) == paths
    assert found["emotion"][0] == found["emotion"][2]


def test_a_model_that_is_loaded_changes_no_settings_of_torch(logged, trained, tmp_path):
    torch.set_deterministic_debug_mode("default")
    mlflow.pyfunc.load_model(str(tmp_path)).predict([str(trained / "corpus/u07.wav")])
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_broken_recording_has_its_error_and_a_missing_one_is_told(logged, trained, tmp_path):
    _, model = logged
    (tmp_path / "broken.wav").write_text("no sound")
    found = model.predict([str(trained / "corpus/u00.wav"), str(tmp_path / "broken.wav")])
    assert found["error"][0] == ""
    assert "cannot be read" in found["error"][1]
    assert found[LABELS].isna().all(axis=1).tolist() == [False, True]
    with pytest.raises(SerflowError, match="does not exist"):
        model.predict([str(tmp_path / "none.wav")])
