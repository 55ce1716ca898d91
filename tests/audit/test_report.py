"""What the command says of a split: as text, as JSON, as a page and by its exit status."""

import re

import pytest

from serflow import cli
from serflow.io.files import read_json


def audit(table, *options):
    """Run the command; return its exit status and the whole report."""
    path = table.with_suffix(".json")
    try:
        status = cli.main(["audit", str(table), "--json", str(path), "--workers", "1", *options])
    except SystemExit as end:
        status = end.code
    return status, read_json(path)


@pytest.fixture
def leaky(record, utter, tabulate):
    """Make a split in which everything leaks: three recordings of training, two of validation, two of test."""
    for n in range(4):
        record(f"{n}.wav", utter(n))
    record("same.flac", utter(0))
    record("<i>half.wav", utter(1) / 2)
    return tabulate(
        "path speaker part statement emotion",
        ["0.wav", "A", "train", "dogs", "sad"],
        ["1.wav", "B", "train", "kids", "happy"],
        ["2.wav", "C", "validation", "dogs", "sad"],
        ["3.wav", "D", "validation", "", "sad"],
        ["same.flac", "A", "test", "dogs", "sad"],
        ["<i>half.wav", "E", "test", "cats", "sad"],
    )


def test_everything_on_two_sides_is_reported(leaky, capsys):
    status, report = audit(leaky)
    assert (status, report["leaks"]) == (3, True)
    both = {tuple(one["parts"]): one for one in report["shared"]}
    found = both["train", "test"]
    assert found["speakers"] == ["A"]
    assert found["statements"] == ["dogs"]
    assert [(pair["first"], pair["second"]) for pair in found["identical"]] == [("0.wav", "same.flac")]
    copy = {"first": "1.wav", "second": "<i>half.wav", "changes": ["gain of -6.0 dB"]}
    assert found["copies"] == [copy]
    assert found["affected"] == {"speakers": 1, "statements": 1, "identical": 1, "copies": 1}
    assert both["train", "validation"]["affected"] == {"speakers": 0, "statements": 1, "identical": 0, "copies": 0}
    assert {part["name"]: part["missing"] for part in report["parts"]} == {
        "train": [],
        "validation": ["happy"],
        "test": ["happy"],
    }
    text = capsys.readouterr().out
    assert "1.wav | <i>half.wav | gain of -6.0 dB" in text


def test_the_page_stands_alone_and_escapes_what_the_table_says(leaky, tmp_path):
    audit(leaky, "--html", str(tmp_path / "leaks.html"))
    page = (tmp_path / "leaks.html").read_text()
    assert 'name="viewport"' in page
    assert not re.search(r"https?:|<script|<link|<img|@import|url\(", page)
    assert "<i>" not in page
    assert "&lt;i&gt;half.wav" in page


def test_a_clean_split_has_exit_status_0_though_sentences_recur(record, utter, tabulate, tmp_path):
    for n in range(3):
        record(f"speech/{n}.wav", utter(n))
    rows = [[f"{n}.wav", str(n), part, "dogs"] for n, part in enumerate(("train", "validation", "test"))]
    status, report = audit(tabulate("path speaker part statement", *rows), "--root", str(tmp_path / "speech"))
    assert (status, report["leaks"], report["validation_is_test"]) == (0, False, False)
    assert all(one["statements"] == ["dogs"] for one in report["shared"])


def test_sentences_that_the_table_does_not_give_are_not_called_different(record, utter, tabulate, tmp_path, capsys):
    for n in range(3):
        record(f"{n}.wav", utter(n))
    rows = [["0.wav", "A", "train", ""], ["1.wav", "B", "validation", "dogs"], ["2.wav", "C", "test", "dogs"]]
    _, report = audit(tabulate("path speaker part statement", *rows), "--html", str(tmp_path / "leaks.html"))
    found = {tuple(one["parts"]): one["statements"] for one in report["shared"]}
    assert found == {("train", "test"): None, ("validation", "test"): ["dogs"], ("train", "validation"): None}
    assert re.findall("sentences: (.*)", capsys.readouterr().out)[0] == "not compared"
    page = (tmp_path / "leaks.html").read_text()
    assert page.count(">not compared<") == 2
    assert "They share nothing" not in page


def test_validation_that_is_test_is_told(record, utter, tabulate, capsys):
    for n in range(2):
        record(f"{n}.wav", utter(n))
    rows = [["0.wav", "A", "train"], ["1.wav", "B", "validation"], ["1.wav", "B", "test"]]
    status, report = audit(tabulate("path speaker part", *rows))
    assert (status, report["validation_is_test"]) == (3, True)
    assert "Validation and test are the same recordings" in capsys.readouterr().out
    assert any("no statement" in told for told in report["not_checked"])


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
@pytest.mark.parametrize("n_samples", [1, 2, 5, 11])
def test_silence_and_the_shortest_recordings_are_no_copies(record, utter, tabulate, rate, n_samples):
    record("silent.wav", utter(0) * 0)
    record("short.wav", utter(1)[8000 : 8000 + n_samples], rate)
    record("speech.wav", utter(2))
    rows = [["silent.wav", "A", "train"], ["speech.wav", "B", "train"], ["short.wav", "C", "test"]]
    status, report = audit(tabulate("path speaker part", *rows))
    assert (status, report["shared"][0]["copies"]) == (0, [])
    assert any("without sound, such as silent.wav" in told for told in report["not_checked"])


def test_without_a_test_part_validation_is_what_leaks(record, utter, tabulate):
    record("0.wav", utter(0))
    record("1.wav", utter(0) / 2)
    status, report = audit(tabulate("path speaker part", ["0.wav", "A", "train"], ["1.wav", "B", "validation"]))
    assert (status, report["leaks"]) == (3, True)


def test_beside_a_test_part_what_training_shares_with_validation_is_told_and_no_leak(record, utter, tabulate):
    for n in range(3):
        record(f"{n}.wav", utter(n))
    rows = [["0.wav", "A", "train"], ["1.wav", "A", "validation"], ["2.wav", "B", "test"]]
    status, report = audit(tabulate("path speaker part", *rows))
    assert (status, report["leaks"]) == (0, False)
    assert [one["speakers"] for one in report["shared"] if one["parts"] == ["train", "validation"]] == [["A"]]
