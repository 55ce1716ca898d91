# What the rules share: the checked configuration, and functions from wildcards to paths and parameters.

import functools
import gc
import json
import os
import re
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from snakemake.exceptions import WorkflowError

# A tenth of a dry run is garbage collection that finds nothing: collect more seldom.
gc.set_threshold(200_000, 50, 50)

if not isinstance(workflow.current_basedir, os.PathLike):  # github(...) and the like
    raise WorkflowError(
        "serflow's rules need its package beside them: clone it, and give `snakefile:` the clone's path."
    )

# One writer for MLflow's SQLite file, whatever --resources replaces.
workflow.register_resource("tracking", 1)

CLONE = Path(workflow.current_basedir).parents[1]  # workflow.basedir is another's where this is a module
sys.path.insert(0, str(CLONE / "workflow"))

from serflow import corpora
from serflow.config import check_config, read_yaml
from serflow.corpora import CORPORA, registry
from serflow.corpora.base import files
from serflow.corpora.database import files_of
from serflow.corpora.names import display_name
from serflow.corpora.registry import members
from serflow.errors import SerflowError
from serflow.features.encoders import FOLDERS
from serflow.features.recipes import encoder_of, versions_of
from serflow.features.recipes import kinds_of as kinds_of_recipe
from serflow.io.files import digest_file, digest_value
from serflow.models.weights import WORDS, file_name
from serflow.papers import targets
from serflow.papers.beyond import PROTOCOLS as SHARED_PROTOCOLS
from serflow.papers.beyond import tell_emotions
from serflow.papers.model import FIGURES, PublishedConfusion
from serflow.papers.names import name_protocol, published_confusions, published_figures
from serflow.papers.papers import Papers
from serflow.protocols.registry import KINDS as PROTOCOLS
from serflow.runs import RunId
from serflow.sources import digest
from serflow.training.options import kinds_of

try:
    for path in workflow.configfiles:
        if Path(path).suffix in (".yaml", ".yml"):
            read_yaml(path)  # Snakemake has read it too, but takes a key that stands twice
    CONFIG = check_config(config, workflow.config_settings.config)
    PAPERS = Papers(CONFIG)
except SerflowError as error:
    raise WorkflowError(str(error)) from None

for line in PAPERS.tell_unused():
    print(line, file=sys.stderr)


def tell_not_run(paper):
    """What a paper lacks on each corpus that it is not run on, a sentence each."""
    for corpus, reason in PAPERS.not_run(paper).items():
        keys = ", ".join(f"corpora.{name}.source" for name in members(corpus) if not CONFIG.source(name))
        remedy = f"set {keys} (see resources/README.md)"
        if reason == PAPERS.tell_left_out(paper):
            remedy = "see docs/features.md"
        yield f"{paper} on {corpus} is left out: {reason}. To run it, {remedy}."


for paper in PAPERS.papers:
    for line in tell_not_run(paper):
        print(line, file=sys.stderr)
    if PAPERS.runs(paper) and (reason := PAPERS.tell_left_out(paper)):
        print(f"{paper}: some systems are left out: {reason}. To run them, see docs/features.md.", file=sys.stderr)
    for corpus, protocol in dict.fromkeys((run.corpus, run.protocol) for run in PAPERS.runs(paper)):
        content = PAPERS.papers[paper]
        if content.protocols[protocol].SHARED_EMOTIONS:
            print(f"{paper} on {corpus}, {protocol}: {tell_emotions(content, corpus, protocol)}.", file=sys.stderr)

# Not in params: a folder that is moved repeats nothing.
os.environ.update({FOLDERS: os.pathsep.join(map(os.path.abspath, CONFIG.encoders.values()))})

CONFIGURED = [corpus for corpus in registry.known() if CONFIG.source(corpus)]
RUNS = PAPERS.all_runs()


def any_of(names):
    """A wildcard constraint: one of some names, or nothing that could be a name."""
    return "|".join(re.escape(name) for name in dict.fromkeys(names)) or "none"


WILDCARDS = {
    "corpus": any_of([*(name for run in RUNS for name in (run.corpus, *run.corpora)), *CONFIGURED]),
    "paper": any_of(PAPERS.papers),
    "recipe": any_of(PAPERS.recipes),
    "system": any_of(run.system for run in RUNS),
    "protocol": any_of(run.protocol for run in RUNS),
    "archive": any_of(found.filename for found in (corpora.load(name).DOWNLOAD for name in CORPORA) if found),
    "figure": r"\w+",
    "weights": r"[\w-]+\.(pth|safetensors)",
    "seed": r"\d+",
    "fold": r"\d+",
}


@functools.cache  # a training's is asked for once per run
def code(verb, *kinds):
    """The digest of all code that a verb runs, with the modules it loads by name, each as (kinds, name)."""
    try:
        return digest(f"serflow.cli:{verb}", *(kinds.file(name) for kinds, name in kinds))
    except SerflowError as error:
        raise WorkflowError(str(error)) from None


def archive(corpus):
    """Where a corpus's archive is: downloaded, or the user's own."""
    source = CONFIG.source(corpus)
    return f"<resources>/archives/{corpora.load(corpus).DOWNLOAD.filename}" if source == "download" else source


def state_of_archive(corpus):
    """Size and time of an archive of the user's own: one that is older than what was extracted may take its place."""
    source = archive(corpus)
    return [] if source != CONFIG.source(corpus) else [os.stat(source).st_size, os.stat(source).st_mtime_ns]


def corpus_of_archive(wildcards):
    """The corpus that an archive to download is of."""
    found = {corpora.load(name).DOWNLOAD.filename: name for name in CORPORA if corpora.load(name).DOWNLOAD}
    return found[wildcards.archive]


def tree(corpus):
    """Where a corpus's recordings are: the user's own folder, generated, or extracted."""
    source = CONFIG.source(corpus)
    if source == "demo":
        return f"<results>/corpora/{corpus}"
    return source if source != "download" and Path(source).is_dir() else f"<resources>/corpora/{corpus}"


def is_own(corpus):
    """Whether a corpus's recordings are in a folder of the user's own."""
    return tree(corpus) == CONFIG.source(corpus)


def recordings(corpus):
    """A corpus's tree as a job's input; of the time of the user's own folder see `state_of`."""
    return ancient(tree(corpus)) if is_own(corpus) else tree(corpus)


@functools.cache
def state_of(corpus):
    """What is read of a corpus's folder, if that is the user's own: Snakemake looks at the time of the folder alone,
    which says nothing of what lies deeper, and changes with every file that nobody reads."""
    if not is_own(corpus):
        return ""
    return state_of_files(tree(corpus), filter(registry.load(corpus).is_read, files(Path(tree(corpus)))))


@functools.cache
def state_of_noise():
    """What is read of the user's folder of noises, if there is one."""
    folder = CONFIG.noise.source
    if not folder:
        return ""
    from serflow.features.noise import list_sounds  # with soundfile, which a dry run can do without

    return state_of_files(folder, [path.name for path in list_sounds(Path(folder))])


def state_of_files(folder, paths):
    """The digest of files' names, sizes and times."""
    found = {path: os.stat(Path(folder, path)) for path in paths}
    return digest_value([[path, state.st_size, state.st_mtime_ns] for path, state in found.items()])


def run_of(wildcards):
    """The run that wildcards stand for."""
    names = ("paper", "corpus", "system", "protocol")
    return RunId(*(wildcards[name] for name in names), int(wildcards.seed), int(wildcards.fold))


def system_of(wildcards):
    """The paper file's entry of the system that wildcards name."""
    return PAPERS.papers[wildcards.paper].systems[wildcards.system]


def protocol_of(wildcards):
    """The paper file's entry of the protocol that wildcards name."""
    return PAPERS.papers[wildcards.paper].protocols[wildcards.protocol]


def spec_of(wildcards):
    """All of the configuration that a run's numbers depend on, as JSON."""
    return json.dumps(PAPERS.spec(run_of(wildcards)).plain(), sort_keys=True)


def selection_of(wildcards):
    """The part of each corpus that a paper uses, as JSON."""
    select = PAPERS.papers[wildcards.paper].select
    return json.dumps({name: select[name].columns() for name in members(wildcards.corpus) if name in select})


def manifests_of(wildcards):
    """The manifests of a corpus or of each member of a union."""
    return [f"<results>/manifests/{corpus}.csv" for corpus in members(wildcards.corpus)]


def features_of(wildcards):
    """The feature caches of a system under a protocol, one per member corpus."""
    recipe, _ = PAPERS.recipe_of(wildcards.paper, wildcards.system, wildcards.protocol)
    return [f"<results>/features/{corpus}/{recipe}" for corpus in members(wildcards.corpus)]


def kinds_of_system(wildcards):
    """What a trained system loads by name."""
    system = system_of(wildcards)
    return kinds_of({"model": system.model, "input": system.input})


def kind_of_figure(wildcards):
    """What drawing a published figure loads by name; nothing for a confusion matrix."""
    entry = figure_entry(wildcards)
    return [] if isinstance(entry, PublishedConfusion) else [(FIGURES, entry.kind)]


def kinds_of_split(corpus, protocol):
    """What splitting a corpus under a protocol loads by name."""
    return [(PROTOCOLS, protocol.kind), *kinds_of_corpora(members(corpus))]


def kinds_of_corpora(names):
    """What reading corpora loads by name: the modules of the built-in ones."""
    return [(corpora.KINDS, name) for name in names if name in CORPORA]


def tables_of_corpora(names):
    """The files with the labels of corpora that are not built in."""
    return [path for name in names if name in CONFIG.tables for path in files_of(CONFIG.tables[name]["labels"])]


@functools.cache
def labels_of_corpora(*names):
    """The digests of those files: their times say nothing, where an older file takes the place of one."""
    return [digest_file(path) for path in tables_of_corpora(names)]


def table_options(names):
    """The option of `serflow manifest` and `serflow split` for corpora that are not built in."""
    tables = {name: CONFIG.tables[name] for name in names if name in CONFIG.tables}
    return ["--tables", json.dumps(tables, sort_keys=True)] if tables else []


def kinds_of_paper(paper):
    """What counting a paper's folds and labels loads by name."""
    content = PAPERS.papers[paper]
    pairs = [(corpus, protocol) for corpus in content.all_corpora for protocol in content.protocols.values()]
    return [kind for pair in pairs for kind in kinds_of_split(*pair)]


def libraries_of(recipe):
    """The versions of the libraries that compute a recipe's features; unknown where jobs run in another environment."""
    try:
        return versions_of(recipe)
    except PackageNotFoundError:
        return {}


def has_encoder(wildcards):
    """Whether features are a pretrained encoder's, which may use a GPU."""
    return encoder_of(PAPERS.recipes[wildcards.recipe]) is not None


def weights_of(wildcards):
    """The pretrained weights of a system: none, ImageNet's or the user's own, whose name carries their digest."""
    model = system_of(wildcards).model
    return [] if model.get("pretrained", "none") == "none" else f"<resources>/weights/{file_name(model)}"


def own_weights():
    """The models that start from a file of the user's own, by the name under which the file is kept."""
    systems = [system for paper in PAPERS.papers.values() for system in paper.systems.values()]
    models = [
        system.model for system in systems if system.model and system.model.get("pretrained", "none") not in WORDS
    ]
    kept = {file_name(model): model for model in models}
    return {  # a file that lies there already is not copied onto itself
        name: model
        for name, model in kept.items()
        if Path(model["pretrained"]).resolve() != Path(CONFIG.resources, "weights", name).resolve()
    }


OWN_WEIGHTS = own_weights()


def run_files(runs):
    """What stands for runs: each one's run.json, written last."""
    return [f"<results>/runs/{run.path}/run.json" for run in runs]


def runs_of(paper, study=None, **wanted):
    """The runs of a paper or of one of its studies, those alone whose fields have the wanted values."""
    runs = PAPERS.runs(paper, study)
    return run_files(run for run in runs if all(getattr(run, key) == value for key, value in wanted.items()))


def parts_of(wildcards):
    """The runs that a combined system is made from."""
    return run_files(PAPERS.parts(run_of(wildcards)))


def systems_of(combined):
    """The systems that are combined from others, or those that are trained, as a wildcard constraint."""
    return any_of(run.system for run in RUNS if bool(PAPERS.parts(run)) == combined)


def noisy_of(paper):
    """What the runs of a paper recognised in noise."""
    return [f"<results>/noise/{run.path}.csv" for run in targets.noisy_runs(PAPERS, paper)]


def folders(paths):
    """The folders of files."""
    return [str(Path(path).parent) for path in paths]


def figure_entry(wildcards):
    """What a paper file says of a figure, or of a published confusion matrix."""
    paper = PAPERS.papers[wildcards.paper]
    return (published_figures(paper) | published_confusions(paper))[wildcards.published]


def figure_label(wildcards):
    """What a published figure is called in the report."""
    entry = figure_entry(wildcards)
    words = (
        f"{entry.table}: confusion matrix"
        if isinstance(entry, PublishedConfusion)
        else f"{entry.figure}: {entry.title}"
    )
    return {"figure": words}


def figure_inputs(wildcards):
    """What a published figure is drawn from, by the options of `serflow figure-published`."""
    entry, paper = figure_entry(wildcards), wildcards.paper
    runs = targets.runs_shown(PAPERS, paper, entry)
    needs = ["runs"] if isinstance(entry, PublishedConfusion) else targets.needs_of(entry)
    if "runs" in needs:
        return {"runs": run_files(runs)}
    corpus = targets.shown_corpus(PAPERS, paper, entry)
    shown = list(members(corpus))[: 1 if "features" in needs else None]
    inputs = {"manifests": [f"<results>/manifests/{name}.csv" for name in shown]}
    if "one_run" in needs:
        inputs["runs"] = run_files(run for run in runs if run.corpus == corpus)[:1]
    if "features" in needs:
        inputs["features"] = [f"<results>/features/{shown[0]}/{entry.recipe}"]
    if "roots" in needs:
        inputs["roots"] = [recordings(name) for name in shown]
    if "sounds" in needs and CONFIG.noise.source:
        inputs["sounds"] = [ancient(CONFIG.noise.source)]
    return inputs


def figure_options(wildcards, input):
    """The options of `serflow figure-published` for its inputs."""
    places = {"runs": folders, "features": lambda paths: [f"{path}/features.zarr" for path in paths]}
    options = []
    for key in ("runs", "manifests", "features", "roots", "sounds"):
        if hasattr(input, key):
            options += [f"--{key}", *places.get(key, list)(list(input.get(key)))]
    return options


def report_entry(stem):
    """Where a figure of a paper's runs stands in the report, and what is said of it."""
    paper, *place, kind = stem.split("/")
    content = PAPERS.papers[paper]
    names = {"comparison": "Published and ours", "speakers": "Speakers", "curves": "Training curves"}
    labels = {"figure": names.get(kind, "Confusion matrix")}
    if place:
        corpus, system, *protocol = place
        labels |= {"system": content.title_of("systems", system), "corpus": display_name(corpus)}
        if protocol:
            labels["figure"] += f" · {name_protocol(content, *protocol)}"
    subcategory = "2 Confusion matrices" if kind == "confusion" else "3 Figures"
    return {"subcategory": subcategory, "caption": f"../report/{kind}.rst", "labels": labels}


def corpora_of_paper(paper):
    """The single corpora that a paper's runs use."""
    return sorted({name for corpus in PAPERS.corpora(paper) for name in members(corpus)})


def manifests_of_paper(paper, suffix="csv"):
    """The manifests of a paper's corpora, or the reports beside them (suffix json)."""
    return [f"<results>/manifests/{corpus}.{suffix}" for corpus in corpora_of_paper(paper)]


def splits_of(paper, suffix="csv"):
    """The splits of a paper, or the leakage reports beside them (suffix json)."""
    splits = dict.fromkeys((run.corpus, run.protocol, run.seed) for run in PAPERS.runs(paper))
    return [f"<results>/splits/{paper}/{c}/{p}/seed{s}.{suffix}" for c, p, s in splits]


def paper_file(paper):
    """The YAML file of a paper."""
    return local(os.path.relpath(CLONE / "workflow" / "papers" / f"{paper}.yaml"))


def shared_protocols():
    """The YAML file of the protocols that any system can run under."""
    return local(os.path.relpath(SHARED_PROTOCOLS))


def config_of(paper):
    """The part of the configuration that a paper's record depends on, as JSON."""
    keys = ("corpora", "allow_partial", "pretrained", "run_on", "cross_corpus", "statement_independent")
    part = CONFIG.model_dump(include=set(keys))
    overrides = {name: changes for name, changes in CONFIG.overrides.items() if name == paper}
    own = {"encoders": PAPERS.encoders(paper), "papers": [paper], "overrides": overrides}
    return json.dumps({**part, **own}, sort_keys=True)


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


def refuse(paper):
    """An input function for a paper of which nothing is run: an error that says what is missing."""

    def fail(wildcards):
        raise WorkflowError("\n".join(["Nothing of this paper can be run.", *tell_not_run(paper)]))

    return fail


def overview():
    """The tables and figures over all papers."""
    if not PAPERS.active():
        return []
    return [*tables(targets.OVERALL_TABLES), *figures(targets.OVERALL_FIGURES)]


def overview_log():
    """What says that the tables and figures over all papers are in MLflow."""
    return ["<results>/tracking/comparison.json"] if PAPERS.active() else []


#: The results pages, and the papers that each shows: all, also those that are left out; or one.
PAGES = {"index": list(PAPERS.papers)} | {name: [name] for name in PAPERS.active()} if PAPERS.active() else {}


def active_on(page):
    """The papers of a results page that are run."""
    return [paper for paper in PAGES[page] if paper in PAPERS.active()]


def shown_corpora(page):
    """The corpora of a results page."""
    return sorted({corpus for paper in active_on(page) for corpus in corpora_of_paper(paper)})


def page(name="index"):
    """A results page: of all papers or of the one that is named."""
    return [f"<results>/{name}.html"] if name in PAGES else []


def tell_end():
    """What a run ends with: the page to open, and the best and the worst result."""
    pages = [path for name in PAGES if (path := Path(CONFIG.results, f"{name}.html")).is_file()]
    if not pages:
        return []
    last = max(pages, key=lambda path: path.stat().st_mtime)
    from serflow.scoring.overview import compare_papers, tell_extremes  # pandas, which no start waits for
    from serflow.scoring.scores import Scores

    files = {paper: Path(CONFIG.results, f"scores/{paper}.csv") for paper in active_on(last.stem)}
    known = [paper for paper, path in files.items() if path.is_file()]
    found = compare_papers([PAPERS.record(paper) for paper in known], Scores.read(*(files[paper] for paper in known)))
    return [f"Results: open {last} in a browser.", *tell_extremes(found)]


def stems_of(find):
    """The papers that have figures of one sort and the figures' stems, as wildcard constraints."""
    found = {paper: list(find(PAPERS, paper)) for paper in PAPERS.papers}
    return (
        any_of(paper for paper, stems in found.items() if stems),
        any_of(stem for stems in found.values() for stem in stems),
    )


def tracking_uri():
    """Where MLflow keeps its runs."""
    return CONFIG.tracking.uri or f"sqlite:///{CONFIG.results}/mlflow.db"
