import pytest

from serflow.runs import read_runs
from serflow.tables.last_epochs import last_epochs_table
from toy_paper import make_record

FOUND = [("u1", "test", "sad", "sad")]


def test_each_run_shows_its_last_epoch_beside_its_neighbours(make_run):
    last_of_20 = make_run(FOUND, epochs=20)  # its validation accuracy rises by a tenth each epoch
    chosen = make_run(FOUND, epochs=20, seed=1, best_epoch=7)
    (row,) = last_epochs_table(make_record(), read_runs([last_of_20, chosen])).rows
    assert row[3:6] == ["0", "0", "cpu, fp32"]
    assert [float(cell) for cell in row[6:]] == pytest.approx([200, 195, 190, 200])
