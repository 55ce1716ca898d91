"""Tables and recordings that cannot be audited: one sentence with row and column, and nothing written."""

import pytest

from serflow import cli

GOOD = "path,speaker,part\na.wav,1,train\nb.wav,2,test\n"
CASES = {
    "no column": (GOOD.replace("part", "split"), "row 1: names no column 'part'"),
    "a column twice": (GOOD.replace("part", "part,part"), "row 1: names the column 'part' twice"),
    "unknown part": (GOOD.replace("test", "dev"), "row 3, column part: unknown part 'dev'"),
    "empty speaker": (GOOD.replace("2,test", ",test"), "row 3, column speaker: is empty"),
    "a path twice": (GOOD + "b.wav,2,test\n", "row 4, column path: 'b.wav' stands in part test in row 3 too"),
    "a path twice, written in two ways": (
        GOOD + ".\\b.wav,2,test\n",
        "row 4, column path: 'b.wav' stands in part test in row 3 too",
    ),
    "one part": (GOOD.replace("test", "train"), "column part: has 'train' alone"),
    "no row": ("path,speaker,part\n\n", "has no row"),
    "empty": ("", "row 1: names no column 'path'"),
    "too many cells": (GOOD + "c.wav,3,test,x\n", "row 4: has 4 cells"),
    "open quotes": (GOOD + '"c.wav,3,test\n', "line 4: is no CSV"),
    "Latin-1": (GOOD.replace("2,", "J\xfcrgen,").encode("latin-1"), "row 3: is not in UTF-8"),
    "no such recording": (GOOD.replace("b.wav", "c.wav"), "row 3, column path:"),
    "no audio": (GOOD, "row 3, column path:"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_one_sentence_and_nothing_is_written(case, tmp_path, record, utter, capsys):
    content, sentence = CASES[case]
    record("a.wav", utter(1))
    (tmp_path / "b.wav").write_bytes(b"no audio at all")
    table = tmp_path / "labels.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.iterdir())
    options = ["--json", str(tmp_path / "out.json"), "--html", str(tmp_path / "out.html"), "--workers", "1"]
    assert cli.main(["audit", str(table), *options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"labels.csv: {sentence}" in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_table_is_one_sentence(tmp_path, capsys):
    assert cli.main(["audit", str(tmp_path / "none.csv"), "--workers", "1"]) == 1
    assert "none.csv: cannot be read" in capsys.readouterr().err
