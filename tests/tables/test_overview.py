import json

import pytest

from serflow.papers.names import ROLES
from serflow.scoring.paper import write_scores
from serflow.scoring.results import TYPES, Cell, Result, read_results
from serflow.tables.overview import overview_table, write_overview
from toy_paper import LABELS, PARTS, PROTOCOLS, make_record, published, system

LEAK = {"kind": "augmented", "title": "copies first", "parts": PARTS, "copies": {"noise": {}}}
PAPER = {
    "systems": {"net": system("Net_1", "published", "speaker_independent", "copies")},
    "protocols": PROTOCOLS | {"copies": LEAK},
    "published": [published("UA", "test", 1.0)],
    "corpora": ["toy"],
}


def line(result):
    table = overview_table([result])
    (row,) = table.rows
    return dict(zip(table.columns, row, strict=True))


def result(**cells):
    known = dict.fromkeys(ROLES, Cell()) | {"published": Cell("published")}
    return Result("p", "toy", "net", "Net_1", "WA", "validation", 50, 0.7, known | cells, 0.25)


def test_cells_name_value_spread_interval_speakers_and_missing_folds():
    own = Cell("published", 0.725, 0.65, 0.79, 0.012, 24, missing="2 of 6 folds", deviations=("a; b",))
    few = Cell(
        "second", 0.4, 0.3, 0.5, speakers=4, unit="utterances", collapsed=1, seeds=3, deviations=("a; b", "epochs")
    )
    cells = line(result(published=own, unseen=few))
    assert cells["Ours, paper's protocol [95 %]"] == "72.5 ± 1.2 [65.0, 79.0]; 24 speakers; 2 of 6 folds"
    assert (
        cells["Ours, unseen speakers [95 %]"]
        == "40.0 [30.0, 50.0] over utterances; 4 speakers; collapsed: 1 run predicts one class"
    )
    assert (cells["Published"], cells["Chance"]) == ("70.0 (epoch 50)", "25.0 / -")
    assert cells["Deviations"] == "a; b; under other protocols: epochs"


def test_a_role_that_no_protocol_has_has_no_column():
    assert not any("leak" in column for column in line(result()))
    assert "not run: X" in line(result(control=Cell("c", note="not run: X"))).values()


@pytest.fixture
def runs(make_run):
    """Under the leak the items are copies: half of the recordings' names end in #noise."""
    found = [(f"u{s}_{k}", "test", LABELS[k % 3], LABELS[k % 3]) for s in range(8) for k in range(6)]
    copies = [(f"{name}#noise" if k % 2 else name, *rest) for k, (name, *rest) in enumerate(found)]
    train = [("u0_0", "train", "sad", "sad")]
    return [make_run([*found, *train]), make_run([*copies, *train], protocol="copies")]


def test_from_files_to_files_with_augmented_items_counted_as_their_speakers(runs, manifest, tmp_path):
    record = make_record(**PAPER)
    scores, gaps = tmp_path / "scores.csv", tmp_path / "gaps.csv"
    write_scores(record, runs, [manifest], scores, gaps)
    write_overview([record], [scores], [gaps], runs, tmp_path / "comparison")
    assert {path.suffix for path in tmp_path.glob("comparison.*")} == {".csv", ".md", ".tex", ".html"}
    assert (tmp_path / "comparison.csv").read_text().startswith(",".join(TYPES) + "\n")
    (found,) = read_results(tmp_path / "comparison.csv")
    assert (found.cells["published"].value, found.cells["leak"].value, found.cells["leak"].speakers) == (1, 1, 8)
    assert found.cells["unseen"].note == "not run: no run was made"
    assert found.chance_uniform == pytest.approx(1 / 3, abs=1e-5)
    assert (found.verdict, found.synthetic) == ("reproduced", False)
    assert "100.0 [100.0, 100.0]; 8 speakers" in (tmp_path / "comparison.md").read_text()


def test_the_record_of_a_run_is_enough_for_what_it_was_computed_with(runs, tmp_path):
    info = json.loads((runs[0] / "run.json").read_text())
    (runs[0] / "run.json").write_text(json.dumps(info | {"versions": {"scikit-learn": "1.8"}}))
    write_overview([make_record(**PAPER)], [], [], runs, tmp_path / "comparison")
    assert "scikit-learn 1.8, torch 2.9" in (tmp_path / "comparison.md").read_text()
