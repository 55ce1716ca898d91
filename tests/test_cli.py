import json
import re
from pathlib import Path

import pytest

from serflow import cli
from serflow.corpora.manifest import COLUMNS
from serflow.io.files import read_csv, read_json, write_csv
from serflow.protocols.registry import make_protocol
from serflow.protocols.split import split as split_rows

ROOT = Path(__file__).parents[1]
PROTOCOL = {"kind": "random", "parts": {"train": 0.5, "validation": 0.25, "test": 0.25}}


@pytest.fixture
def manifest(tmp_path):
    rows = [
        {"corpus": "savee", "utterance": f"{speaker}{emotion}{n}", "speaker": speaker, "sex": "male",
         "emotion": emotion, "statement": "", "sha1": f"{speaker}{emotion}{n}"}
        for speaker in ("DC", "JE", "JK", "KL")
        for emotion in ("happy", "sad", "calm")
        for n in range(4)
    ]  # fmt: skip
    path = tmp_path / "savee.csv"
    write_csv(path, COLUMNS, [dict.fromkeys(COLUMNS, "") | row for row in rows])
    return path


def split(manifest, protocol, *more):
    folder = manifest.parent
    arguments = ["split", "--protocol", protocol, "--labels", "happy,sad", "--corpora", "savee"]
    arguments += ["--manifests", str(manifest), "--seed", "3"]
    return cli.main([*arguments, "--output", str(folder / "s.csv"), "--report", str(folder / "s.json"), *more])


# Errors


def test_a_users_fault_is_one_line_and_no_trace(tmp_path, capsys):
    assert cli.main(["fetch", "savee", "--output", str(tmp_path / "x.zip")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("serflow fetch: savee: ")
    assert err.count("\n") == 1
    assert "never downloaded" in err
    assert "resources/README.md" in err
    assert not list(tmp_path.iterdir())


def test_a_number_of_processes_or_threads_is_1_or_more(capsys):
    for words in (
        ["audit", "labels.csv", "--workers", "0"],
        ["plan", "--jobs", "-3"],
        ["predict", "m", "a", "--threads", "x"],
    ):
        with pytest.raises(SystemExit):
            cli.main(words)
        assert "is no number of 1 or more" in capsys.readouterr().err


def test_the_trace_goes_to_the_log(tmp_path, capsys):
    path = tmp_path / "logs" / "fetch.log"
    assert cli.main(["fetch", "crema", "--output", str(tmp_path / "x.zip"), "--log", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "unknown corpus 'crema'" in err
    assert "ravdess" in err
    text = path.read_text()
    assert "Traceback" in text
    assert "ConfigError" in text


def test_a_bug_is_called_one_and_its_trace_is_in_the_log(tmp_path, capsys, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("serflow.corpora.demo.write.generate", broken)
    arguments = ["demo", "savee", "--output", str(tmp_path / "x")]
    assert cli.main([*arguments, "--log", str(tmp_path / "x.log")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "ZeroDivisionError: by zero" in err
    assert "bug" in err
    assert str(tmp_path / "x.log") in err
    assert "Traceback" in (tmp_path / "x.log").read_text()
    with pytest.raises(ZeroDivisionError):
        cli.main(arguments)  # without a log the trace is on the screen


@pytest.mark.parametrize("spec", ["no-such-file.json", "{not json", "[1,"])
def test_what_is_no_json_is_told_as_such(manifest, capsys, spec):
    with pytest.raises(SystemExit) as caught:
        split(manifest, spec)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert "neither JSON nor a file of it" in err
    assert spec in err


@pytest.mark.parametrize("spec", ["[]", "3.json", '{"title": "random"}'])
def test_a_mapping_without_its_key_is_told_as_such(manifest, capsys, spec, monkeypatch):
    monkeypatch.chdir(manifest.parent)
    (manifest.parent / "3.json").write_text("3")
    with pytest.raises(SystemExit) as caught:
        split(manifest, spec)
    assert caught.value.code == 2
    assert "no mapping with the key 'kind'" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["train", "combine"])
def test_a_run_without_a_key_is_told_as_such(tmp_path, capsys, verb):
    more = (
        ["--manifests", "m", "--features", "f", "--split", "s", "--checkpoint", "c"]
        if verb == "train"
        else ["--runs", "r"]
    )
    for spec, told in (('{"paper": "jin"}', "'labels' is missing"), ("[1]", "is no mapping")):
        assert cli.main([verb, "--spec", spec, *more, "--output", str(tmp_path / "x")]) == 1
        err = capsys.readouterr().err
        assert "--spec" in err
        assert told in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["study-table", "--study", "nope", "--runs", "r", "--manifests", "m"], "--study: unknown name 'nope'"),
        (["figure-study", "--study", "nope", "--table", "t"], "--study: unknown name 'nope'"),
        (["figure-published", "--figure", "figure_33"], "--figure: unknown name 'figure_33'. Did you mean 'figure_3'?"),
    ],
)
def test_a_name_that_a_paper_has_not_is_told_with_what_it_has(tmp_path, capsys, words, told):
    config = {"papers": ["jin"], "corpora": {"ravdess": {"source": "demo"}}, "allow_partial": True}
    paper = str(tmp_path / "jin.json")
    assert cli.main(["paper", "jin", "--config", json.dumps(config), "--output", paper]) == 0
    assert cli.main([*words, "--paper", paper, "--stem", str(tmp_path / "x")]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("model", [{}, {"module": "resnet", "depth": 18}])
def test_weights_of_ones_own_are_tensors(tmp_path, capsys, model):
    (tmp_path / "notes.txt").write_text("no weights")
    words = ["weights", "resnet18", "--file", str(tmp_path / "notes.txt"), "--output", str(tmp_path / "w.pt")]
    assert cli.main([*words, "--model", json.dumps(model)]) == 1
    assert "notes.txt: cannot be read as weights" in capsys.readouterr().err
    assert not (tmp_path / "w.pt").exists()


def test_reports_of_an_audit_are_refused_before_it_begins(tmp_path, capsys):
    for html, json_ in ((tmp_path, tmp_path / "x.json"), (tmp_path / "x", tmp_path / "x")):
        assert cli.main(["audit", "no-such.csv", "--html", str(html), "--json", str(json_)]) == 1
        assert f"{html}: is a folder, or named twice" in capsys.readouterr().err


def test_a_protocol_that_is_unknown_writes_nothing(manifest, capsys):
    assert split(manifest, '{"kind": "grouped"}') == 1
    assert "'grouped'" in capsys.readouterr().err
    assert [path.name for path in manifest.parent.iterdir()] == ["savee.csv"]


def test_a_file_that_is_not_there_is_a_users_fault(tmp_path, capsys):
    assert split(tmp_path / "no-such.csv", json.dumps(PROTOCOL)) == 1
    err = capsys.readouterr().err
    assert "no-such.csv" in err
    assert "bug" not in err


def test_a_file_that_is_no_manifest_is_a_users_fault(tmp_path, capsys):
    (tmp_path / "x.csv").write_text("file,label\na,happy\n")
    assert split(tmp_path / "x.csv", json.dumps(PROTOCOL)) == 1
    assert "x.csv" in capsys.readouterr().err


# Verbs by hand


def test_split_by_hand_is_what_the_protocol_gives(manifest):
    assert split(manifest, json.dumps(PROTOCOL)) == 0
    rows = read_csv(manifest)
    expected = split_rows(make_protocol(PROTOCOL), rows, ["happy", "sad"], ["savee"], 3)
    assert read_csv(manifest.parent / "s.csv") == [{key: str(value) for key, value in row.items()} for row in expected]
    report = read_json(manifest.parent / "s.json")
    assert report["folds"][0]["parts"] == {"test": 8, "train": 16, "unused": 16, "validation": 8}
    assert report["folds"][0]["speakers"]


def test_a_protocol_may_stand_in_a_file(manifest):
    (manifest.parent / "protocol.json").write_text('{"kind": "speakers"}')
    assert split(manifest, str(manifest.parent / "protocol.json")) == 0
    report = read_json(manifest.parent / "s.json")
    assert [fold["speakers"] for fold in report["folds"]] == [[]] * 4


def test_the_record_of_a_paper(tmp_path):
    config = json.dumps({"corpora": {"ravdess": {"source": "demo"}}, "pretrained": "none", "papers": ["deepemo"]})
    assert cli.main(["paper", "deepemo", "--config", config, "--output", str(tmp_path / "x.json")]) == 0
    record = read_json(tmp_path / "x.json")
    assert record["paper"]["systems"]["resnet18"]["model"]["pretrained"] == "none"
    assert record["n_folds"]["ravdess"]["speaker_independent"] == 6
    assert record["synthetic"] is True


def test_a_paper_that_does_not_exist_is_named(tmp_path, capsys):
    assert cli.main(["paper", "deepmo", "--config", "{}", "--output", str(tmp_path / "x.json")]) == 1
    assert "'deepmo'" in capsys.readouterr().err


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def commands():
    """(verb, options) of each shell command in the rules."""
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for text in re.findall(r"shell:\n((?:\s+\".*\"\n?)+)", path.read_text()):
            command = " ".join(re.findall(r'"(.*)"', text))
            yield re.match(r"serflow ([\w-]+)", command)[1], set(re.findall(r"--[\w-]+", command))


def test_the_rules_call_verbs_and_options_that_exist(capsys):
    known = {verb: set(re.findall(r"--[\w-]+", help_of(capsys, verb))) for verb in cli.VERBS}
    found = list(commands())
    assert len(found) > 15
    for verb, options in found:
        assert options <= known[verb], verb


def test_plan_names_what_is_wrong_in_a_configuration(capsys, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("devise: cpu\n")
    assert cli.main(["plan", "--config", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("serflow plan: config.yaml: unknown key 'devise'")
    assert error.count("\n") == 1
    assert cli.main(["plan", "--config", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: cannot be read" in capsys.readouterr().err
    path.write_text("- a list\n")
    assert cli.main(["plan", "--config", str(path)]) == 1
    assert "is no mapping" in capsys.readouterr().err


def test_plan_takes_several_files_later_ones_over_earlier_ones(capsys):
    mine = [str(ROOT / "config.yaml"), str(ROOT / "profiles/demo/demo.yaml")]
    assert cli.main(["plan", "--config", *mine]) == 0
    out = capsys.readouterr().out
    assert "deepemonet/svm: 7 trainings" in out  # two folds of two protocols, one seed of three random splits
    assert re.search(r"^Gigabytes: ", out, re.MULTILINE)


def test_help_shows_the_verbs_for_people_first_and_a_misspelt_verb_is_answered(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert shown.index("\n  predict ") < shown.index("\n  verify ") < shown.index("\n  fetch ")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["predct", "x.wav"])
    assert stopped.value.code == 2
    assert "Did you mean 'predict'?" in capsys.readouterr().err
