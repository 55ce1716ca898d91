import subprocess
import sys
import time

import pytest

from serflow.corpora.manifest import COLUMNS, read_manifest
from serflow.corpora.row import ManifestRow, write_manifest
from serflow.errors import CorpusError, SerflowError
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


def test_columns_are_those_of_the_model():
    assert tuple(ManifestRow.model_fields) == COLUMNS


@pytest.mark.parametrize(
    "change",
    [
        {"utterance": "a 01"},
        {"path": "/data/x.wav"},
        {"sex": ""},
        {"emotion": "joy"},
        {"emotion": "happy\n"},
        {"intensity": "loud"},
        {"scenario": "read"},
        {"native_label": ""},
        {"sample_rate": "0"},
        {"samples": 800},
        {"sha1": "0F" * 20},
        {"start": "-1"},
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


def test_ten_thousand_rows_are_written_within_a_second(tmp_path):
    rows = [ROW | {"utterance": f"u{n}"} for n in range(10_000)]
    started = time.perf_counter()
    write_manifest(rows, tmp_path / "toy.csv")
    assert time.perf_counter() - started < 1


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


def test_manifest_cut_anywhere_is_never_read_as_whole(tmp_path):
    path = tmp_path / "toy.csv"
    write_manifest(ROWS, path)
    write_json(path.with_suffix(".json"), {"utterances": len(ROWS)})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SerflowError):
            read_manifest(path)


def test_reading_needs_nothing_but_python():
    code = (
        "import sys, serflow.corpora.manifest\n"
        "print({'numpy', 'pydantic', 'pandas', 'soundfile', 'tqdm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
