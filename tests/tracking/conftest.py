"""Run folders, and what lies beside them in a results folder."""

import numpy as np
import pytest

from serflow.io.files import write_csv, write_text
from serflow.papers.model import PaperRecord
from serflow.papers.names import ROLES
from serflow.runs import Predictions, RunId, write_run
from serflow.scoring.results import Cell, Result, write_results

LABELS = ["neutral", "happy", "sad"]
#: Label and prediction of the test part: 3 of 4 right; recalls 1, 1/2, 1; F1 2/3, 2/3, 1.
TEST = [("neutral", "neutral"), ("happy", "happy"), ("happy", "neutral"), ("sad", "sad")]
GROUP = ("ravdess", "resnet18", "published")


@pytest.fixture
def make_run(tmp_path):
    """Write the folder of a run below ``tmp_path/runs``, and its corpora's manifests of 4 and its split."""

    def make(run, epochs=3, loss=0.5, deviating=()):
        folder = tmp_path / "runs" / run.path
        predicted = np.array([LABELS.index(guess) for _, guess in TEST])
        names = [f"u{n}" for n in range(len(TEST))]
        truth = [label for label, _ in TEST]
        predictions = Predictions(LABELS, names, ["test"] * 4, truth, predicted, np.eye(3)[predicted])
        history = [
            {"epoch": n, "train_loss": loss / n, "seconds": 2.0} | ({"validation_loss": 0.25} if n > 1 else {})
            for n in range(1, epochs + 1)
        ]
        info = vars(run) | {"labels": LABELS, "others": [], "model_format": "safetensors", "commit": "0123abc"}
        system = {"training": {"epochs": epochs, "learning_rate": 3e-5}, "recipe": {"transform": "mfcc"}}
        system |= {"input": {"kind": "vector"}, "model": {"module": "svm"}}
        info |= {"system_config": system, "device": "cpu"}
        info |= {"seconds": 6.5, "training_seconds": 6.0, "peak_memory_mib": 512.0}
        info |= {"started": "2026-01-02T03:04:05+00:00", "finished": "2026-01-02T03:05:05+00:00"}
        write_run(folder, predictions, history, info | dict(deviating), lambda path: path.write_bytes(b"weights"))
        for corpus in run.corpora:
            rows = [{"utterance": name} for name in names]
            write_csv(tmp_path / "manifests" / f"{corpus}.csv", ["utterance"], rows)
        split = tmp_path / "splits" / run.paper / run.corpus / run.protocol / f"seed{run.seed}.csv"
        write_csv(split, ["utterance", "fold", "part"], [])
        return folder

    return make


@pytest.fixture
def run_of():
    """Return the run of a paper."""

    def run(paper="deepemo", corpus="ravdess", protocol="published", seed=0):
        return RunId(paper, corpus, "resnet18", protocol, seed, 0)

    return run


@pytest.fixture
def record_of():
    """Return the record of a paper of which nothing is written but its name and its deviations."""

    def record(paper="deepemo", deviations=None):
        about = {"paper": paper, "title": f"Title of {paper}", "authors": "A", "labels": LABELS, "corpora": ["ravdess"]}
        about |= {"recipes": {}, "systems": {}, "protocols": {}, "published": [], "assumptions": []}
        facts = {"not_run": {}, "n_folds": {}, "synthetic": False}
        return PaperRecord.model_validate({"paper": about, "deviations": deviations or {}, **facts})

    return record


@pytest.fixture
def write_overview(tmp_path):
    """Write the comparison of two papers, of which one was not run, and its figure; return both."""

    def write(ours=0.521, synthetic=False):
        about = {"title": "", "metric": "WA", "part": "test", "epoch": None, "synthetic": synthetic}
        cells = dict.fromkeys(ROLES, Cell())
        verdict = {"verdict": "not reproduced", "reason": "97.3 lies above"}
        own = cells | {"published": Cell("published", ours), "leak": Cell("augment_then_split", 0.99)}
        jin = Result("jin", "ravdess+savee", "resnet1d", published=0.973, cells=own, **about, **verdict)
        unseen = cells | {"unseen": Cell("speaker_independent", 0.4)}
        satt = Result("satt", "ravdess", "net", published=None, cells=unseen, **about, verdict="no published number")
        table, figure = tmp_path / "tables" / "comparison.csv", tmp_path / "figures" / "comparison.svg"
        write_results([jin, satt], table)
        write_text(figure, "<svg/>")
        return [table, figure]

    return write
