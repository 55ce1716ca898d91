import dataclasses
import json
import multiprocessing
import sqlite3
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from serflow import cli
from serflow.scoring.scores import Scores
from serflow.tracking.entries import Entry, Metric
from serflow.tracking.store import TrackingError, make_store, write_entries


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return one store for all tests, each of which has an experiment of its own: making a store takes seconds."""
    folder = tmp_path_factory.mktemp("a store")
    uri = f"sqlite:///{folder}/deeper/mlflow.db"
    make_store(uri)
    return uri


@pytest.fixture
def client(store):
    return MlflowClient(store)


@pytest.fixture
def write(store, tmp_path):
    """Write entries into an experiment."""

    def call(experiment, entries, root="artifacts"):
        return write_entries(store, experiment, f"Title of {experiment}", entries, tmp_path / root)

    return call


@pytest.fixture
def family(tmp_path):
    """Return a parent and two children with a file each."""

    def entries(loss=0.5):
        file = tmp_path / f"{loss}.csv"
        file.write_text(f"loss,{loss}\n")
        common = {"started": 1_000_000, "finished": 1_060_000, "artifacts": [(file, "")]}
        children = [
            Entry(key=f"p/seed{n}", name=f"seed{n}", parent="p", metrics=[Metric("loss", 1, n + 0.5, 2000)], **common)
            for n in (0, 1)
        ]
        children[1] = dataclasses.replace(children[1], metrics=[Metric("loss", 1, loss, 2000)])
        first = dataclasses.replace(children[0], artifacts=[])
        return [Entry(key="p", name="parent", started=1_000_000, finished=1_060_000), first, children[1]]

    return entries


def all_runs(client, experiment):
    """Return every run the store holds of an experiment, those in the trash too."""
    identity = client.get_experiment_by_name(experiment).experiment_id
    return client.search_runs([identity], run_view_type=ViewType.ALL)


def test_the_command_logs_a_paper_from_its_files(store, client, make_run, run_of, record_of, tmp_path):
    Scores().write(tmp_path / "scores.csv")
    folder = make_run(run_of("whole"), deviating={"remark": "x" * 7000})
    (tmp_path / "whole.json").write_text(record_of("whole").model_dump_json())
    figure = tmp_path / "figures" / "whole" / "all.svg"
    figure.parent.mkdir(parents=True)
    figure.write_text("<svg/>")
    options = {"uri": store, "paper": tmp_path / "whole.json", "runs": folder, "scores": tmp_path / "scores.csv"}
    options |= {"artifacts": figure, "results": tmp_path, "output": tmp_path / "receipt.json"}
    assert cli.main(["track", *(str(word) for name, value in options.items() for word in (f"--{name}", value))]) == 0
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    parent, child = (client.get_run(run_id) for run_id in receipt.values())
    assert list(receipt) == ["whole/ravdess/resnet18/published", "whole/ravdess/resnet18/published/seed0/fold0"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.info.status == "FINISHED"
    assert (child.info.start_time, child.info.end_time) == (1_767_323_045_000, 1_767_323_105_000)
    assert child.data.metrics["test_WA"] == pytest.approx(3 / 4)
    losses = client.get_metric_history(child.info.run_id, "train_loss")
    assert [(m.step, m.timestamp - child.info.start_time) for m in losses] == [(1, 2000), (2, 4000), (3, 6000)]
    assert child.data.params["system_config.training.epochs"] == "3"
    assert len(child.data.params["remark"]) == 6000
    (item,) = child.inputs.dataset_inputs
    assert item.dataset.name == "ravdess"
    assert {tag.key: tag.value for tag in item.tags}["mlflow.data.context"] == "published"
    names = {item.path for item in client.list_artifacts(child.info.run_id)}
    assert names == {"run.json", "history.csv", "predictions.csv", "model", "config.yaml"}
    model = {item.path for item in client.list_artifacts(child.info.run_id, "model")}
    assert model == {"model/MLmodel", "model/model", "model/run.json"}
    copy = next((tmp_path / "mlartifacts" / "whole").glob(f"{child.info.run_id}/artifacts/history.csv"))
    assert copy.read_bytes() == (folder / "history.csv").read_bytes()
    assert [item.path for item in client.list_artifacts(parent.info.run_id, "figures/whole")] == [
        "figures/whole/all.svg"
    ]
    assert client.get_experiment_by_name("whole").tags["mlflow.note.content"] == "Title of whole"


def test_the_command_logs_the_comparison_once(store, client, write_overview, tmp_path):
    def call(prefix="", **known):
        words = ["--uri", store, f"--prefix={prefix}", "--results", tmp_path, "--output", tmp_path / "receipt.json"]
        assert cli.main(["track-overview", *map(str, words), "--artifacts", *map(str, write_overview(**known))]) == 0
        return json.loads((tmp_path / "receipt.json").read_text())["all papers"]

    first = call()
    assert call() == first  # written anew, but the same
    hers = call("alice")
    assert [run.info.run_id for run in all_runs(client, "alice/all papers")] == [hers] != [first]
    call(ours=0.6)
    (run,) = all_runs(client, "all papers")  # the old one is gone, from the trash too
    assert run.data.metrics["ours_published/jin.ravdess_savee.resnet1d.test_WA"] == 0.6
    assert {item.path for item in client.list_artifacts(run.info.run_id, "tables")} == {"tables/comparison.csv"}


def test_no_empty_experiment_is_shown(write, client, family):
    write("shown", family())
    assert "Default" not in {found.name for found in client.search_experiments()}


def test_twice_leaves_one_run_each(write, client, family):
    parent, *children = family()
    first = write("twice", [parent, *children])
    assert len(first) == 3
    assert write("twice", [parent, *reversed(children)]) == first
    assert sorted(run.info.run_id for run in all_runs(client, "twice")) == sorted(first.values())


def test_only_a_changed_run_is_replaced_and_hangs_below_one_parent(write, client, family, tmp_path):
    before, after = write("changed", family()), write("changed", family(loss=0.9))
    assert {key for key in before if before[key] == after[key]} == {"p", "p/seed0"}
    held = all_runs(client, "changed")
    assert sorted(run.info.run_id for run in held) == sorted(after.values())  # the old are gone, from the trash too
    folders = {path.name for path in (tmp_path / "artifacts" / "changed").iterdir() if any(path.rglob("*.*"))}
    assert folders == {after["p/seed1"]}  # and so are their files
    children = [run for run in held if run.info.run_id != after["p"]]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {after["p"]}
    assert client.get_metric_history(after["p/seed1"], "loss")[0].value == 0.9


def test_children_that_stay_hang_below_a_parent_that_is_replaced(write, client, family):
    before = write("parent", family())
    parent, *children = family()
    after = write("parent", [dataclasses.replace(parent, tags={"n_runs": "2"}), *children])
    assert {key for key in before if before[key] == after[key]} == {"p/seed0", "p/seed1"}
    assert {client.get_run(after[f"p/seed{n}"]).data.tags["mlflow.parentRunId"] for n in (0, 1)} == {after["p"]}


def test_runs_of_seeds_that_are_left_out_hang_below_a_parent_that_is_replaced(write, client, family):
    before = write("fewer", family())
    parent, child, _ = family()
    after = write("fewer", [dataclasses.replace(parent, tags={"n_runs": "1"}), child])
    left_out = client.get_run(before["p/seed1"])
    assert left_out.info.lifecycle_stage == "active"
    assert left_out.data.tags["mlflow.parentRunId"] == after["p"] != before["p"]


def test_other_runs_and_experiments_are_left_alone(write, client, family):
    mine, theirs = write("alice/shared", family(loss=0.5)), write("bob/shared", family(loss=0.9))
    assert mine.keys() == theirs.keys()
    more = write("alice/shared", [Entry(key="q", name="q", started=0, finished=1)])
    assert write("alice/shared", family(loss=0.5)) == mine
    found = {run.info.run_id for run in all_runs(client, "alice/shared")}
    assert found == {*mine.values(), *more.values()}
    assert {run.info.run_id for run in all_runs(client, "bob/shared")} == set(theirs.values())


def test_a_run_in_the_trash_is_made_anew(write, client, family):
    for run_id in write("trash", family()).values():
        client.delete_run(run_id)
    after = write("trash", family())
    held = all_runs(client, "trash")
    assert {run.info.run_id for run in held} == set(after.values())
    assert all(run.info.lifecycle_stage == "active" for run in held)


@pytest.mark.parametrize("step", ["log_batch", "set_terminated"])
def test_after_an_interruption_the_next_call_leaves_no_duplicate(step, write, client, family, monkeypatch):
    experiment, entries = f"broken_{step}", family()
    entries[1] = dataclasses.replace(entries[1], artifacts=entries[2].artifacts)
    real, calls = getattr(MlflowClient, step), []

    def break_off(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, break_off)
        with pytest.raises(KeyboardInterrupt):
            write(experiment, entries)
    assert all_runs(client, experiment)  # half of it is there
    receipt = write(experiment, entries)
    held = all_runs(client, experiment)
    assert sorted(run.info.run_id for run in held) == sorted(receipt.values())
    assert all(run.info.status == "FINISHED" for run in held)
    assert all("loss" in run.data.metrics for run in held if "seed" in run.info.run_name)


def test_a_missing_file_is_told_before_anything_is_written(write, client, tmp_path):
    with pytest.raises(FileNotFoundError):
        write("bad", [Entry("p", "p", 0, 1, artifacts=[(tmp_path / "none.csv", "")])])
    assert client.get_experiment_by_name("bad") is None


def test_a_store_whose_artifacts_are_elsewhere_is_told(write, family):
    write("moved", family())
    with pytest.raises(TrackingError, match=r"artifacts/moved.*delete .*\.db and .*tracking, and run snakemake"):
        write("moved", family(), root="elsewhere")


def test_other_files_and_servers_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_store("http://127.0.0.1:9")
    assert not list(tmp_path.iterdir())
    (tmp_path / "notes.db").write_text("not a database, and longer than sixteen bytes")
    with pytest.raises(TrackingError, match=r"notes\.db"):
        make_store("sqlite:///notes.db")
    assert (tmp_path / "notes.db").read_text().startswith("not a database")


def test_a_password_in_an_address_is_never_shown():
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1/runs") as caught:
        make_store("postgresql://me:secret@127.0.0.1/runs")
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="forks, so that MLflow is imported once")
def test_processes_at_once_may_make_the_same_store(store, tmp_path):
    path = tmp_path / "new" / "mlflow.db"
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=make_store, args=(f"sqlite:///{path}",)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 2
    assert [item.name for item in path.parent.iterdir()] == ["mlflow.db"]

    def tables(file):
        with sqlite3.connect(file) as database:
            return set(database.execute("SELECT type, name FROM sqlite_master"))

    assert tables(path) == tables(Path(store.removeprefix("sqlite:///")))
