"""A corpus from an audformat database, where the extra `features` is installed; the databases are made by audformat."""

import itertools
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from serflow.config import check_config
from serflow.corpora.database import files_of, read_database
from serflow.corpora.registry import load, use_tables
from serflow.corpora.scan import scan_corpus
from serflow.corpora.table import Table, make_corpus
from serflow.errors import CorpusError
from serflow.io.files import write_csv

SPEAKERS = {"anna": "female", "ben": "male", "cleo": "female", "dan": "male", "eve": "female", "finn": "male"}
ROWS = [
    {
        "path": f"wav/{name}_{emotion}{k}.wav",
        "speaker": name,
        "emotion": emotion,
        "sex": sex,
        "statement": f"s{k}",
    }
    for (name, sex), emotion, k in itertools.product(SPEAKERS.items(), ("happiness", "anger"), (1, 2))
]
EMOTIONS = {"anger": "angry", "happiness": "happy"}


@pytest.fixture
def database(tmp_path):
    """Write a database, changed before it is saved by `change`; return its header."""
    audformat = pytest.importorskip("audformat")

    def make(change=lambda db: None, storage="csv"):
        db = audformat.Database("toy")
        db.schemes["emotion"] = audformat.Scheme(labels=list(EMOTIONS))
        db.schemes["speaker"] = audformat.Scheme(labels={name: {"gender": sex} for name, sex in SPEAKERS.items()})
        db.schemes["transcription"] = audformat.Scheme("str")
        files = audformat.filewise_index([row["path"] for row in ROWS])
        for table, columns in (("emotion", ["emotion"]), ("files", ["speaker", "transcription"])):  # as emodb has them
            db[table] = audformat.Table(files)
            for name in columns:
                db[table][name] = audformat.Column(scheme_id=name)
                db[table][name].set([row["statement" if name == "transcription" else name] for row in ROWS])
        change(db)
        db.save(str(tmp_path / "db"), storage_format=storage)
        return tmp_path / "db" / "db.yaml"

    return make


@pytest.fixture(autouse=True)
def forget():
    yield
    use_tables({})


def corpus_of(header, **options):
    return make_corpus("mine", Table(labels=str(header), emotions=EMOTIONS, **options))


@pytest.mark.parametrize("storage", ["csv", "parquet"])
def test_a_database_gives_what_its_labels_as_a_table_give(tmp_path, record, database, storage):
    header = database(storage=storage)
    write_csv(tmp_path / "labels.csv", list(ROWS[0]), ROWS)
    for row in ROWS:
        record(f"db/{row['path']}")
    manifests = []
    for labels in (header, tmp_path / "labels.csv"):
        source = {"source": str(header.parent), "labels": str(labels), "emotions": EMOTIONS, "folds": 3}
        use_tables(check_config({"corpora": {"mine": source}}).tables)
        manifests.append((scan_corpus("mine", header.parent, 1)[0], load("mine").SPEAKER_FOLDS, load("mine").LISTED))
    assert manifests[0] == manifests[1]
    assert {(row["sex"], row["speaker"]) for row in manifests[0][0]} == {(sex, name) for name, sex in SPEAKERS.items()}
    assert {row["statement"] for row in manifests[0][0]} == {"s1", "s2"}


@pytest.mark.parametrize("scheme", ["gender", None])
def test_speakers_that_stand_in_a_table_of_their_own_keep_their_sex(database, scheme):
    def with_misc_table(db):
        import audformat
        import pandas as pd

        if scheme:
            db.schemes[scheme] = audformat.Scheme(labels=["female", "male"])
        db["speaker"] = audformat.MiscTable(pd.Index(list(SPEAKERS), name="speaker", dtype="string"))
        db["speaker"]["gender"] = audformat.Column(scheme_id=scheme)
        db["speaker"]["gender"].set(list(SPEAKERS.values()))
        db.schemes["speaker"] = audformat.Scheme("str", labels="speaker")

    rows = read_database(database(with_misc_table))
    assert {(row["speaker"], row["sex"]) for row in rows} == set(SPEAKERS.items())


def test_a_change_of_any_of_its_tables_is_seen(database):
    header = database()
    assert [Path(path).name for path in files_of(header)] == ["db.yaml", "db.emotion.csv", "db.files.csv"]
    assert files_of("labels.csv") == ["labels.csv"]


def test_splits_are_parts_and_recordings_without_an_emotion_are_left_out(database):
    def split(db):
        import audformat

        db["emotion"]["emotion"].set([None] + [row["emotion"] for row in ROWS[1:]])
        db.splits |= {name: audformat.Split(type=name) for name in ("train", "dev", "test")}
        for k, name in enumerate(("train", "dev", "test")):
            table = db[f"emotion.{name}"] = audformat.Table(
                audformat.filewise_index([row["path"] for row in ROWS[1 + k :: 4]]), split_id=name
            )
            table["emotion"] = audformat.Column(scheme_id="emotion")
            table["emotion"].set([row["emotion"] for row in ROWS[1 + k :: 4]])

    corpus = corpus_of(database(split))
    assert corpus.LISTED.utterances == len(ROWS) - 1
    assert sorted(corpus.PARTS.values()) == ["test"] * 6 + ["train"] * 6 + ["validation"] * 6
    assert corpus.PARTS["anna_happiness2"] == "train"


def without(name):
    def change(db):
        for table in db.tables.values():
            if name in table.columns:
                table.drop_columns(name, inplace=True)
        del db.schemes[name]

    return change


def contradict(db):
    import audformat

    db["more"] = audformat.Table(audformat.filewise_index([ROWS[0]["path"]]))
    db["more"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["more"]["emotion"].set(["anger"])


def cut(db):
    import audformat

    db["more"] = audformat.Table(audformat.segmented_index([ROWS[0]["path"]], [0], [1]))
    db["more"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["more"]["emotion"].set(["anger"])


def name_badly(db):
    import audformat

    without("speaker")(db)
    db.schemes["speaker"] = audformat.Scheme("str")
    db["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    db["files"]["speaker"].set(["Jürgen"] + [row["speaker"] for row in ROWS[1:]])


def divide_twice(db):
    import audformat

    paths = [row["path"] for row in ROWS]
    for scheme, start in (("speaker", 0), ("random", 1)):
        for k, name in enumerate(("train", "test")):
            db.splits[f"{name}-{scheme}"] = audformat.Split(type=name)
            chosen = paths[(start + k) % 2 :: 2]
            table = db[f"emotion.{name}.{scheme}"] = audformat.Table(
                audformat.filewise_index(chosen), split_id=f"{name}-{scheme}"
            )
            table["emotion"] = audformat.Column(scheme_id="emotion")
            table["emotion"].set([row["emotion"] for row in ROWS if row["path"] in chosen])


FAULTS = {
    "two splits": (divide_twice, r"more than one split: wav/\w+\.wav is in test and, by train-random, in train"),
    "no emotion": (without("emotion"), r"db\.yaml: has no scheme 'emotion'; it has speaker, transcription"),
    "no speaker": (without("speaker"), r"db\.yaml: has no scheme 'speaker'"),
    "segments": (cut, "labels segments of recordings"),
    "two labels": (contradict, "is ambiguous"),
    "a speaker's name": (name_badly, r"row wav/anna_happiness1\.wav, column speaker: 'Jürgen' is not allowed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence(database, fault):
    change, words = FAULTS[fault]
    with pytest.raises(CorpusError, match=words) as caught:
        corpus_of(database(change))
    assert "\n" not in str(caught.value)


def test_labels_that_mean_no_emotion_are_named(database):
    with pytest.raises(CorpusError, match=r"row wav/anna_anger1\.wav, column emotion: unknown label 'anger'"):
        make_corpus("mine", Table(labels=str(database()), emotions={"happiness": "happy"}))


def test_what_is_no_database_is_one_sentence(tmp_path, database):
    header = database()
    (header.parent / "db.emotion.pkl").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"db\.emotion\.pkl: is a pickle"):
        corpus_of(header)
    (tmp_path / "other.yaml").write_text("a: [1")
    for name in ("other.yaml", "none.yaml"):
        with pytest.raises(CorpusError, match=rf"{name}: cannot be read as an audformat database"):
            corpus_of(tmp_path / name)


def test_without_the_library_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "audformat", None)
    assert find_spec("audformat") is None
    with pytest.raises(CorpusError, match=r"requirements-features\.lock"):
        corpus_of(tmp_path / "db.yaml")
