"""A results folder with trained runs of a toy paper: tones of three emotions, four speakers, two folds."""

import shutil

import numpy as np
import pytest
import soundfile
import torch

from recordings import facts
from serflow.corpora.manifest import COLUMNS, read_manifest
from serflow.features.build import build_store
from serflow.io.files import read_csv, write_csv, write_json
from serflow.runs import RunId, Spec
from serflow.scoring.scores import Score, Scores
from serflow.training.run import train
from serflow.training.two_step import combine
from toy_paper import PROTOCOLS, make_record
from toy_recipe import RATE, RECIPE

LABELS = ("neutral", "happy", "sad")
SGD = {"epochs": 2, "batch_size": 4, "optimiser": "adam", "learning_rate": 0.001}
SEGMENTS = RECIPE | {"segment_seconds": 0.2, "dtype": "float16"}
SATT = {"module": "satt", "convolutions": [[2, 3, 3]], "dense": 16, "dropout": 0.1, "lstm": None}
PATCH = {"recipe": SEGMENTS, "input": {"kind": "patch", "frames": 26}, "model": SATT, "training": SGD}
ATTENTION = PATCH | {
    "model": SATT | {"lstm": {"size": 3, "layers": 1, "attention": True}},
    "training": SGD | {"early_stopping": {"metric": "loss", "patience": 2}},
}
SEQUENCE = {
    "recipe": RECIPE,
    "input": {"kind": "sequence", "frames": 30, "standardise": True},
    "model": {"module": "bilstm", "hidden_size": 4, "dropout": 0.1},
    "training": SGD,
}
#: Those named bf16 are trained in bf16.
SYSTEMS = {
    "net": PATCH,
    "bf16": PATCH,
    "attention": ATTENTION,
    "bf16_attention": ATTENTION,
    "neutral_happy": PATCH,
    "neutral_sad": PATCH,
    "sequence": SEQUENCE,
    "bf16_sequence": SEQUENCE,
    "image": {
        "recipe": RECIPE,
        "input": {"kind": "image", "height": 32, "width": 32, "floor_db": -80.0, "channels": 1, "normalise": "none"},
        "model": SATT,
        "training": SGD,
    },
    "svm": {"recipe": RECIPE, "input": {"kind": "vector"}, "model": {"module": "svm", "C": 1.0, "gamma": "scale"}},
    "own_scope": {
        "recipe": RECIPE,
        "input": {"kind": "vector", "scope": "speaker"},
        "model": {"module": "svm", "C": 1.0, "gamma": "scale"},
    },
}
TWO_STEP = {"combine": {"first": "net", "second": ["neutral_happy", "neutral_sad"], "neutral": "neutral"}}
PAIRS = {"neutral_happy": ("neutral", "happy"), "neutral_sad": ("neutral", "sad")}
#: On other CPUs torch has no bf16 LSTM of two layers.
BF16_LSTM = torch.cpu.get_capabilities().get("avx512_f")
#: Protocol and fold of each system's runs.
RUNS = [
    *((system, "speaker_independent", fold) for system in ("net", *PAIRS) for fold in (0, 1)),
    *((system, "speaker_independent", 0) for system in ("bf16", "attention", "bf16_attention", "sequence", "image")),
    *((system, "speaker_independent", 0) for system in ("svm", "own_scope")),
    *([("bf16_sequence", "speaker_independent", 0)] if BF16_LSTM else []),
    *((system, "leak", 0) for system in ("net", "svm")),
]


def _write_corpus(folder):
    """24 recordings of 0.3 to 0.53 s, each emotion another tone, with manifest and split."""
    rng, rows, split = np.random.default_rng(0), [], []
    (folder / "corpus").mkdir()
    for n in range(24):
        name, speaker = f"u{n:02d}", n // 6
        seconds = np.arange(2400 + 80 * n) / RATE
        tone = 0.3 * np.sin(2 * np.pi * 600 * (1 + n % 3) * seconds) + 0.1 * rng.standard_normal(len(seconds))
        path = folder / "corpus" / f"{name}.wav"
        soundfile.write(path, tone, RATE)
        about = {
            "utterance": name,
            "corpus": "toy",
            "path": path.name,
            "emotion": LABELS[n % 3],
            "speaker": str(speaker),
        }
        rows.append(dict.fromkeys(COLUMNS, "") | about | facts(path))
        parts = {0: "test", 1: "validation"}
        split += [{"utterance": name, "fold": k, "part": parts.get((speaker + k) % 4, "train")} for k in (0, 1)]
    (folder / "manifests").mkdir()
    write_csv(folder / "manifests/toy.csv", COLUMNS, rows)
    write_csv(folder / "split.csv", list(split[0]), split)


def _train(folder, system, protocol, fold):
    config, manifest = SYSTEMS[system], folder / "manifests/toy.csv"
    store = folder / f"{'segments' if 'segment_seconds' in config['recipe'] else 'whole'}.zarr"
    if not store.exists():
        build_store(config["recipe"], read_manifest(manifest), folder / "corpus", store, 1)
    labels = PAIRS.get(system, LABELS)
    others = tuple(label for label in LABELS if label not in labels)
    spec = Spec(RunId("toypaper", "toy", system, protocol, 0, fold), labels, others, config)
    output, precision = folder / "runs" / spec.run.path, "bf16" if system.startswith("bf16") else "fp32"
    train(spec, [manifest], [store], folder / "split.csv", None, output, folder / "x.pt", "cpu", precision, 1)
    told = {tuple(row[label] for label in labels) for row in read_csv(output / "predictions.csv")}
    assert len(told) > 12  # of 24: else recordings that are taken for others go unnoticed


def _combine(folder, fold):
    run = RunId("toypaper", "toy", "two_step", "speaker_independent", 0, fold)
    first, *second = (folder / "runs" / run.of_system(name).path for name in ("net", *PAIRS))
    combine(Spec(run, LABELS, (), TWO_STEP), first, second, folder / "runs" / run.path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The results folder; read only."""
    folder, threads = tmp_path_factory.mktemp("toy") / "results", torch.get_num_threads()
    folder.mkdir()
    _write_corpus(folder)
    for run in RUNS:
        _train(folder, *run)
    for fold in (0, 1):
        _combine(folder, fold)
    leak = {"kind": "augmented", "title": "leaky", "copies": {"noise": {"snr_db": 9.0}}}
    leak["parts"] = {"train": 0.8, "validation": 0.1, "test": 0.1}
    systems = {
        name: {"title": f"title of {name}", "protocols": ["speaker_independent", "leak"], "recipe": "r"}
        | {"input": {"kind": "vector"}, "model": {"module": "svm"}}
        for name in (*SYSTEMS, "two_step")
    }
    record = make_record(systems=systems, protocols=PROTOCOLS | {"leak": leak}, published=[], corpora=["toy"])
    (folder / "papers").mkdir()
    write_json(folder / "papers/toypaper.json", record.model_dump(mode="json", by_alias=True, exclude_none=True))
    facts = {"corpus": "toy", "part": "test", "n_folds": 2, "n_runs": 1, "unit": "speakers"}
    facts |= {"n_speakers": 4, "n_utterances": 24}
    cells = {
        "speaker_independent": {"WA": (0.625, 0.5, 0.75), "UA": (0.6, 0.45, 0.7)},
        "leak": {"WA": (0.99, 0.98, 1.0)},
    }
    rows = [
        Score("toypaper", system, protocol, metric=metric, value=value, low=low, high=high, **facts)
        for system in ("net", "two_step")
        for protocol, metrics in cells.items()
        for metric, (value, low, high) in metrics.items()
    ]
    (folder / "scores").mkdir()
    Scores(tuple(rows)).write(folder / "scores/toypaper.csv")
    yield folder
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    torch.set_flush_denormal(False)


@pytest.fixture
def run_of(trained):
    """Return a function from a system to a run's folder."""
    return lambda system, protocol="speaker_independent", fold=0: (
        trained / "runs" / RunId("toypaper", "toy", system, protocol, 0, fold).path
    )


@pytest.fixture
def results(trained, tmp_path):
    """A copy of the results folder that a test may change."""
    return shutil.copytree(trained, tmp_path / "results")
