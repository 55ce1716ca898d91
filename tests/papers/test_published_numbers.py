"""What the paper files print as published, and what the papers print of their systems, against the papers."""

import pytest

from serflow.config import check_config
from serflow.papers.load import PAPERS, read_paper
from serflow.papers.papers import Papers
from serflow.runs import RunId

#: Table I of the paper: epoch -> training accuracy, loss, validation accuracy.
TABLE_I = {
    10: (0.88, 0.470, 0.970),
    20: (0.991, 0.011, 1.000),
    42: (1.000, 0.009, 1.000),
    50: (1.000, 0.006, 1.000),
}
#: Figures 2-5 of the paper, in its order: neutral, calm, happy, sad, angry, fearful, disgust, surprised.
FIGURES = {
    ("Figure 2", "happy"): (
        *(0.0048677153, 0.0005358637, 0.9746174, 0.010314977),
        *(0.007403432, 0.0002637411, 0.0010324662, 0.0009643698),
    ),
    ("Figure 3", "calm"): (
        *(0.028709957, 0.8574661, 0.004002171, 0.10271792),
        *(0.0011412204, 0.0006780938, 0.0017453121, 0.0035392123),
    ),
    ("Figure 4", "sad"): (
        *(0.0022458092, 0.056919422, 0.0020761874, 0.93391705),
        *(0.0018439324, 0.00073689275, 0.0015491304, 0.0007116539),
    ),
    ("Figure 5", "surprised"): (
        *(0.00014566825, 2.7457836e-05, 0.0010232395, 0.00071050884),
        *(0.00011779756, 6.0533966e-05, 0.00081163005, 0.9971033),
    ),
}
EMOTIONS = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]


def paper_file(name):
    return read_paper(PAPERS / f"{name}.yaml")[0]


def deepemo_file():
    return paper_file("deepemo")


def test_deepemo_carries_table_i():
    published = {(e["epoch"], e["part"], e["metric"]): e["value"] for e in deepemo_file()["published"]}
    expected = {}
    for epoch, (train, loss, validation) in TABLE_I.items():
        expected[epoch, "train", "accuracy"] = train
        expected[epoch, "train", "loss"] = loss
        expected[epoch, "validation", "accuracy"] = validation
    assert published == expected
    assert len(deepemo_file()["published"]) == 12
    assert {(e["table"], e["protocol"]) for e in deepemo_file()["published"]} == {("Table I", "published")}


def test_deepemo_carries_the_32_posteriors():
    entries = deepemo_file()["figures"]
    assert deepemo_file()["labels"] == EMOTIONS
    assert {(e["figure"], e["emotion"]): e["published"] for e in entries} == {
        key: dict(zip(EMOTIONS, values, strict=True)) for key, values in FIGURES.items()
    }
    for entry in entries:
        assert sum(entry["published"].values()) == pytest.approx(1, abs=1e-6)
        assert max(entry["published"], key=entry["published"].get) == entry["emotion"]


#: Table 1 of Mittal, in per cent: true class by predicted class, both in the order of EMOTIONS.
MITTAL_TABLE_1 = """
50 34 1 1 0 6 4 5
8 56 6 1 2 4 7 3
0 0 78 2 1 1 0 20
3 0 2 83 3 4 3 2
2 3 5 5 67 10 9 4
4 6 3 7 2 75 0 3
1 6 1 4 0 1 87 0
2 0 4 3 7 2 2 80
"""
#: Table 1 of DeepEmoNet: system -> accuracy, F1.
VU_TABLE_1 = {
    "svm": (0.517, 0.509),
    "bilstm": (0.528, 0.497),
    "resnet34_scratch": (0.458, 0.426),
    "resnet34": (0.573, 0.528),
    "resnet34_augmented": (0.667, 0.631),
}


def test_mittal_carries_its_confusion_matrix_and_what_72_percent_is():
    paper = paper_file("mittal")
    (entry,) = paper["published_confusion"]
    printed = [list(map(int, line.split())) for line in MITTAL_TABLE_1.split("\n")[1:-1]]
    assert [[entry["rows"][truth][guess] for guess in EMOTIONS] for truth in EMOTIONS] == printed
    assert sum(printed[i][i] for i in range(8)) / 8 == 72
    (number,) = paper["published"]
    assert (number["metric"], number["value"], number["part"]) == ("UA", 0.72, "test")
    assert "weighted accuracy" in number["note"]


def test_deepemonet_carries_table_1_and_figure_2():
    paper = paper_file("deepemonet")
    table = [e for e in paper["published"] if e["table"] == "Table 1"]
    assert {(e["system"], e["metric"]): e["value"] for e in table} == {
        (system, metric): value
        for system, pair in VU_TABLE_1.items()
        for metric, value in zip(("WA", "macro_F1"), pair, strict=True)
    }
    assert {(e["corpus"], e["protocol"], e["part"]) for e in table} == {("ravdess+savee", "published", "validation")}
    losses = {(e["system"], e["part"]): e["value"] for e in paper["published"] if e["metric"] == "loss"}
    assert losses == {("bilstm", "train"): 0.5, ("bilstm", "validation"): 2.9}
    figures = {e["figure"]: e for e in paper["figures"]}
    assert list(figures) == [f"Figure {n}" for n in range(1, 6)]
    counts = figures["Figure 2"]["published"]
    assert (counts["neutral"], counts["calm"], sum(counts.values())) == (216, 192, 1920)
    assert {n for emotion, n in counts.items() if emotion not in ("neutral", "calm")} == {252}


def test_jin_carries_table_2():
    assert {e["corpus"]: e["value"] for e in paper_file("jin")["published"]} == {"ravdess": 0.9730, "savee": 0.9826}


def test_the_numbers_of_satt():
    """Table 1 in per cent, WA and UA, five-fold; Table 2 overall accuracy."""
    paper = paper_file("satt")
    table = {}
    for entry in paper["published"]:
        table.setdefault(entry["system"], {})[entry["metric"]] = round(100 * entry["value"], 1)
    assert table == {
        "cnn_10hz": {"WA": 66.1, "UA": 56.6},
        "cnn_20hz": {"WA": 63.6, "UA": 53.4},
        "cnn_lstm_10hz": {"WA": 68.8, "UA": 59.4},
        "cnn_lstm_20hz": {"WA": 65.8, "UA": 56.6},
        "two_step": {"WA": 67.3, "UA": 62.0},
    }
    assert paper["noise"]["published"] == {
        "snr_db": 0.0,
        "clean": 0.688,
        "modified_clean": 0.645,
        "noisy": 0.401,
        "modified_noisy": 0.598,
    }


#: Table 4 of EmoBox, RAVDESS: system -> UA, WA, macro-F1 in per cent, of the encoders that are built here.
EMOBOX_TABLE_4 = {
    "wav2vec2_base": (54.33, 55.40, 53.99),
    "hubert_base": (65.43, 66.21, 65.31),
    "hubert_large": (70.00, 70.29, 69.54),
    "wavlm_base": (61.56, 62.10, 61.18),
    "wavlm_large": (72.00, 72.22, 71.42),
    "data2vec_base": (51.92, 52.22, 51.10),
    "data2vec_large": (59.30, 59.50, 58.74),
    "whisper_large_v3": (75.32, 75.87, 75.19),
}


def test_emobox_carries_table_4():
    published = {(e["system"], e["metric"]): e["value"] for e in paper_file("emobox")["published"]}
    metrics = ("UA", "WA", "macro_F1")
    expected = {(s, m): v / 100 for s, row in EMOBOX_TABLE_4.items() for m, v in zip(metrics, row, strict=True)}
    assert published == pytest.approx(expected)
    assert {(e["table"], e["protocol"], e["part"]) for e in paper_file("emobox")["published"]} == {
        ("Table 4", "speaker_independent", "test")
    }


FINE_TUNED = {
    "recipe.n_mels": 128,
    "model.depth": 34,
    "model.pretrained": "imagenet",
    "training.epochs": 30,
    "training.batch_size": 64,
    "training.optimiser": "adam",
}
#: What the papers print of their systems: paper and system -> settings. A list of steps is given by one of their keys;
#: None: there is no such thing.
SETTINGS = {
    # Algorithm 1: resnet18(pretrained = True), torch.optim.Adam(model.parameters(), lr = 3e - 5); Table I: 50 epochs.
    ("deepemo", "resnet18"): {
        "recipe.transform": "logmel",
        "model": {"module": "resnet", "depth": 18, "pretrained": "imagenet"},
        "training.optimiser": "adam",
        "training.learning_rate": 3e-5,
        "training.epochs": 50,
    },
    # "with an epoch value, 500", "optimized by 'adam'"; "flipping (horizontally), rescaling, zooming and shearing".
    ("mittal", "cnn"): {
        "input.channels": 1,
        "training.optimiser": "adam",
        "training.epochs": 500,
        "training.augment.kind": ["flip", "zoom", "shear"],
    },
    # "RMSProp optimizer, and sets the learning rate to 0.0001 and the attenuation rate to 1e-6"; "the 2-13th
    # coefficients".
    ("jin", "resnet1d"): {
        "recipe.transform": "mfcc",
        "recipe.first": 2,
        "recipe.n_mfcc": 13,
        "training.optimiser": "rmsprop",
        "training.learning_rate": 1e-4,
        "training.decay": 1e-6,
    },
    # "sampled at 16KHz", "frame size (window shift) of 10msec", "window size was set to 40msec", "DFT of length 800
    # (for 20Hz grid resolution)", "0-4KHz", "not longer than T=3 seconds", "zero-padding to get 300 time points";
    # Figure 1.
    ("satt", "cnn_lstm_20hz"): {
        "recipe.sample_rate": 16000,
        "recipe.win_length": 640,
        "recipe.hop_length": 160,
        "recipe.n_fft": 800,
        "recipe.fmax": 4000,
        "recipe.segment_seconds": 3,
        "input": {"kind": "patch", "frames": 300},
        "model.convolutions": [[16, 12, 16], [24, 8, 12], [32, 5, 7]],
        "model.lstm.size": 128,
        "model.lstm.layers": 1,
        "model.dense": 64,
    },
    ("satt", "cnn_lstm_10hz"): {"recipe.n_fft": 1600, "recipe.fmax": 4000, "model.lstm.size": 128},
    ("satt", "cnn_10hz"): {"recipe.n_fft": 1600, "recipe.win_length": 640, "model.lstm": None},
    ("satt", "cnn_20hz"): {"recipe.n_fft": 800, "recipe.win_length": 640, "model.lstm": None},
    ("satt", "window20"): {"recipe.n_fft": 1600, "recipe.win_length": 320},
    ("satt", "lstm64"): {"model.lstm.size": 64},
    # "D(f) is linear from 20dB @0Hz to 12dB @4KHz"
    ("satt", "cnn_lstm_harmonic"): {"recipe.depth_low_db": 20, "recipe.depth_high_db": 12, "recipe.fmax": 4000},
    # "20 MFCCs"; "128 mel bands", "for 200 epochs", "batch size of 64 and a learning rate of 0.001, with a decay rate
    # of 0.9", "finetuned its weights for 30 epochs".
    ("deepemonet", "svm"): {"recipe.n_mfcc": 20, "recipe.first": 1, "input.kind": "vector"},
    ("deepemonet", "bilstm"): {
        "recipe.n_mels": 128,
        "training.epochs": 200,
        "training.batch_size": 64,
        "training.optimiser": "adam",
        "training.learning_rate": 1e-3,
        "training.step_decay.factor": 0.9,
    },
    ("deepemonet", "resnet34_scratch"): {
        "recipe.n_mels": 128,
        "model.depth": 34,
        "model.pretrained": None,
        "training.epochs": 200,
        "training.batch_size": 64,
        "training.optimiser": "adam",
        "training.learning_rate": 1e-3,
    },
    # "rotating by a small degree, zooming in, and changing brightness"; "we harnessed Mixup".
    ("deepemonet", "resnet34"): FINE_TUNED,
    ("deepemonet", "resnet34_augmented"): FINE_TUNED
    | {"training.augment.kind": ["rotate", "zoom", "brightness", "mixup"]},
}


def look_up(settings, place):
    for key in place.split("."):
        settings = [step[key] for step in settings] if isinstance(settings, list) else settings.get(key)
    return settings


@pytest.mark.parametrize(("name", "system"), SETTINGS)
def test_a_run_has_the_settings_that_its_paper_prints(name, system):
    corpora = {corpus: {"source": "demo"} for corpus in ("ravdess", "savee", "iemocap")}
    papers = Papers(check_config({"corpora": corpora, "papers": [name]}))
    spec = papers.spec(RunId(name, paper_file(name)["corpora"][0], system, "published", 0, 0))
    for place, printed in SETTINGS[name, system].items():
        assert look_up(spec.system, place) == printed, place


def test_images_and_splits_are_those_that_the_papers_print():
    """Mittal: 270 by 260, 75 % to train, 25 % to test; DeepEmoNet: 90, 5 and 5 %; Satt: improvised dialogues alone."""
    assert {paper_file("mittal")["systems"]["cnn"]["input"][side] for side in ("width", "height")} == {270, 260}
    parts = {name: paper_file(name)["protocols"]["published"]["parts"] for name in ("mittal", "deepemonet")}
    assert parts == {
        "mittal": {"train": 0.75, "test": 0.25},
        "deepemonet": {"train": 0.9, "validation": 0.05, "test": 0.05},
    }
    assert paper_file("satt")["select"] == {"iemocap": {"scenario": "improvised"}}
    assert sorted(paper_file("satt")["labels"]) == ["angry", "happy", "neutral", "sad"]
