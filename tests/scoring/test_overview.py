import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from serflow.papers.names import ROLES
from serflow.scoring.overview import compare_papers, find_headline, tell_extremes
from serflow.scoring.results import SAME, Cell, Result, read_results, write_results
from serflow.scoring.scores import ORIGINALS, Score, Scores
from toy_paper import PARTS, PROTOCOLS, make_record, published, system

#: Names that say nothing: what a protocol is for is its role.
NAMES = {"first": "published", "second": "unseen", "third": "leak"}
RULES = {
    "first": PROTOCOLS["published"],
    "second": PROTOCOLS["speaker_independent"],
    "third": {"kind": "augmented", "title": "copies first", "parts": PARTS, "copies": {"noise": {}}},
}
OWN = {"first": "toy/net/first", "second": "toy/net/second"}


def record(value=0.7, *, corpus="toy", asked=tuple(NAMES), protocols=RULES, **more):
    about = {"systems": {"net": system("Net_1", *asked)}, "protocols": dict(protocols), "corpora": [corpus]}
    number = published("UA", "test", value, corpus=corpus, protocol="first")
    return make_record(**{"published": [number]} | about | more)


def score(protocol="first", *, value=0.72, low=0.66, high=0.78, speakers=24, **known):
    about = {"paper": "toypaper", "corpus": "toy", "system": "net", "part": "test", "metric": "UA"}
    about["protocol"] = protocol
    about |= {"n_runs": 3, "unit": "speakers", "seed_variance": 0.0, "n_effective": 144.0}
    return Score(**about | {"value": value, "low": low, "high": high, "n_speakers": speakers} | known)


def judged(record, *rows):
    (result,) = compare_papers([record], Scores(rows))
    return result


@pytest.mark.parametrize(
    ("value", "verdict"),
    # d ± about 9 to 10 points: Wilson's interval at 144 recordings, and ours of ± 6
    [(0.7, "reproduced"), (0.8, "reproduced"), (0.9, "not reproduced"), (0.5, "exceeded")],
)
def test_the_verdict_is_by_the_difference_and_the_errors_of_both(value, verdict):
    result = judged(record(value), score())
    assert result.verdict == verdict
    assert result.difference == pytest.approx(value - 0.72)
    wilson = stats.binomtest(round(1440 * value), 1440).proportion_ci(method="wilson")
    wide = judged(record(value), score(n_effective=1440))
    assert wide.difference - wide.difference_low == pytest.approx(np.hypot(value - wilson.low, 0.06), abs=1e-4)
    assert wide.difference_high - wide.difference == pytest.approx(np.hypot(wilson.high - value, 0.06), abs=1e-4)


def test_a_small_test_set_of_the_paper_leaves_the_verdict_open():
    assert judged(record(0.72), score(n_effective=50)).verdict == "compatible, too few recordings to tell"
    told = published("UA", "test", 0.72, corpus="toy", protocol="first", utterances=50)
    wa = score(metric="WA")
    assert judged(record(published=[told]), score(), wa).verdict == "compatible, too few recordings to tell"


@pytest.mark.parametrize(("size", "verdict"), [(125, "reproduced"), (115, "compatible, too few recordings to tell")])
def test_reproduced_needs_an_interval_of_at_most_10_points_to_either_side(size, verdict):
    """Wilson's interval is ± 8 points at 120 recordings, ours ± 6: together ± 10."""
    wilson = stats.binomtest(86, 120).proportion_ci(method="wilson")
    assert (wilson.high - wilson.low) / 2 == pytest.approx(0.08, abs=5e-4)
    assert judged(record(0.72), score(n_effective=size)).verdict == verdict


def test_seeds_that_differ_widen_the_interval_of_both():
    """Ours by s / √3, the paper's one run by s: at 50 % in log-odds as in points."""
    z, s = stats.norm.ppf(0.975), 0.04
    still, moved = (judged(record(0.5), score(value=0.5, low=0.5, high=0.5, seed_variance=v)) for v in (0.0, s**2))
    widths = [one.difference_high - one.difference for one in (still, moved)]
    assert widths[1] ** 2 - widths[0] ** 2 == pytest.approx((z * s) ** 2 * (1 + 1 / 3), rel=0.02)


def test_what_only_the_leak_reaches_is_said_to_be_reached_under_it():
    leak = score("third", value=0.95, low=0.93, high=0.97)
    assert judged(record(0.96), score(), leak).verdict == "reached only under the leak"
    assert judged(record(0.96), score(), score("third", value=0.8, low=0.76, high=0.84)).verdict == "not reproduced"
    assert judged(record(0.7), score(), leak).verdict == "reproduced"
    unfinished = replace(leak, missing="1 of 3 seeds")
    assert judged(record(0.96), score(), unfinished).verdict == "not reproduced"
    shortened = {"toy/net/third": ["training.epochs: 2 instead of 50"]}
    assert judged(record(0.96, deviations=shortened), score(), leak).verdict == "not reproduced"


def test_what_alone_keeps_the_leak_from_reaching_a_number_is_said():
    leak = score("third", value=0.95, low=0.93, high=0.97, spread=0.068)
    result = judged(record(0.96), score(), leak)
    assert result.verdict == "not reproduced"
    assert "the leak would reach it, were it not for: the last epoch is a draw" in result.reason
    assert judged(record(0.96), score(), replace(leak, n_runs=5)).verdict == "reached only under the leak"
    low = score("third", value=0.8, low=0.76, high=0.84, spread=0.068)
    assert "leak" not in judged(record(0.96), score(), low).reason


@pytest.mark.parametrize(
    ("more", "row", "reason"),
    [
        ({"synthetic": True}, {}, "synthetic corpus"),
        ({}, {"missing": "2 of 5 folds; 1 of 3 seeds"}, "only 2 of 5 folds; 1 of 3 seeds"),
        ({"deviations": {OWN["first"]: ["model.pretrained: none instead of imagenet"]}}, {}, "model.pretrained"),
        ({"deviations": {OWN["first"]: ["training.early_stopping.patience: 50 instead of 10"]}}, {}, "early_stopping"),
        ({"deviations": {OWN["first"]: ["training.phases.0.epochs: 1 instead of 5"]}}, {}, "training.phases"),
        ({}, {"spread": 0.12}, "5 seeds"),
        ({}, {"spread": 0.12, "n_runs": 4}, "5 seeds"),
        ({}, {"value": None, "note": "not run: SAVEE is missing; as printed"}, "not run: SAVEE is missing"),
    ],
)
def test_what_cannot_be_compared_says_why_and_what_it_would_be(more, row, reason):
    result = judged(record(0.9, **more), score(**row))
    assert result.verdict == "cannot be compared"
    assert reason in result.reason
    assert ("would be: not reproduced" in result.reason) == (row.get("value", 0) is not None)


@pytest.mark.parametrize(
    ("more", "row"),
    [
        ({"deviations": {OWN["first"]: ["training.batch_size: 16 instead of 32"]}}, {}),
        ({}, {"spread": 0.12, "n_runs": 5}),
        ({}, {"spread": 0.04}),
    ],
)
def test_what_leaves_a_system_what_it_is_is_compared(more, row):
    assert judged(record(0.9, **more), score(**row)).verdict == "not reproduced"


def test_deviations_of_other_protocols_do_not_touch_the_verdict():
    result = judged(record(deviations={OWN["second"]: ["epochs"]}), score(), score("second"))
    assert result.verdict == "reproduced"
    assert result.cells["unseen"].deviations == ("epochs",)


def test_fewer_than_six_speakers_are_judged_by_utterances_and_it_is_said():
    result = judged(record(), score(speakers=4, unit="utterances"))
    assert result.verdict == "reproduced"
    assert "over utterances" in result.reason


def test_a_paper_without_any_score_has_its_rows_with_the_reason():
    result = judged(record(corpus="savee", not_run={"savee": "SAVEE is not configured"}))
    assert (result.verdict, result.reason) == ("cannot be compared", "not run: SAVEE is not configured")
    assert result.cells["published"] == Cell("first", note="not run: SAVEE is not configured")


def test_the_last_printed_epoch_stands_for_a_paper_and_losses_and_training_parts_do_not():
    numbers = [
        ("accuracy", "train", 1.0, None),
        ("loss", "validation", 0.4, None),
        *(("accuracy", "validation", value, epoch) for value, epoch in ((0.97, 10), (0.7, 50), (0.99, 20))),
    ]
    told = [published(*number[:3], epoch=number[3], protocol="first") for number in numbers]
    fair = score("second", metric="WA", value=0.4, low=0.3, high=0.5)
    result = judged(record(published=told), score(metric="WA", part="validation"), fair)
    assert (result.metric, result.part, result.epoch, result.published) == ("WA", "validation", 50, 0.7)
    assert (result.cells["published"].value, result.cells["unseen"].value) == (0.72, 0.4)
    assert result.verdict == "reproduced"


def test_protocols_that_a_system_does_not_ask_for_are_left_empty():
    result = judged(record(asked=["first"]), score())
    numbers = {"speakers": 24, "seeds": 3, "unit": "speakers", "seed_variance": 0.0, "n_effective": 144.0}
    assert result.cells["published"] == Cell("first", 0.72, 0.66, 0.78, **numbers)
    assert {result.cells[role] for role in ("unseen", "leak", "control")} == {Cell()}


def test_a_role_written_in_the_paper_file_decides_over_that_of_the_kind():
    rules = RULES | {"third": RULES["third"] | {"role": "control"}}
    result = judged(record(protocols=rules), score(), score("third", value=0.5))
    assert result.cells["control"].value == 0.5
    assert result.cells["leak"] == Cell()


def test_the_own_split_of_a_corpus_is_no_protocol_of_the_paper_and_hides_no_other_result():
    """Neither the random split of one paper nor the unseen speakers of another, both of which are the papers' own."""
    given = {"given": {"kind": "given", "title": "the corpus's own split"}}
    for role in ("random", "speakers"):
        rules = given | {"own": (RULES["first"] if role == "random" else RULES["second"]) | {"role": "published"}}
        paper = record(protocols=rules, asked=("given", "own"), corpus="mine", published=[])
        found = [score(name, corpus="mine", metric="WA", value=v) for name, v in (("given", 0.41), ("own", 0.83))]
        result = judged(paper, *found)
        assert (result.cells["given"].value, result.cells["published"].value) == (0.41, 0.83)


def satt(**more):
    """A paper like Satt et al.: its own protocol keeps speakers apart on its corpus, another one does on RAVDESS."""
    speakers = PROTOCOLS["speaker_independent"]
    rules = {"first": {**speakers, "corpora": ["iemocap"]}, "second": {**speakers, "corpora": ["ravdess"]}}
    rules["first"]["role"] = "published"
    systems = {name: system(name, "first", "second", **more) for name in ("net", "other")}
    told = [published("WA", "test", 0.688, corpus="iemocap", protocol="first")]
    return record(protocols=rules, systems=systems, published=told, corpora=["iemocap", "ravdess"])


def test_a_paper_whose_own_protocol_keeps_speakers_apart_needs_no_other_for_that():
    result = judged(
        satt(), score(corpus="iemocap", metric="WA", value=0.68, low=0.66, high=0.7, speakers=5, unit="utterances")
    )
    assert result.cells["published"].value == 0.68
    assert (result.cells["unseen"].protocol, result.cells["unseen"].value) == ("", None)
    assert result.cells["unseen"].note
    assert result.verdict == "reproduced"


def test_a_system_run_where_the_paper_prints_no_number_has_a_result_too():
    fair = score("second", corpus="ravdess", metric="WA", value=0.45, low=0.4, high=0.5)
    guess = replace(fair, system="chance (uniform)", source="chance", value=0.25)
    missing = replace(fair, system="other", value=None, note="not run: no run was made")
    _, result = compare_papers([satt()], Scores((fair, replace(fair, metric="UA", value=0.4), guess, missing)))
    assert (result.corpus, result.system, result.metric, result.published) == ("ravdess", "net", "WA", None)
    assert (result.cells["published"], result.cells["unseen"].value) == (Cell(), 0.45)
    assert (result.chance_uniform, result.chance_majority) == (0.25, None)
    assert result.verdict == "no published number"


def test_a_system_that_tells_two_labels_apart_is_not_held_against_chance_among_all():
    fair = score("second", corpus="ravdess", metric="WA", value=0.9)
    guess = replace(fair, system="chance (uniform)", source="chance", value=0.25)
    _, result = compare_papers([satt(labels=["happy", "neutral"])], Scores((fair, guess)))
    assert (result.chance_uniform, result.chance_majority) == (None, None)


def test_results_are_read_as_they_were_written_deviations_with_semicolons_too(tmp_path):
    told = {OWN["first"]: ["a; b, [1]", 'random "weights"'], OWN["second"]: ["seeds: 1 instead of 3"]}
    rows = [score(note="2 of 5 folds", sd=0.02), score("second", value=0.4, low=None, high=None, speakers=4)]
    found = compare_papers([record(deviations=told)], Scores(tuple(rows)))
    write_results(found, tmp_path / "comparison.csv")
    again = read_results(tmp_path / "comparison.csv")
    assert (again[0].cells, again[0].verdict, again[0].reason) == (found[0].cells, found[0].verdict, found[0].reason)
    assert again[0].difference == pytest.approx(found[0].difference)
    assert found[0].cells["published"].deviations == ("a; b, [1]", 'random "weights"')


@pytest.mark.parametrize(("chance", "place"), [(1 / 3, "toy"), (1 / 2, "toy, 2 emotions")])
def test_a_corpus_on_which_other_emotions_are_told_apart_says_how_many(chance, place):
    """The paper has three labels; chance is one of as many as there are."""
    rows = [score(metric=metric, value=chance, system="chance (uniform)", source="chance") for metric in ("WA", "UA")]
    assert judged(record(), score(), *rows).place == place


def test_emotions_and_chance_are_known_where_unseen_sentences_alone_are_tested():
    rules = {"second": {"kind": "statement_independent", "title": "sentences"}}
    about = {"protocols": rules, "published": [], "systems": {"net": system("Net_1", "second")}}
    guess = score("second", metric="WA", value=1 / 2, system="chance (uniform)", source="chance")
    result = judged(record(**about), score("second", metric="WA"), guess)
    assert (result.place, result.chance_uniform) == ("toy, 2 emotions", 1 / 2)


def test_chance_is_known_where_the_papers_own_protocol_was_not_run():
    guess = score("second", metric="WA", value=1 / 3, system="chance (uniform)", source="chance")
    result = judged(record(), score("second"), guess, replace(guess, metric="UA"))
    assert result.cells["published"].value is None
    assert (result.chance_uniform, result.place) == (1 / 3, "toy")


def test_a_result_on_another_corpus_names_what_was_trained_on_and_what_was_tested():
    cells = dict.fromkeys(ROLES, Cell()) | {"other_corpus": Cell("cross_corpus", 0.4)}
    about = ("toypaper", "ravdess+savee+emodb", "net", "Net", "WA", "test", None, None)
    assert Result(*about, cells).name_place(str.upper) == "RAVDESS+SAVEE → EMODB"
    cells |= {"published": Cell("published", 0.5)}
    assert Result(*about, cells).place == "ravdess+savee+emodb"


def test_the_headline_is_the_number_that_loses_most_on_unseen_speakers_of_those_that_are_complete():
    def result(title, published, unseen, missing="", deviations=()):
        cell = Cell("u", unseen, missing=missing, deviations=deviations)
        cells = dict.fromkeys(ROLES, Cell()) | {"unseen": cell}
        return Result("p", "toy", title, title, "WA", "test", None, published, cells)

    high, falls = result("high", 0.99, 0.9), result("falls", 0.9, 0.4)
    unfinished, unprinted = result("unfinished", 0.95, 0.1, "1 of 6 folds"), result("unprinted", None, 0.1)
    shortened = result("shortened", 0.9, 0.2, deviations=("training.epochs: 2 instead of 50",))
    assert find_headline([high, falls, unfinished, unprinted, shortened]) == falls
    assert find_headline([unfinished, unprinted]) == unfinished
    assert find_headline([unprinted, shortened]) == shortened
    assert find_headline([unprinted]) is None
    kept = replace(result("its own protocol is unseen", 0.9, None), cells=dict.fromkeys(ROLES, Cell()))
    kept.cells.update(published=Cell("p", 0.88), unseen=Cell(note=SAME))
    assert find_headline([kept, falls]) == falls


def test_originals_alone_stand_beside_a_number_of_the_test_part_only():
    """Of a validation part that is tested with its copies too, they would be other recordings."""
    told = published("UA", "validation", 0.7, corpus="toy", protocol="first")
    alone = score(part=ORIGINALS, value=0.9)
    assert judged(record(), score(), alone).cells["published"].originals == 0.9
    assert judged(record(published=[told]), score(part="validation"), alone).cells["published"].originals is None


def told_of(*results):
    """What is told of results whose titles are capitals: titles and percentages, in its order."""
    return re.findall(r"\b[A-Z]\b|[\d.]+(?= %)", "".join(tell_extremes(results)))


def test_the_end_of_a_run_tells_the_nearest_and_the_farthest_result():
    """Ours are 72 %; one above its published number is not the farthest below."""
    far, near, above = (
        judged(record(value, systems={"net": system(title, *NAMES)}), score())
        for title, value in (("F", 0.97), ("N", 0.75), ("A", 0.5))
    )
    assert told_of(far, near) == ["N", "72.0", "75.0", "F", "72.0", "97.0"]
    assert told_of(far) == ["F", "72.0", "97.0"]
    assert told_of(above, near) == ["N", "72.0", "75.0"]


def test_without_published_numbers_it_tells_the_best_and_the_worst_on_unseen_speakers():
    cells = dict.fromkeys(ROLES, Cell())
    about = {"paper": "p", "corpus": "mine", "system": "s", "metric": "WA", "part": "test", "epoch": None}
    found = [
        Result(**about, title=title, published=None, cells=cells | {"unseen": Cell("u", value)})
        for title, value in (("A", 0.4), ("B", 0.6), ("C", 0.5))
    ]
    assert told_of(*found) == ["B", "60.0", "A", "40.0"]
    assert told_of() == []


def test_a_number_among_other_emotions_than_its_row_says_how_many():
    """Under the paper's protocol three emotions are told apart, on unseen speakers two."""
    guesses = [
        score(name, metric="WA", value=1 / n, system="chance (uniform)", source="chance")
        for name, n in (("first", 3), ("second", 2))
    ]
    result = judged(record(), score(), score("second", value=0.8), *guesses)
    assert result.cells["unseen"].note == "2 emotions"
    assert result.cells["published"].note == ""


def test_a_paper_that_is_speaker_independent_can_lose_most_too():
    own = score(corpus="iemocap", metric="WA", value=0.5)
    found = compare_papers([satt()], Scores((own,)))
    assert find_headline(found).shown("unseen").value == 0.5
