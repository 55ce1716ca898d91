import csv
import json
from pathlib import Path

import pytest

LABELS = ("neutral", "happy", "sad")


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def make_run(tmp_path: Path):
    """Write a run directory as training does; `predictions` are (utterance, part, label, predicted)."""

    def make(predictions, *, protocol="published", system="net", corpus="toy", seed=0, fold=0, epochs=2, deviations=()):
        path = tmp_path / "runs" / "toypaper" / corpus / system / protocol / f"seed{seed}" / f"fold{fold}"
        path.mkdir(parents=True)
        rows = [
            {"utterance": u, "part": p, "label": t, "predicted": g} | {x: float(x == g) for x in LABELS}
            for u, p, t, g in predictions
        ]
        _write_csv(path / "predictions.csv", rows)
        history = [
            {
                "epoch": e,
                "learning_rate": 1e-3,
                "train_loss": 1 / e,
                "train_accuracy": 1 - 0.5 / e,
                "validation_loss": 2 / e,
                "validation_accuracy": 0.1 * e + 0.1 * seed + 0.2 * fold,
                "seconds": 1,
            }
            for e in range(1, epochs + 1)
        ]
        _write_csv(path / "history.csv", history)
        info = {"paper": "toypaper", "corpus": corpus, "system": system, "protocol": protocol, "seed": seed}
        info |= {"fold": fold, "labels": list(LABELS), "deviations": list(deviations), "device": "cpu"}
        info |= {"device_name": "toy CPU", "precision": "fp32", "versions": {"torch": "2.9"}, "commit": "abc1234"}
        (path / "run.json").write_text(json.dumps(info))
        return path

    return make


@pytest.fixture
def manifest():
    """Eight speakers with six utterances each: u{speaker}_{k}."""
    return [{"utterance": f"u{s}_{k}", "corpus": "toy", "speaker": f"{s:02d}"} for s in range(8) for k in range(6)]


@pytest.fixture
def paper():
    def entry(metric, part, value, **more):
        base = {"table": "Table I", "system": "net", "corpus": "toy", "protocol": "published"}
        return base | {"part": part, "metric": metric, "value": value} | more

    return {
        "paper": "toypaper",
        "title": "Toy & Co. 100 %",
        "labels": list(LABELS),
        "corpora": ["toy", "savee"],
        "systems": {"net": {"title": "Net_1"}},
        "protocols": {"published": {"title": "random 80/10/10"}, "speaker_independent": {"title": "other speakers"}},
        "assumptions": [{"topic": "split", "unsaid": "The split.", "chosen": "80/10/10.", "why": "Common <here>."}],
        "published": [
            entry("accuracy", "train", 0.88, epoch=1),
            entry("loss", "train", 0.47, epoch=1),
            entry("accuracy", "validation", 0.97, epoch=1),
            entry("accuracy", "train", 1.0, epoch=50),
            entry("accuracy", "validation", 1.0, epoch=50),
            entry("WA", "test", 0.9, table="Table II", note="printed as WA"),
        ],
    }
