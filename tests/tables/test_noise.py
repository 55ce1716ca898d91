import re

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from statsmodels.stats.proportion import proportion_confint

from serflow.errors import RunError
from serflow.runs import RunId, read_runs
from serflow.scoring.noise import read_noisy
from serflow.scoring.pooling import read_speakers
from serflow.tables.noise import noise_table
from toy_paper import LABELS, make_record, system, write_rows

SOUNDS = ("pop", "speech")
PUBLISHED = {"snr_db": 0.0, "clean": 0.9, "modified_clean": 0.645, "noisy": 0.401, "modified_noisy": 0.598}
NOISE = {"table": "Table 2", "normal": "net", "modified": "harmonic", "folds": [0, 1], "published": PUBLISHED}
SYSTEMS = {"net": system("Net_1"), "harmonic": system("Net on harmonics")}


def predictions(speakers, right, seed):
    """(utterance, part, label, predicted) of six test utterances of each speaker, and two to train on."""
    rng = np.random.default_rng(seed)
    for s in speakers:
        for k in range(6):
            label = LABELS[k % 3]
            yield f"u{s}_{k}", "test", label, label if rng.random() < right else LABELS[rng.integers(3)]
    yield "u7_0", "train", "sad", "sad"
    yield "u7_1", "train", "sad", "sad"


@pytest.fixture
def add_noise(tmp_path):
    """Write a noisy file beside a run as `serflow noisy` does; return it and (label, predicted) by noise and ratio."""

    def make(run, clean, snrs=(0.0,), source="stand-in", guesses=None):
        rng, rows, found = np.random.default_rng(len(run.parts[-4])), [], {}
        for snr in snrs:
            for sound in SOUNDS:
                for utterance, part, label, _ in clean:
                    if part == "test":
                        guess = next(guesses) if guesses else LABELS[rng.integers(3)]
                        found.setdefault((sound, snr), []).append((label, guess))
                        about = {"noise": sound, "source": source, "snr_db": f"{snr:g}", "utterance": utterance}
                        rows.append(about | {"label": label, "predicted": guess})
        path = tmp_path / "noise" / f"{RunId.from_path(run).path}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_rows(path, rows), found

    return make


@pytest.fixture
def table_of(manifest):
    """Return the table's lines as dicts, and the table."""

    def make(runs, noisy, snrs=(0.0,), utterances=None, **more):
        own = {"snr_db": list(snrs), "note": "as printed", "utterances": utterances}
        record = make_record(systems=SYSTEMS, noise=NOISE | own, **more)
        heard = read_noisy(noisy, read_runs(runs))
        table = noise_table(record, record.paper.noise, heard, read_speakers([manifest]))
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows], table

    return make


def measures(pairs):
    truth, guess = zip(*pairs, strict=True)
    macro = f1_score(truth, guess, average="macro", labels=sorted({*truth, *guess}))
    return {"WA": accuracy_score(truth, guess), "UA": balanced_accuracy_score(truth, guess), "macro-F1": macro}


def check(line, pairs):
    for metric, value in measures(pairs).items():
        assert line[f"{metric}, ours [95 %]"].startswith(f"{100 * value:.1f} "), metric


def test_four_rows_as_printed_with_ours_beside_them(make_run, add_noise, table_of):
    clean = [list(predictions(range(7), right, seed)) for seed, right in enumerate((0.8, 0.6))]
    runs = [make_run(rows, system=name) for rows, name in zip(clean, SYSTEMS, strict=True)]
    files = [add_noise(run, rows) for run, rows in zip(runs, clean, strict=True)]
    # In whatever order they are given
    paths = [path for path, _ in files][::-1]
    lines, table = table_of(runs, paths, synthetic=True, not_run={"savee": "SAVEE is not configured"})
    missing = [line for line in lines if line["Corpus"] == "savee"]
    lines = [line for line in lines if line["Corpus"] == "toy"]
    assert [line["WA, published"] for line in lines] == ["90.0", "64.5", "40.1", "59.8", "-", "-"]
    assert [line["Predictor"].split(":")[0] for line in lines[:4]] == ["normal", "modified", "normal", "modified"]
    for line, rows in zip(lines[:2], clean, strict=True):
        check(line, [(label, guess) for _, part, label, guess in rows if part == "test"])
        assert (line["pop"], line["speech"], line["n"]) == ("-", "-", "7 / 1 / 1")
    for line, (_, found) in zip(lines[2:4], files, strict=True):
        check(line, [pair for pairs in found.values() for pair in pairs])
        assert "[" in line["WA, ours [95 %]"]
        for sound in SOUNDS:
            assert line[sound] == f"{100 * measures(found[sound, 0.0])['WA']:.1f}"
    uniform, majority = lines[4:]
    assert (uniform["Predictor"], uniform["WA, ours [95 %]"]) == ("chance (uniform)", "33.3")
    assert (majority["Predictor"], majority["UA, ours [95 %]"]) == ("chance (majority)", "33.3")
    assert [line["WA, ours [95 %]"] for line in missing] == ["not run: SAVEE is not configured"] * 4
    assert {line["WA, published"] for line in missing} == {"-"}
    notes = "\n".join(table.notes)
    for part in ("stand-ins", "pop, speech", "Folds: 0", "0 dB", "as printed", "80/10/10", "fp32"):
        assert part in notes
    assert table.banner


@pytest.mark.parametrize(("utterances", "n"), [(None, 42), (21, 21)])
def test_each_published_number_has_a_verdict_at_the_size_of_its_test_set(make_run, add_noise, table_of, utterances, n):
    """Seven speakers say 42 utterances, however many noises they are heard in; a paper may have tested half of them."""
    clean = list(predictions(range(7), 0.8, 0))
    run = make_run(clean)
    path, _ = add_noise(run, clean)
    lines, _ = table_of([run], [path], utterances=utterances)
    for line, published in ((lines[0], 0.9), (lines[2], 0.401)):
        value, low, high = map(float, re.findall(r"[\d.]+", line["WA, ours [95 %]"])[:3])
        d, d_low, d_high = map(float, re.search(r"d = (\S+) \[(\S+), (\S+)\]", line["Verdict"]).groups())
        wilson = [100 * end for end in proportion_confint(n * published, n, method="wilson")]
        assert d == pytest.approx(100 * published - value, abs=0.1)
        assert d - d_low == pytest.approx(np.hypot(100 * published - wilson[0], high - value), abs=0.15)
        assert d_high - d == pytest.approx(np.hypot(wilson[1] - 100 * published, value - low), abs=0.15)
    assert lines[4]["Verdict"] == "-"


def test_clean_minus_noisy_has_its_interval(make_run, add_noise, table_of):
    """Speaker s is right in all of clean speech and in s of six in noise: each draw's mean is 1 - mean(s) / 6."""
    clean = list(predictions(range(7), 1.0, 0))
    run, labels = make_run(clean), [LABELS[k % 3] for k in range(6)]
    wrong = dict(zip(LABELS, LABELS[1:] + LABELS[:1], strict=True))
    heard = [label if k < s else wrong[label] for s in range(7) for k, label in enumerate(labels)]
    path, _ = add_noise(run, clean, guesses=iter(heard * len(SOUNDS)))
    _, table = table_of([run], [path])
    note = next(note for note in table.notes if note.startswith("Differences of WA on toy"))
    value, low, high = map(float, re.search(r"minus noisy spectrograms (\S+) \[(\S+), (\S+)\]", note).groups())
    means = np.random.default_rng(1).choice(7, (20_000, 7)).mean(axis=1) / 6
    assert value == pytest.approx(50.0)
    assert (low, high) == pytest.approx(tuple(100 * (1 - np.percentile(means, [97.5, 2.5]))), abs=2.5)  # a step of 1/42


def test_the_utterances_of_all_folds_are_pooled(make_run, add_noise, table_of):
    clean = [list(predictions(range(3), 0.9, 0)), list(predictions(range(3, 7), 0.4, 1))]
    runs = [make_run(rows, fold=fold) for fold, rows in enumerate(clean)]
    files = [add_noise(run, rows) for run, rows in zip(runs, clean, strict=True)]
    lines, table = table_of(runs, [path for path, _ in files])
    check(lines[0], [(label, guess) for rows in clean for _, part, label, guess in rows if part == "test"])
    check(lines[2], [pair for _, found in files for pairs in found.values() for pair in pairs])
    assert lines[2]["n"] == "7 / 1 / 2"
    assert any("Folds: 0, 1" in note for note in table.notes)


def test_several_ratios_stand_one_below_the_other(make_run, add_noise, table_of):
    rows = list(predictions(range(7), 0.8, 0))
    run = make_run(rows)
    path, found = add_noise(run, rows, snrs=(0.0, 10.0), source="recording")
    lines, table = table_of([run], [path], (0.0, 10.0, 20.0), deviations={"toy/net/published": ["two epochs"]})
    lines = [line for line in lines if line["Corpus"] == "toy"]
    assert [line["SNR (dB)"] for line in lines] == ["0"] * 4 + ["10"] * 4 + ["20"] * 4 + ["-"] * 2
    for snr, line in ((0.0, lines[2]), (10.0, lines[6])):
        check(line, [pair for sound in SOUNDS for pair in found[sound, snr]])
    assert (lines[2]["WA, published"], lines[6]["WA, published"]) == ("40.1", "-")
    assert "20 dB" in lines[10]["WA, ours [95 %]"]
    assert {lines[k]["WA, ours [95 %]"] for k in (1, 3, 5, 7)} == {"not run: no run was made"}
    assert any("recordings that the user gave" in note for note in table.notes)
    assert (table.deviations, table.banner) == (["two epochs"], "")


def test_few_speakers_are_shown_one_by_one(make_run, add_noise, table_of):
    rows = [("u0_0", "test", "sad", "sad"), ("u1_0", "test", "sad", "happy"), ("u7_0", "train", "sad", "sad")]
    run = make_run(rows)
    path, _ = add_noise(run, rows, guesses=iter(("sad", "sad", "happy", "sad")))  # pop: u0, u1; speech: u0, u1
    lines, _ = table_of([run], [path])
    assert lines[0]["WA, ours [95 %]"] == "50.0 [0.0, 100.0] over utterances (per speaker: 00 100.0, 01 0.0)"
    assert lines[2]["WA, ours [95 %]"].endswith("over utterances (per speaker: 00 50.0, 01 100.0)")
    assert (lines[2]["pop"], lines[2]["speech"]) == ("100.0", "50.0")


def test_a_noisy_file_must_be_of_its_run(make_run, add_noise):
    rows = list(predictions(range(7), 0.8, 0))
    runs = [make_run(rows), make_run(rows, system="harmonic")]
    path, _ = add_noise(runs[0], rows)
    short, _ = add_noise(runs[1], [row for row in rows if not row[0].startswith("u3")])
    assert [one.run.id.system for one in read_noisy([path], read_runs(runs))] == ["net"]
    with pytest.raises(RunError, match="harmonic"):
        read_noisy([path, short], read_runs(runs))
    with pytest.raises(RunError, match="harmonic"):
        read_noisy([path, short], read_runs(runs[:1]))


def test_folds_and_seeds_that_are_missing_stand_against_a_verdict(make_run, add_noise, table_of):
    clean = list(predictions(range(7), 0.8, 0))
    run = make_run(clean)
    path, _ = add_noise(run, clean)
    lines, _ = table_of([run], [path], n_folds={"toy": {"published": 5}}, seeds={"published": [0, 1]})
    for line in (lines[0], lines[2]):
        assert line["Verdict"].startswith("cannot be compared")
        assert "1 of 2 folds; 1 of 2 seeds" in line["Verdict"]  # of the two that the table asks for
