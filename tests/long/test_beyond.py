"""A cross-corpus run and one on unseen sentences through the whole workflow, on the demo corpora."""

import csv
import json

from workflow_project import DEMO, copy_project, snakemake

CONFIG = (
    DEMO.replace("savee: {source: null}", "emodb: {source: demo}")
    + """
papers: [deepemonet]
systems: [svm]
protocols: [cross_corpus, statement_independent]
cross_corpus: [{train: [ravdess], test: emodb, systems: [deepemonet.svm]}]
statement_independent: {ravdess: [deepemonet.svm]}
"""
)
SHARED = ["neutral", "happy", "sad", "angry", "fearful", "disgust"]


def test_systems_run_on_another_corpus_and_on_unseen_sentences(tmp_path):
    copy_project(tmp_path, CONFIG)
    told = snakemake(tmp_path, "deepemonet")
    assert f"deepemonet on ravdess+emodb, cross_corpus: {', '.join(SHARED)}; left out: calm" in told
    results = tmp_path / "out"
    runs = {path.relative_to(results / "runs").as_posix() for path in results.glob("runs/**/run.json")}
    cross = "deepemonet/ravdess+emodb/svm/cross_corpus/seed0/fold0"
    assert runs == {f"{cross}/run.json", "deepemonet/ravdess/svm/statement_independent/seed0/fold0/run.json"}
    with (results / "runs" / cross / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {(row["utterance"].partition("/")[0], row["part"] == "test") for row in rows} == {
        ("ravdess", False),
        ("emodb", True),
    }
    assert {row["label"] for row in rows} == set(SHARED)
    (report,) = results.glob("splits/deepemonet/ravdess/statement_independent/seed0.json")
    folds = json.loads(report.read_text())["folds"]
    assert [(fold["speakers"], fold["statements"]) for fold in folds] == [([], [])] * 12
    comparison, data = ((results / f"tables/deepemonet/{name}.md").read_text() for name in ("comparison", "data"))
    assert "another corpus" in comparison
    assert "unseen speakers and sentences" in comparison
    assert "ravdess+emodb, cross corpus: ravdess: " in data
