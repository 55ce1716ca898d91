import csv

import pandas as pd
import pytest

from serflow import cli
from serflow.scoring.costs import TYPES
from serflow.tables.costs import cost_table
from serflow.tables.table import SYNTHETIC

COSTS = pd.DataFrame(
    [
        ("scores", "toypaper", "", "", 1, 2.0, 2.0, 60.0),
        ("train", "toypaper", "net", "cpu (toy CPU), fp32", 2, 150.0, 100.0, 1200.0),
        ("table", "toypaper", "", "", 2, None, None, None),
    ],
    columns=list(TYPES),
).astype(TYPES)


@pytest.fixture
def written(tmp_path):
    cost_table(COSTS).write(tmp_path / "costs")
    return tmp_path / "costs.csv"


def test_the_table_has_the_most_expensive_first_and_the_sum_of_what_was_measured_last(written):
    rows = list(csv.DictReader(written.open()))
    assert [row["Stage"] for row in rows] == ["train", "scores", "table", "all"]
    numbers = ("Jobs", "Seconds", "Longest job (s)", "Peak memory (MiB)")
    assert [rows[2][key] for key in numbers] == ["2", "-", "-", "-"]
    assert [rows[3][key] for key in numbers] == ["5", "152", "100", "1200"]


def test_a_demo_that_was_once_run_in_the_folder_does_not_mark_the_costs_of_real_corpora(make_run, tmp_path):
    (tmp_path / "benchmarks/demo").mkdir(parents=True)
    run = make_run([("u0_0", "test", "sad", "sad")])
    words = ["costs", "--benchmarks", str(tmp_path / "benchmarks"), "--runs", str(run), "--stem"]
    assert cli.main([*words, str(tmp_path / "real")]) == 0
    assert cli.main([*words, str(tmp_path / "demo"), "--synthetic"]) == 0
    assert [SYNTHETIC in (tmp_path / f"{name}.md").read_text() for name in ("real", "demo")] == [False, True]
