"""Extending serflow: a corpus, a model, a protocol, a kind of figure and a metric, each one file or one function."""

import csv

import numpy as np
import pytest
import soundfile

from workflow_project import copy_project, snakemake

PACKAGE = "workflow/serflow"
CORPUS = '''
"""Toys: four people say hop and sob."""

from serflow.corpora.base import files, not_audio, row, scan_names

TITLE = "Toys"
EMOTIONS = {"hop": "happy", "sob": "sad"}
SPEAKER_FOLDS = (("A",), ("B",), ("C",), ("D",))


def parse(path):
    speaker, label, number = path.removesuffix(".wav").split("_")
    emotion = EMOTIONS[label]
    return row(
        utterance=f"{speaker}_{label}_{number}", path=path, corpus="toys", speaker=speaker, sex="female",
        emotion=emotion, native_label=label,
    )


def scan(root):
    return scan_names(root, files(root), parse, not_audio, "A_hop_1.wav")
'''
MODEL = '''
"""One linear layer on vectors."""

from torch import nn

from serflow.types import Count


def build(n_classes: int, *, input_shape, width: Count):
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.Linear(width, n_classes))
'''
PROTOCOL = '''
"""Recordings in turn: one tests, one validates, two train."""

from typing import Literal

from serflow.protocols.base import Protocol

PARTS = ("test", "validation", "train", "train")


class InTurn(Protocol):
    kind: Literal["in_turn"]

    def count_folds(self, corpora):
        return 1

    def training_share(self, corpora):
        return 0.5

    def assign(self, rows, corpora, seed):
        return [{row["utterance"]: PARTS[n % 4] for n, row in enumerate(rows)}]
'''
FIGURE = '''
"""How long recordings are."""

from serflow.figures.style import new_figure, style
from serflow.types import Count

NEEDS = "manifests"


def durations(request, *, bins: Count):
    seconds = [int(row["samples"]) / int(row["sample_rate"]) for row in request.read_rows()]
    with style():
        figure = new_figure(6, 3)
        figure.subplots().hist(seconds, bins)
        figure.suptitle(request.title("all recordings"))
    return figure
'''
METRIC = '''

@metric("worst", "worst recall", "smallest of the per-class recalls")
def worst_recall(counts: np.ndarray) -> np.ndarray:
    """Return the smallest recall of the classes present in the truth."""
    truth = counts.sum(axis=-1)
    recall = np.diagonal(counts, axis1=-2, axis2=-1) / np.where(truth > 0, truth, 1.0)
    return np.where(truth.sum(axis=-1) > 0, np.where(truth > 0, recall, np.inf).min(axis=-1), np.nan)
'''
PAPER = """
paper: mine
title: Mine
authors: Me
labels: [happy, sad]
corpora: [toys]
recipes:
  mfcc: {transform: logmel, sample_rate: 8000, n_fft: 512, hop_length: 256, n_mels: 40, fmin: 0, fmax: 4000, top_db: 80}
systems:
  linear:
    title: linear
    recipe: mfcc
    protocols: [published, speaker_independent]
    input: {kind: vector}
    model: {module: softmax, width: 4}
    training: {epochs: 2, batch_size: 8, optimiser: adam, learning_rate: 0.01}
protocols:
  published: {kind: in_turn, title: in turn}
  speaker_independent: {kind: speakers, title: unseen}
published: []
figures:
  - {figure: Figure 1, kind: durations, title: durations, corpus: toys, bins: 5}
assumptions: []
"""
CONFIG = """
papers: [mine]
corpora: {ravdess: {source: null}, toys: {source: toys}}
results: out
seeds: {random: [0], grouped: [0]}
folds: [0]
device: cpu
threads: 1
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extended")
    copy_project(folder, CONFIG)
    files = {
        f"{PACKAGE}/corpora/known/toys.py": CORPUS,
        f"{PACKAGE}/models/architectures/softmax.py": MODEL,
        f"{PACKAGE}/protocols/kinds/in_turn.py": PROTOCOL,
        f"{PACKAGE}/figures/kinds/durations.py": FIGURE,
        "workflow/papers/mine.yaml": PAPER,
    }
    for path, text in files.items():
        assert not (folder / path).exists()
        (folder / path).write_text(text.lstrip())
    with (folder / PACKAGE / "scoring/metrics.py").open("a") as handle:
        handle.write(METRIC)
    (folder / "toys").mkdir()
    rng = np.random.default_rng(0)
    for speaker in "ABCD":
        for label, pitch in (("hop", 300), ("sob", 120)):
            for number in range(4):
                time = np.arange(8000) / 16000
                sound = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.05 * rng.standard_normal(8000)
                soundfile.write(folder / f"toys/{speaker}_{label}_{number}.wav", sound, 16000)
    snakemake(folder)
    return folder


def test_a_corpus_a_model_and_a_protocol_are_run(project):
    with (project / "out/manifests/toys.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 32
    for protocol, tested in (("published", 8), ("speaker_independent", 8)):
        path = project / f"out/runs/mine/toys/linear/{protocol}/seed0/fold0/predictions.csv"
        with path.open() as handle:
            assert [row["part"] for row in csv.DictReader(handle)].count("test") == tested


def test_a_metric_stands_in_scores_and_tables(project):
    with (project / "out/scores/mine.csv").open() as handle:
        scores = [row for row in csv.DictReader(handle) if row["metric"] == "worst" and row["value"]]
    assert {row["part"] for row in scores} >= {"test", "validation"}
    assert "worst recall" in (project / "out/tables/mine/comparison.md").read_text()


def test_a_kind_of_figure_is_drawn_and_its_options_are_checked(project):
    assert (project / "out/figures/mine/figure_1.svg").stat().st_size > 5000
    paper = project / "workflow/papers/mine.yaml"
    before = paper.read_text()
    try:
        paper.write_text(before.replace("bins: 5", "bins: 0"))
        output = snakemake(project, "-n", check=False)
    finally:
        paper.write_text(before)
    assert "figures.0.bins" in output
