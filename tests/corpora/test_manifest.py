import pytest

from serflow.corpora.manifest import COLUMNS, read_manifest
from serflow.corpora.row import write_manifest
from serflow.errors import CorpusError
from serflow.io.files import write_json

ROW = dict.fromkeys(COLUMNS, "") | {
    **{"utterance": "a_01", "path": "speech/a_01.wav", "corpus": "toy", "speaker": "a", "sex": "female"},
    **{"emotion": "happy", "native_label": "h", "sample_rate": "16000", "samples": "800", "sha1": "0f" * 20},
}
ROWS = [ROW, ROW | {"utterance": "b_02", "statement": 'two\nlines, "quoted"', "valence": "-2.5", "votes": '{"E": [1]}'}]


def test_file_holds_the_rows(tmp_path):
    path = tmp_path / "out" / "toy.csv"
    write_manifest(ROWS, path)
    assert read_manifest(path) == ROWS
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize(
    "change",
    [
        {"utterance": "a 01"},
        {"sex": "f"},
        {"emotion": "happy\n"},
        {"intensity": "loud"},
        {"sample_rate": "0"},
        {"samples": 800},
        {"valence": "nan"},
        {"mood": "x"},
        {"votes": None},
    ],
    ids=str,
)
def test_row_that_is_not_allowed_is_named_and_nothing_is_written(tmp_path, change):
    path = tmp_path / "out" / "toy.csv"
    with pytest.raises(CorpusError) as caught:
        write_manifest([ROWS[0], ROWS[1] | change], path)
    (column,) = change
    assert caught.value.where == f"{path}: {change.get('utterance', 'b_02')}: {column}"
    assert not path.exists()


def test_row_without_a_column_and_an_utterance_twice_are_refused(tmp_path):
    lacking = {key: value for key, value in ROW.items() if key != "sex"}
    for rows in ([ROW, lacking], [ROW, ROW]):
        with pytest.raises(CorpusError, match="a_01"):
            write_manifest(rows, tmp_path / "toy.csv")
    assert list(tmp_path.iterdir()) == []


def test_manifest_with_other_columns_is_refused(tmp_path):
    path = tmp_path / "toy.csv"
    path.write_text("utterance,path\na,b\n")
    with pytest.raises(CorpusError) as caught:
        read_manifest(path)
    assert caught.value.where == str(path)
    with pytest.raises(CorpusError):
        read_manifest(tmp_path / "absent.csv")


def test_manifest_that_lost_its_last_rows_is_refused(tmp_path):
    path = tmp_path / "toy.csv"
    write_json(path.with_suffix(".json"), {"utterances": len(ROWS)})
    for left in range(len(ROWS)):
        write_manifest(ROWS[:left], path)
        with pytest.raises(CorpusError):
            read_manifest(path)
