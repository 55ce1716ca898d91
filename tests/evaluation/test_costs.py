import csv
import json
import math

import pytest

from serflow.runs import ScoreError
from serflow.tables.costs import Cost, read_cost_table, read_costs, write_costs

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
        path = folder / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + line + "\n")
    for seed, day in ((0, "2026-11-20"), (1, "2026-11-21")):
        run = folder / "runs" / "toypaper" / "toy" / "net" / "published" / f"seed{seed}" / "fold0"
        run.mkdir(parents=True)
        info = {"paper": "toypaper", "corpus": "toy", "system": "net", "protocol": "published", "seed": seed, "fold": 0}
        info |= {
            "device": "cpu",
            "device_name": "toy CPU",
            "precision": "fp32",
            "seconds": 50.0,
            "training_seconds": 40.0,
        }
        info |= {
            "commit": "abc1234",
            "peak_memory_mib": 1200.0,
            "started": f"{day}T10:00:00+00:00",
            "finished": f"{day}T10:02:00+00:00",
        }
        (run / "run.json").write_text(json.dumps(info))
    return folder


def run_dirs(results):
    return [path.parent for path in (results / "runs").rglob("run.json")]


def test_each_job_counts_once_and_a_training_without_a_benchmark_by_its_own_record(results):
    costs = {(c.stage, c.subject, c.system): c for c in read_costs(results / "benchmarks", run_dirs(results))}
    assert costs.keys() == {
        ("features", "ravdess", "logmel"),
        ("scores", "toypaper", ""),
        ("table", "toypaper", ""),
        ("train", "toypaper", "net"),
    }
    train = costs["train", "toypaper", "net"]
    assert (train.jobs, train.seconds, train.longest, train.peak_mib) == (2, 150.0, 100.0, 1200.0)
    assert train.device == "cpu (toy CPU), fp32"
    table = costs["table", "toypaper", ""]
    assert (table.jobs, table.peak_mib) == (2, 30.0)
    assert table.seconds == pytest.approx(0.6)


def test_a_combined_system_is_no_training(results):
    run = results / "runs/toypaper/toy/net/published/seed1/fold0"
    info = json.loads((run / "run.json").read_text())
    del info["training_seconds"]
    (run / "run.json").write_text(json.dumps(info))
    (train,) = [c for c in read_costs(results / "benchmarks", run_dirs(results)) if c.stage == "train"]
    assert train.jobs == 1


def test_a_resumed_training_counts_with_the_epochs_before(results):
    run = results / "runs/toypaper/toy/net/published/seed0/fold0"
    info = json.loads((run / "run.json").read_text()) | {"seconds": 700.0}
    (run / "run.json").write_text(json.dumps(info))
    (train,) = [c for c in read_costs(results / "benchmarks", run_dirs(results)) if c.stage == "train"]
    assert (train.seconds, train.longest) == (700.0 + 50.0, 700.0)


def test_a_job_too_short_for_its_memory_to_be_measured_has_none(results):
    (results / "benchmarks/table/toypaper/table_i.tsv").unlink()
    (cost,) = [c for c in read_costs(results / "benchmarks", []) if c.stage == "table"]
    assert math.isnan(cost.peak_mib)


def test_the_table_has_the_dearest_first_and_their_sum_last(results, tmp_path):
    write_costs(results / "benchmarks", run_dirs(results), tmp_path / "costs")
    rows = list(csv.DictReader((tmp_path / "costs.csv").open()))
    assert [row["Stage"] for row in rows] == ["train", "features", "scores", "table", "all"]
    assert (rows[-1]["Jobs"], rows[-1]["Seconds"], rows[-1]["Peak memory (MiB)"]) == ("6", "163", "1200")
    assert "Where these runs depart" not in (tmp_path / "costs.md").read_text()


def test_the_table_is_read_back_without_its_sum(results, tmp_path):
    (results / "benchmarks/table/toypaper/table_i.tsv").unlink()
    write_costs(results / "benchmarks", run_dirs(results), tmp_path / "costs")
    costs = {cost.stage: cost for cost in read_cost_table(tmp_path / "costs.csv")}
    assert costs.keys() == {"train", "features", "scores", "table"}
    assert costs["train"] == Cost("train", "toypaper", "net", "cpu (toy CPU), fp32", 2, 150.0, 100.0, 1200.0)
    assert (costs["scores"].system, costs["scores"].device) == ("", "")
    assert math.isnan(costs["table"].peak_mib)


def test_a_table_of_another_shape_is_named(tmp_path):
    (tmp_path / "costs.csv").write_text("Stage,Jobs\ntrain,1\n")
    with pytest.raises(ScoreError, match=r"costs\.csv: expected the columns Stage, Paper or corpus"):
        read_cost_table(tmp_path / "costs.csv")
    with pytest.raises(ScoreError, match=r"none\.csv: is missing"):
        read_cost_table(tmp_path / "none.csv")
