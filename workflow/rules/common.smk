# What the rules share: the checked configuration, and functions from wildcards to paths and parameters.

import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

if not isinstance(workflow.current_basedir, os.PathLike):  # github(...) and the like
    raise WorkflowError(
        "serflow's rules need its package beside them: clone it, and give `snakefile:` the clone's path."
    )

CLONE = Path(workflow.current_basedir).parents[1]  # workflow.basedir is another's where this is a module
sys.path.insert(0, str(CLONE / "workflow"))

from serflow.papers import targets
from serflow.config import check_config, read_yaml
from serflow.corpora import CORPORA, load, members
from serflow.errors import SerflowError
from serflow.models.weights import file_name
from serflow.papers.papers import Papers, Run

try:
    for path in workflow.configfiles:
        if Path(path).suffix in (".yaml", ".yml"):
            read_yaml(path)  # Snakemake has read it too, but takes a key that stands twice
    CONFIG = check_config(config)
    PAPERS = Papers(CONFIG)
except SerflowError as error:
    raise WorkflowError(str(error)) from None

unused = sorted(set(CONFIG["overrides"]) - set(PAPERS.papers))
if unused:
    print(
        f"config.yaml: overrides: those of {', '.join(unused)} change nothing, since papers is {CONFIG['papers']}.",
        file=sys.stderr,
    )

for paper in PAPERS.papers:
    for corpus, reason in PAPERS.not_run(paper).items():
        keys = ", ".join(f"corpora.{name}.source" for name in members(corpus) if not PAPERS.source(name))
        print(
            f"{paper} on {corpus} is left out: {reason}. To run it, set {keys} (see resources/README.md).",
            file=sys.stderr,
        )

CONFIGURED = [corpus for corpus in CORPORA if PAPERS.source(corpus)]
STUDIES = {paper: list(PAPERS.papers[paper].get("studies", {})) for paper in PAPERS.active()}
STUDY_RUNS = [run for paper, names in STUDIES.items() for study in names for run in PAPERS.runs(paper, study)]
RUNS = [*(run for paper in PAPERS.active() for run in PAPERS.runs(paper)), *STUDY_RUNS]
RUNS += [part for run in RUNS for part in PAPERS.parts(run)]
WILDCARDS = {
    "corpus": "|".join(
        {re.escape(corpus) for run in RUNS for corpus in (run.corpus, *members(run.corpus))} | set(CONFIGURED)
    ),
    "paper": "|".join(PAPERS.papers),
    "recipe": "|".join(PAPERS.recipes),
    "system": "|".join({run.system for run in RUNS}),
    "protocol": "|".join({run.protocol for run in RUNS}),
    "table": "|".join(
        {Path(stem).name for paper in PAPERS.papers for stem in targets.tables(PAPERS, paper)} - {"data"}
    ),
    "figure": r"\w+",
    "weights": r"[\w-]+",
    "seed": r"\d+",
    "fold": r"\d+",
}


def code(*patterns):
    """The sources of a stage, as an input: a change in them reruns that stage and what depends on it, nothing else."""
    package = CLONE / "workflow" / "serflow"
    paths = sorted(os.path.relpath(path) for pattern in patterns for path in package.glob(pattern))
    return [local(path) for path in paths]  # never looked for in a storage that an executor uses


def archive(corpus):
    """Where a corpus's archive is: downloaded, or the user's own."""
    source = PAPERS.source(corpus)
    return f"<resources>/archives/{load(corpus).DOWNLOAD.filename}" if source == "download" else source


def tree(corpus):
    """Where a corpus's recordings are: the user's own folder, generated, or extracted."""
    source = PAPERS.source(corpus)
    if source == "demo":
        return f"<results>/corpora/{corpus}"
    return source if source != "download" and Path(source).is_dir() else f"<resources>/corpora/{corpus}"


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
    """The feature caches of a system under a protocol, one per member corpus."""
    recipe, _ = PAPERS.recipe_of(wildcards.paper, wildcards.system, wildcards.protocol)
    return [f"<results>/features/{corpus}/{recipe}" for corpus in members(wildcards.corpus)]


def model_of(wildcards):
    """The source of a system's model: a module of the package, or the user's own file."""
    name = system_of(wildcards)["model"]["module"]
    return name if name.endswith(".py") else code(f"models/architectures/{name}.py")


def weights_of(wildcards):
    """The pretrained weights of a system: none, fetched, or the user's own file."""
    model = system_of(wildcards)["model"]
    pretrained = model.get("pretrained", "none")
    if pretrained == "none":
        return []
    return f"<resources>/weights/{file_name(model)}" if pretrained == "imagenet" else pretrained


def selected(paper, study=None, **wanted):
    """The runs of a paper or of one of its studies, those alone whose fields have the wanted values."""
    runs = PAPERS.runs(paper, study)
    return [run for run in runs if all(getattr(run, key) == value for key, value in wanted.items())]


def runs_of(paper, study=None, **wanted):
    """What stands for the runs of a paper or of one of its studies: each one's run.json, written last."""
    return [f"<results>/runs/{run.path}/run.json" for run in selected(paper, study, **wanted)]


def parts_of(wildcards):
    """The runs that a combined system is made from."""
    return [f"<results>/runs/{run.path}/run.json" for run in PAPERS.parts(run_of(wildcards))]


def systems_of(combined):
    """The systems that are combined from others, or those that are trained, as a wildcard constraint."""
    return "|".join({run.system for run in RUNS if bool(PAPERS.parts(run)) == combined}) or "none"


def noisy_of(paper):
    """What the runs of a paper recognised in noise."""
    return [f"<results>/noise/{run.path}.csv" for run in targets.noisy_runs(PAPERS, paper)]


def runs_of_noise_table(paper):
    """The runs that stand in a paper's table of recognition in noise."""
    return [f"<results>/runs/{run.path}/run.json" for run in targets.noisy_runs(PAPERS, paper)]


def folders(paths):
    """The folders of files."""
    return [str(Path(path).parent) for path in paths]


def first_run(paper):
    """The run whose recordings a paper's figures show: its first protocol, seed and fold."""
    return runs_of(paper)[0]


def features_of_run(paper):
    """The feature cache of `first_run`."""
    run = next(PAPERS.runs(paper))  # a trained one: what combines them stands below them
    recipe, _ = PAPERS.recipe_of(paper, run.system, run.protocol)
    return f"<results>/features/{members(run.corpus)[0]}/{recipe}"


def figure_inputs(wildcards):
    """What a published figure is drawn from, by the options of `serflow figure`."""
    entry = targets.published_figures(PAPERS, wildcards.paper)[wildcards.published]
    runs = targets.runs_of_figure(PAPERS, wildcards.paper, entry)
    if entry["kind"] == "activations":
        corpus = targets.shown_corpus(PAPERS, wildcards.paper, entry)
        run = next(run for run in runs if run.corpus == corpus)
        return {
            "runs": [f"<results>/runs/{run.path}/run.json"],
            "manifests": [f"<results>/manifests/{corpus}.csv"],
            "features": f"<results>/features/{corpus}/{entry['recipe']}",
        }
    if runs:
        return {"runs": [f"<results>/runs/{run.path}/run.json" for run in runs]}
    corpora = list(members(targets.shown_corpus(PAPERS, wildcards.paper, entry)))
    if "recipe" in entry and entry["kind"] not in targets.FROM_RECORDINGS:
        features = f"<results>/features/{corpora[0]}/{entry['recipe']}"
        return {
            "manifests": [f"<results>/manifests/{corpora[0]}.csv"],
            "features": features,
        }
    manifests = {"manifests": [f"<results>/manifests/{corpus}.csv" for corpus in corpora]}
    if entry["kind"] == "noisy_spectrograms" and CONFIG["noise"]["source"]:
        manifests["sounds"] = CONFIG["noise"]["source"]
    return manifests | ({"roots": list(map(tree, corpora))} if entry["kind"] in targets.FROM_RECORDINGS else {})


def figure_options(wildcards, input):
    """The options of `serflow figure` for its inputs."""
    options = []
    for key, paths in input.items():
        if key in ("manifests", "roots"):
            options += [f"--{key}", *paths]
        elif key == "features":
            options += ["--features", f"{paths}/features.zarr"]
        elif key == "sounds":
            options += ["--sounds", paths]
        elif key == "runs":
            options += ["--runs", *folders(paths)]
    return options


def corpora_of_paper(paper):
    """The single corpora that a paper's runs use."""
    return sorted({name for corpus in PAPERS.corpora(paper) for name in members(corpus)})


def manifests_of_paper(paper):
    """The manifests of a paper's corpora."""
    return [f"<results>/manifests/{corpus}.csv" for corpus in corpora_of_paper(paper)]


def leaks_of(paper):
    """The leakage reports of a paper's splits: path -> corpus:protocol:seed."""
    splits = dict.fromkeys((run.corpus, run.protocol, run.seed) for run in PAPERS.runs(paper))
    return {f"<results>/splits/{paper}/{c}/{p}/seed{s}.json": f"{c}:{p}:{s}" for c, p, s in splits}


def splits_of(paper):
    """The splits of a paper."""
    return [path.replace(".json", ".csv") for path in leaks_of(paper)]


def title_of(wildcards):
    """The title of a confusion matrix."""
    protocol = PAPERS.papers[wildcards.paper]["protocols"][wildcards.protocol]["title"]
    return f"{wildcards.paper} on {wildcards.corpus}: {system_of(wildcards)['title']}; {protocol}"


def paper_file(paper):
    """The YAML file of a paper."""
    return local(os.path.relpath(CLONE / "workflow" / "papers" / f"{paper}.yaml"))


def config_of(paper):
    """The part of the configuration that a paper's record depends on."""
    keys = ("corpora", "allow_partial", "pretrained")
    overrides = {name: part for name, part in CONFIG["overrides"].items() if name == paper}
    return {
        "papers": [paper],
        "overrides": overrides,
        **{key: CONFIG[key] for key in keys},
    }


def tables_of(paper):
    """The tables of a paper, in all formats."""
    return tables(targets.tables(PAPERS, paper))


def figures_of(paper):
    """The figures of a paper, as png and svg."""
    return figures(targets.figures(PAPERS, paper))


def tables(stems):
    """Tables in all formats."""
    return [f"<results>/tables/{stem}.{suffix}" for stem in stems for suffix in ("csv", "md", "tex", "html")]


def figures(stems):
    """Figures as png and svg."""
    return [f"<results>/figures/{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")]


def targets_of(paper):
    """All that a paper's reproduction makes."""
    return [*tables_of(paper), *figures_of(paper), f"<results>/tracking/{paper}.json"]


def overview():
    """The tables and figures over all papers."""
    return [*tables(targets.TABLES), *figures(targets.FIGURES)] if PAPERS.active() else []


def overview_log():
    """What says that the tables and figures over all papers are in MLflow."""
    return ["<results>/tracking/comparison.json"] if PAPERS.active() else []


def stems_of(find):
    """The papers that have figures of one kind and the figures' stems, as wildcard constraints."""
    found = {paper: list(find(PAPERS, paper)) for paper in PAPERS.papers}
    return (
        "|".join(paper for paper, stems in found.items() if stems) or "none",
        "|".join({stem for stems in found.values() for stem in stems}) or "none",
    )


def tracking_uri():
    """Where MLflow keeps its runs."""
    return CONFIG["tracking"]["uri"] or f"sqlite:///{CONFIG['results']}/mlflow.db"
