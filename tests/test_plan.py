import json

import pytest

from serflow import plan
from serflow.config import check_config
from serflow.io.files import read_csv, write_csv
from serflow.papers import targets
from serflow.papers.papers import Papers, Run

DEMO = {"ravdess": {"source": "demo"}}
REAL = {"ravdess": {"source": "download"}}


def papers(**config):
    return Papers(check_config({"corpora": REAL, "device": "cpu", **config}))


@pytest.fixture
def costs(tmp_path):
    """A file of costs: DeepEMO's ResNet-18 takes 20 s an epoch and 1000 utterances, and 5 s besides, on a CPU."""
    found = papers(papers=["deepemo"])
    entry = found.papers["deepemo"]["systems"]["resnet18"]
    config = plan.config_digest({**entry, "recipe": found.papers["deepemo"]["recipes"]["logmel128"]})
    row = {"paper": "deepemo", "system": "resnet18", "config": config, "device": "cpu", "device_name": "a CPU"}
    row |= {"precision": "bf16", "threads": "2", "epoch_seconds": "20", "other_seconds": "5", "runs": "1"}
    path = tmp_path / "costs.csv"
    write_csv(path, plan.COLUMNS, [row | {"date": "2026-01-02", "commit": "abc"}])
    return path


def test_hours_are_epochs_times_utterances_times_the_recorded_cost(costs):
    """Three seeds on 80 % of 1440, six folds on five sixths of it, 50 epochs each."""
    found = papers(papers=["deepemo"], protocols=["published", "speaker_independent"])
    load = plan.load_of(found, "deepemo", "resnet18", read_csv(costs), "cpu")
    seconds = 50 * 0.020 * (3 * 1152 + 6 * 1200) + 9 * 5
    assert load.hours == pytest.approx(seconds / 3600)
    assert "a CPU, bf16, 2 threads, 2026-01-02" in plan.describe(found, costs)


def test_copies_multiply_what_is_trained_on(costs):
    found = papers(papers=["deepemo"], protocols=["augment_then_split"], seeds={"random": [0]})
    load = plan.load_of(found, "deepemo", "resnet18", read_csv(costs), "cpu")
    assert load.hours == pytest.approx((50 * 0.020 * 4 * 1152 + 5) / 3600)


def test_what_was_never_measured_is_unknown(costs):
    text = plan.describe(papers(papers=["deepemo", "mittal"]), costs)
    assert "mittal/cnn: 9 trainings of 500 epochs, hours unknown" in text
    assert "unknown ones of mittal/cnn" in text
    other = {"deepemo": {"systems": {"resnet18": {"input": {"height": 64, "width": 64}}}}}
    assert "deepemo/resnet18: 12 trainings of 50 epochs, hours unknown" in plan.describe(
        papers(papers=["deepemo"], overrides=other), costs
    )
    assert plan.load_of(papers(papers=["deepemo"]), "deepemo", "resnet18", read_csv(costs), "cuda").hours is None


def test_the_number_of_epochs_and_the_learning_rate_leave_the_cost_of_an_epoch(costs):
    shorter = {"deepemo": {"systems": {"resnet18": {"training": {"epochs": 5, "learning_rate": 1e-3}}}}}
    ten, one = (
        plan.load_of(papers(papers=["deepemo"], overrides=changes), "deepemo", "resnet18", read_csv(costs), "cpu")
        for changes in ({}, shorter)
    )
    assert ten.hours - one.hours == pytest.approx(0.9 * (ten.hours - 12 * 5 / 3600))


def test_only_the_systems_asked_for_are_planned(costs):
    text = plan.describe(papers(allow_partial=True, systems=["svm"], folds=[0]), costs)
    assert "deepemonet/svm: 7 trainings, hours unknown" in text
    assert "deepemo/" not in text
    left_out = plan.describe(papers(papers=["jin"], seeds={"random": [0]}, folds=[0]), costs)
    assert "Left out: jin on savee: SAVEE is not configured." in left_out


def test_a_cache_is_as_large_as_the_corpus_lasts():
    """5329 s of RAVDESS, 62.5 frames a second of 128 bands of 4 bytes: 171 MB, four times that with three copies."""
    found = papers(papers=["deepemo"])
    assert plan.cache_bytes(found, "ravdess", "logmel128") == pytest.approx(5329 * 62.5 * 128 * 4, rel=0.02)
    leaking = plan.cache_bytes(found, "ravdess", "logmel128_augment_then_split")
    assert leaking == pytest.approx(4 * plan.cache_bytes(found, "ravdess", "logmel128"))
    assert targets.caches(found) == [("ravdess", "logmel128"), ("ravdess", "logmel128_augment_then_split")]


def test_weights_are_counted_without_data():
    """torchvision's ResNet-18 has 11,689,512 parameters, of which 513,000 make its last layer of 1000 classes."""
    found = papers(papers=["deepemo"], allow_partial=True)
    run = Run("deepemo", "ravdess", "resnet18", "published", 0, 0)
    assert plan.n_parameters(found, run) == 11_689_512 - 513_000 + 513 * 8
    svm = Run("deepemonet", "ravdess", "svm", "published", 0, 0)
    assert plan.n_parameters(papers(allow_partial=True), svm) == 0


def run_json(folder, seconds, training_seconds, epochs=50, **changes):
    found = papers(papers=["deepemo"])
    info = found.spec(Run("deepemo", "ravdess", "resnet18", "published", 0, 0))
    info |= {"device": "cpu", "device_name": "a CPU", "precision": "fp32", "threads": 2, "parts": {"train": 1152}}
    info |= {"seconds": seconds, "training_seconds": training_seconds, "commit": "0123456789abcdef"}
    info |= {"finished": "2026-01-02T03:04:05+00:00"}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(info | changes))
    (folder / "history.csv").write_text("epoch\n" + "".join(f"{n + 1}\n" for n in range(epochs)))
    return folder


def test_recorded_costs_are_found_again(tmp_path):
    runs = [run_json(tmp_path / f"{n}", 1000 + n, 50 * 1.152 * n) for n in (10, 20, 90)]
    output = tmp_path / "costs.csv"
    plan.record(runs, output)
    (row,) = read_csv(output)
    assert (row["epoch_seconds"], row["runs"], row["date"], row["commit"]) == ("20", "3", "2026-01-02", "0123456789")
    load = plan.load_of(papers(papers=["deepemo"]), "deepemo", "resnet18", read_csv(output), "cpu")
    assert load.hours is not None
    plan.record([run_json(tmp_path / "gpu", 100, 50 * 1.152, device="cuda", device_name="a GPU")], output)
    assert {row["device"]: row["epoch_seconds"] for row in read_csv(output)} == {"cpu": "20", "cuda": "1"}
    plan.record([run_json(tmp_path / "again", 1000, 50 * 1.152 * 7)], output)
    assert {row["device"]: row["epoch_seconds"] for row in read_csv(output)} == {"cpu": "7", "cuda": "1"}


def test_a_training_that_stopped_early_is_counted_by_the_epochs_it_took(tmp_path):
    output = tmp_path / "costs.csv"
    plan.record([run_json(tmp_path / "run", 1000, 10 * 1.152 * 3, epochs=10)], output)
    assert read_csv(output)[0]["epoch_seconds"] == "3"


def test_what_is_combined_from_other_runs_costs_no_training(tmp_path):
    folder = run_json(tmp_path / "run", 1, 0)
    info = json.loads((folder / "run.json").read_text())
    del info["training_seconds"]
    (folder / "run.json").write_text(json.dumps(info))
    plan.record([folder], tmp_path / "costs.csv")
    assert read_csv(tmp_path / "costs.csv") == []


def test_the_costs_of_the_repository_are_readable():
    for row in read_csv(plan.COSTS):
        assert tuple(row) == plan.COLUMNS
        assert float(row["epoch_seconds"]) >= 0
        assert float(row["other_seconds"]) >= 0
        assert row["device"] in ("cpu", "cuda")
