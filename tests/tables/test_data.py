"""The table of corpora and splits: how many test recordings share what with training."""

import pytest

from serflow.errors import ConfigError
from serflow.io.files import write_json
from serflow.protocols.split import leakage
from serflow.tables.data import data_table
from toy_paper import make_record


def row(name, speaker, statement, sha1):
    return {"corpus": "toy", "utterance": name, "speaker": speaker, "statement": statement, "sha1": sha1}


ROWS = [
    row("a", "01", "hello", "1"),
    row("b", "01", "bye", "2"),
    row("c", "02", "hello", "1"),  # the recording of a
    row("d", "02", "yes", "3"),
    row("e", "03", "", "4"),
]


def cells(tmp_path, parts, rows=ROWS):
    """The cells on test recordings of a split of one fold: item -> part."""
    path = tmp_path / "toy/published/seed0.json"
    assignment = [{"utterance": item, "fold": 0, "part": part} for item, part in parts.items()]
    write_json(path, leakage(assignment, rows, ["toy"]))
    table = data_table(make_record(), [], [path])
    (found,) = table.rows
    named = dict(zip(table.columns, found, strict=True))
    return [named[f"{what} in training"] for what in ("Copies", "Identical", "Speaker", "Sentence")]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"a": "train", "b": "train", "c": "test", "d": "test"}, ["0 of 2", "1 of 2", "0 of 2", "1 of 2"]),
        ({"a": "train", "b": "test"}, ["0 of 1", "0 of 1", "1 of 1", "0 of 1"]),
        (
            {"b": "train", "a": "validation", "c": "test"},
            ["0 of 1", "0 of 1 (with validation 1 of 1)", "0 of 1", "0 of 1 (with validation 1 of 1)"],
        ),
        # Copies: of c one sibling trains, of d none does, and a copy in training alone is no leak.
        (
            {"a": "train", "a#noise": "train", "c": "test", "c#noise": "train", "d": "test", "d#noise": "test"},
            ["1 of 3", "1 of 3", "3 of 3", "1 of 3"],
        ),
        ({"a": "train", "a#noise": "train", "b": "test"}, ["0 of 1", "0 of 1", "1 of 1", "0 of 1"]),
        ({"a": "train", "c": "test", "e": "test"}, ["0 of 2", "1 of 2", "0 of 2", "1 of 2, 1 unknown"]),
        ({"e": "train", "c": "test", "d": "test"}, ["0 of 2", "0 of 2", "0 of 2", "unknown"]),
    ],
)
def test_cells_count_test_recordings(tmp_path, parts, expected):
    assert cells(tmp_path, parts) == expected


def test_a_report_elsewhere_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="seedS"):
        data_table(make_record(), [], [tmp_path / "report.json"])
