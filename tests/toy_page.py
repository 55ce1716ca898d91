"""A results page of the toy paper, made from files by the command."""

import numpy as np
import pytest
import soundfile

from serflow import cli
from serflow.io.files import write_json
from serflow.scoring.paper import write_scores
from serflow.tables.overview import write_overview
from toy_paper import LABELS, make_record, manifest_rows, published, system, write_rows

RATE = 16000


@pytest.fixture
def recordings(tmp_path):
    """A second of noise for each utterance of the manifest, in a folder with a space and a hash in its name."""
    root = tmp_path / "my corpus #1"
    root.mkdir()
    for row in manifest_rows():
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE)
        soundfile.write(root / f"{row['utterance']}.flac", noise, RATE)
    return root


def predictions(right):
    """(utterance, part, label, predicted) of all test utterances; the first `right` of each speaker's six are right."""
    for s in range(8):
        for k in range(6):
            label = LABELS[k % 3]
            yield f"u{s}_{k}", "test", label, label if k < right else LABELS[(k + 1) % 3]


@pytest.fixture
def make_page(tmp_path, make_run, recordings):
    """Return a function that writes the page of a results folder with two systems under two protocols.

    Of six utterances of each speaker five and two are right, of the second system's three and three. It takes the
    published numbers and more papers of which nothing was run.
    """

    def make(published=(), others=()):
        return write_page(tmp_path, make_run, recordings, published, others)

    return make


def write_page(tmp_path, make_run, recordings, published, others):
    systems = {"net": system("Net & <sons>"), "second": system("Second net")}
    record = make_record(systems=systems, published=[*published], not_run={"savee": "SAVEE is not configured"})
    rows = [row | {"path": f"{row['utterance']}.flac"} for row in manifest_rows()]
    listed = write_rows(tmp_path / "toy.csv", rows)
    runs = [
        make_run(list(predictions(right)), system=name, protocol=protocol, finished=f"2026-11-25T1{n}:00:00+00:00")
        for n, (name, protocol, right) in enumerate(
            [
                ("net", "published", 5),
                ("net", "speaker_independent", 2),
                ("second", "published", 3),
                ("second", "speaker_independent", 3),
            ]
        )
    ]
    files = {name: tmp_path / f"{name}.csv" for name in ("scores", "gaps")}
    records = [*others, record]
    papers = [tmp_path / f"papers/{one.paper.paper}.json" for one in records]
    for one, path in zip(records, papers, strict=True):
        write_json(path, one.model_dump(mode="json", by_alias=True, exclude_none=True))
    write_scores(record, runs, [listed], files["scores"], files["gaps"])
    write_overview(records, [files["scores"]], [files["gaps"]], runs, tmp_path / "tables/comparison")
    words = ["page", "--papers", *papers, "--scores", files["scores"], "--runs", *runs]
    words += ["--manifests", listed, "--roots", recordings, "--results", tmp_path, "--output", tmp_path / "index.html"]
    words += ["--shown", *(path for kind in ("tables", "figures") for path in (tmp_path / kind).rglob("*.*"))]
    assert cli.main(list(map(str, words))) == 0
    return tmp_path / "index.html"


@pytest.fixture
def page_file(make_page):
    return make_page([published("WA", "test", 0.9)])


@pytest.fixture
def page(page_file):
    """The text of the page."""
    return page_file.read_text()
