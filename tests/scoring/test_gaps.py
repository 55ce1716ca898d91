"""Differences between a paper's systems and protocols, from runs in folders."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from serflow.papers.names import ROLES
from serflow.runs import read_runs
from serflow.scoring.gaps import find_contradictions, find_gaps, read_gaps, subtract_runs, write_gaps
from serflow.scoring.results import Cell, Result
from toy_paper import PARTS, PROTOCOLS, make_record, published, system

CONTROL = {"kind": "random", "title": "control", "parts": PARTS, "role": "control", "copies": {"noise": {}}}
LEAK = {"kind": "augmented", "title": "copies first", "parts": PARTS, "copies": {"noise": {}}}


def rows(right, *, copies=False):
    """All 48 test utterances; of each speaker the first `right` are recognised, no copy is."""
    found = [(f"u{s}_{k}", "test", "sad", "sad" if k < right else "happy") for s in range(8) for k in range(6)]
    return found + ([(f"{name}#noise", "test", "sad", "happy") for name, *_ in found] if copies else [])


def only(gaps, **wanted):
    (gap,) = [gap for gap in gaps if all(getattr(gap, key) == value for key, value in wanted.items())]
    return gap


def test_a_difference_that_every_speaker_shares_has_no_width_and_the_test_is_binomial(make_run, speakers, tmp_path):
    systems = {"net": system("Net"), "other": system("Other")}
    runs = read_runs([make_run(rows(5), system="net"), make_run(rows(2), system="other")])
    gaps = find_gaps(make_record(systems=systems), runs, speakers)
    gap = only(gaps, metric="WA", part="test")
    assert (gap.first_system, gap.second_system, gap.method, gap.unit) == (
        "net",
        "other",
        "same recordings",
        "speakers",
    )
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.5, 0.5, 0.5))
    assert gap.p == gap.p_holm == pytest.approx(stats.binomtest(0, 24).pvalue)
    assert only(gaps, metric="UA", part="test").p is None  # the test is of WA
    write_gaps(gaps, tmp_path / "gaps.csv")
    assert [gap.metric for gap in read_gaps(tmp_path / "gaps.csv")] == [gap.metric for gap in gaps]


def test_copies_of_a_recording_are_no_recordings_of_their_own_in_the_test(make_run, speakers):
    found = [*rows(5), *((f"{name}#noise", *rest) for name, *rest in rows(5))]
    worse = [*rows(2), *((f"{name}#noise", *rest) for name, *rest in rows(2))]
    runs = read_runs([make_run(found), make_run(worse, system="other")])
    gap = only(subtract_runs(runs[:1], runs[1:], "test", speakers), metric="WA")
    assert gap.p == pytest.approx(stats.binomtest(0, 24).pvalue)


def test_several_pairs_are_corrected_together(make_run, speakers):
    systems = {name: system(name) for name in ("net", "other", "third")}
    runs = [make_run(rows(n), system=name) for name, n in (("net", 5), ("other", 4), ("third", 2))]
    gaps = [gap for gap in find_gaps(make_record(systems=systems), read_runs(runs), speakers) if gap.metric == "WA"]
    p = {gap.second_system: (gap.p, gap.p_holm) for gap in gaps if gap.first_system == "net"}
    assert p["other"][0] == pytest.approx(stats.binomtest(0, 8).pvalue)
    assert p["other"][1] == pytest.approx(p["other"][0])  # the largest of three
    assert p["third"][1] == pytest.approx(3 * stats.binomtest(0, 24).pvalue)  # the smallest


def test_validation_parts_are_compared_under_the_protocol_that_the_paper_prints_them_of(make_run, speakers):
    found = [[(name, part, *rest) for part in ("test", "validation") for name, _, *rest in rows(n)] for n in (5, 2)]
    protocols, systems = ("published", "speaker_independent"), {"net": system("Net"), "other": system("Other")}
    runs = [make_run(found[n], system=name, protocol=one) for one in protocols for n, name in enumerate(systems)]
    gaps = [gap for gap in find_gaps(make_record(systems=systems), read_runs(runs), speakers) if gap.metric == "WA"]
    pairs = {(gap.part, gap.first_protocol) for gap in gaps if gap.first_system != gap.second_system}
    assert pairs == {("test", "published"), ("test", "speaker_independent"), ("validation", "published")}


def test_a_random_split_less_unseen_speakers_draws_speakers_jointly(make_run, speakers):
    """Half of the utterances are tested under the random split, all under the other: the same eight speakers."""
    runs = [make_run(rows(6)[::2]), make_run(rows(3), protocol="speaker_independent")]
    gap = only(find_gaps(make_record(), read_runs(runs), speakers), metric="WA", part="test")
    assert (gap.first_protocol, gap.second_protocol) == ("published", "speaker_independent")
    assert (gap.method, gap.p) == ("same speakers", None)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.5, 0.5, 0.5))


def test_the_leak_is_compared_with_its_control_on_original_recordings(make_run, speakers):
    record = make_record(
        protocols=PROTOCOLS | {"leak": LEAK, "control": CONTROL},
        systems={"net": system("Net", "published", "leak", "control")},
    )
    runs = [make_run(rows(6, copies=True), protocol="leak"), make_run(rows(3), protocol="control")]
    gap = only(find_gaps(record, read_runs(runs), speakers), metric="WA", part="test")
    assert (gap.first_protocol, gap.second_protocol) == ("leak", "control")
    assert gap.value == pytest.approx(0.5)


def test_a_paper_that_copies_before_it_splits_is_compared_on_original_recordings_too(make_run, speakers):
    record = make_record(
        protocols={"published": LEAK | {"role": "published"}, "control": CONTROL},
        systems={"net": system("Net", "published", "control")},
    )
    runs = [make_run(rows(3), protocol="control"), make_run(rows(6, copies=True))]
    gap = only(find_gaps(record, read_runs(runs), speakers), metric="WA", part="test")
    assert (gap.first_protocol, gap.second_protocol) == ("control", "published")
    assert gap.value == pytest.approx(-0.5)


def test_protocols_of_two_papers_that_are_called_alike_are_not_one(make_run, speakers):
    """One paper splits at random, the other by speakers, in two folds: of these too all speakers are compared."""
    folds = [[row for row in rows(3) if row[0][1] in tested] for tested in ("0123", "4567")]
    other = [make_run(folds[n], fold=n, paper="other") for n in (0, 1)]
    runs = read_runs([make_run(rows(6)), *other])
    gap = only(subtract_runs(runs[:1], runs[1:], "test", speakers), metric="WA")
    assert (gap.unit, gap.n_units) == ("speakers", 8)


def test_copies_in_training_are_compared_with_none_on_unseen_speakers(make_run, speakers):
    independent = {"kind": "speakers", "title": "copies", "role": "unseen_control", "copies": {"noise": {}}}
    record = make_record(
        protocols=PROTOCOLS | {"copied": independent},
        systems={"net": system("Net", "published", "speaker_independent", "copied")},
    )
    runs = [make_run(rows(5), protocol="copied"), make_run(rows(2), protocol="speaker_independent")]
    gap = only(find_gaps(record, read_runs(runs), speakers), metric="WA")
    assert (gap.first_protocol, gap.second_protocol) == ("copied", "speaker_independent")
    assert gap.value == pytest.approx(0.5)


def test_fewer_than_six_speakers_are_resampled_by_utterance(make_run, speakers):
    """Closed form: the difference of 30 paired utterances, of which 15 differ, is binomial."""
    few = [row for row in rows(5) if row[0][1] in "01234"]
    other = [(*row[:3], "sad" if row[0][3] in "01" else "happy") for row in few]
    runs = read_runs([make_run(few), make_run(other, system="other")])
    gap = only(subtract_runs(runs[:1], runs[1:], "test", speakers), metric="WA")
    assert (gap.unit, gap.n_units) == ("utterances", 30)
    assert (gap.low, gap.high) == pytest.approx(stats.binom(30, 0.5).ppf([0.025, 0.975]) / 30, abs=1 / 30)


def test_six_speakers_are_enough_to_be_resampled(make_run, speakers):
    six, worse = ([row for row in rows(n) if row[0][1] in "012345"] for n in (5, 2))
    runs = read_runs([make_run(six), make_run(worse, system="other")])
    gap = only(subtract_runs(runs[:1], runs[1:], "test", speakers), metric="WA")
    assert (gap.unit, gap.n_units) == ("speakers", 6)


@pytest.mark.parametrize(("tested", "unit", "n"), [("012345", "speakers", 6), ("01", "utterances", 12)])
def test_where_one_side_is_unfinished_its_speakers_alone_are_compared(make_run, speakers, tested, unit, n):
    """The other side recognises nothing of the speakers who are still missing, which is no difference yet."""
    finished = [row if row[0][1] in tested else (*row[:3], "happy") for row in rows(5)]
    unfinished = [row for row in rows(2) if row[0][1] in tested]
    runs = read_runs([make_run(finished), make_run(unfinished, system="other")])
    gap = only(subtract_runs(runs[:1], runs[1:], "test", speakers), metric="WA")
    assert (gap.method, gap.unit, gap.n_units) == ("same recordings", unit, n)
    assert gap.value == pytest.approx(0.5)
    assert gap.p == pytest.approx(stats.binomtest(0, 3 * len(tested)).pvalue)


def test_where_one_side_lacks_a_seed_the_others_alone_are_compared(make_run, speakers):
    """Under a random split another seed tests other recordings, and starts from other weights."""
    finished = [make_run(rows(right), seed=seed) for seed, right in ((0, 0), (1, 5), (2, 4))]
    unfinished = [make_run(rows(2), seed=seed, system="other") for seed in (1, 2)]
    runs = read_runs([*finished, *unfinished])
    assert only(subtract_runs(runs[:3], runs[3:], "test", speakers), metric="WA").value == pytest.approx(2.5 / 6)
    other = read_runs([make_run(rows(3), seed=seed, protocol="speaker_independent") for seed in (1, 2)])
    gap = only(subtract_runs(runs[:3], other, "test", speakers), metric="WA")
    assert gap.value == pytest.approx(0)  # between protocols a seed means nothing in common


@pytest.mark.parametrize("protocol", ["speaker_independent", "published"])
def test_where_a_seed_of_one_side_lacks_a_fold_the_same_networks_are_compared(make_run, speakers, protocol):
    """Both sides recognise the same, seed for seed and fold for fold: of the missing fold all, else nothing."""
    folds = [[row for row in rows(right) if row[0][1] in tested] for right, tested in ((6, "0123"), (0, "4567"))]
    grouped = {"protocol": "speaker_independent"}
    finished = [make_run(folds[f], seed=seed, fold=f, **grouped) for seed in (0, 1) for f in (0, 1)]
    other = {"system": "other", "protocol": protocol}
    unfinished = [make_run(folds[f], seed=seed, fold=f, **other) for seed, f in ((0, 0), (0, 1), (1, 1))]
    runs = read_runs([*finished, *unfinished])
    for first, second in ((runs[:4], runs[4:]), (runs[4:], runs[:4])):
        gap = only(subtract_runs(first, second, "test", speakers), metric="WA")
        assert (gap.value, gap.low, gap.high) == (0, 0, 0)
        assert gap.p == (1 if protocol == "speaker_independent" else None)  # between protocols one seed against two


def test_test_parts_that_share_no_speaker_are_drawn_apart(make_run, speakers):
    """Closed form: each side is binomial in its 24 utterances."""
    left, right = [row for row in rows(5) if row[0][1] in "0123"], [row for row in rows(2) if row[0][1] in "4567"]
    runs = read_runs([make_run(left), make_run(right, system="other")])
    gap = only(subtract_runs(runs[:1], runs[1:], "test", speakers), metric="WA")
    assert (gap.method, gap.unit, gap.n_units) == ("nothing", "utterances", 48)
    error = np.sqrt(sum(stats.binom(24, share).var() for share in (5 / 6, 2 / 6))) / 24
    assert gap.high - gap.low == pytest.approx(2 * stats.norm.ppf(0.975) * error, rel=0.1)


def test_mcnemars_test_is_of_the_mean_over_all_seeds(make_run, speakers):
    """Two of three seeds recognise everything, the last nothing, as all of the other system."""
    seeds = [make_run(rows(n), seed=seed) for seed, n in enumerate((6, 6, 0))]
    other = [make_run(rows(0), seed=seed, system="other") for seed in range(3)]
    gap = only(subtract_runs(read_runs(seeds), read_runs(other), "test", speakers), metric="WA")
    assert gap.p == pytest.approx(stats.binomtest(0, 48).pvalue)


def test_the_mean_of_three_seeds_is_not_tested_against_one_network(make_run, speakers):
    """It recognises what two of three recognise, here more than any of them and than the other side's one."""
    wrong = [
        [(*row[:3], "happy" if row[0][-1] in missed else "sad") for row in rows(6)] for missed in ("01", "23", "45")
    ]
    seeds = [make_run(found, seed=seed, protocol="speaker_independent") for seed, found in enumerate(wrong)]
    gap = only(subtract_runs(read_runs([make_run(rows(4))]), read_runs(seeds), "test", speakers), metric="WA")
    assert (gap.value, gap.method, gap.p) == (pytest.approx(0), "same recordings", None)


def test_the_test_takes_what_a_single_network_predicts_even_where_its_posteriors_say_otherwise(make_run, speakers):
    """As an SVM's can where the votes of its pairs of classes tie. Of 48 recordings 24 and 16 are recognised."""
    first, second = read_runs([make_run(rows(3)), make_run(rows(2), system="other")])
    flat = [replace(run, posteriors=np.ones_like(run.posteriors)) for run in (first, second)]
    gap = only(subtract_runs(flat[:1], flat[1:], "test", speakers), metric="WA")
    assert gap.p == pytest.approx(stats.binomtest(0, 8).pvalue)  # eight recordings are recognised by the first alone


def test_an_order_of_the_paper_that_ours_contradicts_is_told(make_run, speakers):
    systems = {"net": system("Net"), "other": system("Other")}
    told = [published("WA", "test", 0.6), published("WA", "test", 0.5, system="other")]
    record = make_record(systems=systems, published=told)
    for right, contradicted in ((2, True), (5, False)):
        runs = [make_run(rows(right), seed=right), make_run(rows(4), system="other", seed=right)]
        gaps = find_gaps(record, read_runs(runs), speakers)
        assert len(find_contradictions(record, gaps, [])) == contradicted
        known = {"value": right / 6, "seeds": 1}
        for told in find_contradictions(record, gaps, [ours("net", missing="1 of 3 seeds", **known)]):
            assert told.startswith("The paper's order is not judged (only 1 of 3 seeds)")
        # Ours differ by 33 points, which is half of 1.96 · √2 · 24: with 24 points between seeds nothing is told.
        unsure = [ours(name, seed_variance=0.24**2, **known) for name in systems]
        assert find_contradictions(record, gaps, unsure) == []


def ours(system, **cell):
    cells = dict.fromkeys(ROLES, Cell()) | {"published": Cell("published", **cell)}
    return Result("toypaper", "toy", system, system, "WA", "test", None, 0.5, cells)


def test_what_has_no_test_part_or_other_labels_has_no_difference(make_run, speakers):
    runs = read_runs([make_run(rows(5)), make_run([("u0_0", "train", "sad", "sad")], system="other")])
    assert subtract_runs(runs[:1], runs[1:], "test", speakers) == []
    other = read_runs([make_run(rows(5), system="third", labels=("happy", "sad"))])
    assert subtract_runs(runs[:1], other, "test", speakers) == []
    assert not np.isnan([gap.value for gap in subtract_runs(runs[:1], runs[:1], "test", speakers)]).any()
