"""What config.yaml asks for beyond the papers: other corpora to test on, unseen sentences."""

import functools
import re

import pytest

from serflow.config import check_config
from serflow.errors import ConfigError
from serflow.papers.beyond import tell_emotions
from serflow.papers.papers import Papers
from serflow.runs import RunId

CORPORA = {name: {"source": "demo"} for name in ("ravdess", "savee", "iemocap", "emodb")}
#: What RAVDESS and EMO-DB have in common.
SHARED = ["neutral", "happy", "sad", "angry", "fearful", "disgust"]


def papers(*names, **asked):
    return Papers(check_config({"corpora": CORPORA, "papers": list(names), **asked}))


without = functools.cache(papers)


def cross(train, test, *systems, **more):
    return [{"train": train, "test": test, "systems": list(systems), **more}]


def added(*names, **asked):
    """The papers, and the runs that are asked for beyond their own, which stay as they are."""
    before, after = without(*names), papers(*names, **asked)
    own, found = before.all_runs(), after.all_runs()
    assert [run for run in found if run in set(own)] == own
    assert [after.spec(run) for run in own[::50]] == [before.spec(run) for run in own[::50]]
    return after, [run for run in found if run not in set(own)]


def test_nothing_but_what_is_asked_for_is_added():
    asked = cross(["ravdess"], "emodb", "jin.resnet1d", "mittal.cnn")
    found, runs = added("jin", "mittal", cross_corpus=asked, statement_independent={"ravdess": ["jin.resnet1d"]})
    beyond = [RunId("jin", "ravdess", "resnet1d", "statement_independent", 0, fold) for fold in range(12)]
    beyond += [RunId("jin", "ravdess+emodb", "resnet1d", "cross_corpus", 0, 0)]
    assert set(runs) == {*beyond, RunId("mittal", "ravdess+emodb", "cnn", "cross_corpus", 0, 0)}
    record = found.record("jin")
    assert record.n_folds["ravdess+emodb"] == {"cross_corpus": 1}
    assert record.n_folds["ravdess"]["statement_independent"] == 12
    assert not record.deviations_of(("ravdess+emodb", "resnet1d", "cross_corpus"))


def test_a_system_of_a_study_runs_where_it_is_asked_for_and_nowhere_else():
    """Of on_corpus, the paper's study also has speaker-independent runs, with seeds of its own."""
    found, (run,) = added("jin", cross_corpus=cross(["ravdess"], "emodb", "jin.on_corpus"))
    assert run == RunId("jin", "ravdess+emodb", "on_corpus", "cross_corpus", 0, 0)
    assert run in found.runs("jin")
    assert {run.protocol for run in found.runs("jin") if run.system == "on_corpus"} == {"cross_corpus"}
    assert {run.protocol for run in found.runs("jin", "scope") if run.system == "on_corpus"} == {"speaker_independent"}


def test_a_cross_corpus_run_tells_apart_the_emotions_that_all_corpora_and_the_paper_have():
    found, (run,) = added("jin", cross_corpus=cross(["ravdess"], "emodb", "jin.resnet1d"))
    assert found.spec(run).labels == tuple(SHARED)
    assert not found.spec(run).others
    told = tell_emotions(found.papers["jin"], run.corpus, run.protocol)
    assert told == f"{', '.join(SHARED)}; left out: calm, surprised of ravdess; bored of emodb"
    asked = cross(["savee", "ravdess"], "iemocap", "jin.resnet1d", emotions=["sad", "angry"])
    found, (run,) = added("jin", cross_corpus=asked)
    assert (run.corpus, found.spec(run).labels) == ("savee+ravdess+iemocap", ("sad", "angry"))


def test_what_is_not_configured_is_left_out_and_told():
    asked = {"papers": ["jin"], "cross_corpus": cross(["ravdess"], "emodb", "jin.resnet1d")}
    found = Papers(check_config(asked))
    assert found.not_run("jin")["ravdess+emodb"] == "EMODB is not configured"
    assert not [run for run in found.all_runs() if run.protocol == "cross_corpus"]


@pytest.mark.parametrize(
    ("asked", "where", "told"),
    [
        ({"cross_corpus": cross(["ravdess"], "emo_db", "jin.resnet1d")}, "cross_corpus.0", "'emo_db'.*'emodb'"),
        ({"cross_corpus": cross(["ravdess"], "ravdess", "jin.resnet1d")}, "cross_corpus.0", "twice"),
        ({"cross_corpus": cross(["ravdess"], "emodb", "resnet1d")}, "cross_corpus.0", "'resnet1d'.*PAPER.SYSTEM"),
        ({"cross_corpus": cross(["ravdess"], "emodb", "jim.resnet1d")}, "cross_corpus.0", "Did you mean 'jin'"),
        ({"cross_corpus": cross(["ravdess"], "emodb", "jin.resnet")}, "cross_corpus.0", "Did you mean 'resnet1d'"),
        (
            {"cross_corpus": cross(["ravdess"], "emodb", "jin.resnet1d", emotions=["sad", "calm"])},
            "beyond.0.emotions",
            r"ravdess\+emodb has no 'calm'.*neutral, happy, sad, angry, fearful, disgust",
        ),
        (
            {"cross_corpus": cross(["ravdess"], "emodb", "jin.resnet1d", emotions=["sad", "glad"])},
            "beyond.0.emotions",
            "'glad'",
        ),
        (
            {
                "cross_corpus": cross(["ravdess"], "emodb", "jin.resnet1d")
                + cross(["ravdess"], "emodb", "jin.resnet1d", emotions=["sad", "happy"])
            },
            "emotions",
            "asked for twice under cross_corpus",
        ),
        ({"statement_independent": {"ravdess": ["jin"]}}, "statement_independent.ravdess", "'jin'.*PAPER.SYSTEM"),
        ({"statement_independent": {"ravdes": ["jin.resnet1d"]}}, "statement_independent.ravdes", "'ravdess'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(asked, where, told):
    with pytest.raises(ConfigError, match=told) as caught:
        papers("jin", **asked)
    assert re.search(re.escape(where) + "$", caught.value.where)
