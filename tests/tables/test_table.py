import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from serflow.papers.model import Assumption
from serflow.tables.table import Table, tex_escape

ROOT = Path(__file__).parents[2]
TABLE = Table(
    "A & B_1",
    ["System", "WA"],
    [["x|y", "50.0 ± 1.2"], ["<b>, 100 %", "-"]],
    notes=["A note: 5 % <here>."],
    assumptions=[Assumption(topic="split", unsaid="The split.", chosen="80/10/10.", why="Common.")],
    deviations=["a; b", "epochs"],
    banner="Synthetic",
)


class Cells(HTMLParser):
    """Collects the text of an HTML page and its table cells."""

    def __init__(self):
        super().__init__()
        self.cells, self.text, self.inside = [], "", False

    def handle_starttag(self, tag, attrs):
        self.inside = tag in ("td", "th")

    def handle_data(self, data):
        self.text += data
        if self.inside:
            self.cells.append(data)
            self.inside = False


@pytest.fixture
def texts(tmp_path):
    TABLE.write(tmp_path / "t")
    return {path.suffix[1:]: path.read_text() for path in tmp_path.iterdir()}


def test_a_table_writes_its_cells_as_csv_and_html(texts, tmp_path):
    rows = list(csv.reader((tmp_path / "t.csv").open(newline="")))
    assert rows == [TABLE.columns, *TABLE.rows]
    page = Cells()
    page.feed(texts["html"])
    assert page.cells == [cell for row in rows for cell in row]


def test_each_form_for_readers_says_all_that_the_table_says(texts):
    page = Cells()
    page.feed(texts["html"])
    for text in (
        page.text,
        texts["tex"].replace("\\textless{}", "<").replace("\\textgreater{}", ">").replace("\\", ""),
        texts["md"],
    ):
        for part in ("A & B_1", "A note: 5 % <here>.", "a; b", "epochs", "Synthetic", "split", "80/10/10"):
            assert part in text


def test_latex_has_as_many_cells_in_each_line(texts):
    lines = [line for line in texts["tex"].splitlines() if line.endswith(r" \\")]
    assert {line.count(" & ") for line in lines} == {1}
    assert len(lines) == 3


def test_latex_markup_is_escaped():
    assert tex_escape("a_b & 5 % {x} ± 1") == r"a\_b \& 5 \% \{x\} $\pm$ 1"
    assert tex_escape("\\~^") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}"


def test_latex_knows_every_character_of_the_papers():
    for path in (ROOT / "workflow" / "papers").glob("*.yaml"):
        assert tex_escape(path.read_text(encoding="utf-8")).isascii(), path.name
    assert tex_escape("\N{GREEK SMALL LETTER GAMMA} · β") == r"$\gamma$ $\cdot$ $\beta$"


def test_without_deviations_there_is_no_heading_for_them_and_data_replaces_the_cells(tmp_path):
    Table("T", ["a"], [["1"]], data=pd.DataFrame({"value": [0.123456789, None]})).write(tmp_path / "t")
    assert (tmp_path / "t.csv").read_text() == 'value\n0.123457\n""\n'
    assert "##" not in (tmp_path / "t.md").read_text()
    assert "<h2>" not in (tmp_path / "t.html").read_text()


def test_columns_of_numbers_are_sorted_by_them_and_others_by_their_text():
    rows = [["1-D net", "100.0 [99.0, 100.0]", "101 of 144"], ["SVM", "45.8 ± 1 [40.1, 51.0]", "-"], ["LSTM", "-", "9"]]
    text = Table("T", ["System", "WA", "Copies"], rows).to_html()
    keys = re.findall(r"<td( data-sort=\"([^\"]*)\")?>", text)
    assert [key for attribute, key in keys if attribute] == ["100.0", "101", "45.8", "", "", "9"]
    assert text.count("<td>") == 3
