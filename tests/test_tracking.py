import csv
import json
import multiprocessing
import sqlite3
import sys
from pathlib import Path

import pytest

from serflow.errors import SerflowError
from serflow.tables.overview import COLUMNS
from serflow.tracking import store as tracking

LABELS = ["neutral", "happy", "sad"]
#: label, predicted of the test part: 3 of 4 right; recalls 1, 1/2, 1; F1 2/3, 2/3, 1.
TEST = [("neutral", "neutral"), ("happy", "happy"), ("happy", "neutral"), ("sad", "sad")]
SCORE_COLUMNS = (
    *("paper", "system", "protocol", "corpus", "part", "metric", "epoch", "scope", "value", "low", "high", "sd"),
    *("n_runs", "n_folds", "n_speakers", "n_utterances", "published", "table", "source", "note"),
)


def write_rows(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_run(root, paper, protocol="published", seed=0, epochs=3, loss=0.5):
    run = root / paper / "ravdess" / "resnet18" / protocol / f"seed{seed}" / "fold0"
    history = [
        {
            "epoch": epoch,
            "learning_rate": 3e-5,
            "train_loss": loss / epoch,
            "train_accuracy": 0.5,
            "validation_loss": "" if epoch == 1 else 0.25,
            "validation_accuracy": 0.75,
            "seconds": 2.0,
        }
        for epoch in range(1, epochs + 1)
    ]
    write_rows(run / "history.csv", list(history[0]), history)
    predictions = [
        {"utterance": f"u{i}", "part": "test", "label": label, "predicted": guess} | dict.fromkeys(LABELS, 1 / 3)
        for i, (label, guess) in enumerate(TEST)
    ]
    write_rows(run / "predictions.csv", ["utterance", "part", "label", "predicted", *LABELS], predictions)
    (run / "model.safetensors").write_bytes(b"weights")
    info = {
        "paper": paper,
        "corpus": "ravdess",
        "system": "resnet18",
        "protocol": protocol,
        "seed": seed,
        "fold": 0,
        "labels": LABELS,
        "system_config": {"training": {"epochs": epochs, "learning_rate": 3e-5}, "remark": "x" * 7000},
        "commit": "0123abc",
        "device": "cpu",
        "seconds": 6.5,
        "training_seconds": 6.0,
        "peak_memory_mib": 512.0,
        "deviations": ["random weights"],
        "started": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T03:05:05+00:00",
    }
    (run / "run.json").write_text(json.dumps(info))
    return run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return one store for all tests, each of which uses a paper of its own: making a store takes seconds."""
    folder = tmp_path_factory.mktemp("a store")
    uri = f"sqlite:///{folder}/deeper/mlflow.db"
    tracking.init(uri)
    return uri


@pytest.fixture
def client(store):
    from mlflow import MlflowClient

    return MlflowClient(store)


@pytest.fixture
def show(store, tmp_path):
    def call(paper, runs, scores=None, artifacts=(), datasets=None, prefix=""):
        facts = {"paper": paper, "title": f"Title of {paper}"}
        return tracking.replay(store, facts, runs, scores, artifacts, tmp_path / "artifacts", datasets or {}, prefix)

    return call


def all_runs(client, paper):
    """Return every run the store holds of a paper, those in the trash too."""
    from mlflow.entities import ViewType

    experiment = client.get_experiment_by_name(paper).experiment_id
    return client.search_runs([experiment], run_view_type=ViewType.ALL)


def test_a_child_run_holds_what_its_files_say(show, client, tmp_path):
    receipt = show("child", [write_run(tmp_path, "child")])
    run = client.get_run(receipt["child/ravdess/resnet18/published/seed0/fold0"])
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 60_000
    assert run.info.start_time == 1_767_323_045_000  # 2026-01-02T03:04:05Z
    assert run.data.params["system_config.training.learning_rate"] == "3e-05"
    assert run.data.params["labels"] == '["neutral", "happy", "sad"]'
    assert len(run.data.params["system_config.remark"]) == 6000
    assert run.data.tags["commit"] == "0123abc"
    assert run.data.tags["device"] == "cpu"
    assert run.data.tags["deviations"] == "random weights"
    assert run.data.metrics["test_WA"] == pytest.approx(3 / 4)
    assert run.data.metrics["test_UA"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert run.data.metrics["test_macro_F1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert run.data.metrics["run_training_seconds"] == 6.0
    assert "validation_UA" not in run.data.metrics  # no such part among the predictions


def test_every_epoch_is_a_step_stamped_with_its_end(show, client, tmp_path):
    receipt = show("epochs", [write_run(tmp_path, "epochs")])
    run_id = receipt["epochs/ravdess/resnet18/published/seed0/fold0"]
    losses = client.get_metric_history(run_id, "train_loss")
    start = client.get_run(run_id).info.start_time
    assert [(m.step, m.value, m.timestamp - start) for m in losses] == [
        (1, 0.5, 2000),
        (2, 0.25, 4000),
        (3, pytest.approx(0.5 / 3), 6000),
    ]
    assert [m.step for m in client.get_metric_history(run_id, "validation_loss")] == [2, 3]  # epoch 1's cell is empty


def test_artifacts_lie_under_the_given_root(show, client, tmp_path):
    run = write_run(tmp_path, "files")
    receipt = show("files", [run])
    run_id = receipt["files/ravdess/resnet18/published/seed0/fold0"]
    names = {item.path for item in client.list_artifacts(run_id)}
    assert names == {"run.json", "history.csv", "predictions.csv", "model.safetensors", "config.yaml"}
    copy = next((tmp_path / "artifacts" / "files").glob(f"{run_id}/artifacts/history.csv"))
    assert copy.read_bytes() == (run / "history.csv").read_bytes()


def test_the_dataset_is_the_manifest_under_the_protocol(show, client, tmp_path):
    write_rows(tmp_path / "manifests/ravdess.csv", ["utterance"], [{"utterance": f"u{i}"} for i in range(4)])
    write_rows(tmp_path / "splits/data/ravdess/published/seed0.csv", ["utterance", "fold", "part"], [])
    runs = [write_run(tmp_path / "runs", "data")]
    receipt = show("data", runs, datasets=tracking.find_data(tmp_path, runs))
    run = client.get_run(receipt["data/ravdess/resnet18/published/seed0/fold0"])
    (item,) = run.inputs.dataset_inputs
    assert item.dataset.name == "ravdess"
    assert json.loads(item.dataset.profile) == {"num_rows": 4}
    assert {tag.key: tag.value for tag in item.tags}["mlflow.data.context"] == "published"


def test_a_union_of_corpora_has_the_manifest_of_each(tmp_path):
    run = tmp_path / "runs/deepemonet/ravdess+savee/svm/published/seed1/fold0"
    found = tracking.find_data(tmp_path, [run])["ravdess+savee"]
    assert found["manifests"] == [tmp_path / "manifests/ravdess.csv", tmp_path / "manifests/savee.csv"]
    assert found["splits"] == {"published/seed1": tmp_path / "splits/deepemonet/ravdess+savee/published/seed1.csv"}


def test_a_parent_run_holds_the_scores_of_its_own_system_corpus_and_protocol(show, client, tmp_path):
    both = [write_run(tmp_path, "parent", protocol) for protocol in ("published", "speaker_independent")]
    same = {"paper": "parent", "system": "resnet18", "corpus": "ravdess", "scope": "all", "protocol": "published"}
    ours = same | {"part": "test", "metric": "UA", "value": 0.8, "low": 0.7, "high": 0.9, "published": 0.72}
    rows = [
        ours,
        ours | {"scope": "fold 0", "value": 0.1},
        ours | {"protocol": "speaker_independent", "value": 0.4},
        ours | {"system": "chance (uniform)", "value": 0.125},
        same | {"part": "train", "metric": "loss", "epoch": 10, "value": 0.3},
        same | {"part": "train", "metric": "loss", "epoch": 20, "value": 0.2},
    ]
    scores = write_rows(tmp_path / "scores.csv", SCORE_COLUMNS, rows)
    figures = [tmp_path / "figures" / name for name in ("published/a.png", "speaker_independent/a.png", "all.svg")]
    for figure in figures:
        figure.parent.mkdir(parents=True, exist_ok=True)
        figure.write_text(figure.name)
    receipt = show("parent", both, scores, figures)
    run = client.get_run(receipt["parent/ravdess/resnet18/published"])
    found = {name: value for name, value in run.data.metrics.items() if name.startswith("test")}
    assert found == {"test_UA": 0.8, "test_UA_low": 0.7, "test_UA_high": 0.9, "test_UA_published": 0.72}
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "train_loss")] == [
        (10, 0.3),
        (20, 0.2),
    ]
    assert "random weights" in run.data.tags["mlflow.note.content"]
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {"published", "all.svg"}
    child = client.get_run(receipt["parent/ravdess/resnet18/published/seed0/fold0"])
    assert child.data.tags["mlflow.parentRunId"] == run.info.run_id
    assert client.get_experiment_by_name("parent").tags["mlflow.note.content"] == "Title of parent"


def test_a_combined_run_without_a_model_file_is_logged_with_all_else(show, client, tmp_path):
    run = write_run(tmp_path, "combined")
    (run / "model.safetensors").unlink()
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(info | {"model_format": "none"}))
    (run / "history.csv").write_text((run / "history.csv").read_text().splitlines()[0] + "\n")
    receipt = show("combined", [run])
    run_id = receipt["combined/ravdess/resnet18/published/seed0/fold0"]
    assert client.get_run(run_id).data.metrics["test_WA"] == pytest.approx(3 / 4)
    names = {item.path for item in client.list_artifacts(run_id)}
    assert names == {"run.json", "history.csv", "predictions.csv", "config.yaml"}


def write_overview(results, **known):
    """Write the comparison of two papers, of which one was not run, and its figure."""
    row = {"paper": "jin", "corpus": "ravdess+savee", "system": "resnet1d", "metric": "WA", "part": "test"}
    row |= {"published": 0.973, "own_value": 0.521, "leak_value": 0.99, "synthetic": 0}
    row |= {"verdict": "not reproduced", "reason": "97.3 lies above"} | known
    other = {"paper": "satt", "corpus": "ravdess", "system": "net", "metric": "WA", "part": "test", "synthetic": 0}
    other |= {"independent_value": 0.4, "verdict": "no published number"}
    table = write_rows(results / "tables" / "comparison.csv", COLUMNS, [row, other])
    figure = results / "figures" / "comparison.svg"
    figure.parent.mkdir(exist_ok=True)
    figure.write_text("<svg/>")
    return [table, figure]


def test_the_comparison_over_all_papers_is_one_run_of_an_experiment_of_its_own(store, client, tmp_path):
    def call(prefix=""):
        tracking.track_overview(store, write_overview(tmp_path), tmp_path, tmp_path / "receipt.json", prefix)
        return json.loads((tmp_path / "receipt.json").read_text())["all papers"]

    run_id = call()
    assert call() == run_id  # written anew, but the same
    hers = call("alice")
    assert [run.info.run_id for run in all_runs(client, "alice/all papers")] == [hers] != [run_id]
    (run,) = all_runs(client, "all papers")
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {
        "published/jin.ravdess_savee.resnet1d.test_WA": 0.973,
        "own/jin.ravdess_savee.resnet1d.test_WA": 0.521,
        "leak/jin.ravdess_savee.resnet1d.test_WA": 0.99,
        "independent/satt.ravdess.net.test_WA": 0.4,
    }
    assert run.data.tags["verdict.jin.ravdess_savee.resnet1d.test_WA"] == "not reproduced: 97.3 lies above"
    assert run.data.tags["verdict.satt.ravdess.net.test_WA"] == "no published number"
    assert "Verdict, the first that applies." in run.data.tags["mlflow.note.content"]
    assert "Synthetic" not in run.data.tags["mlflow.note.content"]
    assert {item.path for item in client.list_artifacts(run_id, "tables")} == {"tables/comparison.csv"}
    assert {item.path for item in client.list_artifacts(run_id, "figures")} == {"figures/comparison.svg"}

    artifacts = write_overview(tmp_path, own_value=0.6, synthetic=1)
    tracking.track_overview(store, artifacts, tmp_path, tmp_path / "receipt.json")
    (run,) = all_runs(client, "all papers")  # the old one is gone, from the trash too
    assert run.data.metrics["own/jin.ravdess_savee.resnet1d.test_WA"] == 0.6
    assert "Synthetic demo corpus" in run.data.tags["mlflow.note.content"]


def test_no_comparison_over_all_papers_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(SerflowError, match=r"tables/comparison\.csv: is missing"):
        tracking.track_overview(f"sqlite:///{tmp_path}/new.db", [], tmp_path, tmp_path / "receipt.json")
    artifacts = [*write_overview(tmp_path), tmp_path / "tables" / "costs.csv"]
    with pytest.raises(SerflowError, match=r"tables/costs\.csv: no such file"):
        tracking.track_overview(f"sqlite:///{tmp_path}/new.db", artifacts, tmp_path, tmp_path / "receipt.json")
    assert not (tmp_path / "new.db").exists()


def test_twice_leaves_one_run_each(show, client, tmp_path):
    runs = [write_run(tmp_path, "twice", seed=seed) for seed in (0, 1)]
    first = show("twice", runs)
    assert len(first) == 3
    assert show("twice", list(reversed(runs))) == first
    assert sorted(run.info.run_id for run in all_runs(client, "twice")) == sorted(first.values())


def test_only_a_changed_run_is_replaced_and_hangs_below_one_parent(show, client, tmp_path):
    runs = [write_run(tmp_path, "changed", seed=seed) for seed in (0, 1)]
    before = show("changed", runs)
    write_run(tmp_path, "changed", seed=1, loss=0.9)
    after = show("changed", runs)
    assert [key.split("/")[-2] for key in before if before[key] == after[key]] == ["seed0"]
    held = all_runs(client, "changed")
    assert sorted(run.info.run_id for run in held) == sorted(after.values())  # the old are gone, from the trash too
    folders = {path.name for path in (tmp_path / "artifacts" / "changed").iterdir() if any(path.rglob("*.*"))}
    assert folders <= set(after.values())  # and so are their files
    parent = after["changed/ravdess/resnet18/published"]
    children = [run for run in held if run.info.run_id != parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent}
    changed = after["changed/ravdess/resnet18/published/seed1/fold0"]
    assert client.get_metric_history(changed, "train_loss")[0].value == 0.9


def test_people_with_prefixes_leave_each_other_s_runs_alone(show, client, tmp_path):
    mine, theirs = write_run(tmp_path / "a", "shared", loss=0.5), write_run(tmp_path / "b", "shared", loss=0.9)
    first, second = show("shared", [mine], prefix="alice"), show("shared", [theirs], prefix="bob")
    assert first.keys() == second.keys()
    for prefix, receipt in (("alice", first), ("bob", second)):
        assert {run.info.run_id for run in all_runs(client, f"{prefix}/shared")} == set(receipt.values())
    assert show("shared", [mine], prefix="alice") == first


def test_a_run_in_the_trash_is_made_anew(show, client, tmp_path):
    runs = [write_run(tmp_path, "trash")]
    before = show("trash", runs)
    for run_id in before.values():
        client.delete_run(run_id)
    after = show("trash", runs)
    assert {run.info.run_id for run in all_runs(client, "trash")} == set(after.values())
    assert all(run.info.lifecycle_stage == "active" for run in all_runs(client, "trash"))


@pytest.mark.parametrize("step", ["log_batch", "log_artifact", "set_terminated"])
def test_after_an_interruption_the_next_call_leaves_no_duplicate(step, show, client, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    paper = f"broken_{step}"
    runs = [write_run(tmp_path, paper, seed=seed) for seed in (0, 1)]
    real, calls = getattr(MlflowClient, step), []

    def break_off(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, break_off)
        with pytest.raises(KeyboardInterrupt):
            show(paper, runs)
    assert all_runs(client, paper)  # half of it is there
    receipt = show(paper, runs)
    held = all_runs(client, paper)
    assert sorted(run.info.run_id for run in held) == sorted(receipt.values())
    assert all(run.info.status == "FINISHED" for run in held)
    assert all("test_UA" in run.data.metrics for run in held if "seed" in run.info.run_name)


def test_bad_files_are_named_before_anything_is_written(show, client, tmp_path):
    good, bad = (write_run(tmp_path, "bad", seed=seed) for seed in (0, 1))
    info = json.loads((bad / "run.json").read_text())
    (bad / "run.json").write_text(json.dumps(info | {"started": "yesterday"}))
    with pytest.raises(SerflowError, match=r"run\.json: started 'yesterday' is no ISO 8601 time"):
        show("bad", [good, bad])
    (bad / "run.json").write_text(json.dumps(info | {"paper": "other"}))
    with pytest.raises(SerflowError, match="paper 'other', expected 'bad'"):
        show("bad", [good, bad])
    (good / "model.safetensors").unlink()
    with pytest.raises(SerflowError, match="no model file"):
        show("bad", [good])
    assert client.get_experiment_by_name("bad") is None


def test_a_missing_split_is_named(show, client, tmp_path):
    runs = [write_run(tmp_path / "runs", "unsplit")]
    write_rows(tmp_path / "manifests/ravdess.csv", ["utterance"], [])
    with pytest.raises(SerflowError, match=r"splits/unsplit/ravdess/published/seed0\.csv: no such file"):
        show("unsplit", runs, datasets=tracking.find_data(tmp_path, runs))
    assert client.get_experiment_by_name("unsplit") is None


def test_a_store_whose_artifacts_are_elsewhere_is_told(show, store, tmp_path):
    run = write_run(tmp_path, "moved")
    show("moved", [run])
    with pytest.raises(SerflowError, match=r"keeps the artifacts of experiment 'moved' in .*artifacts/moved"):
        tracking.replay(store, {"paper": "moved"}, [run], None, [], tmp_path / "elsewhere", {})


def test_init_keeps_what_a_store_holds(show, store, client, tmp_path):
    receipt = show("kept", [write_run(tmp_path, "kept")])
    tracking.init(store)
    assert {run.info.run_id for run in all_runs(client, "kept")} == set(receipt.values())


def test_init_leaves_other_files_and_servers_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracking.init("http://127.0.0.1:9")
    assert not list(tmp_path.iterdir())
    (tmp_path / "notes.db").write_text("not a database, and longer than sixteen bytes")
    with pytest.raises(SerflowError, match="no SQLite database"):
        tracking.init("sqlite:///notes.db")
    assert (tmp_path / "notes.db").read_text().startswith("not a database")


def test_a_password_in_an_address_is_never_shown():
    with pytest.raises(SerflowError) as caught:
        tracking.init("postgresql://me:secret@127.0.0.1/runs")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1/runs" in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="forks, so that MLflow is imported once")
def test_processes_at_once_may_make_the_same_store(store, tmp_path):
    path = tmp_path / "new" / "mlflow.db"
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=tracking.init, args=(f"sqlite:///{path}",)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert [item.name for item in path.parent.iterdir()] == ["mlflow.db"]

    def tables(file):
        with sqlite3.connect(file) as database:
            return set(database.execute("SELECT type, name FROM sqlite_master"))

    assert tables(path) == tables(Path(store.removeprefix("sqlite:///")))
