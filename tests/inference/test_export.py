"""An exported folder is enough to recognise recordings, on a machine that has the package alone."""

import shutil
from pathlib import Path

import pytest
import yaml

from serflow import cli
from serflow.io.files import read_csv, read_json, write_json

LABELS = ["neutral", "happy", "sad"]
PARTS = ("net", "neutral_happy", "neutral_sad")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, in which the test runs."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path / "empty"


def export(run, folder, *more):
    return cli.main(["export", str(run), str(folder), *map(str, more)])


@pytest.mark.parametrize(
    ("system", "files"),
    [
        ("sequence", {"model.safetensors"}),  # which needs the training part's statistics
        ("svm", {"model.skops"}),
        ("two_step", {f"parts/{part}/{file}" for part in PARTS for file in ("run.json", "model.safetensors")}),
    ],
)
def test_a_moved_folder_gives_the_runs_own_posteriors(trained, run_of, folder, tmp_path, capsys, system, files):
    """tests/long does so in a process of its own, with neither tree nor results."""
    assert export(run_of(system), tmp_path / "model") == 0
    moved = (tmp_path / "model").rename(folder / "moved")
    held = {str(path.relative_to(moved)) for path in moved.rglob("*") if path.is_file()}
    assert held == {"README.md", "evaluation.json", "run.json", *files}
    audio = [str(trained / f"corpus/{name}.wav") for name in ("u00", "u10", "u23")]
    assert cli.main(["predict", "moved", *audio, "--output", "out.csv", "--threads", "1"]) == 0
    written = {row["utterance"]: row for row in read_csv(run_of(system) / "predictions.csv")}
    for row in read_csv("out.csv"):
        expected = written[Path(row["file"]).stem]
        assert row["emotion"] == expected["predicted"]
        assert [row[label] for label in LABELS] == [expected[label] for label in LABELS]


def test_a_folder_names_no_place_of_this_machine(trained, run_of, folder):
    assert export(run_of("two_step"), "model") == 0
    for path in (folder / "model").rglob("*"):
        if path.is_file():
            assert str(trained.parent).encode() not in path.read_bytes(), path
            assert str(Path.home()).encode() not in path.read_bytes(), path


def test_the_card_has_what_a_hub_reads_and_a_person_asks(trained, run_of, folder):
    assert export("toypaper/net", "model", "--results", trained) == 0
    _, header, body = (folder / "model/README.md").read_text().split("---\n", 2)
    facts = yaml.safe_load(header)
    assert facts["pipeline_tag"] == "audio-classification"
    assert facts["datasets"] == ["toy"]
    (index,) = facts["model-index"]
    values = {result["metrics"][0]["name"]: result["metrics"][0]["value"] for result in index["results"]}
    assert values == {"WA": 0.625, "UA": 0.6}
    for told in (
        "neutral, happy, sad",
        "50.0 to 75.0",
        "No speaker of the test part was trained on",
        "## Intended use",
    ):
        assert told in body


def test_the_card_of_a_leak_says_so(run_of, folder):
    assert export(run_of("net", "leak"), "model") == 0
    text = (folder / "model/README.md").read_text()
    assert "**leaky.**" in text
    assert "99.0 %" in text  # beside the speaker-independent 62.5 %
    assert "62.5 %" in text


def test_licences_are_those_of_the_corpora(results, folder):
    """Of those that a run was trained on: a cross-corpus run tests the last."""
    record = read_json(results / "papers/toypaper.json")
    record["paper"]["protocols"]["cross"] = {"kind": "cross_corpus", "title": "another corpus"}
    write_json(results / "papers/toypaper.json", record)
    (results / "runs/toypaper/ravdess+savee/svm").mkdir(parents=True)
    trained = results / "runs/toypaper/toy/svm/speaker_independent"
    trained.rename(results / "runs/toypaper/ravdess+savee/svm/cross")
    run = results / "runs/toypaper/ravdess+savee/svm/cross/seed0/fold0"
    about = {"corpus": "ravdess+savee", "protocol": "cross"}
    write_json(run / "run.json", read_json(run / "run.json") | about)
    assert export(run, "model") == 0
    text = (folder / "model/README.md").read_text()
    assert "Surrey" not in text
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "cc-by-nc-sa-4.0"
    assert "Livingstone" in text


def test_an_empty_folder_is_filled(run_of, folder):
    (folder / "model").mkdir()
    assert export(run_of("svm"), "model") == 0
    assert (folder / "model/run.json").is_file()


def test_a_link_to_an_empty_folder_stays_one(run_of, folder):
    (folder / "disk").mkdir()
    (folder / "model").symlink_to("disk")
    assert export(run_of("svm"), "model") == 0
    assert (folder / "model").is_symlink()
    assert (folder / "disk/run.json").is_file()


def test_the_folder_that_one_is_in_is_refused(run_of, folder, capsys):
    assert export(run_of("svm"), ".") == 1
    assert "Name a new folder." in capsys.readouterr().err
    assert not [*folder.iterdir()]


def full(folder):
    (folder / "model").mkdir()
    (folder / "model/mine.txt").write_text("mine")


def with_own_module(results, system):
    path = results / f"runs/toypaper/toy/{system}/speaker_independent/seed0/fold0/run.json"
    info = read_json(path)
    info["system_config"]["model"] = {"module": "mine.py"}
    write_json(path, info)


@pytest.mark.parametrize(
    ("system", "before", "told"),
    [
        ("net", lambda results, folder: full(folder), "model: is not empty"),
        ("net", lambda results, folder: (folder / "model").write_text("a file"), "model: is no folder"),
        ("missing", lambda results, folder: None, "is neither a folder nor a system"),
        ("own_scope", lambda results, folder: None, "within each speaker"),
        ("net", lambda results, folder: with_own_module(results, "net"), "'mine.py', which is no part of serflow"),
        ("net", lambda results, folder: run(results, "net").joinpath("model").write_bytes(b"0"), "does not fit"),
        ("net", lambda results, folder: run(results, "net").joinpath("model").unlink(), "model is missing"),
        ("two_step", lambda results, folder: shutil.rmtree(run(results, "neutral_sad")), "neutral_sad"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence_and_nothing_is_written(results, folder, capsys, system, before, told):
    before(results, folder)
    left = sorted(folder.rglob("*"))
    assert export(run(results, system), "model") == 1
    out, err = capsys.readouterr()
    assert told in err
    assert err.startswith("serflow export: ")
    assert err.count("\n") == 1
    assert out == ""
    assert sorted(folder.rglob("*")) == left


def run(results, system):
    return results / f"runs/toypaper/toy/{system}/speaker_independent/seed0/fold0"
