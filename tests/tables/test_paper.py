import csv
import json

import pytest

from serflow.runs import read_runs
from serflow.scoring.gaps import find_gaps
from serflow.scoring.paper import score_paper, write_scores
from serflow.tables.data import data_table
from serflow.tables.paper import score_tables, write_tables
from toy_paper import LABELS, PAPER, make_record

#: Published rows need not sum to 100.
MATRIX = {
    "sad": {"sad": 80, "neutral": 12, "happy": 7},
    "neutral": {"sad": 10, "neutral": 90, "happy": 5},
    "happy": {"sad": 0, "neutral": 50, "happy": 50},
}
ABOUT = {
    "n_folds": {"toy": {"published": 1, "speaker_independent": 6}},
    "not_run": {"savee": "SAVEE is not configured"},
    "deviations": {"toy/net/published": ["weights; none"], "toy/net/speaker_independent": ["weights; none", "2 folds"]},
}


def all_parts(wrong):
    """Eight speakers, six utterances each; the first `wrong` test utterances of every speaker are called 'sad'."""
    for part in ("train", "validation", "test"):
        for speaker in range(8):
            for k in range(6):
                label = LABELS[k % 2]
                yield f"u{speaker}_{k}", part, label, "sad" if k < wrong and part == "test" else label


@pytest.fixture
def dirs(make_run):
    return [make_run(all_parts(0), epochs=3), make_run(all_parts(3), epochs=3, protocol="speaker_independent")]


def tables_of(record, folders, speakers):
    runs = read_runs(folders)
    return score_tables(record, score_paper(record, runs, speakers), find_gaps(record, runs, speakers), runs)


@pytest.fixture
def tables(dirs, speakers):
    return tables_of(make_record(**ABOUT), dirs, speakers)


def line(table, *start):
    (found,) = [row for row in table.rows if tuple(row[: len(start)]) == start]
    return dict(zip(table.columns, found, strict=True))


WA = "WA [95 %]"


def test_comparison_has_a_row_for_each_protocol_with_the_published_number_in_the_papers_own(tables):
    own, fair = (line(tables["comparison"], "toy", "Net_1", role) for role in ("paper's protocol", "unseen speakers"))
    assert (own["Published"], own[WA]) == ("WA 90.0", "100.0 [100.0, 100.0]")
    assert (fair["Published"], fair[WA], fair["n"]) == ("-", "50.0 [50.0, 50.0]", "8 / 1 / 1 (1 of 6 folds)")


def test_comparison_shows_the_last_published_validation_accuracy_beside_ours(tables):
    cells = line(tables["comparison"], "toy", "Net_1", "paper's protocol (validation)")
    assert (cells["Published"], cells[WA]) == ("WA 100.0 (epoch 50)", "100.0 [100.0, 100.0]")


def test_chance_and_corpora_not_run_stand_in_the_comparison(tables):
    chance = line(tables["comparison"], "toy", "chance (uniform / majority)", "paper's protocol")
    assert chance["UA [95 %]"] == "33.3 / 50.0"  # two of the three classes are tested
    missing = line(tables["comparison"], "savee", "Net_1", "paper's protocol")
    assert (missing[WA], missing["UA [95 %]"]) == ("not run: SAVEE is not configured", "-")


def test_differences_say_which_side_is_unfinished(tables):
    told = [row[1] for row in tables["differences"].rows]
    assert "Net_1: paper's protocol minus unseen speakers (unfinished: all / 1 of 6 folds)" in told


def test_table_of_the_paper_has_its_epochs_with_ours_beside_them(tables):
    first = line(tables["table_i"], "toy", "Net_1", "paper's protocol", "1")
    assert (first["accuracy (train), published"], first["accuracy (train), ours"]) == ("88.0", "50.0")
    assert (first["loss (train), published"], first["loss (train), ours"]) == ("0.470", "1.000")
    assert first["accuracy (validation), ours"] == "10.0"
    last = line(tables["table_i"], "toy", "Net_1", "paper's protocol", "50")
    assert (last["accuracy (train), published"], last["accuracy (train), ours"]) == ("100.0", "not run: only 3 epochs")
    other = line(tables["table_i"], "toy", "Net_1", "unseen speakers", "1")
    assert (other["accuracy (train), published"], other["accuracy (train), ours"]) == ("-", "50.0")
    chance = line(tables["table_i"], "toy", "chance (uniform / majority)", "paper's protocol")
    assert (chance["accuracy (train), ours"], chance["loss (train), ours"]) == ("33.3 / 50.0", "1.099 / -")


def test_few_speakers_are_shown_one_by_one_in_a_union_with_their_corpus(make_run):
    names = {"toy": ("u0_0", "u1_0"), "toy+savee": ("toy/u0_0", "savee/u0_0")}
    speakers = {("toy", "u0_0"): "toy/00", ("toy", "u1_0"): "toy/01", ("savee", "u0_0"): "savee/00"}
    for corpus, (right, wrong) in names.items():
        found = [(right, "test", "sad", "sad"), (wrong, "test", "sad", "happy"), (right, "train", "sad", "sad")]
        record = make_record(corpora=[corpus])
        made = tables_of(record, [make_run(found, corpus=corpus)], speakers)["comparison"]
        cell = line(made, corpus, "Net_1", "paper's protocol")[WA]
        assert cell.startswith("50.0 [") and "over utterances" in cell
        for one in ("00 100.0, 01 0.0",) if corpus == "toy" else ("savee/00 0.0, toy/00 100.0",):
            assert one in cell


def test_protocols_of_one_role_are_told_apart_by_name(make_run, speakers):
    rules = {name: PAPER["protocols"]["published"] | {"role": "control"} for name in ("with_noise", "with_pitch")}
    record = make_record(protocols=PAPER["protocols"] | rules)
    runs = [make_run(all_parts(0), protocol=name) for name in rules]
    rows = tables_of(record, runs, speakers)["comparison"].rows
    assert {"control for the leak, with noise", "control for the leak, with pitch"} <= {row[2] for row in rows}


def test_a_published_matrix_of_a_union_stands_beside_ours_on_a_part_that_lacks_a_label(make_run, speakers):
    found = [("u0_0", "test", "sad", "sad"), ("u0_1", "test", "neutral", "sad")]
    entry = {"table": "Table I", "system": "net", "corpus": "toy", "protocol": "published", "rows": MATRIX}
    runs = [make_run(found, labels=["neutral", "sad"])]
    table = tables_of(make_record(published_confusion=[entry]), runs, speakers)["table_i_confusion"]
    assert table.rows[3:6] == [
        ["ours", "sad", "100.0", "0.0", "0.0", "100.0"],
        ["ours", "neutral", "100.0", "0.0", "0.0", "100.0"],
        ["ours", "happy", "-", "-", "-", "-"],
    ]


def test_a_published_confusion_matrix_stands_beside_ours_and_their_difference(make_run, speakers):
    found = [(f"u0_{k}", "test", "sad", "sad" if k < 3 else "happy") for k in range(4)]
    found += [("u1_0", "test", "neutral", "neutral"), ("u1_1", "train", "happy", "happy")]
    entry = {"table": "Table I", "system": "net", "corpus": "toy", "protocol": "published", "rows": MATRIX}
    runs = [make_run(found), make_run(found, protocol="speaker_independent")]
    table = tables_of(make_record(published_confusion=[entry]), runs, speakers)["table_i_confusion"]
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
    assert any("published 73.3, ours 87.5" in note for note in table.notes)


def test_the_data_table_tells_what_a_noise_level_clips(make_run):
    recipes = {"r": {"transform": "logpower", "floor_db": -80.0}}
    runs = [make_run(all_parts(0), clipped=0.4321), make_run(all_parts(0), seed=1, clipped=0.4321)]
    notes = data_table(make_record(recipes=recipes), [], [], read_runs(runs)).notes
    assert [note for note in notes if "clipped" in note] == [
        "toy: share of points clipped at the constant noise level: r 43.2 % at -80 dB."
    ]


def test_one_job_writes_all_tables_the_same_from_files_as_from_memory(dirs, manifest, tables, tmp_path):
    record = make_record(**ABOUT, synthetic=True)
    leaks = ("augmented_siblings", "identical_recordings", "speakers", "statements")
    counts = {leak: {"shared": 3, "unknown": 0} for leak in leaks}
    fold = {"parts": {"train": 40, "test": 8}, "test_recordings": {"train": counts, "train_or_validation": counts}}
    split = tmp_path / "splits/toypaper/toy/published/seed3.json"
    split.parent.mkdir(parents=True)
    split.write_text(json.dumps({"folds": [{"fold": k, **fold} for k in (0, 1)]}))
    write_scores(record, dirs, [manifest], tmp_path / "scores.csv", tmp_path / "gaps.csv")
    write_tables(record, tmp_path / "scores.csv", tmp_path / "gaps.csv", dirs, [manifest], [split], tmp_path / "tables")
    names = {f"{stem}.{suffix}" for stem in ("data", *tables) for suffix in ("csv", "md", "tex", "html")}
    assert {path.name for path in (tmp_path / "tables").iterdir()} == names
    for stem, table in tables.items():
        written = list(csv.reader((tmp_path / "tables" / f"{stem}.csv").open(newline="")))
        if table.data is None:
            assert written == [list(table.columns), *table.rows]
        text = (tmp_path / "tables" / f"{stem}.md").read_text()
        for part in ("Synthetic demo corpus", "- weights; none\n", "- 2 folds (1 of 2 runs)\n", "80/10/10", "fp32"):
            assert part in text
    rows = list(csv.reader((tmp_path / "tables/data.csv").open(newline="")))
    assert rows[1:] == [["toy", "published", "3", str(k), "40", "0", "8", *["3 of 8"] * 4] for k in (0, 1)]
    for part in ("48 of 49 published", "u0_0 = u0_1"):
        assert part in (tmp_path / "tables/data.md").read_text()
