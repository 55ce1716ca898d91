"""`serflow compare`: two folders of runs, the differences as text and CSV."""

import gzip
import re
import shutil

import pytest

from serflow import cli
from serflow.scoring.gaps import read_gaps


def rows(right):
    return [(f"u{s}_{k}", "test", "sad", "sad" if k < right else "happy") for s in range(8) for k in range(6)]


@pytest.fixture
def folders(make_run, manifest, tmp_path):
    """Two systems with two seeds each, in a results folder with its manifest."""
    made = {
        (name, seed): make_run(rows(n), system=name, seed=seed)
        for name, n in (("net", 5), ("other", 2))
        for seed in (0, 1)
    }
    (tmp_path / "manifests").mkdir()
    shutil.move(manifest, tmp_path / "manifests/toy.csv")
    shutil.move(manifest.with_suffix(".json"), tmp_path / "manifests/toy.json")
    return [made[name, 0].parents[1] for name in ("net", "other")]


def test_two_systems_are_compared_from_their_folders(folders, tmp_path, capsys):
    assert cli.main(["compare", *map(str, folders), "--output", str(tmp_path / "gaps.csv")]) == 0
    text = capsys.readouterr().out
    assert "+50.0 [+50.0, +50.0]" in text
    assert "p = 1.2e-07" in text  # 2 · 0.5^24
    gaps = read_gaps(tmp_path / "gaps.csv")
    assert {gap.metric for gap in gaps} == {"WA", "UA", "macro_F1"}
    assert gaps[0].value == pytest.approx(0.5)


def test_kept_runs_are_compared_as_those_of_a_results_folder(folders, tmp_path, capsys):
    assert cli.main(["compare", *map(str, folders)]) == 0
    expected = capsys.readouterr().out
    for path in (*tmp_path.rglob("predictions.csv"), *tmp_path.rglob("history.csv"), tmp_path / "manifests/toy.csv"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert cli.main(["compare", *map(str, folders)]) == 0
    assert capsys.readouterr().out == expected


def test_what_cannot_be_compared_is_told_in_one_sentence(folders, make_run, tmp_path, capsys):
    other = make_run([("u0_0", "train", "sad", "sad")], system="third")
    moved = shutil.copytree(folders[0], tmp_path / "moved")
    left = make_run(rows(5), system="folds").parents[1]
    make_run(rows(5), system="folds", fold=4)  # of an earlier division
    for first, second, told in (
        (tmp_path / "none", folders[1], "holds no run"),
        (folders[0].parents[1], folders[1], "holds runs of toypaper/toy/folds/published, toypaper/toy/net/published"),
        (folders[0], other, "cannot be compared"),
        (left, folders[1], "tests u0_0, as"),
        (moved, folders[1], "Give --manifests"),
    ):
        assert cli.main(["compare", str(first), str(second)]) == 1
        assert told in capsys.readouterr().err


def test_both_sides_are_named_where_their_corpora_differ(folders, make_run, tmp_path, capsys):
    other = make_run([(f"toy/{name}", *rest) for name, *rest in rows(2)], corpus="toy+savee")
    for path in list((tmp_path / "manifests").iterdir()):
        (path.parent / f"savee{path.suffix}").write_text(path.read_text().replace("toy", "savee"))
    assert cli.main(["compare", str(folders[0]), str(other), "--output", str(tmp_path / "gaps.csv")]) == 0
    told = "net (published), toypaper on toy, minus net (published), toypaper on toy+savee, test part"
    assert told in capsys.readouterr().out
    assert {(gap.corpus, gap.second_corpus) for gap in read_gaps(tmp_path / "gaps.csv")} == {("toy", "toy+savee")}


def test_protocols_are_compared_by_the_original_recordings_alone(folders, make_run, capsys):
    """Of the leak's copies all are recognised, of the recordings three of six: as many as under the other protocol."""
    copies = [(f"u{s}_{k}#noise", "test", "sad", "sad") for s in range(8) for k in range(6)]
    leak = make_run([*rows(3), *copies], protocol="speaker_independent")
    control = make_run(rows(3), seed=7)
    assert cli.main(["compare", str(leak), str(control)]) == 0
    text = capsys.readouterr().out
    assert "+0.0 [+0.0, +0.0]" in text
    assert re.search("copies.* left out on both sides", text)
