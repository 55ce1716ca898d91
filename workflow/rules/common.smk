# What the rules share: the checked configuration, and functions from wildcards to paths and parameters.

import json
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "workflow")))

from serflow.config import check_config
from serflow.corpora import CORPORA, load, members
from serflow.errors import SerflowError
from serflow.models.weights import file_name
from serflow.papers import Papers, Run
from snakemake.exceptions import WorkflowError

try:
    CONFIG = check_config(config)
    PAPERS = Papers(CONFIG)
except SerflowError as error:
    raise WorkflowError(str(error)) from None

CONFIGURED = [corpus for corpus in CORPORA if PAPERS.source(corpus)]
RUNS = [run for paper in PAPERS.active() for run in PAPERS.runs(paper)]
WILDCARDS = {
    "corpus": "|".join(
        {
            re.escape(corpus)
            for run in RUNS
            for corpus in (run.corpus, *members(run.corpus))
        }
        | set(CONFIGURED)
    ),
    "paper": "|".join(PAPERS.papers),
    "recipe": "|".join(PAPERS.recipes),
    "system": "|".join({run.system for run in RUNS}),
    "protocol": "|".join({run.protocol for run in RUNS}),
    "seed": r"\d+",
    "fold": r"\d+",
}


def code(*patterns):
    """The sources of a stage, as an input: a change in them reruns that stage and what depends on it, nothing else."""
    package = Path(workflow.basedir, "workflow", "serflow")
    return sorted(
        os.path.relpath(path) for pattern in patterns for path in package.glob(pattern)
    )


def archive(corpus):
    """Where a corpus's archive is: downloaded, or the user's own."""
    source = PAPERS.source(corpus)
    return (
        f"<resources>/archives/{load(corpus).DOWNLOAD.filename}"
        if source == "download"
        else source
    )


def tree(corpus):
    """Where a corpus's recordings are: the user's own folder, generated, or extracted."""
    source = PAPERS.source(corpus)
    if source == "demo":
        return f"<results>/corpora/{corpus}"
    return (
        source
        if source != "download" and Path(source).is_dir()
        else f"<resources>/corpora/{corpus}"
    )


def run_of(wildcards):
    """The run that wildcards stand for."""
    names = ("paper", "corpus", "system", "protocol")
    return Run(
        **{name: wildcards[name] for name in names},
        seed=int(wildcards.seed),
        fold=int(wildcards.fold),
    )


def system_of(wildcards):
    """The paper file's entry of the system that wildcards name."""
    return PAPERS.papers[wildcards.paper]["systems"][wildcards.system]


def manifests_of(wildcards):
    """The manifests of a corpus or of each member of a union."""
    return [f"<results>/manifests/{corpus}.csv" for corpus in members(wildcards.corpus)]


def features_of(wildcards):
    """The feature caches of a system's recipe, one per member corpus."""
    recipe = system_of(wildcards)["recipe"]
    return [
        f"<results>/features/{corpus}/{recipe}" for corpus in members(wildcards.corpus)
    ]


def weights_of(wildcards):
    """The pretrained weights of a system: none, fetched, or the user's own file."""
    model = system_of(wildcards)["model"]
    pretrained = model.get("pretrained", "none")
    if pretrained == "none":
        return []
    return (
        f"<resources>/weights/{file_name(model)}"
        if pretrained == "imagenet"
        else pretrained
    )


def all_targets():
    """What `rule all` asks for."""
    return [f"<results>/runs/{run.path}/run.json" for run in RUNS]
