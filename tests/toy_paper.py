"""A paper on the corpus "toy" of eight speakers with six utterances each, u{speaker}_{k}, and runs of it."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from serflow.corpora.manifest import COLUMNS
from serflow.papers.model import PaperRecord
from serflow.runs import Predictions, RunId, write_run
from serflow.schema import check

LABELS = ("neutral", "happy", "sad")
PARTS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def system(title, *protocols, **more):
    base = {"title": title, "protocols": list(protocols or ("published", "speaker_independent"))}
    return base | {"recipe": "r", "input": {"kind": "vector"}, "model": {"module": "svm"}} | more


def published(metric, part, value, **more):
    base = {"table": "Table I", "system": "net", "corpus": "toy", "protocol": "published"}
    return base | {"part": part, "metric": metric, "value": value} | more


PROTOCOLS = {
    "published": {"kind": "random", "title": "random 80/10/10", "parts": PARTS},
    "speaker_independent": {"kind": "speakers", "title": "other speakers"},
}
PAPER = {
    "paper": "toypaper",
    "title": "Toy & Co. 100 %",
    "authors": "A. Toy",
    "labels": list(LABELS),
    "corpora": ["toy", "savee"],
    "recipes": {"r": {"transform": "mfcc"}},
    "systems": {"net": system("Net_1")},
    "protocols": PROTOCOLS,
    "assumptions": [{"topic": "split", "unsaid": "The split.", "chosen": "80/10/10.", "why": "Common <here>."}],
    "published": [
        published("accuracy", "train", 0.88, epoch=1),
        published("loss", "train", 0.47, epoch=1),
        published("accuracy", "validation", 0.97, epoch=1),
        published("accuracy", "train", 1.0, epoch=50),
        published("accuracy", "validation", 1.0, epoch=50),
        published("WA", "test", 0.9, table="Table II", note="printed as WA"),
    ],
}


def make_record(*, not_run=(), n_folds=(), seeds=(), deviations=(), synthetic=False, **changes) -> PaperRecord:
    """Return the record of `PAPER` with other values of its keys; `deviations`: corpus/system/protocol -> texts."""
    about = {"not_run": dict(not_run), "n_folds": dict(n_folds), "seeds": dict(seeds), "synthetic": synthetic}
    return check(PaperRecord, {"paper": PAPER | changes, "deviations": dict(deviations), **about}, "record")


def write_rows(path: Path, rows: Iterable[dict[str, object]]) -> Path:
    rows = list(rows)
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def manifest_rows(corpus="toy"):
    known = [{"utterance": f"u{s}_{k}", "corpus": corpus, "speaker": f"{s:02d}"} for s in range(8) for k in range(6)]
    return [dict.fromkeys(COLUMNS, "") | row for row in known]


@pytest.fixture
def manifest(tmp_path):
    """The manifest, with a report beside it."""
    report = {"corpus": "toy", "utterances": 48, "speakers": ["00", "01"], "classes": {"sad": 48}, "published": 49}
    (tmp_path / "toy.json").write_text(json.dumps(report | {"identical": [["u0_0", "u0_1"]]}))
    return write_rows(tmp_path / "toy.csv", manifest_rows())


@pytest.fixture
def speakers():
    """The speakers of the manifest, as `read_speakers` returns them."""
    return {(row["corpus"], row["utterance"]): f"toy/{row['speaker']}" for row in manifest_rows()}


@pytest.fixture
def make_run(tmp_path):
    """Write a run folder; `predictions` are (utterance, part, label, predicted)."""

    def make(
        predictions,
        *,
        protocol="published",
        system="net",
        corpus="toy",
        seed=0,
        fold=0,
        epochs=2,
        validated=True,
        labels=LABELS,
        paper="toypaper",
        **more,
    ):
        run = RunId(paper, corpus, system, protocol, seed, fold)
        names, parts, truth, guess = zip(*predictions, strict=True)
        index = np.array([labels.index(label) for label in guess])
        history = [
            {
                **{"epoch": e, "learning_rate": 1e-3, "train_loss": 1 / e, "train_accuracy": 1 - 0.5 / e, "seconds": 1},
                "validation_loss": 2 / e if validated else np.nan,
                "validation_accuracy": 0.1 * e + 0.1 * seed + 0.2 * fold if validated else np.nan,
            }
            for e in range(1, epochs + 1)
        ]
        info = {**vars(run), "labels": list(labels), "device": "cpu", "device_name": "toy CPU", "precision": "fp32"}
        info |= {"versions": {"torch": "2.9"}, "commit": "abc1234", "n_parameters": 12345, **more}
        folder = tmp_path / "runs" / run.path
        folder.mkdir(parents=True)
        write_run(folder, Predictions(labels, names, parts, truth, index, np.eye(len(labels))[index]), history, info)
        return folder

    return make
