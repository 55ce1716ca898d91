from collections import Counter
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serflow import corpora as corpora_package
from serflow.errors import ConfigError, SplitError
from serflow.io.files import write_csv, write_json
from serflow.items import item_id, items_of, parse_item
from serflow.protocols import split as splits
from serflow.protocols.assignment import COLUMNS, read_fold
from serflow.protocols.base import LEAKS, speaker_folds
from serflow.protocols.registry import make_protocol

EMOTIONS = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
#: EmoBox's test actors of RAVDESS, fold by fold.
EMOBOX = [
    {"01", "11", "20", "21"},
    {"04", "10", "12", "14"},
    {"08", "09", "19", "23"},
    {"03", "05", "07", "24"},
    {"02", "15", "16", "18"},
    {"06", "13", "17", "22"},
]
RANDOM = {"kind": "random", "parts": {"train": 0.8, "validation": 0.1, "test": 0.1}}
SPEAKERS = {"kind": "speakers"}
COPIES = {"noise": {"snr_db": 15.0}, "stretch": {"rate": 1.1}}
AUGMENTED = {"kind": "augmented", "copies": COPIES, "parts": {"train": 0.8, "validation": 0.1, "test": 0.1}}


def row(speaker, emotion, number, sex="male", sha1=None, statement="", corpus="ravdess"):
    name = f"{speaker}-{emotion}-{number}"
    return {
        "corpus": corpus,
        "utterance": name,
        "speaker": speaker,
        "sex": sex,
        "emotion": emotion,
        "statement": statement,
        "sha1": sha1 or name,
    }


def split(protocol, rows, labels, corpora, seed, select=None):
    return splits.split(make_protocol(protocol), rows, labels, corpora, seed, select)


def leakage(assignment, rows, corpora=None):
    return splits.leakage(assignment, rows, corpora or sorted({r["corpus"] for r in rows}))


def check(protocol, report, where):
    splits.check_split(make_protocol(protocol), report, where)


def count_folds(protocol, corpora):
    return make_protocol(protocol).count_folds(corpora)


def shared(fold, part="train"):
    """Leak -> number of test recordings that share it with a part."""
    return {leak: count["shared"] for leak, count in fold["test_recordings"][part].items()}


def base_of(item):
    return item.partition("#")[0]


@pytest.fixture(scope="module")
def ravdess():
    """RAVDESS's shape: 24 actors, 4 neutral utterances and 8 of each other emotion, two statements, one double."""
    rows = [
        row(f"{a:02d}", emotion, n, "male" if a % 2 else "female", statement=f"{n % 2 + 1:02d}")
        for a in range(1, 25)
        for emotion in EMOTIONS
        for n in range(4 if emotion == "neutral" else 8)
    ]
    assert len(rows) == 1440
    rows[5]["sha1"] = rows[4]["sha1"]
    return rows


@pytest.fixture(scope="module")
def savee():
    return [
        row(speaker, emotion, n, corpus="savee")
        for speaker in ("DC", "JE", "JK", "KL")
        for emotion in EMOTIONS[2:]
        for n in range(5)
    ]


def by_fold(assignment):
    """Fold -> utterance -> part."""
    folds = {}
    for entry in assignment:
        assert entry["utterance"] not in folds.setdefault(entry["fold"], {})
        folds[entry["fold"]][entry["utterance"]] = entry["part"]
    return folds


def speakers_of(parts, rows):
    """Part -> speakers."""
    union = len({r["corpus"] for r in rows}) > 1
    speaker = {f"{r['corpus']}/{r['utterance']}" if union else r["utterance"]: r["speaker"] for r in rows}
    return {
        part: {speaker[u] for u, p in parts.items() if p == part} for part in ("train", "validation", "test", "unused")
    }


def test_the_folds_of_ravdess_are_emobox_whatever_the_seed(ravdess):
    assert [{name.removeprefix("ravdess/") for name in fold} for fold in speaker_folds(["ravdess"])] == EMOBOX
    assignment = split(SPEAKERS, ravdess, EMOTIONS, ["ravdess"], 0)
    assert [speakers_of(parts, ravdess)["test"] for parts in by_fold(assignment).values()] == EMOBOX
    assert split(SPEAKERS, ravdess, EMOTIONS, ["ravdess"], 9) == assignment


def test_validation_speakers_are_training_speakers_one_of_each_sex(ravdess):
    """Of the next fold; fold 0, which all women of EmoBox's second list follow, takes its man from the list after."""
    sex = {r["speaker"]: r["sex"] for r in ravdess}
    assert {sex[s] for s in EMOBOX[1]} == {"female"}
    validators = []
    for parts in by_fold(split(SPEAKERS, ravdess, EMOTIONS, ["ravdess"], 0)).values():
        found = speakers_of(parts, ravdess)
        assert sorted(sex[s] for s in found["validation"]) == ["female", "male"]
        assert not found["train"] & found["test"]
        assert not found["validation"] & (found["test"] | found["train"])
        assert Counter(parts.values()) == {"train": 18 * 60, "validation": 2 * 60, "test": 4 * 60}
        validators.append(found["validation"])
    assert len({frozenset(v) for v in validators}) == 6  # not always the same ones


@pytest.mark.parametrize("sizes", [(1152, 144, 144), (720, 288, 432), (1008, 144, 288)])
def test_a_random_split_has_the_fractions_of_every_class(ravdess, sizes):
    fractions = {part: size / 1440 for part, size in zip(("train", "validation", "test"), sizes, strict=True)}
    folds = by_fold(split({"kind": "random", "parts": fractions}, ravdess, EMOTIONS, ["ravdess"], 0))
    assert list(folds) == [0]
    assert tuple(Counter(folds[0].values())[part] for part in fractions) == sizes
    emotion = {r["utterance"]: r["emotion"] for r in ravdess}
    counts = Counter((emotion[u], part) for u, part in folds[0].items())
    for name in EMOTIONS:
        total = 96 if name == "neutral" else 192
        for part, fraction in fractions.items():
            assert abs(counts[name, part] - fraction * total) < 1.5  # two draws, each off by less than one


def test_a_split_that_is_not_stratified_leaves_the_emotions_to_chance(ravdess):
    """Of 192 utterances of an emotion 19 in 144 test by the fractions; drawn from all, some 4 more or less."""
    emotion = {r["utterance"]: r["emotion"] for r in ravdess}
    counts = []
    for seed in range(20):
        (parts,) = by_fold(split(RANDOM | {"stratify": False}, ravdess, EMOTIONS, ["ravdess"], seed)).values()
        assert Counter(parts.values()) == {"train": 1152, "validation": 144, "test": 144}
        counts += [sum(part == "test" and emotion[u] == name for u, part in parts.items()) for name in EMOTIONS[1:]]
    # Hypergeometric: 1440 items, 192 of the emotion, 144 drawn
    assert abs(sum(counts) / len(counts) - 19.2) < 1
    assert 3 < (sum((n - 19.2) ** 2 for n in counts) / len(counts)) ** 0.5 < 4.8


def test_a_random_split_depends_on_the_seed_and_on_nothing_else(ravdess):
    one, again, other = (split(RANDOM, ravdess, EMOTIONS, ["ravdess"], seed) for seed in (1, 1, 2))
    assert one == again
    test = [{e["utterance"] for e in s if e["part"] == "test"} for s in (one, other)]
    assert len(test[0] & test[1]) < 72  # by chance a tenth of 144


def test_a_class_too_small_to_divide_is_an_error():
    rows = [row("01", "happy", n) for n in range(20)] + [row("01", "sad", 0)]
    with pytest.raises(SplitError, match="21 items"):
        split(RANDOM, rows, ["happy", "sad"], ["ravdess"], 0)


def test_a_fold_without_a_speaker_is_an_error(ravdess):
    rows = [r for r in ravdess if r["speaker"] not in EMOBOX[3]]
    with pytest.raises(SplitError, match="no speaker of fold 3") as caught:
        split(SPEAKERS, rows, EMOTIONS, ["ravdess"], 0)
    assert caught.value.where == "ravdess"
    assert all(speaker in caught.value.fault for speaker in EMOBOX[3])


def test_an_unknown_kind_is_an_error(ravdess):
    with pytest.raises(ConfigError, match="'grouped'"):
        split({"kind": "grouped"}, ravdess, EMOTIONS, ["ravdess"], 0)


def test_the_folds_of_savee_are_emobox():
    assert speaker_folds(["savee"]) == [["savee/JE"], ["savee/KL"], ["savee/DC"], ["savee/JK"]]


def test_savee_has_one_speaker_to_test_one_to_validate_and_two_to_train(savee):
    assert (count_folds(SPEAKERS, ["savee"]), count_folds(RANDOM, ["savee"])) == (4, 1)
    for parts in by_fold(split(SPEAKERS, savee, EMOTIONS, ["savee"], 0)).values():
        found = speakers_of(parts, savee)
        assert [len(found[part]) for part in ("train", "validation", "test")] == [2, 1, 1]


def test_the_leakage_report_counts_what_stands_on_both_sides():
    rows = [
        row("01", "happy", 0, statement="01", sha1="a"),
        row("01", "sad", 0, statement="02", sha1="b"),
        row("02", "happy", 0, statement="01", sha1="a"),
        row("03", "happy", 0, statement="03", sha1="c"),
        row("03", "calm", 0, statement="03", sha1="d"),
        row("04", "calm", 0, statement="01", sha1="a"),
    ]
    parts = ["train", "validation", "test", "test", "train", "unused"]
    other = ["test", "train", "train", "unused", "unused", "unused"]
    names = [r["utterance"] for r in rows]
    assignment = [
        {"utterance": name, "fold": k, "part": part}
        for k, fold in enumerate((parts, other))
        for name, part in zip(names, fold, strict=True)
    ]
    first, second = (
        {leak: {"shared": n, "unknown": 0} for leak, n in zip(LEAKS, counts, strict=True)}
        for counts in ((1, 2, 1, 0), (1, 1, 1, 0))
    )
    assert leakage(assignment, rows) == {
        "folds": [
            {
                "fold": 0,
                "parts": {"test": 2, "train": 2, "unused": 1, "validation": 1},
                "speakers": ["03"],
                "statements": ["01", "03"],
                "identical_recordings": ["a"],
                "augmented_siblings": [],
                "test_recordings": {"train": first, "train_or_validation": first},
            },
            {
                "fold": 1,
                "parts": {"test": 1, "train": 2, "unused": 3},
                "speakers": ["01"],
                "statements": ["01"],
                "identical_recordings": ["a"],
                "augmented_siblings": [],
                "test_recordings": {"train": second, "train_or_validation": second},
            },
        ]
    }


def test_the_reports_of_ravdess(ravdess):
    """A random split shares everything with its test part; unseen speakers still say the same two sentences."""
    random = leakage(split(RANDOM, ravdess, EMOTIONS, ["ravdess"], 0), ravdess)["folds"]
    assert (len(random[0]["speakers"]), random[0]["statements"]) == (24, ["01", "02"])
    counts = shared(random[0])
    assert (counts["speakers"], counts["statements"], counts["augmented_siblings"]) == (144, 144, 0)
    for fold in leakage(split(SPEAKERS, ravdess, EMOTIONS, ["ravdess"], 0), ravdess)["folds"]:
        assert (fold["speakers"], fold["statements"], fold["identical_recordings"]) == ([], ["01", "02"], [])
        assert fold["parts"]["test"] == 4 * 60
        expected = dict.fromkeys(LEAKS, 0) | {"statements": 4 * 60}
        assert shared(fold) == shared(fold, "train_or_validation") == expected


def test_what_only_validation_shares_is_counted_apart():
    rows = [row("01", "happy", n, statement=said, sha1=sha1) for n, said, sha1 in ((0, "01", "a"), (1, "02", "b"))]
    rows += [row("02", "sad", n, statement=said, sha1=sha1) for n, said, sha1 in ((0, "02", "b"), (1, "03", "c"))]
    tested = [row("03", "sad", n, statement=said, sha1="b") for n, said in enumerate(("01", "02", "04"))]
    parts = ["train", "train", "validation", "validation", *["test"] * 3]

    def report(parts):
        assignment = [
            {"utterance": r["utterance"], "fold": 0, "part": part}
            for r, part in zip([*rows, *tested], parts, strict=True)
        ]
        (fold,) = leakage(assignment, [*rows, *tested])["folds"]
        return shared(fold), shared(fold, "train_or_validation")

    counts = {"speakers": 0, "statements": 2, "identical_recordings": 3, "augmented_siblings": 0}
    assert report(parts) == (counts, counts)
    moved = ["train", "validation", *parts[2:]]
    assert report(moved) == (counts | {"statements": 1, "identical_recordings": 0}, counts)


@pytest.mark.parametrize(
    ("trained", "tested", "counts"),
    [
        (["hello", "bye"], ["hello", "hello", "yes"], (2, 0)),
        (["hello", ""], ["hello", "hello", "yes"], (2, 1)),  # what is said in the second may be "yes"
        (["hello", "bye"], ["hello", "", "yes"], (1, 1)),
        (["", ""], ["", "", ""], (0, 3)),
    ],
)
def test_a_sentence_that_the_corpus_does_not_tell_is_unknown(trained, tested, counts):
    rows = [row("01", "happy", n, statement=said, corpus="iemocap") for n, said in enumerate(trained)]
    rows += [row("02", "happy", n, statement=said, corpus="iemocap") for n, said in enumerate(tested)]
    parts = ["train"] * len(trained) + ["test"] * len(tested)
    assignment = [{"utterance": r["utterance"], "fold": 0, "part": part} for r, part in zip(rows, parts, strict=True)]
    found = leakage(assignment, rows)["folds"][0]["test_recordings"]["train"]["statements"]
    assert (found["shared"], found["unknown"]) == counts


APART = ["speakers", "identical_recordings", "augmented_siblings"]


@pytest.mark.parametrize(
    ("protocol", "promised"),
    [
        (RANDOM, ["augmented_siblings"]),
        (SPEAKERS, APART),
        ({"kind": "statement_independent"}, ["statements", *APART]),
        ({"kind": "cross_corpus"}, APART),
        (AUGMENTED, []),  # it is the leak
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_split_is_refused_for_what_its_protocol_promises_and_for_nothing_else(protocol, promised):
    for leak in LEAKS:
        report = {"folds": [{"fold": 0} | {key: ["a"] if key == leak else [] for key in LEAKS}]}
        with pytest.raises(SplitError, match=leak.replace("_", " ")) if leak in promised else nullcontext():
            check(protocol, report, "x")


def test_a_planted_speaker_is_found(ravdess):
    assignment = split(SPEAKERS, ravdess, EMOTIONS, ["ravdess"], 0)
    check(SPEAKERS, leakage(assignment, ravdess), "split.csv")
    planted = next(e for e in assignment if e["fold"] == 2 and e["utterance"].startswith("23-"))
    for part in ("train", "validation"):
        planted["part"] = part
        with pytest.raises(SplitError, match=r"fold 2 .*speakers 23") as caught:
            check(SPEAKERS, leakage(assignment, ravdess), "split.csv")
        assert caught.value.where == "split.csv"
        check(RANDOM, leakage(assignment, ravdess), "split.csv")  # a random split promises nothing


def test_a_planted_recording_is_found(ravdess):
    rows = [dict(r) for r in ravdess]
    next(r for r in rows if r["speaker"] == "01")["sha1"] = "same"
    next(r for r in rows if r["speaker"] == "02")["sha1"] = "same"
    report = leakage(split(SPEAKERS, rows, EMOTIONS, ["ravdess"], 0), rows)
    with pytest.raises(SplitError, match=r"identical recordings same.*Remove all but one.*`identical`"):
        check(SPEAKERS, report, "split.csv")


# Augmented copies


@pytest.mark.parametrize("corpora", [["ravdess"], ["ravdess", "savee"]])
@pytest.mark.parametrize("copy", ["", "noise"])
def test_an_id_says_which_item_it_is(corpora, copy):
    (item,) = [item for item in items_of({"corpus": "ravdess", "utterance": "a_01-2"}, ["noise"]) if item.copy == copy]
    assert parse_item(item_id(item, corpora), corpora) == item


def test_augment_then_split_divides_recordings_and_copies_alike(ravdess):
    assignment = split(AUGMENTED, ravdess, EMOTIONS, ["ravdess"], 0)
    assert count_folds(AUGMENTED, ["ravdess"]) == 1
    assert [e["utterance"] for e in assignment] == [
        item for r in ravdess for item in (r["utterance"], f"{r['utterance']}#noise", f"{r['utterance']}#stretch")
    ]
    assert Counter(e["part"] for e in assignment) == {"train": 3456, "validation": 432, "test": 432}
    assert assignment == split(AUGMENTED, ravdess, EMOTIONS, ["ravdess"], 0)
    assert assignment != split(AUGMENTED, ravdess, EMOTIONS, ["ravdess"], 1)


@pytest.mark.parametrize("protocol", [RANDOM, SPEAKERS])
def test_a_control_trains_on_copies_and_tests_what_it_would_without_them(ravdess, protocol):
    control = protocol | {"copies": COPIES}
    assignment = split(control, ravdess, EMOTIONS, ["ravdess"], 0)
    plain = by_fold(split(protocol, ravdess, EMOTIONS, ["ravdess"], 0))
    for k, parts in by_fold(assignment).items():
        assert {item: part for item, part in parts.items() if "#" not in item} == plain[k]
        copies = {item: part for item, part in parts.items() if "#" in item}
        assert len(copies) == 2 * 1440
        assert {item for item, part in copies.items() if part == "train"} == {
            f"{item}#{copy}" for item, part in plain[k].items() if part == "train" for copy in COPIES
        }
        assert set(copies.values()) == {"train", "unused"}
    report = leakage(assignment, ravdess)
    check(control, report, "split")
    assert all(shared(fold, "train_or_validation")["augmented_siblings"] == 0 for fold in report["folds"])


def test_a_validation_part_may_be_left_out(ravdess):
    """Mittal's 75 and 25 %."""
    parts = {"kind": "random", "parts": {"train": 0.75, "test": 0.25}}
    assert Counter(e["part"] for e in split(parts, ravdess, EMOTIONS, ["ravdess"], 0)) == {"train": 1080, "test": 360}


def test_augment_then_split_is_reported_as_the_leak_it_is(ravdess):
    """A test item has both its siblings in test with a chance of about 1 in 100: nearly all utterances leak."""
    assignment = split(AUGMENTED, ravdess, EMOTIONS, ["ravdess"], 0)
    report = leakage(assignment, ravdess)
    parts = {e["utterance"]: e["part"] for e in assignment}
    expected = sorted(
        r["utterance"]
        for r in ravdess
        if len({parts[r["utterance"] + copy] == "test" for copy in ("", "#noise", "#stretch")}) == 2
    )
    assert report["folds"][0]["augmented_siblings"] == expected
    assert 350 < len(expected) < 432
    leaked = [
        item
        for item, part in parts.items()
        if part == "test"
        and "train"
        in {parts[base_of(item) + copy] for copy in ("", "#noise", "#stretch") if base_of(item) + copy != item}
    ]
    counts = shared(report["folds"][0])
    assert counts["augmented_siblings"] == len(leaked) == pytest.approx((1 - 0.2**2) * 432, abs=15)
    assert counts["speakers"] == counts["statements"] == 432
    check(AUGMENTED, report, "split.csv")  # what it is there for
    for protocol in (RANDOM, SPEAKERS):
        with pytest.raises(SplitError, match=r"augmented siblings|speakers"):
            check(protocol, report, "split.csv")


def test_a_planted_sibling_is_found(ravdess):
    for protocol in (RANDOM, SPEAKERS):
        assignment = split(protocol, ravdess, EMOTIONS, ["ravdess"], 0)
        tested = next(e for e in assignment if e["part"] == "test")
        copy = tested | {"utterance": f"{tested['utterance']}#noise", "part": "train"}
        report = leakage([*assignment, copy], ravdess)
        assert report["folds"][0]["augmented_siblings"] == [tested["utterance"]]
        message = "augmented siblings" if protocol is RANDOM else "speakers"
        with pytest.raises(SplitError, match=message):
            check(protocol, report, "split.csv")


def test_copies_of_identical_recordings_are_identical():
    """A recording kept under two names: its two originals leak, and so do its two pitch copies; a noise copy not."""
    rows = [row("01", "happy", 0, sha1="a"), row("01", "happy", 1, sha1="a")]
    one, two = (r["utterance"] for r in rows)

    def shared(train, test):
        found = [{"utterance": u, "fold": 0, "part": part} for u, part in ((train, "train"), (test, "test"))]
        return leakage(found, rows)["folds"][0]["identical_recordings"]

    assert shared(one, two) == ["a"]
    assert shared(f"{one}#pitch", f"{two}#pitch") == ["a"]
    assert shared(one, f"{two}#pitch") == []


@st.composite
def any_corpora(draw):
    """A partial RAVDESS and SAVEE together or one of them, with recordings that stand twice under one speaker."""
    names = draw(st.sampled_from([["ravdess"], ["savee"], ["ravdess", "savee"]]))
    folds = {"ravdess": EMOBOX, "savee": [{"JE"}, {"KL"}, {"DC"}, {"JK"}]}
    rows = []
    for corpus in names:
        for fold in folds[corpus]:
            for speaker in draw(st.lists(st.sampled_from(sorted(fold)), min_size=1, unique=True)):
                sex = draw(st.sampled_from(["male", "female"]))
                for emotion in EMOTIONS[2:5]:
                    for n in range(draw(st.integers(4, 6))):
                        sha1 = f"{speaker}/{emotion}/{draw(st.integers(0, 3))}"
                        rows.append(row(speaker, emotion, n, sex, sha1, corpus=corpus))
    return names, draw(st.permutations(rows))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    drawn=any_corpora(),
    protocol=st.sampled_from([RANDOM, SPEAKERS, AUGMENTED]),
    labels=st.lists(st.sampled_from(EMOTIONS[2:5]), min_size=2, unique=True),
    seed=st.integers(0, 9),
)
def test_nothing_crosses_a_split_where_its_protocol_forbids_it(drawn, protocol, labels, seed):
    """Worked out here from the split alone; the leakage report must tell the same."""
    names, rows = drawn
    manifest = {item_id(items_of(r)[0], names): {**r, "speaker": f"{r['corpus']}/{r['speaker']}"} for r in rows}
    assignment = split(protocol, rows, labels, names, seed)
    report = leakage(assignment, rows, names)
    check(protocol, report, "x")
    folds = by_fold(assignment)
    assert len(folds) == len(report["folds"]) == count_folds(protocol, names)
    tested = Counter(u for parts in folds.values() for u, part in parts.items() if part == "test")
    if protocol is SPEAKERS:
        assert tested == dict.fromkeys((u for u, r in manifest.items() if r["emotion"] in labels), 1)
    for k, parts in folds.items():
        seen, test = ({u for u, p in parts.items() if p in sides} for sides in (("train", "validation"), ("test",)))
        assert test
        assert {u for u, part in parts.items() if part != "unused"} == seen | test
        assert {u for u in parts if manifest[base_of(u)]["emotion"] in labels} == seen | test
        assert {"train", "validation"} <= set(parts.values())
        crossing = {
            column: {manifest[base_of(u)][column] for u in seen} & {manifest[base_of(u)][column] for u in test}
            for column in ("speaker", "sha1")
        }
        siblings = set(map(base_of, seen)) & set(map(base_of, test))
        place = "" if len(names) > 1 else f"{names[0]}/"
        assert [f"{place}{speaker}" for speaker in report["folds"][k]["speakers"]] == sorted(crossing["speaker"])
        assert report["folds"][k]["augmented_siblings"] == sorted(parse_item(u, names).utterance for u in siblings)
        trained = {base_of(u) for u, part in parts.items() if part == "train"}
        counts = shared(report["folds"][k])
        assert counts["augmented_siblings"] == sum(base_of(u) in trained for u in test)
        heard = {manifest[u]["speaker"] for u in trained}
        assert counts["speakers"] == sum(manifest[base_of(u)]["speaker"] in heard for u in test)
        if protocol is not AUGMENTED:
            assert not siblings
            assert not any("#" in u for u in parts)
            assert report["folds"][k]["identical_recordings"] == sorted(crossing["sha1"])
        if protocol is SPEAKERS:
            assert crossing == {"speaker": set(), "sha1": set()}


# Of a held-out fold one sex validates, the other tests; parts of a corpus


@pytest.fixture(scope="module")
def iemocap():
    """Two speakers a session, two emotions, scripted and improvised dialogues."""
    return [
        row(f"Ses{k:02d}{sex}", emotion, n, "female" if sex == "F" else "male", corpus="iemocap")
        | {"scenario": scenario}
        for k in range(1, 6)
        for sex in "FM"
        for scenario, emotion, n in (("improvised", "happy", 0), ("scripted", "happy", 1), ("improvised", "sad", 0))
    ]


@pytest.mark.parametrize(("validation", "sexes"), [("female", "F"), ("male", "M"), ("both", "FM")])
def test_of_a_held_out_session_one_speaker_validates_and_the_other_tests(iemocap, validation, sexes):
    protocol = {"kind": "speakers", "validation": validation}
    assignment = split(protocol, iemocap, ["happy", "sad"], ["iemocap"], 0)
    folds = by_fold(assignment)
    assert len(folds) == count_folds(protocol, ["iemocap"]) == 5 * len(sexes)
    for k, parts in folds.items():
        found, session, sex = speakers_of(parts, iemocap), k % 5 + 1, sexes[k // 5]
        assert found["validation"] == {f"Ses0{session}{sex}"}
        assert found["test"] == {f"Ses0{session}{'M' if sex == 'F' else 'F'}"}
        assert {s[:5] for s in found["train"]} == {f"Ses0{n}" for n in range(1, 6) if n != session}
    check(protocol, leakage(assignment, iemocap), "x")


def test_a_fold_of_one_sex_cannot_be_divided_by_sex(ravdess):
    with pytest.raises(SplitError, match=r"fold 1 nobody left to test.*`validation`"):
        split({"kind": "speakers", "validation": "female"}, ravdess, EMOTIONS, ["ravdess"], 0)


def test_a_selection_leaves_the_rest_of_its_corpus_unused(iemocap, savee):
    select = {"iemocap": {"scenario": "improvised"}}
    rows = [*iemocap, *savee]
    parts = {e["utterance"]: e["part"] for e in split(RANDOM, rows, ["happy", "sad"], ["iemocap", "savee"], 0, select)}
    unused = {u for u, part in parts.items() if part == "unused" and u.startswith("iemocap/")}
    assert unused == {f"iemocap/{r['utterance']}" for r in iemocap if r["scenario"] == "scripted"}
    assert any(part != "unused" for u, part in parts.items() if u.startswith("savee/"))


def test_a_statement_is_of_one_corpus_and_an_empty_one_is_none():
    rows = [
        *(row("01", emotion, 0, statement=said) for emotion, said in (("happy", "01"), ("sad", ""))),
        *(row("DC", emotion, 0, statement=said, corpus="savee") for emotion, said in (("happy", "01"), ("sad", ""))),
        row("02", "sad", 1),
    ]
    parts = ("train", "train", "test", "test", "test")
    assignment = [
        {"utterance": f"{r['corpus']}/{r['utterance']}", "fold": 0, "part": part}
        for r, part in zip(rows, parts, strict=True)
    ]
    (fold,) = leakage(assignment, rows)["folds"]
    assert fold["statements"] == []
    # RAVDESS's sentence is no sentence of SAVEE's; of the last two it is not known.
    assert fold["test_recordings"]["train"]["statements"] == {"shared": 0, "unknown": 2}


def test_two_corpora_that_share_names_of_speakers_and_utterances_are_kept_apart(monkeypatch, ravdess):
    """RAVDESS beside a corpus whose speakers and utterances have its names, in folds of another order."""
    twin = type("twin", (), {"SPEAKER_FOLDS": tuple(tuple(sorted(fold)) for fold in EMOBOX[::-1])})
    real = corpora_package.load
    monkeypatch.setattr("serflow.protocols.base.load", lambda name: twin if name == "twin" else real(name))
    rows = [*ravdess, *({**r, "corpus": "twin", "sha1": f"twin {r['sha1']}"} for r in ravdess)]
    names = ["ravdess", "twin"]
    assignment = split(SPEAKERS, rows, EMOTIONS, names, 0)
    check(SPEAKERS, leakage(assignment, rows), "x")
    tested = Counter()
    for k, parts in by_fold(assignment).items():
        assert len(parts) == 2880
        test = {item.partition("-")[0] for item, part in parts.items() if part == "test"}
        expected = {f"ravdess/{s}" for s in EMOBOX[k]} | {f"twin/{s}" for s in EMOBOX[5 - k]}
        assert test == expected
        tested.update(item for item, part in parts.items() if part == "test")
    assert set(tested.values()) == {1}
    assert len(tested) == 2880  # each utterance of each corpus is tested once


@pytest.fixture
def written(ravdess, tmp_path):
    """A split and its report as `serflow split` writes them."""
    assignment = split(SPEAKERS, ravdess, EMOTIONS, ["ravdess"], 0)
    write_csv(tmp_path / "seed0.csv", COLUMNS, assignment)
    write_json(tmp_path / "seed0.json", leakage(assignment, ravdess))
    return tmp_path / "seed0.csv", assignment


def test_a_fold_comes_back_as_it_was_split(written):
    path, assignment = written
    for fold in range(6):
        assert read_fold(path, fold) == {row["utterance"]: row["part"] for row in assignment if row["fold"] == fold}


def test_a_split_that_lost_a_row_is_refused_in_the_fold_that_lost_it(written):
    path, assignment = written
    lost = next(row for row in assignment if row["fold"] == 2 and row["part"] == "validation")
    write_csv(path, COLUMNS, [row for row in assignment if row is not lost])
    with pytest.raises(SplitError, match="fold 2") as caught:
        read_fold(path, 2)
    assert caught.value.where == str(path)
    read_fold(path, 1)


@pytest.mark.parametrize("wrong", [{"part": "tset"}, {"fold": "x"}, {"fold": ""}])
def test_a_row_that_is_no_utterance_fold_and_part_is_refused(written, wrong):
    path, assignment = written
    assignment[7] |= wrong
    write_csv(path, COLUMNS, assignment)
    with pytest.raises(SplitError, match="row 8"):
        read_fold(path, 5)
