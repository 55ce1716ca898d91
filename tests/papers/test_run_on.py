"""`run_on`: any paper's systems on any corpus, built in or made from a table of labels, by configuration alone."""

import itertools

import pytest

from serflow.config import check_config
from serflow.corpora.registry import use_tables
from serflow.errors import ConfigError, SerflowError
from serflow.features.recipes import check_relations
from serflow.io.files import write_csv
from serflow.papers.load import PAPERS, read_paper
from serflow.papers.names import name_protocol
from serflow.papers.papers import Papers
from serflow.papers.targets import drawn_figures, noisy_runs
from serflow.plan import describe
from serflow.runs import RunId

SPEAKERS = [f"s{n}" for n in range(7)]
ROWS = [
    {"path": f"{speaker}_{emotion}.wav", "emotion": emotion, "speaker": speaker}
    for speaker, emotion in itertools.product(SPEAKERS, ("bored", "happy", "sad", "other"))
]


@pytest.fixture
def papers(tmp_path, monkeypatch):
    """Return the papers of a configuration with the corpus ``mine`` of seven speakers in four classes."""
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "labels.csv", list(ROWS[0]), ROWS)
    (tmp_path / "tree").mkdir()
    mine = {"source": "tree", "labels": "labels.csv"}

    def make(run_on, **more):
        corpora = {"ravdess": {"source": "demo"}, "mine": mine | more.pop("mine", {}), **more.pop("corpora", {})}
        config = {"papers": ["jin"], "corpora": corpora, "run_on": run_on, "allow_partial": True, **more}
        return Papers(check_config(config))

    yield make
    use_tables({})


def runs_on(papers, corpus):
    return [run for run in papers.all_runs() if run.corpus == corpus]


def test_a_table_without_a_validation_part_does_not_keep_a_system_from_unseen_speakers(papers, tmp_path):
    """Satt's systems choose their epoch on validation, which the table's own split lacks."""
    rows = [row | {"part": "train" if n % 2 else "test"} for n, row in enumerate(ROWS)]
    run_on = {"mine": ["satt.cnn_20hz"]}
    write_csv(tmp_path / "own.csv", list(rows[0]), rows)
    own = {"papers": ["satt"], "mine": {"labels": "own.csv"}}
    with pytest.raises(ConfigError, match="protocol given has no validation part"):
        papers(run_on, **own)
    found = papers(run_on, protocols=["speaker_independent"], **own)
    assert {run.protocol for run in runs_on(found, "mine")} == {"speaker_independent"}


def test_a_system_runs_under_its_papers_protocols_on_all_emotions_of_the_corpus(papers):
    found = papers({"mine": ["jin.resnet1d"]})
    runs = runs_on(found, "mine")
    assert {(run.paper, run.system) for run in runs} == {("jin", "resnet1d")}
    folds = {(run.protocol, run.seed, run.fold) for run in runs}
    random = {
        (name, seed, 0) for name in ("published", "augment_then_split", "augment_training_part") for seed in range(3)
    }
    assert folds == random | {("speaker_independent", 0, fold) for fold in range(5)}
    spec = found.spec(runs[0])
    assert spec.labels == ("happy", "sad", "bored")
    assert found.record("jin").n_folds["mine"]["speaker_independent"] == 5


@pytest.mark.parametrize("paper", sorted(path.stem for path in PAPERS.glob("*.yaml")))
def test_all_that_is_planned_can_be_computed(papers, paper):
    """Copies for the leak are added to each system's own recipe, such as one in segments."""
    systems = read_paper(PAPERS / f"{paper}.yaml")[1].systems
    named = [f"{paper}.{name}" for name, system in systems.items() if not (system.labels or system.parts)]
    found = papers({"mine": named}, papers=[paper])
    for recipe in found.recipes.values():
        check_relations(recipe)


def test_copies_that_last_longer_are_refused_for_a_system_in_segments_before_anything_runs(papers):
    slower = {"augment_then_split": {"copies": {"stretch": {"rate": 0.9}}}}
    changed = {"recipes": {"mfcc2to13": {"segment_seconds": 3.0}}, "protocols": slower}
    with pytest.raises(ConfigError, match=r"jin: resnet1d under augment_then_split: segment_seconds.*copies\.stretch"):
        papers({}, overrides={"jin": changed})


@pytest.mark.parametrize("paper", sorted(path.stem for path in PAPERS.glob("*.yaml")))
def test_a_system_of_each_paper_is_tested_on_unseen_speakers(papers, paper):
    system = next(iter(read_paper(PAPERS / f"{paper}.yaml")[1].systems))
    asked = papers({"mine": [f"{paper}.{system}"]}, papers=[paper]).papers[paper].asked("mine", system)
    assert "speaker_independent" in asked


def test_noise_is_tested_where_the_paper_does_and_nowhere_else(papers):
    found = papers({"mine": ["satt.cnn_lstm_10hz"]}, papers=["satt"])
    assert runs_on(found, "mine")
    assert noisy_runs(found, "satt") == noisy_runs(papers({}, papers=["satt"]), "satt")


def test_what_runs_already_keeps_its_identity(papers):
    with_it, without = papers({"mine": ["jin.resnet1d"]}), papers({})
    own = without.all_runs()
    assert [run for run in with_it.all_runs() if run.corpus != "mine"] == own
    assert [with_it.spec(run) for run in own] == [without.spec(run) for run in own]


def test_a_paper_without_such_protocols_takes_the_shared_ones(papers):
    found = papers({"mine": ["satt.cnn_10hz", "mittal.cnn"]}, papers=["satt", "mittal"])
    protocols = {
        paper: {run.protocol for run in runs_on(found, "mine") if run.paper == paper} for paper in ("satt", "mittal")
    }
    shared = {"speaker_independent", "augment_then_split", "augment_training_part"}
    assert protocols == {"satt": shared | {"random"}, "mittal": shared | {"published"}}
    assert name_protocol(found.papers["satt"], "random") == "random split"  # the paper's own keeps sessions apart
    leak = RunId("satt", "mine", "cnn_10hz", "augment_then_split", 0, 0)
    assert set(found.spec(leak).system["recipe"]["copies"]) == {"noise", "pitch", "stretch"}
    assert "logpower10_augment_then_split" in found.recipes


def test_emotions_can_be_chosen_and_the_folds_be_fewer(papers):
    asked = {"systems": ["jin.resnet1d"], "emotions": ["happy", "bored"]}
    found = papers({"mine": asked}, mine={"folds": 3})
    assert found.spec(runs_on(found, "mine")[0]).labels == ("happy", "bored")
    assert found.n_folds("jin", "mine", "speaker_independent") == 3
    assert "jin/resnet1d" in describe(found)


def test_a_built_in_corpus_that_no_paper_has_is_run_too(papers):
    found = papers({"emodb": ["deepemonet.svm"]}, corpora={"emodb": {"source": "demo"}}, papers=["deepemonet"])
    assert len({run.fold for run in runs_on(found, "emodb") if run.protocol == "speaker_independent"}) == 10
    labels = found.spec(runs_on(found, "emodb")[0]).labels
    assert labels == ("neutral", "happy", "sad", "angry", "fearful", "disgust", "bored")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"run_on": {"mime": ["jin.resnet1d"]}}, ["run_on.mime", "'mime'", "Did you mean 'mine'?"]),
        ({"run_on": {"mine": ["jin.resnet"]}}, ["run_on.mine", "'resnet'", "resnet1d"]),
        ({"run_on": {"mine": ["resnet1d"]}}, ["run_on.mine", "PAPER.SYSTEM"]),
        (
            {"run_on": {"mine": {"systems": ["jin.resnet1d"], "emotions": ["calm", "sad"]}}},
            ["'calm'", "happy, sad, bored"],
        ),
        ({"run_on": {"mine": ["jin"]}}, ["run_on.mine", "'jin'", "Write PAPER.SYSTEM."]),
        ({"run_on": {"mine": {"systems": "jin.resnet1d"}}}, ["run_on.mine.systems", "'jin.resnet1d'", "a list"]),
        ({"run_on": {"mine": {"systems": ["jin.resnet1d"], "emotions": ["angry"]}}}, ["run_on.mine.emotions", "2"]),
        (
            {
                "run_on": {"ravdess": {"systems": ["jin.resnet1d"], "emotions": ["angry", "sad"]}},
                "corpora": {"ravdess": {"source": "demo"}},
            },
            ["run_on.ravdess", "would change what jin itself runs on ravdess", "Leave out `emotions`."],
        ),
        (  # savee is missing, so that the paper's union is ravdess
            {
                "papers": ["deepemonet"],
                "run_on": {"ravdess": {"systems": ["deepemonet.svm"], "emotions": ["angry", "sad"]}},
                "corpora": {"ravdess": {"source": "demo"}},
            },
            ["run_on.ravdess", "would change what deepemonet itself runs on ravdess"],
        ),
        ({"papers": ["satt"], "run_on": {"mine": ["satt.two_step"]}}, ["satt", "two_step", "neutral"]),
        (
            {"papers": ["satt"], "run_on": {"emodb": ["satt.two_step"]}, "corpora": {"emodb": {"source": "demo"}}},
            ["two_step.combine", "tells apart angry, happy, neutral, sad; emodb has", "`emotions`"],
        ),
        ({"statement_independent": {"mine": ["jin.resnet1d"]}}, ["statement_independent.mine", "column statement"]),
        ({"folds": [7], "papers": ["jin"], "protocols": ["speaker_independent"]}, ["folds: 7", "0 to 5"]),
        ({"mine": {"labels": "lables.csv"}}, ["lables.csv", "cannot be read"]),
        ({"mine": {"emotions": {"other": "joy"}}}, ["corpora.mine.emotions.other", "'joy'", "happy"]),
        ({"mine": {"folds": 1}}, ["corpora.mine.folds", "1", "from 2"]),
        ({"mine": {"folds": 8}}, ["labels.csv: column emotion", "8 folds"]),
        ({"mine": {"source": "demo"}}, ["corpora.mine.source", "'demo'", "archive or folder"]),
        (
            {"corpora": {"ravdess": {"source": "demo", "labels": "labels.csv"}}},
            ["ravdess.labels", "built in", "my_ravdess"],
        ),
        ({"corpora": {"savee": {"folds": 3}}}, ["savee.folds", "`labels`"]),
        ({"corpora": {"Mine": {"labels": "labels.csv"}}}, ["'Mine'", "small letters"]),
        ({"corpora": {"yours": {"source": "tree"}}}, ["'yours'", "`labels`"]),
    ],
)
def test_a_mistake_is_told_with_its_key_and_what_is_allowed(papers, changes, told):
    with pytest.raises(SerflowError) as caught:
        papers(**{"run_on": {}, **changes})
    assert not [text for text in told if text not in str(caught.value)], str(caught.value)


def test_a_figure_of_an_emotion_that_no_run_tells_apart_is_not_drawn(papers):
    """DeepEMO's Figures 3 and 5 show a calm and a surprised recording, 2 and 4 a happy and a sad one."""
    four = {"ravdess": {"systems": ["deepemo.resnet18"], "emotions": ["neutral", "happy", "sad", "angry"]}}
    more = {"papers": ["deepemo"], "statement_independent": four}
    found = papers({}, **more, protocols=["statement_independent"])
    assert drawn_figures(found, "deepemo") == ["figure_2", "figure_4"]
    assert drawn_figures(papers({}, **more), "deepemo") == [f"figure_{n}" for n in (2, 3, 4, 5)]
