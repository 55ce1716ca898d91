"""The results page, made from files of the toy paper."""

import html
import re

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
def page(tmp_path, make_run, recordings):
    """The page of a results folder with two protocols of one system: five and two of six utterances are right."""
    record = make_record(
        systems={"net": system("Net & <sons>")},
        published=[published("WA", "test", 0.9)],
        not_run={"savee": "SAVEE is not configured"},
        synthetic=False,
    )
    rows = [row | {"path": f"{row['utterance']}.flac"} for row in manifest_rows()]
    listed = write_rows(tmp_path / "toy.csv", rows)
    runs = [
        make_run(list(predictions(5)), finished="2026-11-25T10:00:00+00:00"),
        make_run(list(predictions(2)), protocol="speaker_independent", finished="2026-11-25T11:00:00+00:00"),
    ]
    files = {name: tmp_path / f"{name}.csv" for name in ("scores", "gaps")}
    write_json(tmp_path / "papers/toypaper.json", record.model_dump(mode="json", by_alias=True, exclude_none=True))
    write_scores(record, runs, [listed], files["scores"], files["gaps"])
    write_overview([record], [files["scores"]], [files["gaps"]], runs, tmp_path / "tables/comparison")
    words = ["page", "--papers", tmp_path / "papers/toypaper.json", "--scores", files["scores"], "--runs", *runs]
    words += ["--manifests", listed, "--roots", recordings, "--results", tmp_path, "--output", tmp_path / "index.html"]
    assert cli.main(list(map(str, words))) == 0
    return (tmp_path / "index.html").read_text()


def test_the_headline_is_the_published_number_and_ours_on_unseen_speakers(page):
    headline = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)[1]
    assert "90.0 %" in headline
    assert "33.3 %" in headline  # two of six
    assert "83.3 %" in page  # five of six, under the paper's protocol
    assert "2 runs · 25 November 2026" in page


def test_the_page_stands_alone(page):
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    assert not re.findall(r"<(?:link|script)[^>]+(?:src|href)=\"(?!data:)", page)


def test_text_is_escaped(page):
    assert "Net &amp; &lt;sons&gt;" in page
    assert "<sons>" not in page


def test_the_surest_mistakes_name_speaker_and_emotions_and_link_the_recording(page, recordings):
    table = page[page.index('id="errors-table"') :]
    rows = re.findall(r"<tr><td>(u\d_\d)</td><td>(\d\d)</td><td>(\w+)</td><td>(\w+)</td>", table)
    assert rows
    for utterance, speaker, true, recognised in rows:
        k = int(utterance[3])
        assert (speaker, true, recognised) == (f"0{utterance[1]}", LABELS[k % 3], LABELS[(k + 1) % 3])
    address = html.unescape(re.search(r'data-address="([^"]+)"', table)[1])
    assert address.startswith("my%20corpus%20%231/u")
    assert "data:image/webp" in table


def test_a_paper_that_was_not_run_says_why(tmp_path):
    record = make_record(not_run={"toy": "the corpus toy is not configured", "savee": "SAVEE is not configured"})
    write_json(tmp_path / "paper.json", record.model_dump(mode="json", by_alias=True, exclude_none=True))
    write_overview([record], [], [], [], tmp_path / "tables/comparison")
    words = ["page", "--papers", str(tmp_path / "paper.json"), "--results", str(tmp_path)]
    assert cli.main([*words, "--output", str(tmp_path / "index.html")]) == 0
    text = (tmp_path / "index.html").read_text()
    assert "the corpus toy is not configured" in text
    assert "Nothing has been measured" in text
