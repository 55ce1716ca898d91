import pytest

from serflow.io.files import read_csv
from serflow.scoring.studies import TYPES, read_study
from serflow.tables.studies import write_study
from toy_paper import LABELS, PROTOCOLS, make_record, published, system

SYSTEMS = {
    **{name: system(f"Net of {name}", "published", study=True) for name in ("net", "two")},
    "three": system("Net of three"),
    "other": system("Other"),
}
PAPER = {
    "systems": SYSTEMS,
    "studies": {"layers": {"title": "1-3 layers", "said": "two are best", "systems": ["net", "two", "three"]}},
    "protocols": PROTOCOLS | {"speaker_independent": PROTOCOLS["speaker_independent"] | {"corpora": ["toy"]}},
    "published": [],
}


def rows(wrong, fold=0):
    """Two folds of four speakers with six utterances each; of each speaker's, the first `wrong` are called 'sad'."""
    for s in range(4 * fold, 4 * fold + 4):
        for k in range(6):
            label = LABELS[k % 2]
            yield f"u{s}_{k}", "test", label, "sad" if k < wrong else label
    yield "u9", "train", "happy", "happy"


@pytest.fixture
def runs(make_run):
    """Run "net" (all right) and "two" (half wrong) on both folds."""
    return [
        make_run(rows(wrong, fold), system=name, fold=fold, epochs=n, n_parameters=12345 if name == "net" else 99)
        for name, wrong, epochs in (("net", 0, (4, 8)), ("two", 3, (5, 5)))
        for fold, n in enumerate(epochs)
    ]


@pytest.fixture
def write(runs, manifest, tmp_path):
    def make(chosen=slice(None), **more):
        write_study(make_record(**PAPER, **more), "layers", runs[chosen], [manifest], tmp_path / "layers")
        return tmp_path / "layers"

    return make


def test_each_system_is_compared_with_the_first(write):
    stem = write(n_folds={"toy": {"published": 2}}, not_run={"savee": "SAVEE is not configured"})
    found = {(row["corpus"], row["protocol"], row["system"]): row for row in read_csv(stem.with_suffix(".csv"))}
    assert list(found) == [
        *(("toy", "published", name) for name in ("net", "two", "three")),
        *(("savee", "published", name) for name in ("net", "two", "three")),
    ]
    first, second = found["toy", "published", "net"], found["toy", "published", "two"]
    assert list(first) == list(TYPES)
    # Half of each class is called sad: both recalls are 1/2, and so is the accuracy, of every speaker.
    for metric in ("WA", "UA"):
        assert [float(first[metric + end]) for end in ("", "_low", "_high")] == [1, 1, 1]
        assert float(second[metric]) == pytest.approx(0.5)
        # Every speaker loses the same half: the paired interval has no width.
        ends = ("", "_low", "_high")
        assert [float(second[f"{metric}_difference{end}"]) for end in ends] == pytest.approx([-0.5] * 3)
        assert first[f"{metric}_difference"] == ""
    assert (first["n_parameters"], float(first["epochs"])) == ("12345", 6)
    assert (first["n_speakers"], first["n_runs"], first["n_folds"], first["note"]) == ("8", "1", "2", "")
    assert {row["said"] for row in found.values()} == {"two are best"}
    assert found["toy", "published", "three"]["note"] == "not run: no run was made"
    missing = found["savee", "published", "two"]
    assert missing["note"] == "not run: SAVEE is not configured"
    assert {missing[key] for key in ("WA", "n_parameters", "epochs", "UA_difference")} == {""}
    frame = read_study(stem.with_suffix(".csv"))
    assert (frame["WA"].dtype, frame["n_parameters"].dtype) == (float, "Int64")


def test_the_page_shows_what_the_paper_said_and_what_the_runs_were(write):
    text = write(synthetic=True, deviations={"toy/net/published": ["demo epochs"]}).with_suffix(".md").read_text()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| toy")]
    published = [row for row in cells if row[1] == "paper's protocol"]
    assert published[0][2:5] == ["test", "Net of net", "100.0 [100.0, 100.0]"]
    assert published[0][7:] == ["-", "-", "12,345", "6 (4-8)", "8 / 1 / 2 (1 of 3 seeds)"]
    lost = "-50.0 [-50.0, -50.0]"
    assert published[1][7:] == [lost, lost, "99", "5", "8 / 1 / 2 (1 of 3 seeds)"]
    assert published[2][4] == "not run: no run was made"
    assert [row[3:6] for row in published[3:]] == [
        ["chance (uniform)", "33.3", "33.3"],
        ["chance (majority)", "50.0", "50.0"],
    ]
    for part in ("two are best.", "Synthetic demo corpus", "demo epochs (2 of 4 runs)", "80/10/10.", "fp32"):
        assert part in text


def test_few_speakers_are_shown_one_by_one_and_missing_folds_are_named(write):
    stem = write(slice(None, None, 2), n_folds={"toy": {"published": 2}})
    text = stem.with_suffix(".md").read_text()
    assert "per speaker: 00 100.0, 01 100.0, 02 100.0, 03 100.0" in text
    assert "4 / 1 / 1 (1 of 2 folds; 1 of 3 seeds)" in text
    assert "Synthetic" not in text
    row = next(row for row in read_csv(stem.with_suffix(".csv")) if row["system"] == "two")
    assert float(row["WA_low"]) < float(row["WA"]) < float(row["WA_high"])  # over utterances
    assert float(row["WA_difference"]) == pytest.approx(-0.5)


def test_the_table_says_how_far_choices_move_the_result_and_which_reach_the_published_number(
    make_run, manifest, tmp_path
):
    """The part that the paper prints is the validation part here; the number of an epoch stands for the end."""
    study = {"title": "choices", "systems": ["net", "two"], "parts": ["validation", "test"]}
    number = published("accuracy", "validation", 0.9, epoch=50)
    record = make_record(systems=SYSTEMS, studies={"choices": study}, published=[number])
    runs = []
    for name, wrong in (("net", 3), ("two", 1)):
        found = [(u, part, label, guess) for u, part, label, guess in (*rows(wrong), *rows(wrong, 1))]
        watched = [(u, "validation" if part == "test" and u[-1] in "01" else part, *rest) for u, part, *rest in found]
        runs += [make_run(list(dict.fromkeys(watched)), system=name, seed=seed) for seed in (0, 1)]
    write_study(record, "choices", runs, [manifest], tmp_path / "choices")
    found = {(row["part"], row["system"]): row for row in read_csv(tmp_path / "choices.csv") if row["corpus"] == "toy"}
    first, second = found["validation", "net"], found["validation", "two"]
    # Of each speaker's utterances 0 (neutral) and 1 (happy) both are wrong, or only the first.
    assert (float(first["WA"]), float(second["WA"])) == (0, 0.5)
    assert float(second["WA_published"]) == 0.9
    assert float(second["WA_gap"]) == pytest.approx(0.4)
    assert float(second["WA_difference"]) == pytest.approx(0.5)
    assert found["test", "two"]["WA_published"] == ""
    text = (tmp_path / "choices.md").read_text()
    assert "WA (validation) on toy, paper's protocol: the choices move it by 50.0 points, from 0.0 (Net of net)" in text
    assert "published: 90.0, reached by none." in text
    assert "WA (test) on toy" in text
    assert "The paper does not say which." in text
