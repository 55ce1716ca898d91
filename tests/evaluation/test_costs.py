import csv
import json
import math

import pytest

from serflow.evaluation.costs import read_costs, write_costs
from serflow.evaluation.results_page import write_results_page
from serflow.evaluation.runs import ScoreError

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
        info |= {"device": "cpu", "device_name": "toy CPU", "precision": "fp32", "seconds": 50.0, "commit": "abc1234"}
        info |= {"peak_memory_mib": 1200.0, "started": f"{day}T10:00:00+00:00", "finished": f"{day}T10:02:00+00:00"}
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


@pytest.fixture
def tables(results):
    folder = results / "tables"
    folder.mkdir()
    (folder / "comparison.csv").write_text("paper,synthetic\ntoypaper,0\n")
    (folder / "comparison.md").write_text("# Published and reproduced\n\n| a |\n| --- |\n| 72.0 |\n")
    (folder / "costs.md").write_text("# What the reproduction cost\n\n| b |\n| --- |\n| 163 |\n")
    return folder


def test_the_page_says_when_on_what_and_with_which_code_and_holds_both_tables(results, tables, tmp_path):
    write_results_page(results, tmp_path / "results.md", command="snakemake --configfile mine.yaml")
    page = (tmp_path / "results.md").read_text()
    for text in (
        "Date of the runs: 2026-11-20 to 2026-11-21",
        "Command: `snakemake --configfile mine.yaml`",
        "Commit: abc1234",
        "Hardware: toy CPU (cpu, fp32)",
        "## Published and reproduced",
        "| 72.0 |",
        "## What the reproduction cost",
        "| 163 |",
    ):
        assert text in page
    assert page.count("\n# ") + page.startswith("# ") == 1
    write_results_page(results, tmp_path / "again.md", command="snakemake --configfile mine.yaml")
    assert (tmp_path / "again.md").read_text() == page


def test_runs_of_different_commits_and_machines_are_all_named(results, tables, tmp_path):
    path = results / "runs/toypaper/toy/net/published/seed1/fold0/run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"commit": "def5678", "device_name": "toy GPU"}))
    write_results_page(results, tmp_path / "results.md")
    page = (tmp_path / "results.md").read_text()
    assert "Commit: abc1234 (1 run), def5678 (1 run)" in page
    assert "toy CPU (cpu, fp32) (1 run), toy GPU (cpu, fp32) (1 run)" in page


def test_synthetic_and_unfinished_results_are_refused_and_nothing_is_written(results, tables, tmp_path):
    (tables / "comparison.csv").write_text("paper,synthetic\ntoypaper,0\nother,1\n")
    with pytest.raises(ScoreError, match=r"other was run on synthetic demo corpora"):
        write_results_page(results, tmp_path / "results.md")
    (tables / "comparison.csv").write_text("paper,synthetic\ntoypaper,0\n")
    (tables / "costs.md").unlink()
    with pytest.raises(ScoreError, match=r"costs\.md: is missing"):
        write_results_page(results, tmp_path / "results.md")
    assert not (tmp_path / "results.md").exists()
