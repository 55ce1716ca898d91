import math

import pytest

from serflow.io.files import read_json, write_json, write_text
from serflow.scoring.costs import read_costs, sum_costs

HEADER = "s\th:m:s\tmax_rss\tmax_vms\n"


@pytest.fixture
def results(tmp_path):
    """Two trainings of one system, of which one has no benchmark, and three other jobs."""
    folder = tmp_path / "results"
    for name, line in {
        "features/ravdess/logmel.tsv": "10.5\t0:00:10\t700.0\t900.0",
        "scores/toypaper.tsv": "2.0\t0:00:02\t60.0\t90.0",
        "table/toypaper/comparison.tsv": "0.2\t0:00:00\t-\t-",
        "table/toypaper/table_i.tsv": "0.4\t0:00:00\t30.0\t-",
        "train/toypaper/toy/net/published/seed0/fold0.tsv": "100.0\t0:01:40\t1000.0\t-",
        "train/toypaper/toy/gone/published/seed0/fold0.tsv": "999.0\t0:01:40\t1000.0\t-",
    }.items():
        write_text(folder / "benchmarks" / name, HEADER + line + "\n")
    for seed in (0, 1):
        info = {"paper": "toypaper", "corpus": "toy", "system": "net", "protocol": "published", "seed": seed, "fold": 0}
        info |= {"device": "cpu", "device_name": "toy CPU", "precision": "fp32", "peak_memory_mib": 1200.0}
        info |= {"seconds": 50.0, "training_seconds": 40.0}
        write_json(folder / f"runs/toypaper/toy/net/published/seed{seed}/fold0/run.json", info)
    return folder


def costs_of(results):
    """Return the costs by stage."""
    runs = [path.parent for path in (results / "runs").rglob("run.json")]
    frame = read_costs(results / "benchmarks", runs)
    assert not frame.duplicated(["stage", "subject", "system", "device"]).any()
    return {row.stage: row for row in frame.itertuples(index=False)}


def change(results, seed, **known):
    """Change what a run.json says; None: leave it out."""
    run = results / f"runs/toypaper/toy/net/published/seed{seed}/fold0/run.json"
    write_json(run, {key: value for key, value in (read_json(run) | known).items() if value is not None})


def test_each_job_counts_once_and_a_training_without_a_benchmark_by_its_own_record(results):
    costs = costs_of(results)
    assert costs.keys() == {"features", "scores", "table", "train"}
    assert costs["features"][:4] == ("features", "ravdess", "logmel", "")
    assert costs["train"] == ("train", "toypaper", "net", "cpu (toy CPU), fp32", 2, 150.0, 100.0, 1200.0)
    assert (costs["table"].jobs, costs["table"].peak_mib) == (2, 30.0)
    assert costs["table"].seconds == pytest.approx(0.6)


def test_a_combined_system_is_no_training(results):
    change(results, 1, training_seconds=None)
    assert costs_of(results)["train"].jobs == 1


def test_a_resumed_training_counts_with_the_epochs_before(results):
    change(results, 0, seconds=700.0)
    train = costs_of(results)["train"]
    assert (train.seconds, train.longest) == (700.0 + 50.0, 700.0)


def test_a_job_too_short_for_its_memory_to_be_measured_has_none(results):
    (results / "benchmarks/table/toypaper/table_i.tsv").unlink()
    assert math.isnan(costs_of(results)["table"].peak_mib)


@pytest.mark.parametrize("seconds", ["-", "NA", ""])
def test_a_job_without_seconds_leaves_the_sums_numbers(results, seconds):
    for name in (
        "table/toypaper/table_i.tsv",
        "scores/toypaper.tsv",
        "train/toypaper/toy/net/published/seed0/fold0.tsv",
    ):
        (results / "benchmarks" / name).write_text(f"{HEADER}{seconds}\t-\t-\t-\n")
    change(results, 0, peak_memory_mib=1500.0)
    costs = costs_of(results)
    assert (costs["table"].jobs, costs["table"].seconds) == (2, 0.2)
    assert math.isnan(costs["scores"].seconds)
    assert (costs["train"].seconds, costs["train"].peak_mib) == (100.0, 1500.0)
    frame = read_costs(results / "benchmarks", [])
    assert sum_costs(frame)["seconds"] == pytest.approx(10.5 + 0.2)
