import csv
import io

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from serflow.errors import ConfigError
from serflow.runs import ScoreError
from serflow.tables.noise import write_noise_table

LABELS = ("neutral", "happy", "sad")
SOUNDS = ("pop", "speech")


@pytest.fixture
def noise_paper(paper):
    published = {"snr_db": 0.0, "clean": 0.9, "modified_clean": 0.645, "noisy": 0.401, "modified_noisy": 0.598}
    noise = {"table": "Table 2", "normal": "net", "modified": "harmonic", "fold": 0, "snr_db": [0.0]}
    noise |= {"published": published, "note": "the 90.0 is also the value of Table II"}
    systems = {"net": {"title": "Net_1"}, "harmonic": {"title": "Net on harmonics"}}
    return paper | {"noise": noise, "systems": systems, "corpora": ["toy", "savee"]}


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
    """Write a noisy file of test rows as `serflow.inference.noise.evaluate` does; return it and its rows by noise and ratio."""

    def make(name, clean, snrs=(0.0,), source="stand-in"):
        rng, rows, found = np.random.default_rng(len(name)), [], {}
        for snr in snrs:
            for sound in SOUNDS:
                for utterance, part, label, _ in clean:
                    if part == "test":
                        guess = LABELS[rng.integers(3)]
                        found.setdefault((sound, snr), []).append((label, guess))
                        about = {"noise": sound, "source": source, "snr_db": f"{snr:g}", "utterance": utterance}
                        rows.append(about | {"label": label, "predicted": guess} | {x: x == guess for x in LABELS})
        path = tmp_path / f"{name}.csv"
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(row | {x: float(row[x]) for x in LABELS} for row in rows)
        return path, found

    return make


@pytest.fixture
def manifest_csv(tmp_path, manifest):
    path = tmp_path / "toy.csv"
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(manifest[0]))
        writer.writeheader()
        writer.writerows(manifest)
    return path


def table(stem):
    rows = list(csv.reader(io.StringIO(stem.with_suffix(".csv").read_text())))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def measures(pairs):
    truth, guess = zip(*pairs, strict=True)
    macro = f1_score(truth, guess, average="macro", labels=sorted({*truth, *guess}))
    return {"WA": accuracy_score(truth, guess), "UA": balanced_accuracy_score(truth, guess), "macro-F1": macro}


def check(line, pairs):
    for metric, value in measures(pairs).items():
        assert line[f"{metric}, ours [95 %]"].startswith(f"{100 * value:.1f} "), metric


def test_four_rows_as_printed_with_ours_beside_them(noise_paper, make_run, add_noise, manifest_csv, tmp_path):
    clean = [list(predictions(range(7), right, seed)) for seed, right in enumerate((0.8, 0.6))]
    runs = [make_run(rows, system=system) for rows, system in zip(clean, ("net", "harmonic"), strict=True)]
    files = [add_noise(name, rows) for name, rows in zip(("a", "bb"), clean, strict=True)]
    stem = tmp_path / "table_2"
    # In whatever order they are given
    paths = [path for path, _ in files][::-1]
    reasons = {"savee": "SAVEE is not configured"}
    write_noise_table(noise_paper, runs[::-1], paths, [manifest_csv], stem, synthetic=True, not_run=reasons)
    lines = [line for line in table(stem) if line["Corpus"] == "toy"]
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
    missing = [line for line in table(stem) if line["Corpus"] == "savee"]
    assert [line["WA, ours [95 %]"] for line in missing] == ["not run: SAVEE is not configured"] * 4
    assert {line["WA, published"] for line in missing} == {"-"}
    for suffix in ("md", "html", "tex"):
        text = stem.with_suffix(f".{suffix}").read_text().replace("\\", "")
        assert "Noises on toy: generated stand-ins, no recordings: pop, speech." in text
        assert "Fold 0 alone" in text
        assert "published: 0 dB" in text
        assert "Published: the 90.0 is also the value of Table II." in text
        assert "80/10/10." in text
        assert "Synthetic demo corpus" in text
        assert "precision: fp32" in text


def test_several_ratios_stand_one_below_the_other(noise_paper, make_run, add_noise, manifest_csv, tmp_path):
    rows = list(predictions(range(7), 0.8, 0))
    noise_paper["noise"]["snr_db"] = [0.0, 10.0, 20.0]
    path, found = add_noise("a", rows, snrs=(0.0, 10.0), source="recording")
    run, stem = make_run(rows, system="net", deviations=["two epochs"]), tmp_path / "table_2"
    write_noise_table(noise_paper, [run], [path], [manifest_csv], stem, synthetic=False)
    lines = [line for line in table(stem) if line["Corpus"] == "toy"]
    assert [line["SNR (dB)"] for line in lines] == ["0"] * 4 + ["10"] * 4 + ["20"] * 4 + ["-"] * 2
    for snr, line in ((0.0, lines[2]), (10.0, lines[6])):
        check(line, [pair for sound in SOUNDS for pair in found[sound, snr]])
    assert (lines[2]["WA, published"], lines[6]["WA, published"]) == ("40.1", "-")
    assert lines[10]["WA, ours [95 %]"] == "not run: no noise at 20 dB was added"
    assert {lines[k]["WA, ours [95 %]"] for k in (1, 3, 5, 7)} == {"not run: no run was made"}
    text = stem.with_suffix(".md").read_text()
    assert "recordings that the user gave: pop, speech." in text
    assert "two epochs" in text
    assert "Synthetic" not in text


def test_few_speakers_are_shown_one_by_one(noise_paper, make_run, add_noise, manifest_csv, tmp_path):
    rows = [("u0_0", "test", "sad", "sad"), ("u1_0", "test", "sad", "happy")]
    path, _ = add_noise("a", rows)
    text = path.read_text().splitlines()
    guesses = iter(("sad", "sad", "happy", "sad"))  # pop: u0, u1; speech: u0, u1
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, text[0].split(","))
        writer.writeheader()
        writer.writerows(row | {"predicted": next(guesses)} for row in csv.DictReader(text))
    run, stem = make_run(rows, system="net"), tmp_path / "table_2"
    write_noise_table(noise_paper, [run], [path], [manifest_csv], stem, synthetic=False)
    lines = [line for line in table(stem) if line["Corpus"] == "toy"]
    assert lines[0]["WA, ours [95 %]"] == "50.0 (inconclusive; per speaker: 00 100.0, 01 0.0)"
    assert lines[2]["WA, ours [95 %]"] == "75.0 (inconclusive; per speaker: 00 50.0, 01 100.0)"
    assert (lines[2]["pop"], lines[2]["speech"]) == ("100.0", "50.0")


def test_a_noisy_file_must_be_of_its_run(noise_paper, make_run, add_noise, manifest_csv, tmp_path):
    rows = list(predictions(range(7), 0.8, 0))
    run = make_run(rows, system="net")
    path, _ = add_noise("a", [row for row in rows if not row[0].startswith("u3")])
    with pytest.raises(ScoreError, match="pop at 0 dB: its utterances are not those of the test part"):
        write_noise_table(noise_paper, [run], [path], [manifest_csv], tmp_path / "t", synthetic=False)
    with pytest.raises(ConfigError, match="0 files of noisy predictions for 1 runs"):
        write_noise_table(noise_paper, [run], [], [manifest_csv], tmp_path / "t", synthetic=False)
