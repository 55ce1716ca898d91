import json
import shutil
from pathlib import Path

import pytest

from serflow.errors import RunError
from serflow.io.files import write_csv, write_json, write_text
from serflow.scoring.results import TYPES as RESULT
from serflow.tables.costs import COLUMNS as COST
from serflow.tables.results_page import write_results_page
from serflow.tables.table import SYNTHETIC

WHERE = "Where and when it was measured"
PROTOCOLS = {"published": "published", "unseen": "speaker_independent", "leak": "augment_then_split"}


def row(system="net", **known):
    """Return a row of the comparison of which nothing was run."""
    found = dict.fromkeys(RESULT, "") | {"paper": "toypaper", "corpus": "toy", "system": system, "title": f"A {system}"}
    found |= {f"ours_{role}_protocol": protocol for role, protocol in PROTOCOLS.items()}
    found |= {f"ours_{role}_note": "not run: no run was made" for role in PROTOCOLS}
    found |= {f"ours_{role}_deviations": "[]" for role in (*PROTOCOLS, "control")}
    return found | {"metric": "UA", "part": "test", "published": 0.7, "synthetic": 0} | known


def cell(role, value, low="", high="", speakers=24, note="", deviations=()):
    known = {"value": value, "low": low, "high": high, "speakers": speakers, "note": note}
    known["deviations"] = json.dumps(deviations)
    return {f"ours_{role}_{key}": text for key, text in known.items()}


def cost(stage, subject, seconds, device="-"):
    return dict(zip(COST, (stage, subject, "-", device, 1, seconds, seconds, "-"), strict=True))


@pytest.fixture
def make(tmp_path):
    """Write a results folder: rows of the comparison, and the runs behind their values, all of one day and machine."""

    def write(rows, costs=(), *, name="results", day="2026-11-20", seeds=(0,), **known):
        folder = tmp_path / name
        write_csv(folder / "tables" / "comparison.csv", RESULT, rows)
        write_csv(folder / "tables" / "costs.csv", COST, [*costs, cost("all", "-", 999)])
        receipt = {}
        for line in rows:
            for role, protocol in PROTOCOLS.items():
                for seed in seeds if line[f"ours_{role}_value"] != "" else ():
                    key = {name: line[name] for name in ("paper", "corpus", "system")} | {"protocol": protocol}
                    info = key | {"seed": seed, "fold": 0, "device": "cpu", "device_name": "toy CPU"}
                    info |= {"precision": "fp32", "seconds": 50.0, "commit": "abc1234", "versions": {"torch": "2.9"}}
                    info |= {"started": f"{day}T10:00:00+00:00", "finished": f"{day}T10:02:00+00:00"}
                    place = "/".join([*key.values(), f"seed{seed}", "fold0"])
                    write_json(folder / "runs" / place / "run.json", info | known)
                    receipt[place] = "MLflow's id"
        write_json(folder / "tracking" / "papers.json", receipt)
        return folder

    return write


@pytest.fixture
def page(tmp_path):
    """Write the page of a results folder and return it."""

    def write(results, command="snakemake"):
        write_results_page(results, tmp_path / "results.md", command, archive=tmp_path / "archive")
        return (tmp_path / "results.md").read_text()

    return write


def tables(page):
    """Return the tables of a page by heading, each a list of dicts."""
    found = {}
    for part in page.split("\n## ")[1:]:
        heading, *lines = part.splitlines()
        cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
        found[heading] = [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]
    return found


def comparison(page):
    """Return the rows of the comparison by system."""
    return {line["System"]: line for line in tables(page)["Published and reproduced, all papers"]}


def measured(page):
    """Return by protocol where and when the runs of it were made; for pages of one system."""
    return {line["Protocol"]: line for line in tables(page)[WHERE]}


OWN, FAIR, LEAK = (f"Ours, {name} [95 %]" for name in ("paper's protocol", "speaker-independent", "leaky split"))


def test_the_page_says_when_on_what_and_with_which_code_and_holds_all_tables(make, page):
    rows = [row(**cell("published", 0.72, 0.66, 0.78)), row("other")]
    results = make(rows, [cost("train", "toypaper", 150)], seeds=(0, 1))
    text = page(results, "snakemake --configfile mine.yaml")
    for expected in (
        "Date of the runs: 2026-11-20\n",
        "Command 1: `snakemake --configfile mine.yaml`",
        "Commit: abc1234\n",
        "Hardware: toy CPU (cpu, fp32)\n",
        "Runs: 2\n",
    ):
        assert expected in text
    assert comparison(text)["A net (toypaper)"][OWN] == "72.0 [66.0, 78.0]; 24 speakers"
    assert comparison(text)["A net (toypaper)"]["Verdict"] == "reproduced: 70.0 lies within [66.0, 78.0]"
    assert comparison(text)["A other (toypaper)"]["Verdict"] == "cannot be compared: not run: no run was made"
    where = measured(text)
    assert where.keys() == {"published"}
    assert (where["published"]["Seeds"], where["published"]["Libraries"]) == ("0, 1", "torch 2.9")
    costs = tables(text)["What the reproduction cost"]
    assert [(line["Stage"], line["Seconds"]) for line in costs] == [("train", "150"), ("all", "150")]
    assert text.count("\n# ") + text.startswith("# ") == 1


def test_the_same_results_twice_and_no_results_give_the_same_page(make, page, tmp_path):
    results = make([row(**cell("published", 0.72, 0.66, 0.78)), row("other")], [cost("train", "toypaper", 150)])
    first = page(results)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "archive").iterdir()}
    assert kept.keys() == {"comparison.csv", "costs.csv", "runs.csv"}
    assert page(results) == first
    assert page(None) == first
    assert {path.name: path.read_bytes() for path in (tmp_path / "archive").iterdir()} == kept


def test_what_newer_results_did_not_run_stays(make, page):
    page(make([row(**cell("published", 0.72, 0.66, 0.78))], name="old"), "the old command")
    newer = make(
        [row(), row("other", **cell("published", 0.9, 0.8, 0.95))], name="new", day="2026-12-24", commit="def5678"
    )
    text = page(newer, "the new command")
    assert comparison(text)["A net (toypaper)"][OWN] == "72.0 [66.0, 78.0]; 24 speakers"
    assert comparison(text)["A other (toypaper)"][OWN] == "90.0 [80.0, 95.0]; 24 speakers"
    where = [[line[key] for key in ("System", "Date", "Commit", "Command")] for line in tables(text)[WHERE]]
    assert where == [["net", "2026-11-20", "abc1234", "1"], ["other", "2026-12-24", "def5678", "2"]]
    for part in (
        *("Command 1: `the old command`", "Command 2: `the new command`"),
        *("Date of the runs: 2026-11-20 to 2026-12-24", "Commit: abc1234 (1 run), def5678 (1 run)"),
    ):
        assert part in text


def test_results_of_other_papers_stay_and_papers_stand_together(make, page):
    page(make([row(), row(paper="zoo", **cell("published", 0.72, 0.66, 0.78))], name="old"))
    text = page(make([row("other", **cell("published", 0.9, 0.8, 0.95))], name="new"))
    assert list(comparison(text)) == ["A net (toypaper)", "A other (toypaper)", "A net (zoo)"]


def test_a_newer_measurement_replaces_the_older_with_its_runs_and_its_verdict(make, page):
    page(make([row(**cell("published", 0.72, 0.66, 0.78))], name="old", seeds=(0, 1, 2)))
    text = page(make([row(**cell("published", 0.5, 0.4, 0.6))], name="new", day="2026-12-24"))
    assert comparison(text)["A net (toypaper)"]["Verdict"] == "not reproduced: 70.0 lies 10.0 points above [40.0, 60.0]"
    assert measured(text)["published"]["Seeds"] == "0"
    assert "Date of the runs: 2026-12-24\n" in text
    assert "Runs: 1\n" in text


def test_a_kind_of_protocol_that_newer_results_lack_keeps_its_value_and_where_it_is_from(make, page):
    """The verdict is passed on the joined row: the leak of before explains the published number of now."""
    old = row(**cell("published", 0.69, 0.6, 0.75), **cell("leak", 0.72, 0.65, 0.8, deviations=["random weights"]))
    assert "reproduced" in page(make([old], name="old", device_name="old CPU"))
    text = page(make([row(**cell("published", 0.5, 0.4, 0.6))], name="new", day="2026-12-24"))
    (line,) = comparison(text).values()
    assert (line[OWN], line[LEAK]) == ("50.0 [40.0, 60.0]; 24 speakers", "72.0 [65.0, 80.0]; 24 speakers")
    assert line[FAIR] == "not run: no run was made"
    assert line["Verdict"].endswith("; reached under the leak")
    assert line["Deviations"] == "elsewhere: random weights"
    where = measured(text)
    assert (where["published"]["Date"], where["published"]["Hardware"]) == ("2026-12-24", "toy CPU (cpu, fp32)")
    leak = where["augment_then_split"]
    assert (leak["Date"], leak["Hardware"]) == ("2026-11-20", "old CPU (cpu, fp32)")
    assert "each kind of protocol as this table says" in text


def test_chance_stays_where_newer_results_have_none(make, page):
    page(make([row(chance_uniform=0.25, chance_majority=0.3, **cell("published", 0.72, 0.66, 0.78))], name="old"))
    text = page(make([row(**cell("unseen", 0.5, 0.4, 0.6))], name="new"))
    (line,) = comparison(text).values()
    assert (line["Chance"], line[FAIR]) == ("25.0 / 30.0", "50.0 [40.0, 60.0]; 24 speakers")


def test_costs_are_replaced_by_stage_subject_system_and_device(make, page):
    rows = [row(**cell("published", 0.72, 0.66, 0.78))]
    page(make(rows, [cost("train", "toypaper", 150, "cpu"), cost("scores", "toypaper", 2)], name="old"))
    text = page(make(rows, [cost("train", "toypaper", 7, "cuda"), cost("scores", "toypaper", 3)], name="new"))
    found = [(line["Stage"], line["Device"], line["Seconds"]) for line in tables(text)["What the reproduction cost"]]
    assert found == [("train", "cpu", "150"), ("train", "cuda", "7"), ("scores", "-", "3"), ("all", "-", "160")]


def test_runs_that_no_value_stands_on_are_left_out(make, page):
    """Such as those of a study, or of a system that was narrowed away since."""
    results = make([row(**cell("published", 0.72, 0.66, 0.78))])
    make([row("study", **cell("published", 0.1))])  # its runs stay in the folder
    make([row(**cell("published", 0.72, 0.66, 0.78))])
    assert (results / "runs/toypaper/toy/study").is_dir()
    assert "Runs: 1\n" in page(results)


def test_seeds_that_an_earlier_configuration_left_in_the_folder_are_no_runs_of_its_values(make, page):
    rows = [row(**cell("published", 0.72, 0.66, 0.78))]
    make(rows, seeds=(0, 1, 2))
    assert measured(page(make(rows, seeds=(1,))))["published"]["Seeds"] == "1"


@pytest.mark.parametrize(
    ("rows", "lost", "named"),
    [
        ([row(**cell("published", 0.72)), row(paper="other", synthetic=1)], None, "other"),
        ([row(**cell("published", 0.72))], "tables/comparison.csv", r"comparison\.csv"),
        ([row(**cell("published", 0.72))], "tables/costs.csv", r"costs\.csv"),
        ([row(**cell("published", 0.72))], "tracking/papers.json", "toypaper/toy/net/published"),
        ([row()], None, "results"),
    ],
)
def test_results_that_are_synthetic_or_not_whole_are_refused_and_nothing_is_written(
    rows, lost, named, make, page, tmp_path
):
    results = make(rows)
    if lost:
        (results / lost).unlink()
    with pytest.raises(RunError, match=named):
        page(results)
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


def test_no_page_is_made_of_no_archive_nor_of_half_of_one(make, page, tmp_path):
    with pytest.raises(RunError, match="archive"):
        page(None)
    page(make([row(**cell("published", 0.72, 0.66, 0.78))]))
    (tmp_path / "archive" / "runs.csv").unlink()
    with pytest.raises(RunError, match=r"runs\.csv"):
        page(None)


def test_a_table_of_one_paper_is_kept_as_it_is_and_pointed_to_unless_it_is_synthetic(make, page, tmp_path):
    results, table = make([row(**cell("published", 0.72))]), tmp_path / "toypaper" / "table_2.md"
    options = {"output": tmp_path / "results.md", "archive": tmp_path / "archive", "tables": [table]}
    write_text(table, f"# Toy: Table 2\n\n> **{SYNTHETIC}**\n")
    with pytest.raises(RunError, match=r"table_2\.md"):
        write_results_page(results, **options)
    assert not (tmp_path / "archive").exists()
    write_text(table, "# Toy: Table 2\n\n| noise | WA |\n")
    write_results_page(results, **options)
    assert (tmp_path / "archive" / "toypaper_table_2.md").read_text() == table.read_text()
    assert "- More: [toypaper table 2](archive/toypaper_table_2.md)" in page(None)


def test_the_page_in_the_repository_is_made_from_its_archive(tmp_path):
    docs = Path(__file__).parents[2] / "docs"
    shutil.copytree(docs / "results", tmp_path / "results")
    write_results_page(None, tmp_path / "results.md", archive=tmp_path / "results")
    assert (tmp_path / "results.md").read_text() == (docs / "results.md").read_text()
