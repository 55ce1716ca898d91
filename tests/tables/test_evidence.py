"""Evidence: runs of the real SVM of deepemonet, on a corpus of RAVDESS's names, kept and read again."""

import gzip
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from serflow import cli
from serflow.config import Config
from serflow.corpora.manifest import COLUMNS, read_manifest
from serflow.errors import RunError
from serflow.io.files import read_csv, read_json, write_csv, write_json
from serflow.papers.names import ROLES
from serflow.papers.papers import Papers
from serflow.protocols.split import split
from serflow.runs import Predictions, RunId, write_run
from serflow.schema import check
from serflow.scoring.results import Cell, Result
from serflow.tables.evidence import keep, read_evidence
from serflow.tables.results_page import check_pages, tell_finding, write_pages

SOURCES = {"ravdess": {"source": "somewhere"}, "savee": {"source": None}, "iemocap": {"source": None}}
PAPERS = Papers(check(Config, {"corpora": SOURCES, "allow_partial": True}, "config"))
LABELS = PAPERS.papers["deepemonet"].labels_on("ravdess", "published")
BLOCKS = ("finding", "published numbers")
README = "".join(f"\n<!-- serflow results: {name} -->\n<!-- end of serflow results -->\n" for name in BLOCKS)


def manifest():
    """24 actors who say each emotion ten times."""
    rows = []
    for actor in range(1, 25):
        for emotion in LABELS:
            for n in range(10):
                name = f"{actor:02d}-{emotion}-{n}"
                known = {"utterance": name, "path": f"{name}.flac", "corpus": "ravdess", "speaker": f"{actor:02d}"}
                known |= {"sex": "male" if actor % 2 else "female", "emotion": emotion, "sha1": name}
                rows.append(dict.fromkeys(COLUMNS, "") | known | {"sample_rate": "16000"})
    return rows


def write(folder, run, rows):
    """Write a run of which about six of ten utterances are recognised."""
    paper = PAPERS.papers[run.paper]
    emotions = {row["utterance"]: row["emotion"] for row in rows}
    labels = paper.labels_on(run.corpus, run.protocol)
    select = {corpus: chosen.columns() for corpus, chosen in paper.select.items()}
    parts = split(paper.protocols[run.protocol], rows, labels, [run.corpus], run.seed, select)
    mine = [one for one in parts if one["fold"] == run.fold and one["part"] != "unused"]
    truth = [emotions[one["utterance"]] for one in mine]
    rng = np.random.default_rng([run.seed, run.fold])
    right, other = [labels.index(t) for t in truth], rng.integers(len(labels), size=len(mine))
    guess = np.where(rng.random(len(mine)) < 0.6, right, other)
    names, places = [one["utterance"] for one in mine], [one["part"] for one in mine]
    found = Predictions(labels, names, places, truth, guess, np.eye(len(labels))[guess])
    info = PAPERS.spec(run).plain() | {"device": "cpu", "device_name": "a CPU", "precision": "fp64"}
    info |= {"commit": "abc1234", "versions": {"scikit-learn": "1.8"}, "n_parameters": None, "seconds": 36}
    info |= {"started": "2026-11-25T10:00:00+00:00", "finished": "2026-11-25T10:00:36+00:00"}
    write_run(folder / "runs" / run.path, found, [], info)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A results folder with a run for each seed and fold."""
    folder, rows = tmp_path_factory.mktemp("made") / "results", manifest()
    write_csv(folder / "manifests/ravdess.csv", COLUMNS, rows)
    write_json(folder / "papers/deepemonet.json", {"synthetic": False})
    for protocol, seeds, folds in (("published", (0, 1, 2), 1), ("speaker_independent", (0,), 6)):
        for seed, fold in ((seed, fold) for seed in seeds for fold in range(folds)):
            write(folder, RunId("deepemonet", "ravdess", "svm", protocol, seed, fold), rows)
    return folder


@pytest.fixture(scope="module")
def kept(made):
    """A repository with this evidence and its pages."""
    root = made.parent / "repository"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text(README)
    keep(made, root / "evidence", "snakemake deepemonet")
    assert cli.main(["results", "--root", str(root)]) == 0
    return root


@pytest.fixture
def results(made, tmp_path):
    """A copy of the results to change."""
    return shutil.copytree(made, tmp_path / "results")


@pytest.fixture
def root(kept, tmp_path):
    """A copy of the repository to change."""
    return shutil.copytree(kept, tmp_path / "repository")


def test_pages_hold_what_the_kept_predictions_give(root, results):
    tested = []
    for seed in range(3):
        rows = read_csv(results / f"runs/deepemonet/ravdess/svm/published/seed{seed}/fold0/predictions.csv")
        tested.append([(row["label"], row["predicted"]) for row in rows if row["part"] == "validation"])
    expected = 100 * np.mean([accuracy_score(*zip(*pairs, strict=True)) for pairs in tested])
    for page in ("README.md", "docs/results.md"):
        assert f"{expected:.1f}" in (root / page).read_text()
    assert "FLAC at 16 kHz" in (root / "docs/results.md").read_text()
    assert "snakemake deepemonet" in (root / "docs/results.md").read_text()
    assert "| 9 | 0.09 |" in (root / "docs/results.md").read_text()  # nine runs of 36 s, in hours
    assert "## Differences" in (root / "docs/results/deepemonet.md").read_text()


def test_a_study_has_a_table_and_no_row_among_the_main_results(root, results):
    for path in sorted(results.glob("runs/deepemonet/ravdess/svm/speaker_independent/seed0/fold*")):
        run = RunId("deepemonet", "ravdess", "svm_corpus", "speaker_independent", 0, int(path.name[-1]))
        place = results / "runs" / run.path
        shutil.copytree(path, place)
        write_json(place / "run.json", read_json(path / "run.json") | PAPERS.spec(run).plain())
    keep(results, root / "evidence", "snakemake deepemonet_studies")
    before = (root / "README.md").read_text()
    write_pages(root)
    page = (root / "docs/results/deepemonet.md").read_text()
    study = page[page.index("## (a) standardised on the training part") :]
    (row,) = [line for line in study.splitlines() if "on the whole corpus" in line and line.startswith("| ")]
    assert "+0.0 [+0.0, +0.0]" in row  # copies of the same predictions
    assert (root / "README.md").read_text() == before


def test_a_system_without_a_published_number_stands_on_the_page_of_results_alone(root, results):
    for path in sorted(results.glob("runs/deepemonet/ravdess/svm/published/seed*/fold0")):
        run = RunId("deepemonet", "ravdess", "svm_c10", "published", int(path.parent.name[-1]), 0)
        place = results / "runs" / run.path
        shutil.copytree(path, place)
        write_json(place / "run.json", read_json(path / "run.json") | PAPERS.spec(run).plain())
    keep(results, root / "evidence", "snakemake deepemonet")
    assert cli.main(["results", "--root", str(root)]) == 0
    rows = {
        page: [line for line in (root / page).read_text().splitlines() if line.startswith("| (a) SVM")]
        for page in ("README.md", "docs/results.md")
    }
    assert [len(found) for found in rows.values()] == [1, 2]
    assert rows["README.md"] == rows["docs/results.md"][:1]
    drawn = {name: (root / f"docs/images/{name}.svg").read_text() for name in ("published", "results")}
    assert {name: text.count("deepemonet on RAVDESS") for name, text in drawn.items()} == {"published": 1, "results": 2}


def test_the_finding_is_told_where_nothing_was_run_under_the_papers_protocol(root, results):
    shutil.rmtree(root / "evidence/runs/deepemonet/ravdess/svm/published")
    assert cli.main(["results", "--root", str(root)]) == 0
    text = (root / "README.md").read_text()
    assert "A system published at 51.7 % recognises" in text
    assert "Under the paper's protocol it" not in text


def test_the_finding_names_its_metric():
    own = {"published": Cell("p", 0.6), "unseen": Cell("u", 0.354), "leak": Cell("l", 0.6, originals=0.7)}
    about = ("jin", "ravdess", "s", "S", "macro_F1", "validation", None, 0.509, dict.fromkeys(ROLES, Cell()) | own)
    told = tell_finding([Result(*about)], {"jin": PAPERS.record("jin")})
    assert "**A system published at 50.9 % macro-F1 reaches 35.4 % macro-F1 on speakers it has not heard**" in told
    assert "60.0 % (original recordings alone 70.0 %)" in told
    assert "unsaid how the recordings were split, and whether by speaker; chosen here: stratified random" in told
    assert "departs" not in told
    own["unseen"] = replace(own["unseen"], deviations=("training.epochs: 2 instead of 50", "training.batch_size: 4"))
    told = tell_finding([Result(*about[:-1], dict.fromkeys(ROLES, Cell()) | own)], {"jin": PAPERS.record("jin")})
    assert "Ours departs from the paper (training.epochs: 2 instead of 50)." in told


def test_a_changed_digit_and_a_number_of_ones_own_are_found(root):
    check_pages(root)
    page = root / "README.md"
    text = page.read_text()
    digit = next(n for n, letter in enumerate(text) if letter.isdigit() and text[n - 1] == ".")
    page.write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
    with pytest.raises(RunError, match=r"README\.md.*against the evidence"):
        check_pages(root)
    for sentence, allowed in (("Ours reaches 61.9 % here.", False), ("The paper prints 51.7 %.", True)):
        page.write_text(text + sentence)
        if allowed:
            check_pages(root)
        else:
            with pytest.raises(RunError, match=r"61\.9"):
                check_pages(root)


def test_a_comment_stands_on_the_page_and_holds_no_measured_number(root):
    comment = root / "evidence/commentary/deepemonet.md"
    comment.parent.mkdir()
    comment.write_text("The paper prints 51.7 %; ours is near.")
    assert "ours is near" in write_pages(root).texts["docs/results.md"]
    check_pages(root)
    comment.write_text("Ours reaches 61.9 %.")
    write_pages(root)
    with pytest.raises(RunError, match=r"commentary.*61\.9"):
        check_pages(root)


def test_a_picture_of_other_runs_is_found(root, capsys):
    page = (root / "docs/results/deepemonet.md").read_text()
    picture = root / "docs/images/results/deepemonet/ravdess/svm/published/confusion.svg"
    assert str(picture.relative_to(root / "docs")) in page
    count = next(n for n in range(10, 200) if f">{n}<" in picture.read_text())
    picture.write_text(picture.read_text().replace(f">{count}<", f">{count + 1}<", 1))
    assert cli.main(["results", "--root", str(root), "--check"]) == 1
    assert "confusion.svg" in capsys.readouterr().err


def test_the_commands_do_the_same(root, results, capsys):
    words = ["keep", str(results), "--evidence", str(root / "evidence"), "--command", "again"]
    assert cli.main(words) == 0
    assert "0 runs added" in capsys.readouterr().out
    assert cli.main(["results", "--root", str(root), "--check"]) == 0
    (root / "README.md").write_text(README + "51.2 % of all")
    assert cli.main(["results", "--root", str(root), "--check"]) == 1
    assert "README.md" in capsys.readouterr().err


def test_kept_files_are_the_same_each_time(root, results, tmp_path):
    keep(results, tmp_path / "again", "snakemake deepemonet")
    for path in (tmp_path / "again").rglob("*.gz"):
        assert path.read_bytes() == (root / "evidence" / path.relative_to(tmp_path / "again")).read_bytes()


def place(root, seed=0):
    return root / f"evidence/runs/deepemonet/ravdess/svm/published/seed{seed}/fold0"


def edit(path, **changes):
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | changes))


def test_an_archive_that_lacks_a_file_is_named(root):
    for name in ("predictions.csv.gz", "history.csv.gz", "run.json"):
        path = place(root) / name
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(RunError, match=r"seed0/fold0"):
            read_evidence(root / "evidence")
        path.write_bytes(content)
    read_evidence(root / "evidence")


def test_a_run_in_anothers_place_is_named(root):
    shutil.copytree(place(root, 1), place(root, 5))
    with pytest.raises(RunError, match=r"seed5/fold0.*seed1/fold0"):
        read_evidence(root / "evidence")


def test_two_runs_of_one_identity_are_named_and_nothing_is_kept(root, results):
    path = results / "runs/deepemonet/ravdess/svm/published/seed0/fold0/predictions.csv"
    path.write_text(path.read_text().replace(",angry,angry,", ",angry,sad,", 1))
    before = gzip.decompress((place(root) / "predictions.csv.gz").read_bytes())
    with pytest.raises(RunError, match=r"seed0/fold0.*abc1234"):
        keep(results, root / "evidence", "again")
    assert gzip.decompress((place(root) / "predictions.csv.gz").read_bytes()) == before


def test_a_run_that_was_made_differently_from_those_kept_is_refused(root, results):
    made, other = (RunId("deepemonet", "ravdess", "svm", "published", seed, 0) for seed in (0, 7))
    shutil.copytree(results / "runs" / made.path, results / "runs" / other.path)
    path = results / "runs" / other.path / "run.json"
    system = json.loads(path.read_text())["system_config"]
    edit(path, seed=7, system_config=system | {"model": system["model"] | {"C": 10.0}})
    with pytest.raises(RunError, match=r"seed7/fold0.*made differently.*model\.C: 10\.0 instead of 1\.0"):
        keep(results, root / "evidence", "again")
    assert not (root / "evidence/runs" / other.path).exists()


def test_another_version_of_the_corpus_is_refused(root, results):
    rows = manifest()
    rows[0]["sha1"] = "other"
    write_csv(results / "manifests/ravdess.csv", COLUMNS, rows)
    with pytest.raises(RunError, match="another version of the corpus"):
        keep(results, root / "evidence", "again")


def test_runs_of_different_configurations_are_never_averaged(root):
    path = place(root) / "run.json"
    system = json.loads(path.read_text())["system_config"]
    edit(path, system_config=system | {"model": system["model"] | {"C": 10.0}})
    with pytest.raises(RunError, match=r"seed\d/fold0.*model\.C: 10\.0 instead of 1\.0"):
        read_evidence(root / "evidence")


def test_a_configuration_that_all_runs_share_is_a_deviation(root):
    for seed in range(3):
        path = place(root, seed) / "run.json"
        system = json.loads(path.read_text())["system_config"]
        edit(path, system_config=system | {"model": system["model"] | {"C": 10.0}})
    told = read_evidence(root / "evidence").records["deepemonet"].deviations["ravdess/svm/published"]
    assert told == ["corpus: ravdess alone instead of ravdess+savee", "model.C: 10.0 instead of 1.0"]


def test_a_deviation_of_a_part_is_one_of_the_combined_system(tmp_path):
    """What run.json says of the combined system itself is only how it combines."""
    rows = [row for row in manifest() if row["emotion"] in PAPERS.papers["satt"].labels]
    write_csv(tmp_path / "manifests/ravdess.csv", COLUMNS, rows)
    write_json(tmp_path / "papers/satt.json", {"synthetic": False})
    for name in ("two_step", "cnn_lstm_10hz", "cnn_10hz"):
        write(tmp_path, RunId("satt", "ravdess", name, "speaker_independent", 0, 0), rows)
    path = tmp_path / "runs/satt/ravdess/cnn_lstm_10hz/speaker_independent/seed0/fold0/run.json"
    system = json.loads(path.read_text())["system_config"]
    edit(path, system_config=system | {"training": system["training"] | {"epochs": 3}})
    keep(tmp_path, tmp_path / "evidence", "snakemake satt")
    deviations = read_evidence(tmp_path / "evidence").records["satt"].deviations
    assert deviations["ravdess/two_step/speaker_independent"] == ["training.epochs: 3 instead of 60"]
    assert "ravdess/cnn_10hz/speaker_independent" not in deviations


def test_a_split_that_is_not_todays_is_a_deviation_of_its_run(root):
    """The folds of one split are told apart: the others need not be run again."""
    path = root / "evidence/runs/deepemonet/ravdess/svm/speaker_independent/seed0/fold0/predictions.csv.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace(",validation,", ",train,", 1).encode()))
    with pytest.raises(RunError, match=r"fold\d.*split: of another version"):
        read_evidence(root / "evidence")


def test_synthetic_results_are_refused(results, tmp_path):
    write_json(results / "papers/deepemonet.json", {"synthetic": True})
    with pytest.raises(RunError, match="synthetic"):
        keep(results, tmp_path / "evidence", "snakemake")
    (results / "papers/deepemonet.json").unlink()
    with pytest.raises(RunError, match=r"deepemonet\.json"):
        keep(results, tmp_path / "evidence", "snakemake")
    assert not (tmp_path / "evidence").exists()


def test_a_run_beyond_its_paper_is_kept_where_the_configuration_asks_for_it(root, results):
    made, beyond = (
        RunId("deepemonet", "ravdess", "svm", name, 0, 0) for name in ("published", "statement_independent")
    )
    shutil.copytree(results / "runs" / made.path, results / "runs" / beyond.path)
    edit(results / "runs" / beyond.path / "run.json", protocol="statement_independent")
    with pytest.raises(RunError, match=r"runs no svm on ravdess under statement_independent.*config\.yaml"):
        keep(results, root / "evidence", "again")
    (root / "evidence/config.yaml").write_text("statement_independent: {ravdess: [deepemonet.svm]}")
    assert keep(results, root / "evidence", "again") == [beyond]


def test_sentences_are_kept_as_numbers(results, tmp_path):
    """Equal texts are equal numbers, so that splits by sentence can be made again."""
    rows = [row | {"statement": text} for row, text in zip(manifest(), ["yes", "no", "yes", ""] * 480, strict=True)]
    write_csv(results / "manifests/ravdess.csv", COLUMNS, rows)
    keep(results, tmp_path / "evidence", "snakemake")
    kept = read_manifest(tmp_path / "evidence/manifests/ravdess.csv.gz")
    assert [row["statement"] for row in kept[:4]] == ["2", "1", "2", ""]


def test_no_evidence_and_no_block_are_told(root, tmp_path):
    with pytest.raises(RunError, match="holds no run"):
        read_evidence(tmp_path / "none")
    (root / "README.md").write_text("# Project\n")
    with pytest.raises(RunError, match=r"README\.md.*serflow results: "):
        write_pages(root)
