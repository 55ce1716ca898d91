import pytest

from serflow.runs import read_runs
from serflow.tables.last_epochs import last_epochs_table
from toy_paper import make_record

FOUND = [("u1", "test", "sad", "sad")]


def test_runs_show_their_last_epoch_beside_its_neighbours(make_run):
    last_of_20 = make_run(FOUND, epochs=20)  # its validation accuracy rises by a tenth each epoch: 190, 200 %
    chosen = make_run(FOUND, epochs=20, seed=1, best_epoch=7)
    last_of_10 = make_run(FOUND, epochs=40, seed=2)  # 390 to 420 %
    (row,) = last_epochs_table(make_record(), read_runs([last_of_20, chosen, last_of_10])).rows
    assert row[3:5] == ["cpu, fp32", "2"]
    assert [float(cell) for cell in row[5:]] == pytest.approx([310, 300, 290, 310, 30])
