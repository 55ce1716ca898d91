import csv
import io
from html.parser import HTMLParser

import pytest

from serflow.scoring.scores import score_runs, write_scores
from serflow.tables.render import tex_escape
from serflow.tables.tables import make_tables, slug, table_stems, write_table

LABELS = ("neutral", "happy", "sad")


def all_parts(wrong):
    """Eight speakers, six utterances each; the first `wrong` utterances of every speaker are called 'sad'."""
    for part in ("train", "validation", "test"):
        for speaker in range(8):
            for k in range(6):
                label = LABELS[k % 2]
                yield f"u{speaker}_{k}", part, label, "sad" if k < wrong and part == "test" else label


@pytest.fixture
def dirs(make_run):
    return [
        make_run(all_parts(0), epochs=3, deviations=["no ImageNet weights"]),
        make_run(all_parts(3), epochs=3, protocol="speaker_independent", deviations=["no ImageNet weights", "2 folds"]),
    ]


@pytest.fixture
def tables(paper, dirs, manifest):
    folds = {("toy", "published"): 1, ("toy", "speaker_independent"): 6}
    reasons = {"savee": "SAVEE is not configured"}
    return make_tables(paper, score_runs(paper, dirs, manifest, n_folds=folds, not_run=reasons))


def line(table, *start):
    (found,) = [row for row in table.rows if tuple(row[: len(start)]) == start]
    return dict(zip(table.columns, found, strict=True))


def column(cells, part):
    (name,) = [name for name in cells if part in name]
    return cells[name]


def test_comparison_sets_published_both_protocols_and_their_gap_side_by_side(tables):
    cells = line(tables["comparison"], "toy", "Net_1", "WA (test)")
    assert cells["Published"] == "90.0"
    assert column(cells, "Ours, paper's protocol") == "100.0 [100.0, 100.0]"
    assert column(cells, "Ours, speaker-independent") == "50.0 [50.0, 50.0]"
    assert cells["n, speaker-independent"] == "8 / 1 / 1 (fold 0 of 6)"
    assert cells["Gap (points)"] == "+50.0"


def test_comparison_shows_the_last_published_validation_accuracy_beside_ours(tables):
    cells = line(tables["comparison"], "toy", "Net_1", "WA (validation)")
    assert cells["Published"] == "100.0 (epoch 50)"
    assert column(cells, "Ours, paper's protocol") == "100.0 [100.0, 100.0]"


def test_chance_rows_and_corpora_not_run_stand_in_the_comparison(tables):
    chance = line(tables["comparison"], "toy", "chance (uniform)", "UA (test)")
    assert column(chance, "Ours, paper's protocol") == "33.3"
    missing = line(tables["comparison"], "savee", "Net_1", "UA (test)")
    assert column(missing, "Ours, paper's protocol") == "not run: SAVEE is not configured"


def test_table_of_the_paper_has_its_epochs_with_ours_beside_them(tables):
    first = line(tables["table_i"], "toy", "Net_1", "paper's protocol", "1")
    assert (first["accuracy (train), published"], first["accuracy (train), ours"]) == ("88.0", "50.0")
    assert (first["loss (train), published"], first["loss (train), ours"]) == ("0.470", "1.000")
    assert first["accuracy (validation), ours"] == "10.0"
    last = line(tables["table_i"], "toy", "Net_1", "paper's protocol", "50")
    assert (last["accuracy (train), published"], last["accuracy (train), ours"]) == (
        "100.0",
        "not run: only 3 epochs",
    )
    other = line(tables["table_i"], "toy", "Net_1", "speaker-independent", "1")
    assert (other["accuracy (train), published"], other["accuracy (train), ours"]) == ("-", "50.0")
    chance = line(tables["table_i"], "toy", "chance (uniform)", "paper's protocol")
    assert (chance["accuracy (train), ours"], chance["loss (train), ours"]) == ("33.3", "1.099")


def test_few_speakers_are_shown_one_by_one_and_called_inconclusive(paper, make_run, manifest):
    found = [("u0_0", "test", "sad", "sad"), ("u1_0", "test", "sad", "happy"), ("u2_0", "train", "sad", "sad")]
    made = make_tables(paper, score_runs(paper, [make_run(found)], manifest))
    cells = line(made["comparison"], "toy", "Net_1", "WA (test)")
    assert column(cells, "Ours, paper's protocol") == "50.0 (inconclusive; per speaker: 00 100.0, 01 0.0)"


def test_every_table_is_the_same_from_the_csv_as_from_memory(paper, dirs, manifest, tables, tmp_path):
    folds = {("toy", "published"): 1, ("toy", "speaker_independent"): 6}
    reasons = {"savee": "SAVEE is not configured"}
    scores = tmp_path / "scores.csv"
    write_scores(score_runs(paper, dirs, manifest, n_folds=folds, not_run=reasons), scores)
    assert table_stems(paper) == ["comparison", "table_i", "table_ii"]
    for stem in table_stems(paper):
        write_table(paper, stem, scores, dirs, tmp_path / "tables" / stem, synthetic=True)
        written = list(csv.reader(io.StringIO((tmp_path / "tables" / f"{stem}.csv").read_text())))
        assert written == [tables[stem].columns, *tables[stem].rows]


class Cells(HTMLParser):
    """Collects the text of an HTML page and counts its table cells."""

    def __init__(self):
        super().__init__()
        self.cells, self.text = 0, ""

    def handle_starttag(self, tag, attrs):
        self.cells += tag in ("td", "th")

    def handle_data(self, data):
        self.text += data


def test_every_format_names_intervals_deviations_assumptions_and_synthetic_data(paper, dirs, manifest, tmp_path):
    scores = tmp_path / "scores.csv"
    write_scores(score_runs(paper, dirs, manifest), scores)
    for stem in table_stems(paper):
        write_table(paper, stem, scores, dirs, tmp_path / stem, synthetic=True)
        html, tex, md = ((tmp_path / f"{stem}.{suffix}").read_text() for suffix in ("html", "tex", "md"))
        page = Cells()
        page.feed(html)
        rows = list(csv.reader((tmp_path / f"{stem}.csv").open()))
        assert page.cells == len(rows) * len(rows[0])
        for text in (page.text, tex.replace("\\", ""), md):
            assert "95 % percentile-bootstrap intervals over speakers" in text
            assert "no ImageNet weights" in text
            assert "2 folds (1 of 2 runs)" in text
            assert "80/10/10." in text
            assert "Synthetic demo corpus: these numbers say nothing about speech" in text
            assert "precision: fp32" in text
            assert "Paper's protocol: random 80/10/10." in text
        assert "Common <here>." in page.text
        assert "\\caption{Toy \\& Co. 100 \\%: " in tex
        assert len({x.count(" & ") for x in tex.splitlines() if x.endswith(r" \\")}) == 1


def test_latex_markup_is_escaped():
    assert tex_escape("a_b & 5 % {x} ± 1") == r"a\_b \& 5 \% \{x\} $\pm$ 1"
    assert tex_escape("\\~^") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}"


def test_slug_of_a_table_name():
    assert slug("Table I") == "table_i"
    assert slug("Table 2, noise") == "table_2_noise"
