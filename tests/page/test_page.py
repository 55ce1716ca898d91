"""The results page, made from files of the toy paper."""

import html
import os
import re
from dataclasses import replace

import numpy as np

from serflow import cli
from serflow.io.files import write_json
from serflow.page.content import find_mistakes, make_card, make_rows, make_speakers, make_systems
from serflow.runs import read_runs
from serflow.scoring.overview import compare_papers
from serflow.scoring.scores import ORIGINALS, UNIFORM, Score, Scores
from serflow.tables.overview import write_overview
from toy_paper import LABELS, PROTOCOLS, make_record, published, system


def test_the_headline_is_the_published_number_and_ours_on_unseen_speakers(page):
    page = html.unescape(page).replace("\N{NO-BREAK SPACE}", " ")
    headline = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)[1]
    assert "90.0 %" in headline
    assert "33.3 %" in headline  # two of six
    assert "83.3 %" in page  # five of six, under the paper's protocol
    assert "4 runs · 25 November 2026" in page


def test_without_published_numbers_the_headline_is_the_best_system_on_unseen_speakers(make_page):
    """As for a corpus of one's own: the second system recognises three of six, the first two."""
    page = html.unescape(make_page().read_text()).replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)[1].startswith("Second net recognises 50.0 %")
    lead = re.search(r'<p class="lead">(.*?)</p>', page, re.DOTALL)[1]
    assert "toypaper on toy" in lead
    assert "Guessing would reach 33.3 %" in lead  # three labels
    assert "Under the paper's protocol it reaches 50.0 %" in lead
    assert "deviation" not in page.partition('id="systems"')[0]  # there is no number to depart from


def test_papers_that_were_not_run_come_last_and_offer_no_studies(make_page):
    study = {"title": "width in Hz", "systems": ["net", "other"]}
    other = make_record(
        paper="absent",
        systems={"net": system("Net"), "other": system("Other")},
        studies={"width": study},
        published=[published("WA", "test", 0.97)],
        not_run={"toy": "toy is not configured", "savee": "SAVEE is not configured"},
    )
    page = make_page([published("WA", "test", 0.9)], [other]).read_text()
    cards = re.findall(r'<article class="card" id="paper-(\w+)">(.*?)</article>', page, re.DOTALL)
    assert [name for name, _ in cards] == ["toypaper", "absent"]
    assert "toy is not configured" in cards[1][1]
    assert "97.0" in cards[1][1]
    assert "deviation" not in cards[1][1]
    assert "absent_studies" not in page


def test_the_page_stands_alone(page):
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    assert not re.findall(r"<(?:link|script)[^>]+(?:src|href)=\"(?!data:)", page)


def test_speakers_of_a_union_and_of_a_papers_own_unseen_protocol_are_shown(make_run):
    """A union with speaker 00 of both corpora; the paper's own protocol keeps speakers apart."""
    protocols = {"published": PROTOCOLS["speaker_independent"] | {"role": "published"}}
    record = make_record(protocols=protocols, systems={"net": system("Net", "published")}, corpora=["toy+savee"])
    found = [("toy/a", "test", "sad", "sad"), ("savee/b", "test", "sad", "happy"), ("toy/a", "train", "sad", "sad")]
    speakers = {("toy", "a"): "toy/00", ("savee", "b"): "savee/00"}
    (row,) = make_speakers([record], read_runs([make_run(found, corpus="toy+savee")]), speakers)
    assert row.values == {"toy/00": 1.0, "savee/00": 0.0}


def test_matrices_have_a_row_for_each_true_emotion_in_shares_of_its_utterances(make_run):
    found = [("u0_0", "test", "sad", "happy"), ("u0_1", "test", "sad", "sad"), ("u0_2", "test", "happy", "happy")]
    (shown,) = make_systems([make_record()], read_runs([make_run(found)]))
    (matrix,) = shown.matrices.values()
    assert matrix.labels == ("neutral", "happy", "sad")
    assert matrix.shares.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0.5, 0.5]]
    assert matrix.n.tolist() == [0, 1, 2]


def test_matrices_of_a_test_on_another_corpus_say_which_was_trained_on(make_run):
    cross = {"kind": "cross_corpus", "title": "another corpus", "role": "other_corpus", "corpora": ["toy+savee"]}
    record = make_record(protocols=PROTOCOLS | {"cross": cross}, systems={"net": system("Net", "published", "cross")})
    found = [("toy/a", "train", "sad", "sad"), ("savee/b", "test", "sad", "happy")]
    runs = [make_run(found, corpus="toy+savee", protocol=name) for name in ("cross", "published")]
    assert [one.place for one in make_systems([record], read_runs(runs[:1]))] == ["toy → SAVEE"]
    assert [one.place for one in make_systems([record], read_runs(runs))] == ["toy + SAVEE"]


def test_speakers_that_were_trained_on_are_not_shown_among_unseen_ones(make_run, speakers):
    found = [("u0_0", "test", "sad", "sad"), ("u1_0", "train", "sad", "sad")]
    runs = read_runs([make_run(found, protocol=name) for name in PROTOCOLS])
    assert len(runs) == 2
    assert len(make_speakers([make_record()], runs, speakers)) == 1


def test_a_row_tells_originals_alone_missing_folds_and_chance_where_it_is_among_the_same_emotions():
    guess = replace(scored("published", 1 / 3), system=UNIFORM, source="chance")
    rows = (
        *(scored("published", 0.9), scored("published", 0.95, part=ORIGINALS), guess),
        scored("speaker_independent", 0.5, missing="2 of 6 folds"),
    )
    for labels, chance in ((None, 1 / 3), (["happy", "sad"], None)):  # a system for two emotions among three
        asked = {"net": system("Net", "published", "speaker_independent", labels=labels)}
        record = make_record(systems=asked, published=[published("WA", "test", 0.97)])
        (row,) = make_rows([record], compare_papers([record], Scores(rows)), Scores(rows))
        assert row.cells["published"].alone == 0.95
        assert row.cells["unseen"].note == "2 of 6 folds"
        assert row.chance == chance


def test_each_published_number_stands_beside_ours_under_its_own_protocol():
    record = make_record(
        published=[published("WA", "test", 0.97), published("WA", "test", 0.6, protocol="speaker_independent")]
    )
    known = {"metric": "WA", "part": "test", "n_runs": 3, "unit": "speakers", "n_effective": 144.0, "n_speakers": 24}
    rows = [
        Score("toypaper", "net", name, "toy", value=value, low=value - 0.05, high=value + 0.05, **known)
        for name, value in (("published", 0.74), ("speaker_independent", 0.59))
    ]
    results = compare_papers([record], Scores(tuple(rows)))
    shown = [row for row in make_rows([record], results, Scores(tuple(rows))) if row.metric == "WA"]
    assert [(row.published, row.cells["published"].value, row.verdict) for row in shown] == [
        (0.97, 0.74, "not reproduced"),
        (0.6, 0.59, "reproduced"),
    ]


def scored(protocol, value, *, corpus="toy", part="test", metric="WA", **known):
    about = {"n_runs": 3, "unit": "speakers", "n_effective": 144.0, "n_speakers": 24} | known
    numbers = {"value": value, "low": value - 0.05, "high": value + 0.05}
    return Score("toypaper", "net", protocol, corpus, part, metric, **numbers, **about)


def test_numbers_of_the_validation_part_are_marked_beside_those_of_the_test_part():
    record = make_record(published=[published("WA", "validation", 0.97)])
    rows = (scored("published", 0.74, part="validation"), scored("speaker_independent", 0.59))
    card = make_card(record, compare_papers([record], Scores(rows)))
    assert [(bar.label, bar.value, bar.note) for bar in card.bars] == [
        ("published", 0.97, "validation part"),
        ("paper's protocol", 0.74, "validation part"),
        ("unseen speakers", 0.59, ""),
    ]


def test_more_results_tell_each_protocol_and_what_was_trained_on():
    cross = {"kind": "cross_corpus", "title": "another corpus", "role": "other_corpus", "corpora": ["toy+savee"]}
    record = make_record(
        published=[published("WA", "test", 0.97)],
        protocols={"published": PROTOCOLS["published"] | {"corpora": ["toy"]}, "cross": cross},
        systems={"net": system("Net", "published", "cross")},
        corpora=["toy", "toy+savee"],
    )
    rows = (scored("published", 0.74), scored("cross", 0.472, corpus="toy+savee"))
    results = compare_papers([record], Scores(rows))
    ((text, verdict),) = make_card(record, results).others
    assert "toy → SAVEE" in text
    assert "ours 47.2 % [42.2, 52.2] on a corpus that was not trained on" in text
    assert verdict == "no published number"
    places = [row.place for row in make_rows([record], results, Scores(rows))]
    assert [place.partition(",")[0] for place in places] == ["toy", "toy → SAVEE"]


def test_a_number_among_other_emotions_than_its_row_is_marked_in_the_table_of_all_systems():
    guesses = [
        replace(scored(name, 1 / n), system="chance (uniform)", source="chance")
        for name, n in (("published", 3), ("speaker_independent", 2))
    ]
    record = make_record(published=[published("WA", "test", 0.97)])
    rows = (scored("published", 0.74), scored("speaker_independent", 0.59), *guesses)
    (row,) = make_rows([record], compare_papers([record], Scores(rows)), Scores(rows))
    assert {role: bar.note for role, bar in row.cells.items() if bar.value} == {"published": "", "unseen": "2 emotions"}


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
    (tmp_path / "tables/toypaper").mkdir()
    for stem in ("data", "differences"):  # of another configuration
        (tmp_path / f"tables/toypaper/{stem}.html").write_text("<body><table>an old number</table></body>")
    words = ["page", "--papers", str(tmp_path / "paper.json"), "--results", str(tmp_path)]
    assert cli.main([*words, "--output", str(tmp_path / "index.html")]) == 0
    text = (tmp_path / "index.html").read_text()
    assert "the corpus toy is not configured" in text
    assert "an old number" not in text
    assert "No published number stands beside a result on unseen speakers yet." in text


def test_curves_are_of_the_parts_that_there_are_and_as_wide_as_they_have_epochs(tmp_path, make_run, manifest):
    """Training accuracy is 1 - 0.5 / epoch. One protocol has no validation part, as Mittal's; one run stops early."""
    record = make_record()
    write_json(tmp_path / "paper.json", record.model_dump(mode="json", by_alias=True, exclude_none=True))
    rows = [("u0_0", "train", "sad", "sad"), ("u1_0", "test", "sad", "sad")]
    own = {"validated": False, "finished": "2026-11-25T10:00:00+00:00"}
    runs = [make_run(rows, seed=0, epochs=5, **own), make_run(rows, seed=1, epochs=2, **own)]
    runs.append(make_run(rows, protocol="speaker_independent", epochs=3, **own | {"validated": True}))
    words = ["page", "--papers", tmp_path / "paper.json", "--results", tmp_path, "--output", tmp_path / "index.html"]
    assert cli.main(list(map(str, [*words, "--runs", *runs, "--manifests", manifest, "--roots", tmp_path]))) == 0
    text = (tmp_path / "index.html").read_text()
    captions = [re.sub("<[^>]*>", "", found) for found in re.findall("<figcaption>(.*?)</figcaption>", text)]
    told = [found.partition(": ")[2] for found in captions if "accuracy" in found]
    assert told == ["training accuracy, 2 to 5 epochs", "training and validation accuracy, 3 epochs"]
    lines = re.findall('<polyline points="([^"]*)" class="([^"]*)"', text)
    assert [part for _, part in lines] == ["train", "train", "train", "validation"]
    assert lines[1][0] == "0.0,50.0 75.0,25.0"  # the second of five epochs is a quarter of 300 wide


def test_deviations_of_any_protocol_stand_on_the_card():
    deviations = {"toy/net/speaker_independent": ["training.epochs: 2 instead of 50"]}
    record = make_record(published=[published("WA", "test", 0.9)], deviations=deviations)
    unseen = Score("toypaper", "net", "speaker_independent", "toy", "test", "WA", value=0.5, n_runs=1)
    card = make_card(record, compare_papers([record], Scores((unseen,))))
    assert card.deviations == ["under other protocols: training.epochs: 2 instead of 50"]


def test_mistakes_are_of_recordings_and_of_the_protocol_on_unseen_speakers_before_its_control(make_run, speakers):
    control = {**PROTOCOLS["speaker_independent"], "copies": {"noise": {}}, "role": "unseen_control"}
    record = make_record(
        protocols=PROTOCOLS | {"a_control": control},
        systems={"net": system("Net", "published", "speaker_independent", "a_control")},
    )
    wrong = [("u0_0", "test", "sad", "happy"), ("u0_0#noise", "test", "sad", "happy"), ("u1_0", "test", "sad", "sad")]
    runs = read_runs([make_run(wrong, protocol=name) for name in ("a_control", "speaker_independent")])
    (mistake,) = find_mistakes([record], runs, speakers)
    assert (mistake.utterance, mistake.protocol) == ("u0_0", "unseen speakers")


def test_the_surest_mistakes_come_first_each_recording_once_with_the_run_that_was_surest(make_run, speakers):
    wrong = [("u0_0", "test", "sad", "happy"), ("u1_0", "test", "sad", "happy")]
    runs = read_runs([make_run(wrong, seed=seed) for seed in (0, 1)])
    sure = [
        replace(run, posteriors=np.array([[0, p, 1 - p] for p in ps]))
        for run, ps in zip(runs, ((0.6, 0.55), (0.52, 0.9)), strict=True)
    ]
    found = find_mistakes([make_record()], sure, speakers)
    assert [(one.utterance, one.posteriors["happy"]) for one in found] == [("u1_0", 0.9), ("u0_0", 0.6)]


def test_a_study_that_is_older_than_its_paper_as_run_is_not_shown(tmp_path):
    study = {"title": "width in Hz", "systems": ["net", "other"]}
    record = make_record(systems={"net": system("Net"), "other": system("Other")}, studies={"width": study})
    as_run, table = tmp_path / "papers/toypaper.json", tmp_path / "tables/toypaper/studies/width.html"
    write_json(as_run, record.model_dump(mode="json", by_alias=True, exclude_none=True))
    table.parent.mkdir(parents=True)
    table.write_text("<body><table>a number</table></body>")
    for age, shown in ((10, True), (-10, False)):
        os.utime(table, (as_run.stat().st_mtime + age,) * 2)
        words = ["page", "--papers", str(as_run), "--results", str(tmp_path), "--output", str(tmp_path / "index.html")]
        assert cli.main(words) == 0
        text = (tmp_path / "index.html").read_text()
        assert ("a number" in text) is shown
        assert ("<h3>Width in Hz</h3>" in text) is shown
