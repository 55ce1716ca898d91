import csv
import json

import pytest

from serflow.tables.studies import COLUMNS, write_study_table

LABELS = ("neutral", "happy", "sad")


@pytest.fixture
def study_paper(paper):
    systems = {name: {"title": f"Net of {name}", "protocols": ["published"], "study": True} for name in ("net", "two")}
    systems["three"] = {"title": "Net of three", "protocols": ["published", "speaker_independent"]}
    studies = {"layers": {"title": "1-3 layers", "said": "two are best", "systems": list(systems)}}
    protocols = paper["protocols"] | {"speaker_independent": {"title": "other speakers", "corpora": ["toy"]}}
    return paper | {"systems": systems | {"other": {"title": "Other"}}, "studies": studies, "protocols": protocols}


def rows(wrong, fold=0):
    """Two folds of four speakers with six utterances each; of each speaker's, the first `wrong` are called 'sad'."""
    for s in range(4 * fold, 4 * fold + 4):
        for k in range(6):
            label = LABELS[k % 2]
            yield f"u{s}_{k}", "test", label, "sad" if k < wrong else label
    yield "u9", "train", "happy", "happy"


@pytest.fixture
def study(make_run, manifest, tmp_path):
    """Run "net" (all right) and "two" (half wrong) on both folds; return the directories and the manifest."""
    path = tmp_path / "toy.csv"
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(manifest[0]))
        writer.writeheader()
        writer.writerows(manifest)
    dirs = []
    for system, wrong, epochs in (("net", 0, (4, 8)), ("two", 3, (5, 5))):
        for fold, n in enumerate(epochs):
            run = make_run(rows(wrong, fold), system=system, fold=fold, epochs=n, deviations=["demo epochs"])
            info = json.loads((run / "run.json").read_text())
            (run / "run.json").write_text(json.dumps(info | {"n_parameters": 12345 if system == "net" else 99}))
            dirs.append(run)
    return dirs, [path]


def read(stem):
    with stem.with_suffix(".csv").open(newline="") as handle:
        return {(row["corpus"], row["protocol"], row["system"]): row for row in csv.DictReader(handle)}


def test_each_system_is_set_beside_the_first(study_paper, study, tmp_path):
    stem = tmp_path / "layers"
    reasons, folds = {"savee": "SAVEE is not configured"}, {("toy", "published"): 2}
    write_study_table(study_paper, "layers", *study, stem, synthetic=True, not_run=reasons, n_folds=folds)
    found = read(stem)
    assert list(found) == [
        *(("toy", "published", system) for system in ("net", "two", "three")),
        ("toy", "speaker_independent", "three"),
        *(("savee", "published", system) for system in ("net", "two", "three")),
    ]
    first, second = found["toy", "published", "net"], found["toy", "published", "two"]
    assert tuple(first) == COLUMNS
    # Half of each class is called sad: both recalls are 1/2, and so is the accuracy, of every speaker.
    for metric in ("WA", "UA"):
        assert [float(first[metric + end]) for end in ("", "_low", "_high")] == [1, 1, 1]
        assert float(second[metric]) == pytest.approx(0.5)
        assert float(second[f"{metric}_difference"]) == pytest.approx(-0.5)
        assert first[f"{metric}_difference"] == ""
    assert (first["n_parameters"], first["epochs"]) == ("12345", "6.0")
    assert (first["n_speakers"], first["n_runs"], first["n_folds"], first["note"]) == ("8", "1", "2", "")
    assert {row["said"] for row in found.values()} == {"two are best"}
    assert found["toy", "published", "three"]["note"] == "not run: no run was made"
    assert found["savee", "published", "two"]["note"] == "not run: SAVEE is not configured"
    assert {found["savee", "published", "two"][key] for key in ("WA", "n_parameters", "epochs", "UA_difference")} == {
        ""
    }


def test_the_page_shows_what_the_paper_said_and_what_the_runs_were(study_paper, study, tmp_path):
    stem = tmp_path / "layers"
    write_study_table(study_paper, "layers", *study, stem, synthetic=True)
    text = stem.with_suffix(".md").read_text()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| toy")]
    published = [row for row in cells if row[1] == "paper's protocol"]
    assert published[0][2:4] == ["Net of net", "100.0 [100.0, 100.0]"]
    assert published[0][6:] == ["-", "-", "12,345", "6 (4-8)", "8 / 1 / 2"]
    assert published[1][6:] == ["-50.0", "-50.0", "99", "5", "8 / 1 / 2"]
    assert published[2][3] == "not run: no run was made"
    assert [row[2:5] for row in published[3:]] == [
        ["chance (uniform)", "33.3", "33.3"],
        ["chance (majority)", "50.0", "50.0"],
    ]
    for suffix in ("md", "html", "tex"):
        page = stem.with_suffix(f".{suffix}").read_text().replace("\\", "")
        for part in (
            "The paper: two are best.",
            "Synthetic demo corpus",
            "demo epochs",
            "80/10/10.",
            "precision: fp32",
        ):
            assert part in page


def test_few_speakers_are_shown_one_by_one_and_partial_folds_are_named(study_paper, study, tmp_path):
    dirs, manifests = study
    stem = tmp_path / "layers"
    write_study_table(
        study_paper, "layers", dirs[::2], manifests, stem, synthetic=False, n_folds={("toy", "published"): 2}
    )
    text = stem.with_suffix(".md").read_text()
    assert "100.0 (inconclusive; per speaker: 00 100.0, 01 100.0, 02 100.0, 03 100.0)" in text
    assert "4 / 1 / 1 (fold 0 of 2)" in text
    assert "Synthetic" not in text
    row = read(stem)["toy", "published", "two"]
    assert (row["WA_low"], row["WA_high"]) == ("", "")
    assert float(row["WA_difference"]) == pytest.approx(-0.5)
