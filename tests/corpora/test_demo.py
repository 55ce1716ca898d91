"""The demo corpora: names as in the real corpora, true F0, and emotions a model can learn but not read off."""

import os
import re
import subprocess
import sys
import wave
from collections import Counter
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from serflow.corpora.demo import write
from serflow.corpora.demo.names import DEMOS, utterances
from serflow.corpora.demo.synthesis import synthesise
from serflow.corpora.demo.write import generate
from serflow.corpora.known import emodb, ravdess, savee
from serflow.corpora.scan import scan_corpus
from serflow.errors import ConfigError
from serflow.io.files import read_csv

FOUR = ("neutral", "angry", "happy", "sad")
TURN = re.compile(
    r"\[(?P<start>\d+\.\d{4}) - (?P<end>\d+\.\d{4})\]\t(?P<turn>Ses0[1-5][FM]_(impro\d\d|script\d\d_\d)_[FM]\d{3})"
    r"\t(?P<code>[a-z]{3})\t\[(?P<vad>\d\.\d{4}, \d\.\d{4}, \d\.\d{4})\]"
)
VOTES = re.compile(
    r"(C-(E[1-6]|[FM]1):\t([A-Z][a-z]+; ?)+\t\(\)|A-(E[1-6]|[FM]1):\tval [1-5]; act [1-5]; dom  [1-5];\t\(\))"
)


#: What is written of each corpus.
CHOSEN = {
    "emodb": [found for found in utterances("emodb") if found.speaker in ("03", "16")],
    "iemocap": [found for found in utterances("iemocap") if re.match("Ses0.F_impro01|Ses01F_script", found.id)],
    "ravdess": [found for found in utterances("ravdess") if found.speaker in ("07", "08", "13", "24")],
    "savee": [found for found in utterances("savee") if found.text == "common 1"],
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "utterances", CHOSEN.get)
        for corpus in DEMOS:
            generate(corpus, root / corpus)
    return root


def wavs(tree):
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*.wav"))


def samples(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_another_process_makes_the_same_recording(trees):
    first = CHOSEN["iemocap"][0]
    code = f"""
import sys, numpy as np
from serflow.corpora.demo.synthesis import synthesise
from serflow.corpora.demo.names import utterances
signal, _ = synthesise("iemocap", next(found for found in utterances("iemocap") if found.id == {first.id!r}))
sys.stdout.buffer.write(np.rint(signal * 32767).astype("<i2").tobytes())
"""
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(write.__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
    assert done.stdout == samples(trees / "iemocap" / first.path).tobytes()


def test_an_utterance_depends_on_no_other_but_on_the_seed(trees):
    utterance = CHOSEN["iemocap"][-1]
    alone, _ = synthesise("iemocap", utterance)
    assert np.array_equal(np.rint(alone * 32767), samples(trees / "iemocap" / utterance.path))
    other, _ = synthesise("iemocap", utterance, seed=1)
    assert len(other) != len(alone) or not np.allclose(other, alone)


def test_ravdess_and_savee_have_a_part_of_the_real_names():
    found = utterances("ravdess")
    assert {utterance.id for utterance in found} <= ravdess.expected_utterances()
    assert Counter(utterance.emotion for utterance in found) == {
        emotion: 48 + (emotion == "happy") for emotion in ravdess.EXPECTED.classes
    }
    actors = {utterance.speaker for utterance in found}
    assert [len(actors & set(fold)) for fold in ravdess.SPEAKER_FOLDS] == [2] * 6
    assert {utterance.id for utterance in utterances("savee")} <= savee.expected_utterances()
    counts = Counter((utterance.speaker, utterance.emotion) for utterance in utterances("savee"))
    assert counts == {(s, e): 12 if e == "neutral" else 6 for s in savee.SPEAKERS for e in savee.EXPECTED.classes}


def test_emodb_has_every_speaker_sentence_and_emotion_without_a_gap():
    found = [emodb.parse(utterance.path) for utterance in utterances("emodb")]
    assert {row["speaker"] for row in found} == set(emodb.SPEAKERS)
    pairs = {(row["emotion"], row["statement"]) for row in found}
    assert len(pairs) == len(emodb.EMOTIONS) * len(emodb.SENTENCES)
    assert min(Counter((row["emotion"], row["speaker"]) for row in found).values()) >= 3


def test_ravdess_has_the_real_corpus_pair_of_identical_recordings_and_no_other(trees):
    by_content = {}
    for name in wavs(trees / "ravdess"):
        by_content.setdefault((trees / "ravdess" / name).read_bytes(), []).append(name)
    pair = ["Actor_07/03-01-03-01-02-01-07.wav", "Actor_07/03-01-03-01-02-02-07.wav"]
    assert [names for names in by_content.values() if len(names) > 1] == [pair]


def test_iemocap_annotations_agree_with_the_recordings(trees):
    root = trees / "iemocap" / "IEMOCAP_full_release"
    turns = {}
    for path in sorted(root.glob("Session[1-5]/dialog/EmoEvaluation/*.txt")):
        header, *blocks = path.read_text().rstrip("\n").split("\n\n")
        assert header == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
        clock = 0.0
        for block in blocks:
            first, *votes = block.splitlines()
            found = TURN.fullmatch(first)
            assert found["turn"].startswith(path.stem)
            assert len(votes) == 7
            assert all(VOTES.fullmatch(vote) for vote in votes)
            audio = path.parents[2] / "sentences" / "wav" / path.stem / f"{found['turn']}.wav"
            start, end = float(found["start"]), float(found["end"])
            assert start > clock
            assert end - start == pytest.approx(len(samples(audio)) / 16000, abs=2e-4)
            clock = end
            turns[found["turn"]] = (found["code"], votes, [float(value) for value in found["vad"].split(", ")])
    assert sorted(turns) == sorted(path.stem for path in root.glob("Session*/sentences/wav/*/*.wav"))

    words = {"neu": "Neutral", "ang": "Anger", "sad": "Sadness", "hap": "Happiness", "exc": "Excited"}
    words |= {"fru": "Frustration", "sur": "Surprise", "fea": "Fear", "oth": "Other"}
    for code, votes, vad in turns.values():
        said = Counter(vote.split("\t")[1].rstrip(";") for vote in votes[:3])
        best, count = said.most_common(1)[0]
        assert count == 1 if code == "xxx" else (best == words[code] and count >= 2)
        scores = [[int(digit) for digit in re.findall(r" (\d);", vote)] for vote in votes[4:6]]
        assert vad == pytest.approx(np.mean(scores, axis=0))


def test_iemocap_transcripts_repeat_the_scripted_dialogue_in_every_session(tmp_path, monkeypatch):
    lines = [u for u in utterances("iemocap") if re.match("Ses0[12]F_(script01_1|impro01)_F00[01]", u.id)]
    monkeypatch.setattr(write, "utterances", lambda corpus: lines)
    generate("iemocap", tmp_path / "iemocap")
    first = next((tmp_path / "iemocap").rglob("transcriptions/Ses01F_script01_1.txt")).read_text().splitlines()[0]
    assert re.fullmatch(r"Ses01F_script01_1_F000 \[\d{3}\.\d{4}-\d{3}\.\d{4}\]: \w.*\.", first)
    said = {row["utterance"]: row["statement"] for row in scan_corpus("iemocap", tmp_path / "iemocap", 1)[0]}
    assert all(said.values())
    assert said["Ses01F_script01_1_F000"] == said["Ses02F_script01_1_F000"]
    assert len(set(said.values())) == len(said) - 2  # the script's two lines, read in both sessions


def test_iemocap_has_enough_of_each_class_and_lengths_like_the_real_ones(trees):
    improvised = Counter((u.speaker, u.emotion) for u in utterances("iemocap") if "impro" in u.id)
    assert all(improvised[f"Ses0{s}{letter}", emotion] >= 6 for s in range(1, 6) for letter in "FM" for emotion in FOUR)
    seconds = np.array([float(row["seconds"]) for row in read_csv(trees / "iemocap" / "truth.csv")])
    assert 0.7 < seconds.min() < np.median(seconds) < 2
    assert 3 < seconds.max() < 5


def test_no_recording_is_silent_or_clipped(trees):
    peaks = [np.abs(samples(path).astype(int)).max() for path in trees.rglob("*.wav")]
    assert min(peaks) > 300
    assert max(peaks) < 32767


def test_truth_is_kept_beside_the_audio(trees):
    for corpus in DEMOS:
        rows = read_csv(trees / corpus / "truth.csv")
        assert [row["utterance"] for row in rows] == [utterance.id for utterance in CHOSEN[corpus]]
        assert all(75 < float(row["f0_min"]) <= float(row["f0_mean"]) <= float(row["f0_max"]) < 450 for row in rows)
    first, row = CHOSEN["savee"][0], read_csv(trees / "savee" / "truth.csv")[0]
    f0 = synthesise("savee", first, seed=0)[1]
    for key, value in (("mean", f0[f0 > 0].mean()), ("min", f0[f0 > 0].min()), ("max", f0.max())):
        assert float(row[f"f0_{key}"]) == pytest.approx(value, abs=1e-4)
    assert float(row["seconds"]) == pytest.approx(soundfile.info(trees / "savee" / first.path).duration, abs=1e-4)


@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        ("ravdess", "03-01-04-01-01-01-13"),  # sad, male
        ("ravdess", "03-01-08-02-01-01-24"),  # surprised and strong, female
        ("iemocap", "Ses02F_impro01_F001"),
    ],
)
def test_a_pitch_tracker_finds_the_true_f0(corpus, name):
    signal, f0 = synthesise(corpus, next(found for found in utterances(corpus) if found.id == name))
    assert len(signal) == len(f0)
    hop = 320
    found, voiced, _ = librosa.pyin(signal, fmin=65, fmax=500, sr=16000, frame_length=1024, hop_length=hop)
    true = f0[np.minimum(np.arange(len(found)) * hop, len(f0) - 1)]
    both = voiced & (true > 0)
    assert both.sum() > 0.9 * (true > 0).sum()
    error = np.abs(found[both] / true[both] - 1)
    assert np.median(error) < 0.02
    assert np.mean(error > 0.2) < 0.03  # octave errors


def _features(tree, chosen):
    """Return mean and deviation over time of 32 bands' log power, (n_utterances, 64)."""
    rows = []
    for utterance in chosen:
        signal = samples(tree / utterance.path) / 32767
        frames = signal[: len(signal) // 512 * 512].reshape(-1, 512) * np.hanning(512)
        bands = np.log(1e-8 + np.abs(np.fft.rfft(frames))[:, :256].reshape(-1, 32, 8).mean(2))
        rows.append(np.concatenate([bands.mean(0), bands.std(0)]))
    return np.array(rows)


def test_an_unseen_speaker_is_recognised_above_chance_and_below_certainty(trees):
    """Improvised IEMOCAP, four classes, one session out: the recall a plain model reaches, averaged over classes."""
    chosen = [u for u in CHOSEN["iemocap"] if "impro" in u.id and u.emotion in FOUR]
    features, labels = _features(trees / "iemocap", chosen), [u.emotion for u in chosen]
    model = make_pipeline(StandardScaler(), SVC(C=10))
    sessions = [u.speaker[:5] for u in chosen]
    unseen = cross_val_predict(model, features, labels, groups=sessions, cv=LeaveOneGroupOut())
    seen = cross_val_predict(model, features, labels, cv=StratifiedKFold(10, shuffle=True, random_state=0))
    independent, random = (balanced_accuracy_score(labels, predicted) for predicted in (unseen, seen))
    assert 0.45 < independent < 0.75  # chance is 0.25
    assert independent < random


def test_emotion_shows_in_pitch_and_loudness_as_it_should(trees):
    rows = {row["utterance"]: row for row in read_csv(trees / "ravdess" / "truth.csv")}

    def mean(value, emotion, intensity):
        chosen = [u for u in CHOSEN["ravdess"] if u.emotion == emotion and u.strength == intensity]
        return np.mean([value(utterance) for utterance in chosen])

    def pitch(utterance):
        return float(rows[utterance.id]["f0_mean"])

    def level(utterance):
        return 10 * np.log10(np.mean(samples(trees / "ravdess" / utterance.path).astype(float) ** 2))

    assert mean(pitch, "fearful", 1.5) > mean(pitch, "fearful", 1.0) > mean(pitch, "neutral", 1.0)
    assert mean(level, "angry", 1.5) > mean(level, "angry", 1.0) > mean(level, "sad", 1.0) > mean(level, "sad", 1.5)


def test_an_unknown_corpus_is_named_with_what_is_allowed(tmp_path):
    with pytest.raises(ConfigError, match=r"crema.* ravdess"):
        generate("crema", tmp_path / "crema")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "savee").mkdir()
    (tmp_path / "savee" / "mine.wav").write_bytes(b"precious")
    with pytest.raises(ConfigError, match="savee"):
        generate("savee", tmp_path / "savee")
    assert [path.name for path in tmp_path.rglob("*")] == ["savee", "mine.wav"]


def test_an_earlier_demo_corpus_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "savee" / "AudioData" / "XX").mkdir(parents=True)
    (tmp_path / "savee" / "truth.csv").write_text("an earlier demo corpus")
    monkeypatch.setattr(write, "utterances", lambda corpus, all_of=utterances: all_of(corpus)[:2])
    generate("savee", tmp_path / "savee")
    assert wavs(tmp_path / "savee") == ["AudioData/DC/a01.wav", "AudioData/DC/a02.wav"]
    assert not (tmp_path / "savee" / "AudioData" / "XX").exists()


@pytest.mark.parametrize("corpus", DEMOS)
def test_the_corpus_modules_read_the_demo_trees(corpus, trees):
    rows = {row["utterance"]: row for row in scan_corpus(corpus, trees / corpus, 1)[0]}
    assert list(rows) == [utterance.id for utterance in CHOSEN[corpus]]
    for utterance in CHOSEN[corpus]:
        row = rows[utterance.id]
        found = (row["path"], row["speaker"], row["sex"], row["emotion"])
        assert found == (utterance.path, utterance.speaker, utterance.sex, utterance.emotion)
