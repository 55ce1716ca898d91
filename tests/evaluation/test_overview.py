import csv
import json

import pytest

from serflow.io.files import write_csv
from serflow.runs import ScoreError
from serflow.scoring.scores import COLUMNS as SCORES
from serflow.scoring.scores import score_runs, write_scores
from serflow.tables import overview as module
from serflow.tables.overview import (
    COLUMNS,
    flat,
    overview,
    overview_table,
    read_overview,
    write_overview,
)
from serflow.tables.tables import make_tables

LABELS = ("neutral", "happy", "sad")
PROTOCOLS = {
    "published": {"title": "random 80/10/10", "kind": "random"},
    "speaker_independent": {"title": "other speakers", "kind": "speakers"},
    "augment_then_split": {"title": "copies first", "kind": "augmented"},
}


def record(value=0.7, *, corpus="toy", not_run=(), synthetic=False, **entry):
    published = {"table": "Table I", "system": "net", "corpus": corpus, "protocol": "published", "part": "test"}
    paper = {
        "paper": "toypaper",
        "systems": {"net": {"title": "Net_1", "protocols": list(PROTOCOLS)}},
        "protocols": PROTOCOLS,
        "published": [published | {"metric": "UA", "value": value} | entry],
    }
    return {"paper": paper, "not_run": dict(not_run), "synthetic": synthetic}


def score(protocol="published", *, value=0.72, low=0.66, high=0.78, speakers=24, **known):
    row = dict.fromkeys(SCORES, "") | {"paper": "toypaper", "corpus": "toy", "system": "net", "scope": "all"}
    row |= {"part": "test", "metric": "UA", "source": "predictions", "protocol": protocol, "n_speakers": speakers}
    return row | {"value": value, "low": low, "high": high} | known


def judged(record, rows, deviations=None):
    (result,) = overview([record], rows, deviations or {})
    return result


def test_a_published_value_inside_the_interval_is_reproduced_and_outside_is_not():
    assert judged(record(0.66), [score()]).verdict == "reproduced"
    assert judged(record(0.78), [score()]).verdict == "reproduced"
    above = judged(record(0.8), [score()])
    assert (above.verdict, above.reason) == ("not reproduced", "80.0 lies 2.0 points above [66.0, 78.0]")
    below = judged(record(0.6), [score()])
    assert (below.verdict, below.reason) == ("not reproduced", "60.0 lies 6.0 points below [66.0, 78.0]")


def test_what_only_the_leak_reaches_is_said_to_be_reached_under_it():
    leak = score("augment_then_split", value=0.95, low=0.93, high=0.97)
    assert judged(record(0.96), [score(), leak]).reason.endswith("; reached under the leak")
    assert "leak" not in judged(record(0.99), [score(), leak]).reason
    assert "leak" not in judged(record(0.5), [score(), leak]).reason
    assert "leak" not in judged(record(0.7), [score(), leak]).reason


@pytest.mark.parametrize(
    ("more", "row", "told", "reason"),
    [
        ({"synthetic": True}, {}, (), "synthetic corpus"),
        ({}, {"note": "folds 0,1 of 5; printed as WA"}, (), "only folds 0,1 of 5"),
        ({}, {}, ("model.pretrained: none instead of imagenet",), "the runs depart from the paper"),
        (
            {},
            {"value": "", "note": "not run: SAVEE is not configured; as printed"},
            (),
            "not run: SAVEE is not configured",
        ),
    ],
)
def test_what_cannot_be_compared_is_never_called_reproduced(more, row, told, reason):
    deviations = {("toypaper", "toy", "net", "published"): told}
    result = judged(record(0.7, **more), [score(**row)], deviations)
    assert (result.verdict, result.reason) == ("cannot be compared", reason)


def test_deviations_of_other_protocols_are_listed_but_do_not_touch_the_verdict():
    deviations = {("toypaper", "toy", "net", "speaker_independent"): ["training.epochs: 3 instead of 50"]}
    result = judged(record(), [score()], deviations)
    assert result.verdict == "reproduced"
    assert overview_table([result]).rows[0][-1] == "elsewhere: training.epochs: 3 instead of 50"


def test_fewer_than_six_speakers_are_inconclusive():
    result = judged(record(), [score(low="", high="", speakers=4)])
    assert (result.verdict, result.reason) == ("inconclusive", "4 speakers are too few for an interval")


def test_a_paper_without_any_score_has_its_rows_with_the_reason():
    result = judged(record(corpus="savee", not_run={"savee": "SAVEE is not configured"}), [])
    assert (result.verdict, result.reason) == ("cannot be compared", "not run: SAVEE is not configured")
    table = overview_table([result])
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert cells["Ours, paper's protocol [95 %]"] == "not run: SAVEE is not configured"
    assert cells["Published"] == "70.0"


def test_the_last_printed_epoch_stands_for_a_paper_and_losses_and_training_parts_do_not():
    given = record()
    base = given["paper"]["published"][0]
    given["paper"]["published"] = [
        base | {"metric": "accuracy", "part": "train", "value": 1.0},
        base | {"metric": "loss", "part": "validation", "value": 0.4},
        base | {"metric": "accuracy", "part": "validation", "epoch": 10, "value": 0.97},
        base | {"metric": "accuracy", "part": "validation", "epoch": 50, "value": 0.7},
        base | {"metric": "accuracy", "part": "validation", "epoch": 20, "value": 0.99},
    ]
    rows = [
        score(metric="WA", part="validation"),
        score("speaker_independent", metric="WA", value=0.4, low=0.3, high=0.5),
    ]
    result = judged(given, rows)
    assert (result.metric, result.part, result.epoch, result.published) == ("WA", "validation", "50", 0.7)
    assert (result.cells["own"].value, result.cells["independent"].value) == (0.72, 0.4)
    assert result.verdict == "reproduced"


def test_protocols_that_a_system_does_not_ask_for_are_left_empty():
    given = record()
    given["paper"]["systems"]["net"]["protocols"] = ["published"]
    (row,) = overview_table(overview([given], [score()], {})).rows
    assert row[4:7] == ["72.0 [66.0, 78.0]; 24 speakers", "-", "-"]


def satt(*, value=0.688):
    """A paper like Satt et al.: its own protocol keeps speakers apart on its corpus, another one does on RAVDESS."""
    given = record(value, corpus="iemocap", metric="WA")
    given["paper"]["protocols"] = {
        "published": {"title": "sessions", "kind": "speakers", "corpora": ["iemocap"]},
        "speaker_independent": {"title": "actors", "kind": "speakers", "corpora": ["ravdess"]},
    }
    given["paper"]["systems"] = {name: {"title": name, "protocols": list(PROTOCOLS)[:2]} for name in ("net", "other")}
    return given


def test_a_paper_whose_own_protocol_keeps_speakers_apart_needs_no_other_for_that():
    result = judged(satt(), [score(corpus="iemocap", metric="WA", value=0.68, speakers=5, low="", high="")])
    assert overview_table([result]).rows[0][4:7] == [
        "68.0; 5 speakers, too few for an interval",
        "the paper's protocol is speaker-independent",
        "-",
    ]
    assert result.verdict == "inconclusive"


def test_a_system_run_where_the_paper_prints_no_number_has_a_row_too():
    fair = score("speaker_independent", corpus="ravdess", metric="WA", value=0.45, low=0.4, high=0.5)
    guess = fair | {"system": "chance (uniform)", "source": "chance", "value": 0.25}
    missing = fair | {"system": "other", "value": "", "note": "not run: no run was made"}
    deviations = {("toypaper", "ravdess", "net", "speaker_independent"): ["training.epochs: 3 instead of 60"]}
    _, result = overview([satt()], [fair, fair | {"metric": "UA", "value": 0.4}, guess, missing], deviations)
    assert (result.corpus, result.system, result.published) == ("ravdess", "net", None)
    table = overview_table([result])
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert cells["Metric (part)"] == "WA (test)"
    assert cells["Published"] == "-"
    assert cells["Ours, paper's protocol [95 %]"] == "-"
    assert cells["Ours, speaker-independent [95 %]"] == "45.0 [40.0, 50.0]; 24 speakers"
    assert cells["Chance"] == "25.0 / -"
    assert cells["Verdict"] == "no published number"
    assert cells["Deviations"] == "elsewhere: training.epochs: 3 instead of 60"


def test_a_system_that_tells_two_labels_apart_is_not_held_against_chance_among_all():
    fair = score("speaker_independent", corpus="ravdess", metric="WA", value=0.9, low=0.8, high=0.95)
    guess = fair | {"system": "chance (uniform)", "source": "chance", "value": 0.25}
    pair = satt()
    pair["paper"]["systems"]["net"]["labels"] = ["happy", "neutral"]
    _, result = overview([pair], [fair, guess], {})
    assert result.chance == (None, None)


def test_the_csv_says_all_that_the_table_says(tmp_path):
    rows = [
        score(note="folds 0,1 of 5", sd=0.02),
        score("speaker_independent", value=0.4, low="", high="", speakers=4),
        score("augment_then_split", corpus="other", metric="WA"),
    ]
    deviations = {
        ("toypaper", "toy", "net", "published"): ["random weights", "epochs: 3 instead of 50"],
        ("toypaper", "toy", "net", "speaker_independent"): ["random weights", "seeds: 1 instead of 3"],
    }
    found = overview([record()], rows, deviations)
    write_csv(tmp_path / "comparison.csv", COLUMNS, map(flat, found))
    again = read_overview(tmp_path / "comparison.csv")
    assert again == found
    assert overview_table(again) == overview_table(found)
    assert len(found) == 2


def test_a_csv_of_another_shape_is_named(tmp_path):
    (tmp_path / "comparison.csv").write_text("paper,corpus\ntoypaper,toy\n")
    with pytest.raises(ScoreError, match=r"comparison\.csv: column 'system' is missing"):
        read_overview(tmp_path / "comparison.csv")
    with pytest.raises(ScoreError, match=r"none\.csv: is missing"):
        read_overview(tmp_path / "none.csv")


@pytest.fixture
def runs(make_run):
    """Under the leak the items are copies: half of the recordings' names end in #noise."""
    found = [(f"u{s}_{k}", "test", LABELS[k % 3], LABELS[k % 3]) for s in range(8) for k in range(6)]
    copies = [(f"{name}#noise" if k % 2 else name, *rest) for k, (name, *rest) in enumerate(found)]
    train = [("u0_0", "train", "sad", "sad")]
    return [make_run([*found, *train]), make_run([*copies, *train], protocol="augment_then_split")]


def test_from_files_to_files_with_augmented_items_counted_as_their_speakers(runs, manifest, tmp_path):
    given = record(1.0)
    rows = score_runs(given["paper"] | {"corpora": ["toy"]}, runs, manifest)
    write_scores(rows, tmp_path / "scores.csv")
    write_overview([given], [tmp_path / "scores.csv"], runs, tmp_path / "comparison")
    with (tmp_path / "comparison.csv").open() as handle:
        reader = csv.DictReader(handle)
        (row,) = reader
    assert tuple(reader.fieldnames) == COLUMNS
    assert (row["own_value"], row["leak_value"], row["leak_speakers"]) == ("1.0", "1.0", "8")
    assert row["independent_note"] == "not run: no run was made"
    assert float(row["chance_uniform"]) == pytest.approx(1 / 3, abs=1e-5)
    assert (row["verdict"], row["synthetic"]) == ("reproduced", "0")
    page = (tmp_path / "comparison.md").read_text()
    assert "100.0 [100.0, 100.0]; 8 speakers" in page
    assert "Verdict, the first that applies." in page
    assert "The rule." in module.__doc__
    assert {path.suffix for path in tmp_path.glob("comparison.*")} == {".csv", ".md", ".tex", ".html"}


def test_a_published_confusion_matrix_stands_beside_ours_and_their_difference(paper, make_run):
    """Published rows need not sum to 100; ours is read in the published order of classes, not the run's."""
    rows = {
        "sad": {"sad": 80, "neutral": 12, "happy": 7},
        "neutral": {"sad": 10, "neutral": 90, "happy": 5},
        "happy": {"sad": 0, "neutral": 50, "happy": 50},
    }
    found = [(f"u0_{k}", "test", "sad", "sad" if k < 3 else "happy") for k in range(4)]
    found += [("u1_0", "test", "neutral", "neutral"), ("u1_1", "train", "happy", "happy")]
    entry = {"table": "Table I", "system": "net", "corpus": "toy", "protocol": "published", "rows": rows}
    runs = [make_run(found), make_run(found, protocol="speaker_independent")]
    from serflow.runs import load_runs

    table = make_tables(paper | {"published_confusion": [entry]}, [], runs=load_runs(runs))["table_i_confusion"]
    assert table.columns == ["Matrix", "True emotion", "sad", "neutral", "happy", "Sum"]
    assert table.rows == [
        ["published", "sad", "80", "12", "7", "99"],
        ["published", "neutral", "10", "90", "5", "105"],
        ["published", "happy", "0", "50", "50", "100"],
        ["ours", "sad", "75.0", "0.0", "25.0", "100.0"],
        ["ours", "neutral", "0.0", "100.0", "0.0", "100.0"],
        ["ours", "happy", "-", "-", "-", "-"],
        ["ours minus published", "sad", "-5.0", "-12.0", "+18.0", "+1.0"],
        ["ours minus published", "neutral", "-10.0", "+10.0", "-5.0", "-5.0"],
        ["ours minus published", "happy", "-", "-", "-", "-"],
    ]
    assert "Mean of the diagonal, which is the UA: published 73.3, ours 87.5." in table.notes


def test_the_record_of_a_run_is_enough_for_what_it_was_computed_with(runs, tmp_path):
    text = (runs[0] / "run.json").read_text()
    (runs[0] / "run.json").write_text(json.dumps(json.loads(text) | {"versions": {"scikit-learn": "1.8"}}))
    write_overview([record()], [], runs, tmp_path / "comparison")
    assert "libraries: scikit-learn 1.8, torch 2.9" in (tmp_path / "comparison.md").read_text()
