import copy
import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from serflow.config import check_config
from serflow.errors import ConfigError
from serflow.papers.load import PAPERS, derive_systems, read_paper
from serflow.papers.model import PaperRecord
from serflow.papers.papers import Papers
from serflow.papers.targets import noisy_runs
from serflow.plan import describe
from serflow.runs import RunId
from serflow.scoring.paper import reason_of

DEMO = {"ravdess": {"source": "demo"}}
NOTHING = {"ravdess": {"source": None}}
BOTH = DEMO | {"savee": {"source": "demo"}}
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
    """A paper file's content to be changed: DeepEMO's without its studies, under another name."""
    content = deepemo_file()
    return content | {"paper": "toy", "systems": {"resnet18": content["systems"]["resnet18"]}, "studies": {}}


# Which runs a configuration asks for


def test_deepemo_has_random_runs_of_three_seeds_and_six_folds_and_so_have_its_leak_and_controls():
    runs = list(papers().runs("deepemo"))
    common = ("deepemo", "ravdess", "resnet18")
    assert runs == [
        *(RunId(*common, "published", seed, 0) for seed in (0, 1, 2)),
        *(RunId(*common, "speaker_independent", 0, fold) for fold in range(6)),
        *(
            RunId(*common, name, seed, 0)
            for name in ("augment_then_split", "augment_training_part")
            for seed in (0, 1, 2)
        ),
        *(RunId(*common, "augment_training_part_independent", 0, fold) for fold in range(6)),
    ]
    assert runs[8].path == "deepemo/ravdess/resnet18/speaker_independent/seed0/fold5"


@pytest.mark.parametrize(
    ("config", "random", "grouped", "leaking", "independent"),
    [
        ({"folds": [0, 1]}, 3, 2, 3, 2),
        ({"folds": [5]}, 3, 1, 3, 1),
        ({"protocols": ["published"]}, 3, 0, 0, 0),
        ({"protocols": ["augment_then_split", "augment_training_part"]}, 0, 0, 3, 0),
        ({"protocols": ["speaker_independent"], "folds": [2, 4]}, 0, 2, 0, 0),
        ({"seeds": {"random": [7], "grouped": [0, 1]}}, 1, 12, 1, 12),
        ({"systems": ["svm"], "corpora": BOTH}, 0, 0, 0, 0),
        ({"corpora": NOTHING}, 0, 0, 0, 0),
    ],
)
def test_narrowing_a_configuration(config, random, grouped, leaking, independent):
    protocols = [run.protocol for run in papers(**config).runs("deepemo")]
    expected = {"published": random, "speaker_independent": grouped, "augment_then_split": leaking}
    expected |= {"augment_training_part": leaking, "augment_training_part_independent": independent}
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


def test_what_is_asked_of_papers_that_are_left_out_is_told():
    asked = {"run_on": {"ravdess": ["jin.resnet1d", "deepemonet.svm"]}, "overrides": {"mittal": {}}}
    corpora = {"ravdess": {"source": "demo"}, "savee": {"source": "demo"}}
    cross = [{"train": ["ravdess"], "test": "savee", "systems": ["mittal.cnn"]}]
    found = papers(papers=["jin"], corpora=corpora, cross_corpus=cross, **asked)
    assert found.tell_unused() == [
        f"config.yaml: {key} changes nothing, since papers is jin."
        for key in ("overrides.mittal", "cross_corpus.0: mittal.cnn", "run_on.ravdess: deepemonet.svm")
    ]
    assert all(line in describe(found) for line in found.tell_unused())
    assert papers(corpora=corpora, cross_corpus=cross, **asked).tell_unused() == []


def test_a_corpus_of_linked_folders_is_one(tmp_path):
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc/03-01-01-01-01-01-01.wav").touch()
    (tmp_path / "ravdess").mkdir()
    (tmp_path / "ravdess/Actor_01").symlink_to(tmp_path / "disc")
    assert papers(papers=["jin"], corpora={"ravdess": {"source": str(tmp_path / "ravdess")}}).active() == ["jin"]


@pytest.fixture
def installed(monkeypatch):
    """Both libraries of the extra, as if they were installed."""
    for name in ("opensmile", "transformers"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(__spec__=SimpleNamespace(name=name)))


def test_a_paper_whose_libraries_are_not_installed_is_left_out_and_said(monkeypatch):
    for name in ("opensmile", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    found = papers(papers=["deepemo", "emobox"])
    assert (found.active(), found.tell_left_out("deepemo")) == (["deepemo"], "")
    assert found.not_run("emobox") == {"ravdess": "transformers and opensmile are not installed"}
    elsewhere = Papers(found.config, elsewhere=True)  # as kept runs are shown, whatever is installed here
    assert (elsewhere.not_run("emobox"), len(elsewhere.systems("emobox"))) == ({}, 12)


def save_encoder(folder, weights=b"weights"):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "wavlm"}')
    (folder / "preprocessor_config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return str(folder)


def test_systems_whose_encoder_is_not_configured_are_left_out_alone_and_said(tmp_path, installed):
    found = papers(papers=["emobox"], encoders={"wavlm_base": save_encoder(tmp_path / "wavlm")})
    assert found.systems("emobox") == ["wavlm_base", "egemaps", "egemaps_c10", "compare", "compare_c10"]
    record = found.record("emobox")
    assert (record.not_run, len(record.left_out)) == ({}, 7)
    assert reason_of(record, "ravdess", "hubert_base") == "not run: encoders.hubert_base is not configured"
    told = found.tell_left_out("emobox")
    assert told.startswith("encoders.wav2vec2_base, ")
    assert told.endswith(" and encoders.whisper_large_v3 are not configured")
    assert papers(papers=["jin"], encoders=dict(found.config.encoders)).active() == ["jin"]  # for a paper not asked for
    other = {"emobox": {"recipes": {"wavlm_base": {"weights": "my_wavlm"}}}}
    own = {"my_wavlm": found.config.encoders["wavlm_base"]}
    assert papers(papers=["jin"], encoders=own, overrides=other).active() == ["jin"]
    alone = papers(papers=["emobox"], systems=["egemaps"])
    assert (alone.tell_left_out("emobox"), alone.not_run("emobox")) == ("", {})  # nothing else was asked for


def test_a_run_depends_on_what_an_encoders_folder_holds_and_not_on_its_place(tmp_path, installed):
    run = RunId("emobox", "ravdess", "wavlm_base", "speaker_independent", 0, 0)

    def asked(folder):
        found = papers(papers=["emobox"], encoders={"wavlm_base": folder})
        recipe = found.spec(run).system["recipe"]
        assert recipe == found.recipes["wavlm_base"]
        assert found.record("emobox").deviations == {}
        return recipe["weights"]

    first = asked(save_encoder(tmp_path / "a"))
    assert first == asked(save_encoder(tmp_path / "b")) != asked(save_encoder(tmp_path / "c", b"others"))
    assert first.startswith("sha256:")


def test_a_union_of_corpora_has_the_folds_of_the_larger(tmp_path, toy):
    write(tmp_path, toy | {"corpora": ["ravdess+savee", "savee"], "published": [], "figures": []})
    found = papers(tmp_path, corpora=DEMO | {"savee": {"source": "demo"}})
    grouped = [run.corpus for run in found.runs("toy") if run.protocol == "speaker_independent"]
    assert grouped == ["ravdess+savee"] * 6 + ["savee"] * 4


def test_the_record_says_what_later_stages_ask():
    record = papers(corpora=DEMO).record("deepemo")
    assert {name: n for name, n in record.n_folds["ravdess"].items() if n > 1} == {
        "speaker_independent": 6,
        "augment_training_part_independent": 6,
    }
    assert (record.not_run, record.synthetic) == ({}, True)
    assert PaperRecord.model_validate_json(record.model_dump_json(by_alias=True)) == record
    left_out = papers(corpora={"ravdess": {"source": None}}).record("deepemo")
    assert (left_out.not_run, left_out.synthetic) == ({"ravdess": "RAVDESS is not configured"}, False)


# What a run depends on


def builtins_only(value):
    if type(value) is dict:
        return all(type(key) is str and builtins_only(part) for key, part in value.items())
    if type(value) is list:
        return all(map(builtins_only, value))
    return type(value) in (str, int, float, bool, type(None))


def test_a_spec_is_plain_stable_and_complete():
    run = RunId("deepemo", "ravdess", "resnet18", "published", 2, 0)
    spec = papers(pretrained="none").spec(run).plain()
    assert builtins_only(spec)  # anything else never triggers Snakemake's reruns
    assert json.dumps(spec, sort_keys=True) == json.dumps(papers(pretrained="none").spec(run).plain(), sort_keys=True)
    assert sorted(spec["system_config"]) == ["input", "model", "recipe", "training"]
    assert spec["system_config"]["model"]["pretrained"] == "none"
    assert spec["labels"] == EMOTIONS
    assert RunId.from_plain(spec) == run


#: What shows a paper and changes nothing that is computed.
PRESENTATION = [
    {"title": "x", "url": "http://x", "year": 1, "authors": "x"},
    {"systems": {"cnn_10hz": {"title": "x"}}},
    {"protocols": {"published": {"title": "x", "role": "control"}}},
    {"assumptions": [{"topic": "a", "unsaid": "b", "chosen": "c", "why": "d"}]},
    {"noise": {"snr_db": [0.0, 10.0], "note": "x"}},
    {"studies": {"window": {"title": "x", "said": "y"}}},
    {"published": []},
    {"figures": []},
]


@pytest.mark.parametrize("changes", PRESENTATION, ids=lambda value: next(iter(value)))
def test_presentation_is_no_part_of_a_run_and_no_deviation(changes):
    """An example of docs/commands.md, other noise ratios, retrained all of Satt's runs."""
    plain, changed = (papers(papers=["satt"], overrides=overrides) for overrides in ({}, {"satt": changes}))
    assert [plain.spec(run) for run in plain.all_runs()] == [changed.spec(run) for run in changed.all_runs()]
    for name, protocol in plain.papers["satt"].protocols.items():
        assert protocol.rules() == changed.papers["satt"].protocols[name].rules()
    assert changed.record("satt").deviations == {}


def deviations(protocol="published", **config):
    return papers(**config).record("deepemo").deviations_of(("ravdess", "resnet18", protocol))


def test_what_is_run_as_the_paper_says_deviates_in_nothing():
    assert deviations() == []
    assert deviations(overrides={"deepemo": {"systems": {"resnet18": {"training": {"epochs": 50}}}}}) == []


def test_an_override_is_a_deviation_and_is_what_is_run():
    overrides = {"deepemo": {"systems": {"resnet18": {"training": {"epochs": 5}, "input": {"height": 64}}}}}
    assert deviations(overrides=overrides) == ["input.height: 64 instead of 224", "training.epochs: 5 instead of 50"]
    system = papers(overrides=overrides).papers["deepemo"].systems["resnet18"]
    assert system.training.epochs == 5
    assert system.input == {"kind": "image", "height": 64, "width": 224, "floor_db": -80.0}


def test_other_weights_are_a_deviation(tmp_path):
    assert deviations(pretrained="none") == ["model.pretrained: none instead of imagenet"]
    weights = tmp_path / "own.pth"
    weights.touch()
    for pretrained in (str(weights), {"resnet18": str(weights), "resnet34": "none"}):
        assert deviations(pretrained=pretrained) == [f"model.pretrained: {weights} instead of imagenet"]
    assert deviations(pretrained={"resnet34": "none"}) == []


def test_of_a_weights_file_its_digest_is_part_of_a_run_and_its_path_is_not(tmp_path):
    files = {name: tmp_path / name for name in ("one.pth", "copy.pth", "other.pth")}
    for name, path in files.items():
        path.write_bytes(b"2" if name == "other.pth" else b"1")
    run = RunId("deepemo", "ravdess", "resnet18", "published", 0, 0)
    one, copied, other = (papers(pretrained={"resnet18": str(path)}).spec(run) for path in files.values())
    assert one == copied != other
    assert one.system["model"]["pretrained"] == f"sha256:{hashlib.sha256(b'1').hexdigest()}"


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
    record = changed.record("toy")
    assert record.deviations_of(("ravdess", "resnet18", "published")) == []
    assert len(record.deviations_of(("ravdess", "other", "published"))) == 1


# Paper files


def test_one_recipe_name_means_one_recipe(tmp_path, toy):
    twin = copy.deepcopy(toy) | {"paper": "twin"}
    write(tmp_path, toy)
    write(tmp_path, twin)
    assert list(papers(tmp_path).recipes) == [*toy["recipes"], "logmel128_augment_then_split"]
    twin["recipes"]["logmel128"]["hop_length"] = 160
    write(tmp_path, twin)
    with pytest.raises(ConfigError, match=r"'logmel128'.*twin and in toy"):
        papers(tmp_path)
    assert papers(tmp_path, papers=["twin"]).recipes["logmel128"]["hop_length"] == 160


@pytest.mark.parametrize("name", sorted(path.stem for path in PAPERS.glob("*.yaml")))
def test_every_system_runs_speaker_independent_beside_the_papers_own_protocol(name):
    paper = derive_systems(read_paper(PAPERS / f"{name}.yaml")[0])
    if paper["protocols"].keys() == {"speaker_independent"}:
        assert paper["protocols"]["speaker_independent"]["role"] == "published"
        return
    assert {"published", "speaker_independent"} <= set(paper["protocols"])
    assert paper["protocols"]["speaker_independent"]["kind"] == "speakers"
    for system in paper["systems"].values():
        assert system.get("study") or {"published", "speaker_independent"} <= set(system["protocols"])


def test_the_leak_is_measured_where_numbers_are_high_and_for_the_svm():
    found = papers(corpora=BOTH)
    leaking = {
        (run.paper, run.system) for name in found.active() for run in found.runs(name) if "augment" in run.protocol
    }
    assert leaking == {("deepemo", "resnet18"), ("jin", "resnet1d"), ("deepemonet", "svm"), ("deepemonet", "svm_c10")}
    assert {tuple(found.seeds(name, "augment_then_split")) for name in ("deepemo", "jin", "deepemonet")} == {(0, 1, 2)}


@pytest.mark.parametrize("name", sorted(path.stem for path in PAPERS.glob("*.yaml")))
def test_leak_and_controls_make_the_same_copies(name):
    """Else their difference would not be the leak's."""
    copies = {
        rules.purpose: rules.copies
        for rules in papers(corpora=BOTH, papers=[name]).papers[name].protocols.values()
        if rules.copies
    }
    assert copies.keys() in (set(), {"leak", "control", "unseen_control"})
    assert all(made == copies["leak"] for made in copies.values())


# Labels, recipes, systems


def test_labels_are_those_that_the_corpus_has():
    found = papers(corpora=BOTH)
    assert found.papers["jin"].labels_on("ravdess", "published") == EMOTIONS
    assert found.papers["jin"].labels_on("savee", "published") == [name for name in EMOTIONS if name != "calm"]
    assert found.papers["deepemonet"].labels_on("ravdess+savee", "published") == EMOTIONS
    run = RunId("jin", "savee", "resnet1d", "published", 0, 0)
    assert len(found.spec(run).labels) == 7


def test_a_protocol_with_copies_has_a_recipe_of_its_own():
    found = papers(corpora=BOTH)
    plain = found.recipe_of("jin", "resnet1d", "published")
    name, recipe = found.recipe_of("jin", "resnet1d", "augment_then_split")
    assert plain == ("mfcc2to13", found.papers["jin"].recipes["mfcc2to13"])
    assert name == "mfcc2to13_augment_then_split"
    assert recipe == {**plain[1], "copies": found.papers["jin"].protocols["augment_then_split"].copies}
    assert found.recipes[name] == recipe
    spec = found.spec(RunId("jin", "savee", "resnet1d", "augment_then_split", 0, 0))
    assert spec.system["recipe"] == recipe
    assert builtins_only(spec.plain())


def test_an_svm_has_no_training():
    spec = papers(corpora=BOTH).spec(RunId("deepemonet", "ravdess+savee", "svm", "published", 0, 0))
    assert sorted(spec.system) == ["input", "model", "recipe"]


def test_systems_narrow_a_run():
    found = papers(corpora=BOTH, systems=["svm", "cnn"], folds=[0], seeds={"random": [0]})
    assert found.active() == ["deepemonet", "mittal"]
    assert {run.system for run in found.runs("deepemonet")} == {"svm"}


def test_a_system_added_by_an_override_is_told_as_one(tmp_path):
    system = deepemo_file()["systems"]["resnet18"] | {"title": "mine", "protocols": ["published"]}
    module = tmp_path / "network.py"
    module.write_text(
        "raise NotImplementedError  # planning does not run it\n\ndef build(n_classes, *, width: Count): ...\n"
    )
    system["model"] = {"module": str(module), "width": 8}
    found = papers(overrides={"deepemo": {"systems": {"mine": system}}})
    spec = found.spec(RunId("deepemo", "ravdess", "mine", "published", 0, 0))
    assert spec.system["model"] == {"module": str(module), "width": 8}
    record = found.record("deepemo")
    assert record.deviations_of(("ravdess", "mine", "published")) == ["system mine: not in the paper"]
    assert record.deviations_of(("ravdess", "resnet18", "published")) == []
    system["model"]["width"] = 0
    with pytest.raises(ConfigError) as caught:
        papers(overrides={"deepemo": {"systems": {"mine": system}}})
    assert caught.value.where.endswith("systems.mine.model.width")


# A union of which only a part is there


def test_a_partial_union_runs_only_if_asked():
    assert "deepemonet" not in papers().active()
    found = papers(allow_partial=True)
    assert {run.corpus for run in found.runs("deepemonet")} == {"ravdess"}
    assert found.not_run("deepemonet") == {}
    record = found.record("deepemonet")
    assert set(record.n_folds) == {"ravdess"}
    assert {entry.corpus for entry in (*record.paper.published, *record.paper.figures)} == {"ravdess"}
    for run in found.runs("deepemonet"):
        assert "corpus: ravdess alone instead of ravdess+savee" in record.deviations_of(run.group)
    assert found.record("deepemo").deviations == {}


def test_a_protocol_and_a_figure_of_a_partial_union_are_those_of_its_part(tmp_path):
    paper = yaml.safe_load((PAPERS / "deepemonet.yaml").read_text())
    paper["protocols"]["published"]["corpora"] = ["ravdess+savee"]
    paper["figures"][0]["corpora"] = None
    write(tmp_path, paper)
    found = papers(tmp_path, allow_partial=True)
    assert "published" in {run.protocol for run in found.runs("deepemonet")}


def test_a_union_is_whole_where_all_is_configured_and_left_out_where_nothing_is(tmp_path, toy):
    assert {run.corpus for run in papers(corpora=BOTH, allow_partial=True).runs("deepemonet")} == {"ravdess+savee"}
    assert papers(corpora=NOTHING, allow_partial=True).not_run("deepemonet") == {
        "ravdess+savee": "RAVDESS and SAVEE are not configured"
    }
    write(tmp_path, toy | {"corpora": ["ravdess", "ravdess+savee"], "published": []})
    found = papers(tmp_path, allow_partial=True)  # its part is run anyway, under its own name
    assert found.corpora("toy") == ["ravdess"]
    assert found.not_run("toy") == {"ravdess+savee": "SAVEE is not configured"}


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
    systems = found.papers["toy"].systems
    assert systems["wide"].input == systems["resnet18"].input | {"width": 448}
    assert systems["wide"].training.epochs == 7  # changes of the first reach what is based on it
    run = found.runs("toy", "width")[0]
    assert found.record("toy").deviations_of(run.group) == ["training.epochs: 7 instead of 50"]


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
    assert spec.labels == ("neutral", "sad")
    assert spec.others == tuple(emotion for emotion in EMOTIONS if emotion not in spec.labels)
    narrowed = papers(folder, folds=[1, 2], protocols=["speaker_independent"])
    assert [run.fold for run in narrowed.runs("toy") if run.system == "pair"] == [2]


def test_a_combined_system_is_made_from_the_same_fold_of_its_parts(family):
    paper, folder = family
    write(folder, paper)
    found = papers(folder)
    run = next(run for run in found.runs("toy") if run.system == "both" and run.fold == 2)
    assert [part.path for part in found.parts(run)] == [run.path.replace("both", name) for name in ("resnet18", "pair")]
    assert found.parts(found.parts(run)[0]) == []
    assert "recipe" not in found.spec(run).system


def test_a_changed_recipe_of_a_part_is_a_deviation_of_the_combined_system(family):
    paper, folder = family
    write(folder, paper)
    recipe = paper["systems"]["resnet18"]["recipe"]
    found = papers(folder, overrides={"toy": {"recipes": {recipe: {"n_mels": 64}}}}).record("toy")
    assert any("n_mels: 64" in text for text in found.deviations_of(("ravdess", "both", "published")))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"first": "nobody"}, r"systems\.both\.combine.*'nobody'"),
        ({"neutral": "calmish"}, r"systems\.both\.combine\.neutral.*'calmish'"),
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
    toy["protocols"] = {name: toy["protocols"][name] for name in ("published", "speaker_independent")}
    write(tmp_path, toy)
    found = papers(tmp_path, corpora=BOTH)
    assert {(run.corpus, run.protocol) for run in found.runs("toy")} == {
        ("savee", "published"),
        ("savee", "speaker_independent"),
        ("ravdess", "speaker_independent"),
    }
    assert found.record("toy").n_folds == {
        "ravdess": {"speaker_independent": 6},
        "savee": {"published": 1, "speaker_independent": 4},
    }


def test_a_study_runs_under_the_protocols_that_its_systems_share(tmp_path, toy):
    toy["systems"]["small"] = {"based_on": "resnet18", "study": True, "title": "x", "protocols": ["published"]}
    toy["studies"] = {"size": {"title": "x", "systems": ["resnet18", "small"]}}
    write(tmp_path, toy)
    found = [(run.system, run.protocol, run.seed) for run in papers(tmp_path).runs("toy", "size")]
    assert found == [(name, "published", seed) for name in ("resnet18", "small") for seed in (0, 1, 2)]
    toy["systems"]["small"]["protocols"] = ["augment_then_split"]
    toy["systems"]["other"] = toy["systems"]["small"] | {"protocols": ["published"]}
    toy["studies"]["size"]["systems"] = ["small", "other"]
    write(tmp_path, toy)
    with pytest.raises(ConfigError, match=r"studies\.size\.systems"):
        papers(tmp_path)


def test_the_runs_of_satt():
    """Five sessions on IEMOCAP, each of their speakers once for test; on RAVDESS six folds; studies with more seeds."""
    found = papers(corpora={"ravdess": {"source": "demo"}, "iemocap": {"source": "demo"}}, papers=["satt"])
    trained = ["cnn_10hz", "cnn_20hz", "cnn_lstm_10hz", "cnn_lstm_20hz"]
    trained += ["neutral_angry", "neutral_happy", "neutral_sad", "two_step"]
    counts = {}
    for run in found.runs("satt"):
        counts.setdefault((run.corpus, run.protocol), {}).setdefault(run.system, []).append(run.fold)
    assert set(counts) == {("iemocap", "published"), ("ravdess", "speaker_independent")}
    for (corpus, _), systems in counts.items():
        n_folds = 10 if corpus == "iemocap" else 6
        assert systems.pop("cnn_lstm_harmonic") == [0, 5]
        assert systems == {name: list(range(n_folds)) for name in trained}
    assert {(run.system, run.fold) for run in noisy_runs(found, "satt")} == {
        (system, fold) for system in ("cnn_lstm_10hz", "cnn_lstm_harmonic") for fold in (0, 5)
    }
    studied = {name: study.systems for name, study in found.papers["satt"].studies.items()}
    assert {len(systems) for systems in studied.values()} == {2, 7, 12}
    assert [studied[f"class_weights_{row}"][0] for row in range(1, 6)] == [*trained[:4], "two_step"]  # Table 1
    assert {run.seed for run in found.runs("satt")} == {0}
    assert {run.seed for name in studied for run in found.runs("satt", name)} == {0, 1, 2}
    layers = {name: system.model for name, system in found.papers["satt"].systems.items()}
    shapes = {
        (len(layers[name]["convolutions"]), layers[name]["lstm"]["layers"]) for name in studied["convolutions_lstm"]
    }
    assert shapes == {(convolutions, lstm) for convolutions in range(1, 7) for lstm in (1, 2)}
    assert sorted(len(layers[name]["convolutions"]) for name in studied["convolutions"]) == [
        2,
        3,
        4,
        5,
        6,
        7,
        8,
    ]
