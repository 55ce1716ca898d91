"""What a dry run plans for whole papers, without any result."""

import re

import pytest

from workflow_project import DEMO, copy_project, jobs, snakemake


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which nothing has run."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder, f"papers: [deepemo, deepemonet]\n{DEMO}")
    return folder


def test_the_target_of_a_paper_trains_that_paper_alone(project):
    def trained(*target):
        output = snakemake(project, *target, "-n", "--forceall", "--quiet", "host")
        return set(re.findall(r"Training \w+ of (\w+)", output))

    assert len(trained()) > 1
    assert trained("deepemo") == {"deepemo"}


SATT = """
papers: [satt]
results: out
corpora: {ravdess: {source: demo}, iemocap: {source: demo}}
folds: [0]
"""


def test_satt_is_planned_on_both_corpora_and_its_studies_only_if_asked(project):
    """Per corpus: four nets of Table 1, three of two classes, one on modified spectrograms; the two-step predictor."""
    (project / "satt.yaml").write_text(SATT)
    planned = jobs(snakemake(project, "-n", "--configfile", "satt.yaml"))
    assert (planned["train"], planned["combine"], planned["noisy"]) == (16, 2, 4)
    assert planned["tables_satt"] == 1
    assert planned["features"] == 2 * 3  # two grids, and the modified spectrograms
    assert planned["figure_published"] == 4
    assert not planned.keys() & {"study_table", "figure_study"}
    studies = jobs(snakemake(project, "satt_studies", "-n", "--configfile", "satt.yaml"))
    assert studies["study_table"] == studies["figure_study"] == 15
    # Three seeds of 30 systems for the studies alone, of Table 1's seven, and of two two-step predictors.
    assert (studies["train"], studies["combine"]) == (2 * 3 * 37, 2 * 3 * 2)


def test_a_combined_system_asked_for_alone_brings_its_parts(project):
    (project / "satt.yaml").write_text(SATT + "systems: [two_step]\nallow_partial: true\n")
    planned = jobs(snakemake(project, "-n", "--configfile", "satt.yaml"))
    assert (planned["train"], planned["combine"]) == (8, 2)
