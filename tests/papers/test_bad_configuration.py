"""Mistakes in config.yaml, --config and paper files: each told in one sentence before any job starts."""

import datetime
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from serflow.config import check_config, read_config
from serflow.errors import ConfigError
from serflow.papers.load import PAPERS
from serflow.papers.papers import Papers

ROOT = Path(__file__).parents[2]
FOLDER = "{folder}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What users have lying about: `empty/`, `notes.txt`, `cut.zip`, and `corpus/`, which holds a recording."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("empty", "corpus"):
        (folder / name).mkdir()
    (folder / "notes.txt").write_text("not an archive\n" * 100)
    (folder / "cut.zip").write_bytes(b"PK\x03\x04" + bytes(2000))
    for name, weights in (("encoder", "model.safetensors"), ("pickle", "pytorch_model.bin")):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text('{"model_type": "wavlm"}')
        (folder / name / "preprocessor_config.json").write_text("{}")
        (folder / name / weights).write_bytes(b"weights")
    soundfile.write(folder / "corpus" / "03-01-01-01-01-01-01.wav", np.zeros(10), 16000)
    return folder


def told(config, folder, papers=PAPERS):
    """What the Snakefile does before it plans a job; the message of the error that it must end with."""
    text = yaml.safe_dump({"corpora": {"ravdess": {"source": "demo"}}} | config, width=10_000).replace(
        FOLDER, str(folder)
    )
    with pytest.raises(ConfigError) as caught:
        Papers(check_config(yaml.safe_load(text)), papers)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.fault
    assert caught.value.remedy.endswith(".")
    return caught.value.where, caught.value.fault, caught.value.remedy


#: What a user writes -> the key that is named, the value found, and a word of what is allowed.
CONFIG = [
    # keys
    ({"devise": "cpu"}, "config.yaml", "'devise'", "Did you mean 'device'?"),
    ({"seeds": {"randon": [0]}}, "config.yaml: seeds", "'randon'", "Did you mean 'random'?"),
    ({"corpora": {"ravdes": {"source": "demo"}}}, "config.yaml: corpora", "'ravdes'", "Did you mean 'ravdess'?"),
    ({"corpora": {"crema": {"source": "demo"}}}, "config.yaml: corpora", "'crema'", "iemocap, ravdess, savee"),
    # encoders
    (
        {"encoders": {"wavlm": "{folder}/empty"}},
        "config.yaml: encoders.wavlm",
        "holds no config.json",
        "Hugging Face's",
    ),
    ({"encoders": {"wavlm_base": "{folder}/nothing"}}, "config.yaml: encoders.wavlm_base", "is no folder", "Name a"),
    ({"encoders": {"wavlm": "{folder}/encoder"}}, "config.yaml: encoders", "'wavlm'", "Did you mean 'wavlm_base'?"),
    (
        {"papers": ["jin"], "encoders": {"wavlm": "{folder}/encoder"}},
        "config.yaml: encoders",
        "'wavlm'",
        "Did you mean 'wavlm_base'?",
    ),
    ({"encoders": {"wavlm_base": "{folder}/pickle"}}, "config.yaml: encoders.wavlm_base", "neither", "Convert"),
    # types, ranges, choices
    ({"device": "gpu"}, "config.yaml: device", "'gpu'", "auto, cpu, cuda"),
    ({"threads": 0}, "config.yaml: threads", "0", "a whole number, from 1"),
    ({"threads": True}, "config.yaml: threads", "true", "a whole number"),
    ({"allow_partial": "sometimes"}, "config.yaml: allow_partial", "'sometimes'", "true or false"),
    ({"tracking": {"prefix": "../x"}}, "config.yaml: tracking.prefix", "'../x'", "text or null, that fits"),
    # lists
    ({"papers": "deepemo"}, "config.yaml: papers", "'deepemo'", "a list in [ ]"),
    ({"papers": []}, "config.yaml: papers", "[]", "1 or more entries"),
    ({"papers": ["deepmo"]}, "config.yaml: papers", "'deepmo'", "Did you mean 'deepemo'?"),
    ({"systems": ["resnet17"]}, "config.yaml: systems", "'resnet17'", "Did you mean 'resnet1"),
    ({"folds": [0, 0]}, "config.yaml: folds", "[0, 0]", "each only once"),
    ({"folds": [-1]}, "config.yaml: folds.0", "-1", "from 0"),
    ({"folds": [0, 10]}, "config.yaml: folds", "10", "0 to 5"),
    ({"seeds": {"grouped": [0, -3]}}, "config.yaml: seeds.grouped.1", "-3", "from 0"),
    # corpora
    ({"corpora": {"ravdess": "demo"}}, "config.yaml: corpora.ravdess", "'demo'", "a mapping of keys to values"),
    ({"corpora": {"savee": {"source": "download"}}}, "config.yaml: corpora.savee.source", "'download'", "README"),
    ({"corpora": {"iemocap": {"source": "/no/x.tgz"}}}, "config.yaml: corpora.iemocap.source", "/no/x.tgz", "archive"),
    ({"corpora": {"savee": {"source": "{folder}/empty"}}}, "config.yaml: corpora.savee.source", "/empty'", "archive"),
    ({"corpora": {"savee": {"source": "{folder}/notes.txt"}}}, "config.yaml: corpora.savee.source", "zip, tar", "Give"),
    ({"corpora": {"savee": {"source": "{folder}/cut.zip"}}}, "config.yaml: corpora.savee.source", "no whole", "Give"),
    (
        {"corpora": {name: {"source": "{folder}/corpus"} for name in ("ravdess", "savee")}},
        "config.yaml: corpora.savee.source",
        "/corpus' is corpora.ravdess.source too",
        "a place of its own",
    ),
    # places
    ({"results": "{folder}/notes.txt"}, "config.yaml: results", "/notes.txt' is no folder", "Name a folder"),
    ({"results": "~/results"}, "config.yaml: results", "'~/results'", "in full"),
    ({"corpora": {"savee": {"source": "~/savee"}}}, "config.yaml: corpora.savee.source", "'~/savee'", "in full"),
    (
        {"results": "out", "resources": "./out"},
        "config.yaml: resources",
        "'./out' is results too",
        "a place of its own",
    ),
    (
        {"results": "{folder}/corpus", "corpora": {"savee": {"source": "{folder}/corpus"}}},
        "config.yaml: corpora.savee.source",
        "/corpus' is results too",
        "a place of its own",
    ),
    ({"noise": {"source": "/no/noises"}}, "config.yaml: noise.source", "'/no/noises'", "), or null"),
    ({"pretrained": "image-net"}, "config.yaml: pretrained", "'image-net'", "imagenet, none"),
    ({"pretrained": {"resnet81": "none"}}, "config.yaml: pretrained", "'resnet81'", "'resnet18'"),
    ({"pretrained": {"resnet18": "no.pth"}}, "config.yaml: pretrained.resnet18", "'no.pth'", "imagenet, none"),
    # tracking
    ({"tracking": {"uri": "mlruns"}}, "config.yaml: tracking.uri", "'mlruns'", "sqlite:///FILE"),
    ({"tracking": {"uri": "sqlite://x.db"}}, "config.yaml: tracking.uri", "'sqlite://x.db'", "sqlite:///FILE"),
    ({"tracking": {"uri": "http://"}}, "config.yaml: tracking.uri", "'http://'", "http://HOST"),
    ({"tracking": {"uri": "http://host:port"}}, "config.yaml: tracking.uri", "'http://host:port'", "http://HOST:PORT"),
    # what is left
    (
        {"systems": ["cnn"], "protocols": ["augment_then_split"]},
        "config.yaml",
        "systems: ['cnn'], protocols: ['augment_then_split']",
        "null for all",
    ),
    ({"overrides": {"deepmo": {}}}, "config.yaml: overrides", "'deepmo'", "Did you mean 'deepemo'?"),
]


@pytest.mark.parametrize(("config", "key", "found", "allowed"), CONFIG, ids=lambda value: str(value)[:50])
def test_a_mistake_in_the_configuration_is_told(config, key, found, allowed, folder):
    where, fault, remedy = told(config, folder)
    assert where == key
    assert found in fault
    assert allowed in remedy


def training(**changes):
    return {"systems": {"resnet18": {"training": changes}}}


def model(**changes):
    return {"systems": {"resnet18": {"model": changes}}}


def taken(**changes):
    return {"systems": {"resnet18": {"input": changes}}}


def recipe(**changes):
    return {"recipes": {"logmel128": changes}}


def copies(**changes):
    return {"protocols": {"augment_then_split": {"copies": changes}}}


FIGURE = {"figure": "F", "kind": "spectrogram", "title": "", "corpus": "ravdess"}
NUMBER = {"table": "T", "system": "resnet18", "corpus": "ravdess", "protocol": "published", "part": "test"}
NUMBER |= {"metric": "WA", "value": 0.5}
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
MATRIX = {key: NUMBER[key] for key in ("table", "system", "corpus", "protocol")}
MATRIX |= {"rows": {true: dict.fromkeys(EMOTIONS, 12.5) for true in EMOTIONS}}
STOP = {"metric": "WA", "patience": 3}
#: What a user lays over DeepEMO's file -> the key below it that is named, the value found, a word of what is allowed.
PAPER = [
    # what could be found only after all training
    ({"published": [NUMBER | {"value": 66.1}]}, "published.0.value", "66.1", "0.661"),
    ({"published": [NUMBER | {"metric": "loss"}]}, "published.0.part", "test part", "WA, UA or macro_F1"),
    ({"published": [NUMBER, NUMBER | {"value": 0.2}]}, "published.1", "twice", "one entry"),
    ({"published": [NUMBER | {"corpus": "savee"}]}, "published", "'savee'", "ravdess"),
    ({"published": [NUMBER | {"table": "Data"}]}, "published", "every paper gets", "another name"),
    (
        {"published": [NUMBER, NUMBER | {"table": "t", "part": "validation"}]},
        "published",
        "taken by 'T'",
        "another name",
    ),
    ({"published_confusion": 2 * [MATRIX]}, "published_confusion", "'t_confusion'", "another name"),
    ({"figures": 2 * [FIGURE | {"recipe": "logmel128"}]}, "figures", "taken by 'F'", "another name"),
    ({"figures": [FIGURE | {"recipe": "mfc"}]}, "figures.0: recipe", "'mfc'", "logmel128"),
    ({"figures": [FIGURE]}, "figures.0", "'recipe'", "recipe"),
    ({"figures": [FIGURE | {"corpora": ["ravdess"]}]}, "figures.0", "corpus and corpora", "one of them"),
    ({"titel": "x"}, "", "'titel'", "Did you mean 'title'?"),
    ({"paper": "mine"}, "paper", "'mine'", "Remove the key"),
    ({"systems": {"resnet": {"training": {"epochs": 5}}}}, "systems.resnet", "'title'", "Did you mean 'resnet18'?"),
    ({"systems": {"Res-Net": {"based_on": "resnet18"}}}, "systems.Res-Net", "'Res-Net'", "that fits"),
    ({"systems": {"wide": {"based_on": "resnet8", "title": "x"}}}, "systems.wide.based_on", "'resnet8'", "resnet18"),
    ({"systems": {"resnet18": {"combine": {}}}}, "systems.resnet18.combine", "'first'", "first, second, neutral"),
    (
        {"systems": {"resnet18": {"combine": {"first": "a", "second": ["b"], "neutral": "calm"}}}},
        "systems.resnet18",
        "not exactly one",
        "recipe and input and model",
    ),
    # training
    (training(learning_rate=-1e-3), "systems.resnet18.training.learning_rate", "-0.001", "above 0"),
    (training(learning_rate="1e-3"), "systems.resnet18.training.learning_rate", "'1e-3'", "as in 1.0e-3"),
    (training(learning_rate=float("nan")), "systems.resnet18.training.learning_rate", "nan", "finite"),
    (
        training(early_stopping=STOP | {"metric": "accuracy"}),
        "systems.resnet18.training.early_stopping.metric",
        "'accuracy'",
        "WA, UA, loss",
    ),
    (
        training(early_stopping=STOP, phases=[{"epochs": 50}]),
        "systems.resnet18.training.early_stopping",
        "phases",
        "Remove one",
    ),
    (
        training(phases=[{"epochs": 50, "height": 99, "width": 99}]),
        "systems.resnet18.training.phases",
        "99 x 99",
        "Make them equal",
    ),
    (
        training(phases=[{"epochs": 5}]),
        "systems.resnet18.training.phases",
        "sum to 5",
        "Make them equal",
    ),
    (training(augment=[{"kind": "rotate"}]), "systems.resnet18.training.augment.0", "'degrees'", "degrees"),
    (
        training(augment=[{"kind": "flip", "probability": 50}]),
        "systems.resnet18.training.augment.0.probability",
        "50",
        "up to 1",
    ),
    # model and input
    (model(module="resnet81"), "systems.resnet18.model.module", "'resnet81'", "resnet1d"),
    (model(module="mine/net.py"), "systems.resnet18.model.module", "'mine/net.py'", "Correct the path"),
    (model(dept=34), "systems.resnet18.model", "'dept'", "Did you mean 'depth'?"),
    (model(depth=17), "systems.resnet18.model.pretrained", "resnet17", "resnet18, resnet34, resnet50"),
    (model(pretrained="imagent"), "systems.resnet18.model.pretrained", "'imagent'", "imagenet, none"),
    (taken(kind="vector"), "systems.resnet18.input", "'height'", "Allowed"),
    (taken(kind="picture"), "systems.resnet18.input.kind", "'picture'", "image, patch, sequence, vector"),
    ({"systems": {"resnet18": {"based_on": ["x"]}}}, "systems.resnet18.based_on", "['x']", "Allowed"),
    # recipes
    (recipe(transform="mel"), "recipes.logmel128.transform", "'mel'", "logmel"),
    (recipe(hop_length=0), "recipes.logmel128.hop_length", "0", "from 1"),
    (recipe(fmax=16000.0), "recipes.logmel128.fmax", "16000.0", "up to 8000.0"),
    (recipe(fmin=4000.0, fmax=3000.0), "recipes.logmel128.fmin", "4000.0", "below 3000.0"),
    ({"systems": {"resnet18": {"recipe": "logmel"}}}, "systems.resnet18.recipe", "'logmel'", "'logmel128'"),
    # protocols
    ({"systems": {"resnet18": {"protocols": ["loso"]}}}, "systems.resnet18.protocols", "'loso'", "speaker_independent"),
    ({"systems": {"resnet18": {"folds": [9]}}}, "systems.resnet18.folds", "9", "0 to 5"),
    ({"protocols": {"published": {"kind": "stratified"}}}, "protocols.published.kind", "'stratified'", "random"),
    ({"protocols": {"published": {"parts": {"train": 0.9}}}}, "protocols.published.parts", "0.9", "sum to 1"),
    ({"protocols": {"published": {"validation": "male"}}}, "protocols.published", "'validation'", "parts"),
    ({"protocols": {"published": {"copies": {"pitsch": {}}}}}, "protocols.published.copies", "'pitsch'", "'pitch'"),
    (copies(echo={"ms": 3}), "protocols.augment_then_split.copies", "'echo'", "noise, pitch, stretch"),
    (copies(stretch={"rate": 0}), "protocols.augment_then_split.copies.stretch.rate", "0", "above 0"),
    # corpora and labels
    ({"corpora": ["crema"]}, "corpora", "'crema'", "iemocap, ravdess, savee"),
    ({"corpora": ["ravdess+ravdess"]}, "corpora", "twice", "once"),
    ({"labels": ["happy", "joyful"]}, "labels", "'joyful'", "surprised"),
    ({"labels": ["calm", "excited"]}, "systems.resnet18.labels", "ravdess has fewer than two of calm, excited", "calm"),
    ({"select": {"ravdes": {"sex": "male"}}}, "select", "'ravdes'", "Did you mean 'ravdess'?"),
    ({"select": {"ravdess": {"intensity": "loud"}}}, "select.ravdess.intensity", "'loud'", "normal, strong"),
]


@pytest.mark.parametrize(("changes", "key", "found", "allowed"), PAPER, ids=lambda value: str(value)[:60])
def test_a_mistake_in_an_override_is_told(changes, key, found, allowed, folder):
    where, fault, remedy = told({"overrides": {"deepemo": changes}}, folder)
    assert where.startswith("config.yaml: overrides.deepemo")
    assert where.endswith(key)
    assert found in fault
    assert allowed in remedy


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"systems": {"two_step": {"combine": {"first": "two_step"}}}}, "systems.two_step.combine"),
        ({"noise": {"modified": "two_step"}}, "noise"),
    ],
)
def test_a_combined_system_is_no_part_of_another_and_not_tested_in_noise(changes, key, folder):
    where, fault, remedy = told({"overrides": {"satt": changes}}, folder)
    assert where == f"config.yaml: overrides.satt: {key}"
    assert "'two_step'" in fault
    assert "cnn_lstm_10hz" in remedy


def test_a_published_matrix_has_the_labels_that_its_corpus_has(folder):
    """SAVEE has no calm; Jin's paper has."""
    rows = {true: dict.fromkeys(EMOTIONS, 12.5) for true in EMOTIONS}
    matrix = MATRIX | {"system": "resnet1d", "corpus": "savee"}
    seven = {true: {guess: value for guess, value in row.items() if guess != "calm"} for true, row in rows.items()}
    del seven["calm"]
    Papers(check_config({"overrides": {"jin": {"published_confusion": [matrix | {"rows": seven}]}}}))
    where, _, remedy = told({"overrides": {"jin": {"published_confusion": [matrix | {"rows": rows}]}}}, folder)
    assert where == "config.yaml: overrides.jin: published_confusion"
    assert remedy.startswith("Labels: neutral, happy, sad")


def test_a_model_that_would_undo_the_inputs_standardisation_is_told(folder):
    scoped = {"deepemonet": {"systems": {"svm": {"input": {"scope": "corpus"}}}}}
    where, fault, remedy = told({"overrides": scoped}, folder)
    assert where == "config.yaml: overrides.deepemonet: systems.svm.model.standardise"
    assert "scope: corpus" in fault
    assert remedy == "Set it to false."


@pytest.mark.parametrize(
    ("changes", "key", "fault", "remedy"),
    [
        (
            {"deepemonet": {"systems": {"bilstm": {"input": {"scope": "speaker"}}}}},
            "deepemonet: systems.bilstm.input.scope",
            "nothing is standardised",
            "standardise: true",
        ),
        (
            {"deepemo": {"recipes": {"logmel128": {"top_db": 60.0}}}},
            "deepemo: systems.resnet18.input.floor_db",
            "top_db is 60",
            "Set it to -60.",
        ),
        (
            {"deepemonet": {"systems": {"resnet34": {"recipe": "lnmel128_deepemonet"}}}},
            "deepemonet: systems.resnet34.input.kind",
            "lnmel gives no decibels below the maximum",
            "`top_db`",
        ),
        (
            {
                "deepemonet": {
                    "systems": {
                        "svm": {"training": {"epochs": 5, "batch_size": 8, "optimiser": "adam", "learning_rate": 0.1}}
                    }
                }
            },
            "deepemonet: systems.svm.training",
            "svm is not trained in epochs",
            "Remove it",
        ),
        (
            {"mittal": {"systems": {"cnn": {"training": {"early_stopping": {"metric": "UA", "patience": 9}}}}}},
            "mittal: systems.cnn.training.early_stopping",
            "published has no validation part",
            "Remove it",
        ),
    ],
)
def test_options_that_would_silently_do_nothing_or_fail_after_hours_are_told_first(changes, key, fault, remedy, folder):
    found = told({"overrides": changes, "allow_partial": True}, folder)
    assert found[0].startswith(f"config.yaml: overrides.{key}")
    assert fault in found[1]
    assert remedy in found[2]


def test_a_system_that_is_taken_away_from_those_based_on_it_is_told(folder):
    where, fault, _ = told({"overrides": {"satt": {"systems": {"cnn_10hz": None}}}}, folder)
    assert where.startswith("config.yaml: overrides.satt: systems.")
    assert "null" in fault


def test_the_same_mistake_in_a_paper_file_is_told_with_the_file(tmp_path):
    paper = yaml.safe_load((PAPERS / "deepemo.yaml").read_text())
    paper["recipes"]["logmel128"]["hop_length"] = 0
    (tmp_path / "deepemo.yaml").write_text(yaml.safe_dump(paper))
    where, fault, remedy = told({}, tmp_path, tmp_path)
    assert where == f"{tmp_path / 'deepemo.yaml'}: recipes.logmel128.hop_length"
    assert "0" in fault
    assert "from 1" in remedy


def test_a_date_as_a_key_of_a_paper_file_is_told(tmp_path):
    paper = yaml.safe_load((PAPERS / "deepemo.yaml").read_text())
    paper["select"] = {datetime.date(2020, 1, 1): {}}
    (tmp_path / "deepemo.yaml").write_text(yaml.safe_dump(paper))
    where, fault, remedy = told({}, tmp_path, tmp_path)
    assert where == f"{tmp_path / 'deepemo.yaml'}: select"
    assert "2020-01-01" in fault
    assert "quotes" in remedy


def test_two_papers_that_define_a_recipe_differently_are_both_named(folder):
    other = yaml.safe_load((PAPERS / "mittal.yaml").read_text())["recipes"]["spectrogram257"]
    changes = {"recipes": {"spectrogram257": other | {"hop_length": 128}}}
    _, fault, remedy = told({"overrides": {"deepemo": changes}}, folder)
    assert all(name in fault for name in ("'spectrogram257'", "deepemo", "mittal"))
    assert "another name" in remedy


def test_an_override_is_checked_though_its_paper_is_not_run(folder):
    where, fault, _ = told({"papers": ["jin"], "overrides": {"deepemo": training(epochs=0)}}, folder)
    assert where == "config.yaml: overrides.deepemo: systems.resnet18.training.epochs"
    assert "0" in fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("paper: deepemo\ntitle: a\ntitle: b\n", "line 3: key 'title' stands here and in line 2"),
        ("paper: deepemo\nsystems: {cnn: {}, cnn: {}}\n", "line 2: key 'cnn' stands here and in line 2"),
        ("paper: [deepemo\n", "is not valid YAML"),
        ("- paper\n", "['paper'] is not allowed"),
        ("paper: deepemo\ntitle: 2020-01-01\n", "title: 2020-01-01 is not allowed"),
        (b"paper: \xff\n", "cannot be read"),
    ],
)
def test_a_paper_file_that_yaml_reads_otherwise_than_meant_is_told(text, fault, tmp_path):
    (tmp_path / "deepemo.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        Papers(check_config({}), tmp_path)
    assert str(tmp_path / "deepemo.yaml") in caught.value.where
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_stands_twice_in_the_configuration_is_told(tmp_path):
    (tmp_path / "mine.yaml").write_text("threads: 2\npapers: [jin]\nthreads: 4\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: line 3: key 'threads' stands here and in line 1"):
        read_config([tmp_path / "mine.yaml"])


SECRETS = [
    "http://anna:s3cret@host:5000",
    "http://anna:s3/cret@host",
    "http://anna:p@s3cret@host",
    "postgresql://anna:s3cret@host/db",
    "https://host/?token=s3cret",
]


@pytest.mark.parametrize("uri", SECRETS)
def test_credentials_in_the_address_are_refused_and_never_shown(uri, folder):
    where, fault, remedy = told({"tracking": {"uri": uri}}, folder)
    assert where == "config.yaml: tracking.uri"
    assert "s3" not in fault + remedy
    assert "MLFLOW_TRACKING_PASSWORD" in remedy


@pytest.mark.parametrize("tracking", [SECRETS[0], {"uri": SECRETS[:1]}, {"uri": {"address": SECRETS[0]}}])
def test_credentials_in_a_wrong_place_are_not_shown_either(tracking, folder):
    where, fault, remedy = told({"tracking": tracking}, folder)
    assert where.startswith("config.yaml: tracking")
    assert "s3" not in fault + remedy


@pytest.mark.parametrize(
    "uri", [None, "sqlite:///mlflow.db", "sqlite:////data/a@b/mlflow.db", "http://localhost:5000", "https://host/path"]
)
def test_an_address_alone_is_taken(uri):
    assert check_config({"tracking": {"uri": uri}}).tracking.uri == uri


@pytest.mark.parametrize("key", ["results", "prefix"])
def test_a_value_that_is_quoted_in_yaml_stays_text(key, tmp_path):
    text = {"results": 'results: "2024"\n', "prefix": 'tracking: {prefix: "2024"}\n'}[key]
    (tmp_path / "mine.yaml").write_text(text)
    config = read_config([tmp_path / "mine.yaml"])
    assert {"results": config.results, "prefix": config.tracking.prefix}[key] == "2024"


def test_values_of_the_command_line_alone_are_parsed():
    """Snakemake hands on nested ones as the text that was typed."""
    typed = {"threads": "4", "corpora": {"ravdess": {"source": "null"}}, "folds": ["0", "1"]}
    config = check_config(typed, typed)
    assert (config.threads, config.source("ravdess"), config.folds) == (4, None, [0, 1])
    with pytest.raises(ConfigError):
        check_config(typed)


def test_the_command_line_tells_a_mistake_in_one_sentence_and_starts_nothing(tmp_path):
    shutil.copy(ROOT / "config.yaml", tmp_path)
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    command += ["--config", "tracking={uri: 'http://anna:s3cret@host'}"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "workflow"), "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "config.yaml: tracking.uri: '***@host' has more than the address in it" in output
    assert "MLFLOW_TRACKING_PASSWORD" in output
    assert "s3cret" not in output
    assert "Traceback" not in output
    assert {path.name for path in tmp_path.iterdir()} <= {"config.yaml", ".snakemake", ".cache"}
