import copy
import json
from pathlib import Path

import pytest
import yaml

from serflow.config import check_config
from serflow.errors import ConfigError
from serflow.papers.papers import PAPERS, Papers, Run, derive_systems, read_paper

DEMO = {"ravdess": {"source": "demo"}}
NOTHING = {"ravdess": {"source": None}}
BOTH = DEMO | {"savee": {"source": "demo"}}
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


def deepemo_file():
    return yaml.safe_load((PAPERS / "deepemo.yaml").read_text())


def papers(folder=PAPERS, **config):
    return Papers(check_config({"corpora": DEMO, **config}), folder)


def write(folder: Path, paper: dict) -> Path:
    path = folder / f"{paper['paper']}.yaml"
    path.write_text(yaml.safe_dump(paper))
    return path


@pytest.fixture
def toy():
    """A paper file's content to be changed: DeepEMO's under another name."""
    return deepemo_file() | {"paper": "toy"}


# deepemo.yaml against the paper


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
    entries = deepemo_file()["published_posteriors"]
    assert deepemo_file()["labels"] == EMOTIONS
    assert {(e["figure"], e["label"]): e["posteriors"] for e in entries} == {
        key: dict(zip(EMOTIONS, values, strict=True)) for key, values in FIGURES.items()
    }
    for entry in entries:
        assert sum(entry["posteriors"].values()) == pytest.approx(1, abs=1e-6)
        assert max(entry["posteriors"], key=entry["posteriors"].get) == entry["label"]


def test_deepemo_trains_as_the_paper_says():
    system = deepemo_file()["systems"]["resnet18"]
    assert system["training"] | {"batch_size": None} == {
        "epochs": 50,
        "batch_size": None,  # unsaid, so it must stand among the assumptions
        "optimiser": "adam",
        "learning_rate": 3e-5,
    }
    assert system["model"] == {"module": "resnet", "depth": 18, "pretrained": "imagenet"}
    topics = {assumption["topic"] for assumption in deepemo_file()["assumptions"]}
    assert {"split", "image", "mel-spectrogram", "batch size", "augmentation", "loss"} <= topics


# Which runs a configuration asks for


def test_deepemo_has_six_random_runs_and_six_folds():
    runs = list(papers().runs("deepemo"))
    common = ("deepemo", "ravdess", "resnet18")
    assert runs == [
        *(Run(*common, "published", seed, 0) for seed in (0, 1, 2)),
        *(Run(*common, "speaker_independent", 0, fold) for fold in range(6)),
        *(Run(*common, "augment_then_split", seed, 0) for seed in (0, 1, 2)),
    ]
    assert runs[8].path == "deepemo/ravdess/resnet18/speaker_independent/seed0/fold5"


@pytest.mark.parametrize(
    ("config", "random", "grouped", "leaking"),
    [
        ({"folds": [0, 1]}, 3, 2, 3),
        ({"folds": [5]}, 3, 1, 3),
        ({"protocols": ["published"]}, 3, 0, 0),
        ({"protocols": ["augment_then_split"]}, 0, 0, 3),
        ({"protocols": ["speaker_independent"], "folds": [2, 4]}, 0, 2, 0),
        ({"seeds": {"random": [7], "grouped": [0, 1]}}, 1, 12, 1),
        ({"systems": ["svm"], "corpora": BOTH}, 0, 0, 0),
        ({"corpora": NOTHING}, 0, 0, 0),
    ],
)
def test_narrowing_a_configuration(config, random, grouped, leaking):
    protocols = [run.protocol for run in papers(**config).runs("deepemo")]
    expected = {"published": random, "speaker_independent": grouped, "augment_then_split": leaking}
    assert protocols == [name for name, n in expected.items() for _ in range(n)]


def test_of_the_folds_asked_for_each_corpus_runs_those_it_has():
    """RAVDESS has six, SAVEE four."""
    found = papers(corpora=BOTH, folds=[3, 5])
    grouped = [run for run in found.runs("jin") if run.protocol == "speaker_independent"]
    assert [(run.corpus, run.fold) for run in grouped] == [("ravdess", 3), ("ravdess", 5), ("savee", 3)]


def test_what_is_not_configured_is_left_out_and_said(tmp_path, toy):
    write(tmp_path, toy | {"corpora": ["ravdess", "ravdess+savee", "savee+iemocap"]})
    found = papers(tmp_path)
    assert found.not_run("toy") == {
        "ravdess+savee": "SAVEE is not configured",
        "savee+iemocap": "SAVEE and IEMOCAP are not configured",
    }
    assert found.corpora("toy") == ["ravdess"]
    assert found.active() == ["toy"]
    nothing = papers(tmp_path, corpora={"ravdess": {"source": None}})
    assert nothing.active() == []
    assert list(nothing.runs("toy")) == []


def test_a_union_of_corpora_has_the_folds_of_the_larger(tmp_path, toy):
    write(tmp_path, toy | {"corpora": ["ravdess+savee", "savee"], "published": []})
    found = papers(tmp_path, corpora=DEMO | {"savee": {"source": "demo"}})
    grouped = [run.corpus for run in found.runs("toy") if run.protocol == "speaker_independent"]
    assert grouped == ["ravdess+savee"] * 6 + ["savee"] * 4


def test_the_record_says_what_later_stages_ask():
    record = papers(corpora=DEMO).record("deepemo")
    assert record["n_folds"] == {"ravdess": {"published": 1, "speaker_independent": 6, "augment_then_split": 1}}
    assert record["not_run"] == {}
    assert record["synthetic"] is True
    assert record["paper"] == deepemo_file()
    assert json.loads(json.dumps(record)) == record
    left_out = papers(corpora={"ravdess": {"source": None}}).record("deepemo")
    assert left_out["not_run"] == {"ravdess": "RAVDESS is not configured"}
    assert left_out["synthetic"] is False


# What a run depends on


def builtins_only(value):
    if type(value) is dict:
        return all(type(key) is str and builtins_only(part) for key, part in value.items())
    if type(value) is list:
        return all(map(builtins_only, value))
    return type(value) in (str, int, float, bool, type(None))


def test_a_spec_is_plain_stable_and_complete():
    run = Run("deepemo", "ravdess", "resnet18", "published", 2, 0)
    spec = papers(pretrained="none").spec(run)
    assert builtins_only(spec)  # anything else never triggers Snakemake's reruns
    text = json.dumps(spec, sort_keys=True)
    assert text == json.dumps(papers(pretrained="none").spec(run), sort_keys=True)
    assert json.loads(text) == spec
    paper = deepemo_file()
    system = paper["systems"]["resnet18"]
    assert spec["system_config"] == {
        "recipe": paper["recipes"]["logmel128"],
        "input": system["input"],
        "model": {"module": "resnet", "depth": 18, "pretrained": "none"},
        "training": system["training"],
    }
    identity = ("paper", "corpus", "system", "protocol", "seed", "fold")
    assert [spec[key] for key in identity] == ["deepemo", "ravdess", "resnet18", "published", 2, 0]
    assert spec["labels"] == EMOTIONS


def deviations(protocol="published", **config):
    return papers(**config).spec(Run("deepemo", "ravdess", "resnet18", protocol, 0, 0))["deviations"]


def test_what_is_run_as_the_paper_says_deviates_in_nothing():
    assert deviations() == []
    assert deviations(overrides={"deepemo": {"systems": {"resnet18": {"training": {"epochs": 50}}}}}) == []


def test_an_override_is_a_deviation_and_is_what_is_run():
    overrides = {"deepemo": {"systems": {"resnet18": {"training": {"epochs": 5}, "input": {"height": 64}}}}}
    assert deviations(overrides=overrides) == ["input.height: 64 instead of 224", "training.epochs: 5 instead of 50"]
    paper = papers(overrides=overrides).papers["deepemo"]
    assert paper["systems"]["resnet18"]["training"]["epochs"] == 5
    assert paper["systems"]["resnet18"]["input"] == {"kind": "image", "height": 64, "width": 224, "floor_db": -80.0}


def test_other_weights_are_a_deviation(tmp_path):
    assert deviations(pretrained="none") == ["model.pretrained: none instead of imagenet"]
    weights = tmp_path / "own.pth"
    weights.touch()
    assert deviations(pretrained=str(weights)) == [f"model.pretrained: {weights} instead of imagenet"]


def test_a_deviation_stands_with_the_runs_it_touches_alone(tmp_path, toy):
    recipe = {"deepemo": {"recipes": {"logmel128": {"n_mels": 64}}}}
    assert len(deviations(overrides=recipe)) == 1
    assert "n_mels: 64 instead of 128" in deviations("speaker_independent", overrides=recipe)[0]
    parts = {"deepemo": {"protocols": {"published": {"parts": {"train": 0.6, "test": 0.3}}}}}
    assert len(deviations(overrides=parts)) == 2
    assert deviations("speaker_independent", overrides=parts) == []
    toy["systems"]["other"] = copy.deepcopy(toy["systems"]["resnet18"])
    write(tmp_path, toy)
    changed = papers(tmp_path, overrides={"toy": {"systems": {"other": {"training": {"epochs": 1}}}}})
    assert changed.spec(Run("toy", "ravdess", "resnet18", "published", 0, 0))["deviations"] == []
    assert len(changed.spec(Run("toy", "ravdess", "other", "published", 0, 0))["deviations"]) == 1


# Paper files


def test_one_recipe_name_means_one_recipe(tmp_path, toy):
    twin = copy.deepcopy(toy) | {"paper": "twin"}
    write(tmp_path, toy)
    write(tmp_path, twin)
    assert list(papers(tmp_path).recipes) == ["logmel128", "logmel128_augment_then_split"]
    twin["recipes"]["logmel128"]["hop_length"] = 160
    write(tmp_path, twin)
    with pytest.raises(ConfigError, match=r"'logmel128'.*twin and in toy"):
        papers(tmp_path)
    assert papers(tmp_path, papers=["twin"]).recipes["logmel128"]["hop_length"] == 160


def set_in(paper, path, value):
    *folders, last = path
    for key in folders:
        paper = paper[key]
    paper[last] = value


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        (("labels",), ["happy", "glad"], "labels", "'glad'"),
        (("sytems",), {}, "", "Did you mean 'systems'"),
        (("recipes", "logmel128", "n_mel"), 3, "recipes.logmel128", "'n_mel'"),
        (("recipes", "logmel128", "transform"), "logmell", "recipes.logmel128", "'logmell'"),
        (("systems", "resnet18", "recipe"), "mfcc", "systems.resnet18.recipe", "'mfcc'"),
        (("systems", "resnet18", "protocols"), ["random"], "systems.resnet18.protocols", "'random'"),
        (("systems", "resnet18", "training", "batch_size"), 0, "systems.resnet18.training.batch_size", "from 1"),
        (("systems", "resnet18", "training", "learning_rate"), "3e-5", "training.learning_rate", "'3e-5'"),
        (("systems", "Res-Net"), {}, "systems", "Res-Net"),
        (("protocols", "published", "kind"), "stratified", "protocols.published.kind", "'stratified'"),
        (("protocols", "published", "parts", "train"), 0.7, "protocols.published.parts", "sum to 1"),
        (("protocols", "speaker_independent", "parts"), {"train": 0.8, "validation": 0.1, "test": 0.1},
         "protocols.speaker_independent.parts", "kind speakers"),
        (("published", 0, "system"), "resnet34", "published", "'resnet34'"),
        (("published", 0, "metric"), "WAR", "published.0.metric", "'WAR'"),
        (("paper",), "other", "paper", "'other'"),
        (("assumptions", 0, "chosen"), None, "assumptions.0.chosen", "text"),
        (("corpora",), ["ravdes"], "", "'ravdes'"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_fault_in_a_paper_file_is_named(tmp_path, toy, path, value, where, message):
    set_in(toy, path, value)
    file = tmp_path / "toy.yaml"
    file.write_text(yaml.safe_dump(toy))
    with pytest.raises(ConfigError) as caught:
        read_paper(file)
    assert where in caught.value.where
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_corpus_names_the_paper_file(tmp_path, toy):
    write(tmp_path, toy | {"corpora": ["ravdes"]})
    with pytest.raises(ConfigError, match=r"toy\.yaml"):
        read_paper(tmp_path / "toy.yaml")


def test_a_paper_file_that_is_no_yaml_is_named(tmp_path):
    (tmp_path / "toy.yaml").write_text("paper: [toy\nlabels: ]")
    with pytest.raises(ConfigError, match=r"toy\.yaml.*not valid YAML"):
        read_paper(tmp_path / "toy.yaml")


def test_a_paper_file_that_is_no_yaml_gives_one_line(tmp_path):
    (tmp_path / "toy.yaml").write_text("paper: [toy\nlabels: ]")
    with pytest.raises(ConfigError) as caught:
        read_paper(tmp_path / "toy.yaml")
    assert "\n" not in str(caught.value)


# The other paper files against their papers

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
    paper = read_paper(PAPERS / "mittal.yaml")
    (entry,) = paper["published_confusion"]
    printed = [list(map(int, line.split())) for line in MITTAL_TABLE_1.split("\n")[1:-1]]
    assert [[entry["rows"][truth][guess] for guess in EMOTIONS] for truth in EMOTIONS] == printed
    assert sum(printed[i][i] for i in range(8)) / 8 == 72
    (number,) = paper["published"]
    assert (number["metric"], number["value"], number["part"]) == ("UA", 0.72, "test")
    assert "weighted accuracy" in number["note"]


def test_mittal_trains_as_the_paper_says():
    paper = read_paper(PAPERS / "mittal.yaml")
    system = paper["systems"]["cnn"]
    assert {system["input"]["height"], system["input"]["width"]} == {260, 270}
    assert system["input"]["channels"] == 1
    assert (system["training"]["epochs"], system["training"]["optimiser"]) == (500, "adam")
    assert {entry["kind"] for entry in system["training"]["augment"]} == {"flip", "zoom", "shear"}
    parts = paper["protocols"]["published"]["parts"]
    assert parts["test"] == 0.25
    assert parts["train"] + parts["validation"] == pytest.approx(0.75)
    assert paper["figures"][0]["utterance"] == "03-01-07-02-02-01-10"


def test_deepemonet_carries_table_1_and_figure_2():
    paper = read_paper(PAPERS / "deepemonet.yaml")
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


def test_deepemonet_trains_as_the_paper_says():
    paper = read_paper(PAPERS / "deepemonet.yaml")
    systems = paper["systems"]
    assert list(systems) == list(VU_TABLE_1)  # a to e
    assert "training" not in systems["svm"]
    epochs = {name: system["training"]["epochs"] for name, system in systems.items() if name != "svm"}
    assert epochs == {"bilstm": 200, "resnet34_scratch": 200, "resnet34": 30, "resnet34_augmented": 30}
    for name in epochs:
        training = systems[name]["training"]
        assert (training["batch_size"], training["learning_rate"], training["optimiser"]) == (64, 1e-3, "adam")
        assert training["step_decay"]["factor"] == 0.9
    assert {name for name, s in systems.items() if s["model"].get("pretrained")} == {"resnet34", "resnet34_augmented"}
    last = systems["resnet34_augmented"]["training"]
    assert [(s["height"], s["width"]) for s in last["stages"]] == [(128, 128), (256, 256)]
    assert {entry["kind"] for entry in last["augment"]} == {"rotate", "zoom", "brightness", "mixup"}
    assert paper["protocols"]["published"]["parts"] == {"train": 0.9, "validation": 0.05, "test": 0.05}


def test_jin_carries_table_2_and_trains_as_the_paper_says():
    paper = read_paper(PAPERS / "jin.yaml")
    assert {e["corpus"]: e["value"] for e in paper["published"]} == {"ravdess": 0.9730, "savee": 0.9826}
    training = paper["systems"]["resnet1d"]["training"]
    assert (training["optimiser"], training["learning_rate"], training["decay"]) == ("rmsprop", 1e-4, 1e-6)
    recipe = paper["recipes"][paper["systems"]["resnet1d"]["recipe"]]
    assert (recipe["first"], recipe["n_mfcc"]) == (2, 13)


@pytest.mark.parametrize("name", sorted(path.stem for path in PAPERS.glob("*.yaml")))
def test_every_system_runs_speaker_independent_beside_the_papers_own_protocol(name):
    paper = derive_systems(read_paper(PAPERS / f"{name}.yaml"))
    assert {"published", "speaker_independent"} <= set(paper["protocols"])
    assert paper["protocols"]["speaker_independent"]["kind"] == "speakers"
    for system in paper["systems"].values():
        assert {"published", "speaker_independent"} <= set(system["protocols"])


def test_the_leak_is_measured_where_numbers_are_high_and_for_the_svm():
    found = papers(corpora=BOTH)
    leaking = {
        (run.paper, run.system) for name in found.active() for run in found.runs(name) if "augment" in run.protocol
    }
    assert leaking == {("deepemo", "resnet18"), ("jin", "resnet1d"), ("deepemonet", "svm")}
    assert {tuple(found.seeds(name, "augment_then_split")) for name in ("deepemo", "jin", "deepemonet")} == {(0, 1, 2)}


# Labels, recipes, systems


def test_labels_are_those_that_the_corpus_has():
    found = papers(corpora=BOTH)
    assert found.labels("jin", "ravdess") == EMOTIONS
    assert found.labels("jin", "savee") == [emotion for emotion in EMOTIONS if emotion != "calm"]
    assert found.labels("deepemonet", "ravdess+savee") == EMOTIONS
    run = Run("jin", "savee", "resnet1d", "published", 0, 0)
    assert len(found.spec(run)["labels"]) == 7
    assert found.record("jin")["labels"] == {"ravdess": EMOTIONS, "savee": found.labels("jin", "savee")}


def test_a_protocol_with_copies_has_a_recipe_of_its_own():
    found = papers(corpora=BOTH)
    plain = found.recipe_of("jin", "resnet1d", "published")
    name, recipe = found.recipe_of("jin", "resnet1d", "augment_then_split")
    assert plain == ("mfcc2to13", found.papers["jin"]["recipes"]["mfcc2to13"])
    assert name == "mfcc2to13_augment_then_split"
    assert recipe == {**plain[1], "copies": found.papers["jin"]["protocols"]["augment_then_split"]["copies"]}
    assert found.recipes[name] == recipe
    spec = found.spec(Run("jin", "savee", "resnet1d", "augment_then_split", 0, 0))
    assert spec["system_config"]["recipe"] == recipe
    assert builtins_only(spec)


def test_an_svm_has_no_training():
    spec = papers(corpora=BOTH).spec(Run("deepemonet", "ravdess+savee", "svm", "published", 0, 0))
    assert sorted(spec["system_config"]) == ["input", "model", "recipe"]


def test_systems_narrow_a_run():
    found = papers(corpora=BOTH, systems=["svm", "cnn"], folds=[0], seeds={"random": [0]})
    assert found.active() == ["deepemonet", "mittal"]
    assert [(run.system, run.protocol) for run in found.runs("deepemonet")] == [
        ("svm", "published"),
        ("svm", "speaker_independent"),
        ("svm", "augment_then_split"),
    ]
    with pytest.raises(ConfigError, match=r"config\.yaml: systems.*'smv'.*svm"):
        papers(systems=["smv"])


def test_a_system_added_by_an_override_is_told_as_one(tmp_path):
    system = deepemo_file()["systems"]["resnet18"] | {"title": "mine", "protocols": ["published"]}
    module = tmp_path / "network.py"
    module.write_text("raise NotImplementedError  # planning does not run it")
    system["model"] = {"module": str(module), "width": 8}
    found = papers(overrides={"deepemo": {"systems": {"mine": system}}})
    spec = found.spec(Run("deepemo", "ravdess", "mine", "published", 0, 0))
    assert spec["system_config"]["model"] == {"module": str(module), "width": 8}
    assert spec["deviations"] == ["system mine: not in the paper"]
    assert found.spec(Run("deepemo", "ravdess", "resnet18", "published", 0, 0))["deviations"] == []


# A union of which only a part is there


def test_a_partial_union_runs_only_if_asked():
    assert "deepemonet" not in papers().active()
    found = papers(allow_partial=True)
    assert {run.corpus for run in found.runs("deepemonet")} == {"ravdess"}
    assert found.not_run("deepemonet") == {}
    record = found.record("deepemonet")
    assert set(record["n_folds"]) == {"ravdess"}
    named = [e["corpus"] for key in ("published", "figures") for e in record["paper"][key]]
    assert set(named) == {"ravdess"}
    for run in found.runs("deepemonet"):
        assert "corpus: ravdess alone instead of ravdess+savee" in found.spec(run)["deviations"]
    assert found.spec(Run("deepemo", "ravdess", "resnet18", "published", 0, 0))["deviations"] == []


def test_a_union_is_whole_where_all_is_configured_and_left_out_where_nothing_is(tmp_path, toy):
    assert {run.corpus for run in papers(corpora=BOTH, allow_partial=True).runs("deepemonet")} == {"ravdess+savee"}
    assert papers(corpora=NOTHING, allow_partial=True).not_run("deepemonet") == {
        "ravdess+savee": "RAVDESS and SAVEE are not configured"
    }
    write(tmp_path, toy | {"corpora": ["ravdess", "ravdess+savee"], "published": []})
    found = papers(tmp_path, allow_partial=True)  # its part is run anyway, under its own name
    assert found.corpora("toy") == ["ravdess"]
    assert found.not_run("toy") == {"ravdess+savee": "SAVEE is not configured"}


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        (("systems", "cnn", "training", "stages"), [{"epochs": 3, "height": 9, "width": 9}], "training.stages", "500"),
        (("systems", "cnn", "training", "freeze_epochs"), 500, "training.freeze_epochs", "500 of 500"),
        (("systems", "cnn", "training", "momentum"), 0.9, "systems.cnn.training", "'momentum'"),
        (("systems", "cnn", "training", "step_decay"), {"factor": 0.9}, "step_decay", "'every'"),
        (("systems", "cnn", "training", "augment", 0), {"probability": 1}, "augment.0", "'kind'"),
        (("protocols", "published", "kind"), "augmented", "protocols.published.copies", "needs copies"),
        (("protocols", "published", "copies"), {"noise": {"snr_db": 1}}, "protocols.published.copies", "another kind"),
        (("published_confusion", 0, "rows", "calm"), {"calm": 100}, "published_confusion", "Labels: neutral"),
        (("published_confusion", 0, "system"), "cmm", "published_confusion", "'cmm'"),
        (("figures", 0, "recipe"), "spectrogram", "figures: Figure 1: recipe", "'spectrogram'"),
        (("figures", 0, "corpus"), "savee", "figures: Figure 1: corpus", "'savee'"),
        (("figures", 0, "kind"), "spectogram", "figures.0.kind", "'spectogram'"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_fault_in_mittals_file_is_named(tmp_path, path, value, where, message):
    paper = yaml.safe_load((PAPERS / "mittal.yaml").read_text())
    set_in(paper, path, value)
    write(tmp_path, paper)
    with pytest.raises(ConfigError) as caught:
        read_paper(tmp_path / "mittal.yaml")
    assert where in caught.value.where
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Systems based on others, combined ones, parts of a corpus, studies


@pytest.fixture
def family(toy, tmp_path):
    """A paper with a derived system, one of two classes, a combination of them and a study of another."""
    base = toy["systems"]["resnet18"]
    toy["systems"] |= {
        "wide": {"based_on": "resnet18", "title": "wide", "input": {"width": 448}, "study": True},
        "pair": {"based_on": "resnet18", "title": "pair", "labels": ["neutral", "sad"], "folds": [0, 2]},
        "both": {
            "title": "both",
            "protocols": base["protocols"],
            "combine": {"first": "resnet18", "second": ["pair"], "neutral": "neutral"},
        },
    }
    toy["studies"] = {"width": {"title": "width", "said": "none", "systems": ["resnet18", "wide"]}}
    return toy, tmp_path


def test_a_system_is_the_one_it_is_based_on_but_for_its_own_keys(family):
    paper, folder = family
    write(folder, paper)
    changes = {"toy": {"systems": {"resnet18": {"training": {"epochs": 7}}}}}
    found = papers(folder, overrides=changes)
    systems = found.papers["toy"]["systems"]
    assert systems["wide"]["input"] == systems["resnet18"]["input"] | {"width": 448}
    assert systems["wide"]["training"]["epochs"] == 7  # changes of the first reach what is based on it
    run = next(found.runs("toy", "width"))
    assert found.spec(run)["deviations"] == ["training.epochs: 7 instead of 50"]


def test_a_system_is_based_on_one_that_is_there_and_not_on_itself(toy, tmp_path):
    for base, message in (("nobody", r"'nobody'.*Allowed: itself, later, resnet18"), ("later", "Break the circle")):
        toy["systems"]["itself"] = {"based_on": base, "title": "x"}
        toy["systems"]["later"] = {"based_on": "itself"}
        write(tmp_path, toy)
        with pytest.raises(ConfigError, match=rf"systems\.\w+\.based_on.*{message}"):
            papers(tmp_path)


def test_what_a_study_adds_is_run_for_the_study_alone(family):
    paper, folder = family
    write(folder, paper)
    found = papers(folder)
    assert {run.system for run in found.runs("toy")} == {"resnet18", "pair", "both"}
    assert {run.system for run in found.runs("toy", "width")} == {"resnet18", "wide"}


def test_a_system_has_its_own_labels_and_folds(family):
    paper, folder = family
    write(folder, paper)
    found = papers(folder)
    runs = [run for run in found.runs("toy") if run.system == "pair" and run.protocol == "speaker_independent"]
    assert [run.fold for run in runs] == [0, 2]
    spec = found.spec(runs[0])
    assert spec["labels"] == ["neutral", "sad"]
    assert spec["labels"] + spec["others"] == sorted(
        EMOTIONS, key=lambda e: (e not in ("neutral", "sad"), EMOTIONS.index(e))
    )
    narrowed = papers(folder, folds=[1, 2], protocols=["speaker_independent"])
    assert [run.fold for run in narrowed.runs("toy") if run.system == "pair"] == [2]


def test_a_combined_system_is_made_from_the_same_fold_of_its_parts(family):
    paper, folder = family
    write(folder, paper)
    found = papers(folder)
    run = next(run for run in found.runs("toy") if run.system == "both" and run.fold == 2)
    assert [part.path for part in found.parts(run)] == [run.path.replace("both", name) for name in ("resnet18", "pair")]
    assert found.parts(found.parts(run)[0]) == []
    assert "recipe" not in found.spec(run)["system_config"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"first": "nobody"}, r"systems\.both\.combine.*'nobody'"),
        ({"neutral": "calmish"}, r"systems\.both\.combine\.neutral.*'calmish'"),
        ({"thirds": []}, "unknown key 'thirds'"),
    ],
)
def test_a_mistake_in_a_combination_is_named(family, change, where):
    paper, folder = family
    paper["systems"]["both"]["combine"] |= change
    write(folder, paper)
    with pytest.raises(ConfigError, match=where):
        papers(folder)


def test_a_protocol_may_be_one_of_some_corpora(toy, tmp_path):
    toy["corpora"] = ["ravdess", "savee"]
    toy["protocols"]["published"]["corpora"] = ["savee"]
    toy["systems"]["resnet18"]["protocols"] = ["published", "speaker_independent"]
    write(tmp_path, toy)
    found = papers(tmp_path, corpora=BOTH)
    assert {(run.corpus, run.protocol) for run in found.runs("toy")} == {
        ("savee", "published"),
        ("savee", "speaker_independent"),
        ("ravdess", "speaker_independent"),
    }
    assert found.record("toy")["n_folds"] == {
        "ravdess": {"speaker_independent": 6, "augment_then_split": 1},
        "savee": {"published": 1, "speaker_independent": 4, "augment_then_split": 1},
    }


def test_the_numbers_of_satt():
    """Table 1 in per cent, WA and UA, five-fold; Table 2 overall accuracy."""
    paper = read_paper(PAPERS / "satt.yaml")
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


def test_the_runs_of_satt():
    """Five folds of sessions on IEMOCAP, six of actors on RAVDESS; studies of one run each beside them."""
    found = papers(corpora={"ravdess": {"source": "demo"}, "iemocap": {"source": "demo"}}, papers=["satt"])
    trained = ["cnn_10hz", "cnn_20hz", "cnn_lstm_10hz", "cnn_lstm_20hz"]
    trained += ["neutral_angry", "neutral_happy", "neutral_sad", "two_step"]
    counts = {}
    for run in found.runs("satt"):
        counts.setdefault((run.corpus, run.protocol), {}).setdefault(run.system, []).append(run.fold)
    assert set(counts) == {("iemocap", "published"), ("ravdess", "speaker_independent")}
    for (corpus, _), systems in counts.items():
        n_folds = 5 if corpus == "iemocap" else 6
        assert systems.pop("cnn_lstm_harmonic") == [0]
        assert systems == {name: list(range(n_folds)) for name in trained}
    studied = {name: study["systems"] for name, study in found.papers["satt"]["studies"].items()}
    assert {len(systems) for systems in studied.values()} == {2, 4, 7, 12}
    layers = found.papers["satt"]["systems"]
    shapes = {
        (len(layers[name]["model"]["convolutions"]), layers[name]["model"]["lstm"]["layers"])
        for name in studied["convolutions_lstm"]
    }
    assert shapes == {(convolutions, lstm) for convolutions in range(1, 7) for lstm in (1, 2)}
    assert sorted(len(layers[name]["model"]["convolutions"]) for name in studied["convolutions"]) == [
        2,
        3,
        4,
        5,
        6,
        7,
        8,
    ]
