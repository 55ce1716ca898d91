import dataclasses
import json
import os
import shutil

import pytest

from serflow.errors import RunError
from serflow.runs import read_runs
from serflow.scoring.scores import Score, Scores
from serflow.tracking.entries import describe_paper, overview_entry, paper_entries
from toy_paper import make_record, published, system


@pytest.fixture
def entries_of(tmp_path, record_of):
    """Return the entries of run folders by what their key adds to the paper's."""

    def entries(folders, scores=(), artifacts=(), deviations=None, paper="deepemo"):
        record = record_of(paper, deviations)
        found = paper_entries(record, read_runs(folders), Scores(tuple(scores)), artifacts, tmp_path)
        return {entry.key.removeprefix(f"{paper}/"): entry for entry in found}

    return entries


CHILD, PARENT = "ravdess/resnet18/published/seed0/fold0", "ravdess/resnet18/published"


def last(entry):
    return {metric.name: metric.value for metric in entry.metrics}


def write_file(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_run_is_logged_as_its_files_have_it(entries_of, make_run, run_of):
    child = entries_of([make_run(run_of())])[CHILD]
    assert (child.name, child.parent) == ("seed0/fold0", "deepemo/ravdess/resnet18/published")
    assert child.started == 1_767_323_045_000  # 2026-01-02T03:04:05Z
    assert child.finished - child.started == 60_000
    assert child.parameters["system_config.training.learning_rate"] == "3e-05"
    assert child.parameters["labels"] == '["neutral", "happy", "sad"]'
    assert not {"seconds", "commit", "started"} & child.parameters.keys()
    commit = {"commit": "0123abc", "mlflow.source.git.commit": "0123abc"}
    place = {"paper": "deepemo", "corpus": "ravdess", "system": "resnet18", "protocol": "published"}
    assert child.tags == commit | place | {"device": "cpu", "deviations": "none", "data": "recorded"}
    assert last(child)["test_WA"] == pytest.approx(3 / 4)
    assert last(child)["test_UA"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert last(child)["test_macro_F1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert last(child)["run_training_seconds"] == 6.0
    assert "validation_UA" not in last(child)  # no such part among the predictions
    names = [f"{folder}/{path.name}".lstrip("/") for path, folder in child.artifacts]
    assert names == ["run.json", "predictions.csv", "history.csv", "model/run.json", "model/model"]
    assert child.is_model


def test_every_epoch_is_a_step_stamped_with_its_end(entries_of, make_run, run_of):
    child = entries_of([make_run(run_of())])[CHILD]
    losses = [metric[1:] for metric in child.metrics if metric.name == "train_loss"]
    assert losses == [(1, 0.5, 2000), (2, 0.25, 4000), (3, pytest.approx(0.5 / 3, abs=1e-6), 6000)]
    # the cell of epoch 1 is empty
    assert [metric.step for metric in child.metrics if metric.name == "validation_loss"] == [2, 3]


def test_a_combined_run_without_a_model_is_logged_with_all_else(entries_of, make_run, run_of):
    folder = make_run(run_of(), epochs=0, deviating={"model_format": "none"})
    (folder / "model").unlink()
    child = entries_of([folder])[CHILD]
    assert [path.name for path, _ in child.artifacts] == ["run.json", "predictions.csv", "history.csv"]
    assert last(child)["test_WA"] == pytest.approx(3 / 4)
    assert not child.is_model


@pytest.mark.parametrize(
    "part", [{"model": {"module": "mine/net.py"}}, {"input": {"kind": "vector", "scope": "speaker"}}]
)
def test_a_run_that_needs_more_than_its_folder_is_no_model(part, entries_of, make_run, run_of):
    system = {"recipe": {"transform": "mfcc"}, "input": {"kind": "vector"}, "model": {"module": "svm"}} | part
    assert not entries_of([make_run(run_of(), deviating={"system_config": system})])[CHILD].is_model


def test_the_dataset_is_the_manifest_under_the_split(entries_of, make_run, run_of, tmp_path):
    dataset = entries_of([make_run(run_of())])[CHILD].dataset
    assert dataset.name == "ravdess"
    assert json.loads(dataset.profile) == {"num_rows": 4}
    assert json.loads(dataset.source) == {"uri": f"{tmp_path}/manifests/ravdess.csv"}
    assert dataset.tags["mlflow.data.context"] == "published"
    assert dataset.tags["split"] == f"{tmp_path}/splits/deepemo/ravdess/published/seed0.csv"


def test_a_union_of_corpora_has_the_manifest_of_each(entries_of, make_run, run_of):
    found = entries_of([make_run(run_of(corpus="ravdess+savee"))])
    dataset = found["ravdess+savee/resnet18/published/seed0/fold0"].dataset
    assert json.loads(dataset.profile) == {"num_rows": 8}
    assert "ravdess.csv" in dataset.source
    assert "savee.csv" in dataset.source


def test_deviations_are_whole_whatever_they_contain(entries_of, make_run, run_of):
    told = ["random weights", 'copies: {"a": 1}; "b" instead of None', "müde\nund alt"]
    runs = [make_run(run_of(protocol=name)) for name in ("published", "speaker_independent")]
    found = entries_of(runs, deviations={PARENT: told})
    assert json.loads(found[CHILD].tags["deviations"]) == told
    assert "- random weights\n" in found[PARENT].tags["mlflow.note.content"]
    assert found["ravdess/resnet18/speaker_independent"].tags["deviations"] == "none"


def test_a_group_has_the_scores_of_its_own_corpus_system_and_protocol(entries_of, make_run, run_of):
    ours = {"paper": "deepemo", "system": "resnet18", "corpus": "ravdess", "protocol": "published"}
    test = ours | {"part": "test", "metric": "UA"}
    scores = [
        Score(**test, value=0.8, low=0.7, high=0.9, published=0.72),
        Score(**test | {"scope": "fold 0", "value": 0.1}),
        Score(**test | {"protocol": "speaker_independent", "value": 0.4}),
        Score(**test | {"system": "chance (uniform)", "value": 0.125}),
        Score(**ours, part="train", metric="loss", epoch=10, value=0.3),
        Score(**ours, part="train", metric="loss", epoch=20, value=0.2),
    ]
    group = entries_of([make_run(run_of())], scores)[PARENT]
    assert {metric[:3] for metric in group.metrics} == {
        *(("test_UA", 0, 0.8), ("test_UA_low", 0, 0.7), ("test_UA_high", 0, 0.9), ("test_UA_published", 0, 0.72)),
        *(("train_loss", 10, 0.3), ("train_loss", 20, 0.2)),
    }


def test_a_group_has_its_own_tables_and_figures_and_those_of_the_paper(entries_of, make_run, run_of, tmp_path):
    runs = [make_run(run_of(protocol=name)) for name in ("published", "speaker_independent")]
    folder = tmp_path / "figures" / "deepemo"
    own, fair = "ravdess/resnet18/published/confusion.png", "ravdess/resnet18/speaker_independent/confusion.png"
    names = ("ravdess/resnet18/curves.png", own, fair, "studies/pooling.png")
    curves, ours, other, studies = (write_file(folder / name) for name in names)
    table = write_file(tmp_path / "tables/deepemo/published.csv")
    group = entries_of(runs, artifacts=[curves, ours, other, studies, table])[PARENT]
    assert dict(group.artifacts) == {
        curves: "figures/deepemo/ravdess/resnet18",
        ours: "figures/deepemo/ravdess/resnet18/published",
        studies: "figures/deepemo/studies",
        table: "tables/deepemo",
    }


def test_what_is_missing_or_of_another_paper_is_named(entries_of, make_run, run_of, tmp_path):
    folder = make_run(run_of())
    with pytest.raises(RunError, match="jin"):
        entries_of([folder], paper="jin")
    with pytest.raises(RunError, match=r"tables/none\.csv"):
        entries_of([folder], artifacts=[tmp_path / "tables" / "none.csv"])
    with pytest.raises(RunError, match=r"elsewhere/a\.csv"):
        entries_of([folder], artifacts=[write_file(tmp_path.parent / "elsewhere" / "a.csv")])
    (folder / "model").unlink()
    with pytest.raises(RunError, match="fold0/model"):
        entries_of([folder])
    make_run(run_of())
    shutil.rmtree(tmp_path / "splits")
    with pytest.raises(RunError, match=r"splits/deepemo/ravdess/published/seed0\.csv"):
        entries_of([folder])


def test_the_digest_changes_with_whatever_is_logged(entries_of, make_run, run_of, tmp_path):
    folder, figure = make_run(run_of()), write_file(tmp_path / "figures/deepemo/a.png")

    def digests(**options):
        found = entries_of([folder], artifacts=[figure], **options)
        return found[CHILD].digest, found[PARENT].digest

    child, parent = digests()
    assert digests() == (child, parent)
    deviating = digests(deviations={PARENT: ["random weights"]})
    assert deviating[0] != child
    assert deviating[1] != parent
    figure.write_text("another")
    assert digests()[0] == child
    assert digests()[1] != parent
    (folder / "model").write_bytes(b"other weights")
    assert digests()[0] != child
    child, _ = digests()
    split = tmp_path / "splits/deepemo/ravdess/published/seed0.csv"
    split.write_text(split.read_text() + "u0,0,test\n")
    assert digests()[0] != child


def test_the_comparison_has_published_and_own_values_and_verdicts(write_overview, tmp_path):
    artifacts = write_overview()
    entry = overview_entry(artifacts, tmp_path)
    assert last(entry) == {
        "published/jin.ravdess_savee.resnet1d.test_WA": 0.973,
        "ours_published/jin.ravdess_savee.resnet1d.test_WA": 0.521,
        "ours_leak/jin.ravdess_savee.resnet1d.test_WA": 0.99,
        "ours_unseen/satt.ravdess.net.test_WA": 0.4,
    }
    assert entry.tags["verdict.jin.ravdess_savee.resnet1d.test_WA"] == "not reproduced: 97.3 lies above"
    assert entry.tags["verdict.satt.ravdess.net.test_WA"] == "no published number"
    assert "Synthetic" not in entry.tags["mlflow.note.content"]
    assert dict(entry.artifacts) == dict(zip(artifacts, ("tables", "figures"), strict=True))
    os.utime(artifacts[0], (0, 0))
    assert overview_entry(artifacts, tmp_path).digest == entry.digest  # written anew, but the same
    write_overview(synthetic=True)
    assert "Synthetic" in overview_entry(artifacts, tmp_path).tags["mlflow.note.content"]


def test_an_experiment_tells_what_was_published_ours_and_the_verdict():
    record = make_record(systems={"net": system("Net")}, published=[published("WA", "test", 0.97)])
    about = {"n_runs": 3, "unit": "speakers", "seed_variance": 0.0, "n_effective": 144.0, "n_speakers": 24}
    ours = [
        Score("toypaper", "net", protocol, corpus="toy", part="test", metric="WA", value=value, **about)
        for protocol, value in (("published", 0.72), ("speaker_independent", 0.5))
    ]
    low_high = [dataclasses.replace(one, low=one.value - 0.06, high=one.value + 0.06) for one in ours]
    title, *table = describe_paper(record, Scores(tuple(low_high))).splitlines()
    assert title == record.paper.title
    assert table[-1] == "| Net, toy | WA (test) | 97.0 | 72.0 | 50.0 | not reproduced |"
