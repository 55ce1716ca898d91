"""A corpus from a table of labels: what is read, which folds are made, and how a bad table is refused."""

import csv
import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from serflow.corpora.known import ravdess
from serflow.corpora.manifest import read_manifest
from serflow.corpora.registry import load, members, use_tables
from serflow.corpora.row import write_manifest
from serflow.corpora.scan import scan_corpus
from serflow.corpora.table import Table, make_corpus, make_folds
from serflow.errors import ConfigError, CorpusError
from serflow.io.files import write_csv

SPEAKERS = ("anna", "ben", "cleo", "dan", "eve", "finn")
#: A table without fault: each speaker says two sentences in two emotions.
GOOD = [
    {"path": f"{speaker}/{label}{k}.wav", "emotion": label, "speaker": speaker}
    for speaker, label, k in itertools.product(SPEAKERS, ("happy", "wut"), (1, 2))
]
WUT = {"wut": "angry"}


@pytest.fixture
def table(tmp_path):
    """Write rows as a table; return what `make_corpus` makes of it."""

    def make(rows=GOOD, emotions=WUT, folds=None):
        write_csv(tmp_path / "labels.csv", list(rows[0]), rows)
        return make_corpus("mine", Table(labels=str(tmp_path / "labels.csv"), emotions=emotions, folds=folds))

    return make


@pytest.fixture(autouse=True)
def forget():
    yield
    use_tables({})


def with_column(name, value_of):
    return [row | {name: value_of(row)} for row in GOOD]


def fold_of(row):
    return SPEAKERS.index(row["speaker"]) // 2


def test_names_in_other_letters_are_names_of_their_own(tmp_path, record, table):
    emotions = {"高兴": "happy", "悲伤": "sad"}
    rows = [
        {"path": f"{speaker}/{label}.wav", "emotion": label, "speaker": speaker}
        for speaker in SPEAKERS
        for label in emotions
    ]
    for row in rows:
        record(f"tree/{row['path']}")
    found = table(rows, emotions).scan(tmp_path / "tree").rows
    assert {row["path"]: row["emotion"] for row in found} == {row["path"]: emotions[row["emotion"]] for row in rows}
    utterances = {row["utterance"] for row in found}
    assert len(utterances) == len(rows)
    assert all(re.fullmatch("[A-Za-z0-9_-]+", name) for name in utterances)


def test_a_folder_and_a_table_make_a_manifest(tmp_path, record, table):
    rows = [row | {"statement": "Guten Tag, Frau Ö.", "session": "3"} for row in GOOD]
    for row in rows:
        record(f"tree/{row['path']}")
    record("tree/spare.wav")
    (tmp_path / "tree/spare.mp3").touch()
    (tmp_path / "tree/notes.txt").touch()
    table(rows)
    use_tables({"mine": {"labels": str(tmp_path / "labels.csv"), "emotions": WUT}})
    found, report = scan_corpus("mine", tmp_path / "tree", 1)
    assert [row["utterance"] for row in found] == sorted(row["path"][:-4].replace("/", "_") for row in rows)
    first = found[0]
    assert (first["path"], first["speaker"], first["emotion"]) == ("anna/happy1.wav", "anna", "happy")
    assert (first["statement"], first["session"], first["corpus"]) == ("Guten Tag, Frau Ö.", "3", "mine")
    assert Counter((row["emotion"], row["native_label"]) for row in found) == {
        ("happy", "happy"): 12,
        ("angry", "wut"): 12,
    }
    assert report["left_out"] == {"no recording": 1, "not in the table of labels": 2}
    assert report["published"] is None
    write_manifest(found, tmp_path / "mine.csv")
    assert read_manifest(tmp_path / "mine.csv") == found


@pytest.mark.parametrize(
    "text",
    ["\ufeff{}", "{}\r\n\r\n"],
    ids=["byte-order mark", "blank lines"],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(tmp_path, table, text, separator):
    expected = table().EXPECTED, table().LISTED
    lines = [separator.join(GOOD[0]), *(separator.join(row.values()) for row in GOOD)]
    (tmp_path / "labels.csv").write_bytes(text.format("\r\n".join(lines)).encode())
    found = make_corpus("mine", Table(labels=str(tmp_path / "labels.csv"), emotions=WUT))
    assert expected == (found.EXPECTED, found.LISTED)


def test_a_statement_over_two_lines_is_one_line_of_the_manifest(tmp_path, record):
    for row in GOOD:
        record(f"tree/{row['path']}")
    said = {"anna": "line one\rline two", "ben": "line one  line two"}
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow([*GOOD[0], "statement"])
        writer.writerows([*row.values(), said.get(row["speaker"], "line one line two")] for row in GOOD)
    use_tables({"mine": {"labels": str(tmp_path / "labels.csv"), "emotions": WUT}})
    write_manifest(scan_corpus("mine", tmp_path / "tree", 1)[0], tmp_path / "mine.csv")
    assert {row["statement"] for row in read_manifest(tmp_path / "mine.csv")} == {"line one line two"}


@pytest.mark.parametrize(("code", "key"), [("01", "1"), ("no", "False")])
def test_a_label_that_yaml_reads_otherwise_is_to_be_put_in_quotes(table, code, key):
    with pytest.raises(CorpusError, match=f"unknown label '{code}'. Put it in quotes .* reads it as {key}"):
        table([row | {"emotion": row["emotion"].replace("wut", code)} for row in GOOD], {key: "angry"})


def test_a_label_that_is_no_date_is_told_as_any_other(table):
    with pytest.raises(CorpusError, match="unknown label '2020-02-30'"):
        table([row | {"emotion": "2020-02-30"} for row in GOOD])


def test_what_is_read_of_a_folder_is_what_the_table_lists(table):
    rows = [row | {"path": row["path"].replace("anna", "a\u0308nna")} for row in GOOD]  # as macOS writes it
    read = table(rows).is_read
    assert [read(path) for path in ("ben/wut2.wav", "änna/happy1.wav", "results/spare.wav", "labels.csv")] == [
        *(True, True, False, False)
    ]


def test_the_folds_of_the_table_stand_in_their_order(table):
    corpus = table(with_column("fold", lambda row: 10 - fold_of(row)))
    assert corpus.SPEAKER_FOLDS == (("eve", "finn"), ("cleo", "dan"), ("anna", "ben"))


def test_folds_are_made_by_speaker_as_many_as_asked_for(table):
    assert [len(fold) for fold in table().SPEAKER_FOLDS] == [2, 1, 1, 1, 1]
    folds = table(folds=3).SPEAKER_FOLDS
    assert [len(fold) for fold in folds] == [2, 2, 2]
    assert sorted(itertools.chain(*folds)) == list(SPEAKERS)
    assert folds == table(list(reversed(GOOD)), folds=3).SPEAKER_FOLDS


def spread(rows, folds):
    """Return the mean over emotions of the standard deviation over folds of the emotion's share in each."""
    counts = Counter((row["emotion"], fold) for row, fold in zip(rows, folds, strict=True))
    shares = [np.array([counts[emotion, k] for k in set(folds)]) for emotion in {row["emotion"] for row in rows}]
    return np.mean([np.std(count / count.sum()) for count in shares])


def test_folds_that_are_made_are_as_balanced_as_scikit_learns():
    rng, ratios = np.random.default_rng(0), []
    for _ in range(8):
        rows = [
            {"speaker": str(speaker), "emotion": emotion, "sex": ""}
            for speaker in range(30)
            for emotion in rng.choice(["happy", "sad", "angry"], rng.integers(5, 60), p=rng.dirichlet(np.ones(3)))
        ]
        ours = {speaker: k for k, fold in enumerate(make_folds(rows, 5)) for speaker in fold}
        emotions, groups = [row["emotion"] for row in rows], [row["speaker"] for row in rows]
        theirs = np.zeros(len(rows), int)
        for k, (_, test) in enumerate(StratifiedGroupKFold(5).split(groups, emotions, groups)):
            theirs[test] = k
        ratios.append(spread(rows, [ours[name] for name in groups]) / spread(rows, theirs.tolist()))
    assert np.mean(ratios) < 1.1


def test_folds_that_are_made_have_as_many_women_as_men():
    rows = [ravdess.parse(f"{name}.wav") for name in sorted(ravdess.expected_utterances())]
    assert [sum(int(actor) % 2 == 0 for actor in fold) for fold in make_folds(rows, 6)] == [2] * 6


def test_the_table_of_ravdess_gives_its_own_folds(table):
    numbers = {actor: k for k, fold in enumerate(ravdess.SPEAKER_FOLDS) for actor in fold}
    rows = [ravdess.parse(f"{name}.wav") for name in sorted(ravdess.expected_utterances())]
    kept = [
        {key: row[key] for key in ("path", "speaker", "sex", "emotion")} | {"fold": numbers[row["speaker"]]}
        for row in rows
    ]
    assert table(kept).SPEAKER_FOLDS == ravdess.SPEAKER_FOLDS


def test_one_recording_without_an_emotion_is_no_class_that_needs_speakers(table):
    assert table([*GOOD, {"path": "x.wav", "emotion": "other", "speaker": "anna"}]).LISTED.classes["other"] == 1


def test_folds_come_from_one_place(table):
    with pytest.raises(CorpusError, match="column fold: gives folds"):
        table(with_column("fold", fold_of), folds=3)


def test_a_table_makes_a_corpus_known_until_the_next_configuration(tmp_path, table):
    table()
    use_tables({"mine": {"labels": str(tmp_path / "labels.csv"), "emotions": WUT}})
    assert members("mine+ravdess") == ("mine", "ravdess")
    assert set(load("mine").EMOTIONS.values()) == {"happy", "angry"}
    with pytest.raises(ConfigError, match="twice"):
        members("mine+mine")
    use_tables({})
    with pytest.raises(ConfigError, match="unknown corpus 'mine'"):
        load("mine")


def change(number, **values):
    return [row | values if n == number else row for n, row in enumerate(GOOD)]


#: Rows of a table, and what its error says: place, fault, remedy.
BAD = {
    "unknown label": (change(3, emotion="joy"), "row 5, column emotion", "'joy'", "Allowed: wut, neutral, calm"),
    "no speaker": (change(0, speaker=" "), "row 2, column speaker", "is empty", "Fill it in"),
    "a speaker's name": (change(0, speaker="Änna"), "row 2, column speaker", "'Änna'", "letters without accents"),
    "sex": (with_column("sex", lambda row: "f"), "row 2, column sex", "'f'", "female, male"),
    "two sexes": (
        with_column("sex", lambda row: "male" if row["path"] == "ben/wut2.wav" else "female"),
        "row 9, column sex",
        "'male' for speaker ben, in row 6 'female'",
        "one sex",
    ),
    "two folds": (
        with_column("fold", lambda row: fold_of(row) + (row["path"] == "ben/wut2.wav")),
        "row 9, column fold",
        "'1' for speaker ben, in row 6 '0'",
        "one fold",
    ),
    "one fold": (with_column("fold", lambda row: 1), "column fold", "one value", "two folds"),
    "an empty fold": (with_column("fold", lambda row: ""), "row 2, column fold", "is empty", "column"),
    "session": (with_column("session", lambda row: "A"), "row 2, column session", "'A'", "digits"),
    "intensity": (with_column("intensity", lambda row: "loud"), "row 2, column intensity", "'loud'", "normal, strong"),
    "part": (with_column("part", lambda row: "dev"), "row 2, column part", "'dev'", "validation"),
    "nothing to test": (with_column("part", lambda row: "train"), "column part", "no 'test'", "no such column"),
    "nobody to train": (
        with_column("fold", lambda row: min(SPEAKERS.index(row["speaker"]), 1)),
        "column fold",
        "anna alone is left to train and to validate when ben, cleo, dan, eve, finn are tested",
        "two speakers",
    ),
    "a row twice in two forms of Unicode": (
        [*change(0, path="anna/\u00fc.wav"), GOOD[0] | {"path": "anna/u\u0308.wav"}],
        f"row {len(GOOD) + 2}, column path",
        "row 2 too",
        "one row",
    ),
    "a row twice": (change(3, path="anna/happy1.wav"), "row 5, column path", "row 2 too", "one row"),
    "two suffixes": (change(3, path="anna/happy1.flac"), "row 5, column path", "row 2 too", "rename"),
    "outside": (change(1, path="../x.wav"), "row 3, column path", "'../x.wav' leaves", "relative"),
    "absolute": (change(1, path="C:\\x.wav"), "row 3, column path", "leaves", "relative"),
    "no recording": (change(1, path="anna/happy"), "row 3, column path", "no suffix", "recording"),
    "one speaker per class": (
        [row for row in GOOD if row["emotion"] == "happy" or row["speaker"] == "eve"],
        "column emotion",
        "'angry' is spoken by eve alone",
        "5 folds",
    ),
    "fewer speakers than folds": (
        [row for row in GOOD if row["emotion"] == "happy" or row["speaker"] < "d"],
        "column emotion",
        "'angry' is spoken by anna, ben, cleo alone",
        "`folds` lower",
    ),
    "two speakers": (GOOD[:8], "column speaker", "names 2", "Three speakers"),
    "one emotion": (
        [row for row in GOOD if row["emotion"] == "happy"],
        "column emotion",
        "happy alone",
        "two emotions",
    ),
    "no column": ([{k: row[k] for k in ("path", "emotion")} for row in GOOD], "row 1", "no column 'speaker'", "part"),
    "misspelt column": (with_column("Folds", fold_of), "row 1", "'Folds'", "Write 'fold'"),
}


@pytest.mark.parametrize(("rows", "place", "fault", "remedy"), BAD.values(), ids=BAD)
def test_a_bad_table_is_refused_with_row_column_value_and_what_is_allowed(table, rows, place, fault, remedy):
    with pytest.raises(CorpusError) as caught:
        table(rows)
    assert place in caught.value.where
    assert "labels.csv" in caught.value.where
    assert fault in caught.value.fault
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("path,emotion,speaker\nmüde.wav,wut,anna\n".encode("latin-1"), ["row 2", "0xfc", "UTF-8"]),
        ("path,emotion,speaker\na.wav,wut,anna\n".encode("utf-16"), ["row 1", "UTF-8"]),
        (b'path,emotion,speaker\n"a.wav,wut,anna\n', ["no CSV", "quotes"]),
        (b"path,emotion,speaker\na, b.wav,wut,anna\n", ["row 2", "4 cells", "double quotes"]),
        (b"path,emotion,speaker\n", ["no row"]),
        (b"", ["no column 'path'"]),
    ],
    ids=["latin-1", "utf-16", "open quote", "ragged", "no rows", "empty"],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, told: list[str]):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        make_corpus("mine", Table(labels=str(tmp_path / "labels.csv")))
    assert all(text in str(caught.value) for text in told)


def test_a_name_that_macos_wrote_is_found(tmp_path, record, table):
    rows = [row | {"path": row["path"].replace("wut", "w\u00fct")} for row in GOOD]
    for row in rows:
        record(f"tree/{row['path']}".replace("\u00fc", "u\u0308"))
    found = table(rows).scan(tmp_path / "tree").rows
    assert len(found) == len(GOOD)
    assert all((tmp_path / "tree" / row["path"]).is_file() for row in found)


def test_a_misspelt_emotion_in_the_configuration_is_named(table):
    with pytest.raises(CorpusError, match=r"'wut' means 'angri' by `emotions`.*Allowed: neutral, calm"):
        table(emotions={"wut": "angri"})


def test_a_recording_that_is_not_there_is_named_with_its_row(tmp_path, record, table):
    for row in GOOD[:-1]:
        record(f"tree/{row['path']}")
    with pytest.raises(CorpusError, match=r"labels.csv: row 25, column path: 'finn/wut2.wav' is not in"):
        table().scan(tmp_path / "tree")
    (tmp_path / "tree/finn/wut1.wav").unlink()
    with pytest.raises(CorpusError, match=r"row 24, .*'finn/wut1.wav' is not in .*; of 24 recordings 2 are missing"):
        table().scan(tmp_path / "tree")
