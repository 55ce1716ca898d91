import re
from pathlib import Path

import pytest

from serflow.cli import main

ROOT = Path(__file__).parents[1]


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def commands():
    """(verb, options) of each shell command in the rules."""
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for text in re.findall(r"shell:\n((?:\s+\".*\"\n?)+)", path.read_text()):
            command = " ".join(re.findall(r'"(.*)"', text))
            yield re.match(r"serflow ([\w-]+)", command)[1], set(re.findall(r"--[\w-]+", command))


def test_the_rules_call_verbs_and_options_that_exist(capsys):
    found = list(commands())
    assert len(found) > 15
    for verb, options in found:
        text = help_of(capsys, verb)
        assert options <= set(re.findall(r"--[\w-]+", text)), verb


def test_every_verb_says_what_it_is_for(capsys):
    for verb in re.findall(r"^    ([a-z-]+)  ", help_of(capsys), re.MULTILINE):
        assert help_of(capsys, verb)


def test_a_users_fault_is_one_line_on_standard_error(capsys, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("devise: cpu\n")
    assert main(["plan", "--config", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("serflow plan: config.yaml: unknown key 'devise'")
    assert error.count("\n") == 1
    assert main(["plan", "--config", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: cannot be read" in capsys.readouterr().err
    path.write_text("- a list\n")
    assert main(["plan", "--config", str(path)]) == 1
    assert "is no mapping" in capsys.readouterr().err


def test_plan_takes_several_files_later_ones_over_earlier_ones(capsys):
    mine = [str(ROOT / "config.yaml"), str(ROOT / "profiles/demo/demo.yaml")]
    assert main(["plan", "--config", *mine]) == 0
    out = capsys.readouterr().out
    assert "deepemonet/svm: 4 trainings" in out  # two folds, one seed each of two random splits
    assert re.search(r"^Jobs: \d+ \(31 trainings", out, re.MULTILINE)
    assert re.search(r"^Gigabytes: ", out, re.MULTILINE)
