"""The real workflow, run whole on demo corpora from a copy of the project, and what it reruns after a change."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from workflow_project import DEMO, copy_project, jobs, snakemake

CONFIG = f"""
papers: [deepemo, deepemonet]
systems: [resnet18, svm]
protocols: [published, speaker_independent, augment_then_split]
{DEMO}
overrides:
  deepemo:
    protocols: {{augment_then_split: {{corpora: []}}}}  # the SVM has the leak
    systems:
      resnet18: {{input: {{height: 32, width: 32}}, training: {{epochs: 2, batch_size: 128}}}}
"""


NETWORK = """
from torch import nn


def build(n_classes, *, input_shape, width):
    channels = input_shape[0]
    layers = [nn.Conv2d(channels, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16 * width, n_classes))
"""
#: A system as it stands under `overrides`.
SYSTEM = """
      mine:
        title: a small network of one's own
        recipe: logmel128
        protocols: [published]
        input: {kind: image, height: 16, width: 16, floor_db: -80.0}
        model: {module: '%s', width: 4}
        training: {epochs: 1, batch_size: 64, optimiser: adam, learning_rate: 1.0e-3}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which the workflow has run once."""
    folder = tmp_path_factory.mktemp("serflow project")  # a space in the path, as users have
    copy_project(folder, CONFIG)
    snakemake(folder)
    return folder


@pytest.fixture
def edited(project):
    """Edit a file of the project for one test: path, old text, new text."""
    before = {}

    def edit(path, old, new):
        file = project / path
        text = file.read_text()
        before.setdefault(file, (text, file.stat()))
        assert old in text
        file.write_text(text.replace(old, new))

    yield edit
    for file, (text, status) in before.items():
        file.write_text(text)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


FORMATS = ("csv", "md", "tex", "html")
PAPER_TABLES = ("comparison", "data", "differences", "speakers")


def made(project, kind, suffix):
    """The files of one suffix below out/tables or out/figures, by their paths."""
    root = project / "out" / kind
    return {str(path.relative_to(root)) for path in root.rglob(f"*.{suffix}")}


def test_everything_is_made_and_a_second_run_does_nothing(project):
    tables = {"comparison", "costs"} | {f"deepemo/{stem}" for stem in ("table_i", "last_epochs", *PAPER_TABLES)}
    tables |= {f"deepemonet/{stem}" for stem in ("table_1", "section_5_4", *PAPER_TABLES)}
    for suffix in FORMATS:
        assert made(project, "tables", suffix) == {f"{stem}.{suffix}" for stem in tables}
    protocols = ("published", "speaker_independent", "augment_then_split")
    figures = {"comparison"} | {
        f"{paper}/{stem}" for paper in ("deepemo", "deepemonet") for stem in ("comparison", "speakers")
    }
    figures |= {f"deepemo/figure_{n}" for n in (2, 3, 4, 5)} | {f"deepemonet/figure_{n}" for n in (1, 2, 5)}
    figures |= {f"deepemo/ravdess/resnet18/{protocol}/confusion" for protocol in protocols[:2]}
    figures |= {f"deepemonet/ravdess/svm/{protocol}/confusion" for protocol in protocols}
    figures |= {"deepemo/ravdess/resnet18/curves"}  # an SVM has none
    for suffix in ("png", "svg"):
        assert made(project, "figures", suffix) == {f"{stem}.{suffix}" for stem in figures}
    assert "ynthetic" in (project / "out/tables/deepemo/comparison.md").read_text()
    page = (project / "out/index.html").read_text()
    assert "Synthetic demo" in page
    assert page.count("<article") == 2
    assert len(page) < 2_000_000
    assert "Nothing to be done" in snakemake(project)


def test_the_leak_is_split_by_item_and_reported(project):
    fold = json.loads((project / "out/splits/deepemonet/ravdess/augment_then_split/seed0.json").read_text())["folds"][0]
    utterances = len((project / "out/manifests/ravdess.csv").read_text().splitlines()) - 1
    assert sum(fold["parts"].values()) == 4 * utterances
    assert fold["augmented_siblings"]
    run = project / "out/runs/deepemonet/ravdess/svm/augment_then_split/seed0/fold0"
    names = [line.split(",")[0] for line in (run / "predictions.csv").read_text().splitlines()[1:]]
    assert sorted({name.partition("#")[2] for name in names}) == ["", "noise", "pitch", "stretch"]
    for protocol in ("published", "speaker_independent"):
        report = project / f"out/splits/deepemonet/ravdess/{protocol}/seed0.json"
        assert all(not fold["augmented_siblings"] for fold in json.loads(report.read_text())["folds"])
    with (project / "out/tables/deepemonet/data.csv").open() as table:
        copies = {row["Protocol"]: int(row["Copies in training"].split(" of ")[0]) for row in csv.DictReader(table)}
    assert copies.pop("augment then split") > 0.9 * fold["parts"]["test"]
    assert set(copies.values()) == {0}


def test_a_paper_on_a_part_of_its_union_says_so(project):
    deviation = "corpus: ravdess alone instead of ravdess+savee"
    record = json.loads((project / "out/papers/deepemonet.json").read_text())
    assert record["deviations"]["ravdess/svm/published"] == [deviation]
    for stem in ("deepemonet/comparison", "deepemonet/table_1", "comparison"):
        assert deviation in (project / f"out/tables/{stem}.md").read_text(), stem


def test_each_run_says_what_it_was_and_where_it_departs_from_the_paper(project):
    run = json.loads(
        (project / "out/runs/deepemo/ravdess/resnet18/speaker_independent/seed0/fold0/run.json").read_text()
    )
    assert run["system_config"]["training"]["epochs"] == 2
    record = json.loads((project / "out/papers/deepemo.json").read_text())
    assert set(record["deviations"]["ravdess/resnet18/speaker_independent"]) == {
        "input.height: 32 instead of 224",
        "input.width: 32 instead of 224",
        "model.pretrained: none instead of imagenet",
        "training.epochs: 2 instead of 50",
        "training.batch_size: 128 instead of 32",
    }
    assert "training.epochs: 2 instead of 50" in (project / "out/tables/deepemo/comparison.html").read_text()


def test_every_rule_logs_and_is_benchmarked(project):
    logs = {path.relative_to(project / "out/logs").parts[0] for path in (project / "out/logs").rglob("*.log")}
    benchmarks = {
        path.relative_to(project / "out/benchmarks").parts[0] for path in (project / "out/benchmarks").rglob("*.tsv")
    }
    assert logs == benchmarks >= {"demo", "manifest", "features", "split", "train", "scores", "tables", "track"}


DEEPEMO = "workflow/papers/deepemo.yaml"
CODE = "workflow/serflow"
#: What shows a result and cannot change it.
HARMLESS = [
    (DEEPEMO, "title: ResNet-18, all", "title: ResNet-18, really all"),
    (DEEPEMO, "title: stratified random", "title: random"),
    (DEEPEMO, "year: 2021", "year: 2022"),
    (DEEPEMO, "why: none is mentioned", "why: the paper mentions none"),
    (DEEPEMO, "value: 0.88}", "value: 0.87}"),
    (f"{CODE}/figures/confusion.py", "\nimport numpy", "\nimport os\nimport numpy"),
    (f"{CODE}/models/architectures/bilstm.py", "num_layers=2", "num_layers=3"),
    (f"{CODE}/cli.py", "128 + number", "129 + number"),
]
#: Edit -> how many of the five trainings it repeats: two are the ResNet's, three the SVM's.
REPEATED = {
    "learning rate": (DEEPEMO, "learning_rate: 3.0e-5", "learning_rate: 1.0e-4", 2),
    "line of a model": (f"{CODE}/models/architectures/resnet.py", "weights=None", "weights=None, progress=False", 2),
    "line of a helper of all training": (f"{CODE}/io/log.py", "line}\\n", "line}\\n\\n", 5),
    "line of the loop of networks": (f"{CODE}/training/schedule.py", "alpha=0.9", "alpha=0.8", 2),
    "line of a transform": (f"{CODE}/features/transforms/mfcc.py", "first - 1 :", "first - 1 : n_mfcc", 3),
}


def test_comments_and_docstrings_repeat_nothing(project, edited):
    edited(f"{CODE}/models/architectures/resnet.py", '"""Residual', '"""Edited: residual')
    edited(f"{CODE}/training/fit.py", "\nimport", "\n# edited\nimport")
    edited(f"{CODE}/features/build.py", "\nimport", "\n# edited\nimport")
    assert "Nothing to be done" in snakemake(project, "-n")


def test_what_cannot_change_a_result_repeats_no_training(project, edited):
    for path, old, new in HARMLESS:
        edited(path, old, new)
    assert not jobs(snakemake(project, "-n")).keys() & {"train", "features", "manifest"}


@pytest.mark.parametrize("name", REPEATED)
def test_what_can_change_a_result_repeats_the_trainings_that_it_touches(project, edited, name):
    path, old, new, expected = REPEATED[name]
    edited(path, old, new)
    planned = jobs(snakemake(project, "-n"))
    assert planned["train"] == expected
    assert ("features" in planned) == (name in ("line of a transform", "line of a helper of all training"))


def test_a_changed_feature_parameter_reruns_that_recipe_and_what_depends_on_it(project, edited):
    edited("workflow/papers/deepemo.yaml", "hop_length: 256", "hop_length: 320")
    planned = jobs(snakemake(project, "-n"))
    assert planned["features"] == 1
    assert planned["train"] == 2
    assert not planned.keys() & {"demo", "manifest", "split"}


def test_a_changed_figure_redraws_it_and_trains_nothing(project, edited):
    edited("workflow/serflow/figures/confusion.py", "\nimport numpy", "\nimport os\nimport numpy")
    planned = {"figures_deepemo", "figures_deepemonet", "costs", "track", "track_overview", "page", "all"}
    assert jobs(snakemake(project, "-n")).keys() - {"figure_published"} == planned


def test_a_changed_style_of_the_page_writes_it_anew(project, edited):
    edited(f"{CODE}/page/assets/page.css", "{", "{ ")
    assert jobs(snakemake(project, "-n")).keys() == {"page", "all"}


def test_changed_shared_protocols_record_the_papers_anew(project, edited):
    edited("workflow/protocols.yaml", "title: ", "title: edited, ")
    planned = jobs(snakemake(project, "-n"))
    assert planned["paper"] == 2
    assert "train" not in planned


def test_a_recording_that_is_replaced_in_a_folder_of_ones_own_is_read_anew(project, edited, tmp_path):
    shutil.copytree(project / "out/corpora/ravdess", tmp_path / "own")
    edited("test.yaml", "ravdess: {source: demo}", f"ravdess: {{source: '{tmp_path / 'own'}'}}")
    edited("test.yaml", "results: out", "results: own")
    snakemake(project, "own/manifests/ravdess.csv")
    (tmp_path / "own/notes.txt").touch()  # which is not read
    assert "Nothing to be done" in snakemake(project, "-n", "own/manifests/ravdess.csv")
    os.utime(next((tmp_path / "own").rglob("*.wav")), (1, 1))
    assert jobs(snakemake(project, "-n", "own/manifests/ravdess.csv"))["manifest"] == 1


def test_an_older_file_in_place_of_the_labels_or_the_archive_is_seen(project, edited, tmp_path):
    with (project / "out/manifests/ravdess.csv").open() as file:
        rows = [(row["path"], row["emotion"], row["speaker"]) for row in csv.DictReader(file)]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(map(",".join, [("path", "emotion", "speaker"), *rows])))
    archive = Path(shutil.make_archive(tmp_path / "ravdess", "zip", project / "out/corpora/ravdess"))
    mine = f"mine: {{source: out/corpora/ravdess, labels: '{labels}'}}"
    edited("test.yaml", "ravdess: {source: demo}", f"ravdess: {{source: '{archive}'}}\n  {mine}")
    edited("test.yaml", "results: out", "results: older")
    targets = ["older/manifests/mine.csv", "older/manifests/ravdess.csv"]
    snakemake(project, *targets)
    assert "Nothing to be done" in snakemake(project, "-n", *targets)
    labels.write_text(labels.read_text().replace(",calm,", ",sad,", 1))
    os.utime(labels, (1, 1))
    assert jobs(snakemake(project, "-n", *targets)) == {"manifest": 1}
    os.utime(archive, (1, 1))
    assert jobs(snakemake(project, "-n", *targets)) == {"extract": 1, "manifest": 2}


def test_a_paper_named_as_a_target_of_serflow_is_refused(project):
    path = project / "workflow/papers/features.yaml"
    text = (project / "workflow/papers/jin.yaml").read_text()
    path.write_text(text.replace("paper: jin", "paper: features"))
    try:
        output = snakemake(project, "-n", "--config", "papers=[features]", "systems=null", check=False)
    finally:
        path.unlink()
    assert "workflow/papers/features.yaml: serflow has a target of this name. Give the paper another one." in output


def test_a_misspelt_key_stops_the_dry_run_and_is_named(project, edited):
    edited("test.yaml", "pretrained: none", "pretraned: none")
    output = snakemake(project, "-n", check=False)
    assert "unknown key 'pretraned'" in output
    assert "Did you mean 'pretrained'?" in output


def test_a_paper_without_its_corpus_is_left_out_and_named(project, edited):
    edited("test.yaml", "ravdess: {source: demo}", "ravdess: {source: null}")
    output = snakemake(project, "-n", check=False)
    assert "deepemo on ravdess is left out: RAVDESS is not configured" in output
    assert "corpora.ravdess.source" in output
    output = snakemake(project, "-n", "deepemo", check=False).partition("Building DAG of jobs")[2]
    assert "set corpora.ravdess.source" in output
    assert "No rule to produce" not in output


def test_the_report_opens_with_the_notice_the_page_and_all_verdicts_and_cuts_nothing_off(project):
    snakemake(project, "--report", "out/report.html")
    text = (project / "out/report.html").read_text()
    assert "Synthetic demo" in text
    assert r"href=\"index.html\"" in text
    for title in ("ResNet-18, all layers trained (deepemo)", "(a) SVM on mean MFCC (deepemonet)"):
        assert f"<td>{title}, ravdess</td>" in text
    assert "safe center" in text


# Last: what it makes stays in the project, and is planned anew once its entry is taken back.
def test_a_system_is_added_by_an_override_and_a_module_of_ones_own(project, edited, tmp_path):
    module = tmp_path / "network.py"
    module.write_text(NETWORK)
    edited("test.yaml", "    systems:\n", f"    systems:\n{SYSTEM % module}")
    edited("test.yaml", "systems: [resnet18", "systems: [mine, resnet18")
    folder = "out/runs/deepemo/ravdess/mine/published/seed0/fold0"
    snakemake(project, f"{folder}/run.json", "out/figures/deepemo/ravdess/mine/published/confusion.png")
    run = json.loads((project / folder / "run.json").read_text())
    assert (project / folder / "model").is_file()
    assert run["n_parameters"] == 3 * 9 * 4 + 4 + 16 * 4 * 8 + 8
