"""`serflow <verb>`: one verb per stage of the workflow. Parses arguments and calls, no more."""

from __future__ import annotations

import argparse
import errno
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serflow.errors import ConfigError, SerflowError
from serflow.io import log
from serflow.io.files import read_json, write_csv, write_json

#: Keywords of argparse's ``add_argument``; one that is ``positional`` has no dashes.
Options = dict[str, Any]
#: Verb -> its function and arguments; filled by `verb`.
VERBS: dict[str, tuple[Callable[..., None], dict[str, Options]]] = {}


def verb(**arguments: Options) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function of this module a verb: its name with dashes, without a last ``_record``; help: its docstring."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        VERBS[function.__name__.removesuffix("_record").replace("_", "-")] = (function, arguments)
        return function

    return register


def _json(text: str) -> Any:
    """Return the value of a JSON text or of the file that it names."""
    path = Path(text)
    try:
        return read_json(path) if not text.lstrip().startswith(("{", "[")) else json.loads(text)
    except (OSError, ValueError, SerflowError) as error:
        raise argparse.ArgumentTypeError(f"neither JSON nor a file of it: {text!r} ({error})") from error


ONE: Options = {"type": Path}
MANY: Options = {"type": Path, "nargs": "+"}
CORPUS: Options = {"positional": True, "help": "ravdess, savee or iemocap"}
WORKERS: Options = {"type": int, "default": os.cpu_count(), "help": "number of processes (default: all cores)"}
THREADS: Options = {"type": int, "default": os.cpu_count(), "help": "number of CPU threads (default: all cores)"}
DEVICE: Options = {"default": "auto", "choices": ["auto", "cpu", "cuda"]}
SPEC: Options = {"type": _json, "help": "JSON, or a file of it (a run.json will do)"}
PAPER: Options = {"type": _json, "help": "what `serflow paper` wrote"}
RUNS: Options = MANY | {"help": "run folders"}
PREFIX: Options = {"default": "", "help": "of the experiments' names, PREFIX/PAPER (default: none)"}
STEM: Options = ONE | {"help": "path without suffix"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status. A user's fault is printed as one sentence, its trace goes to the log."""
    # A sixth of the import time of torch is garbage collection that finds nothing: collect more seldom.
    gc.set_threshold(50_000, 50, 50)
    options = vars(_parser().parse_args(arguments))
    wanted, function, verb = options.pop("log"), options.pop("function"), options.pop("verb")
    log_file: Path | None = None
    signal.signal(signal.SIGTERM, _stop)
    try:
        if wanted:
            log.open_log(wanted)
            log_file = wanted
        function(**options)
    except Exception as error:
        sentence = _sentence(error)
        if not sentence and not log_file:
            raise
        if log_file:
            log.say(traceback.format_exc())
        told = sentence or f"{type(error).__name__}: {error}. This is a bug; the trace is in {log_file}."
        print(f"serflow {verb}: {told}", file=sys.stderr)
        return 1
    return 0


def _sentence(error: Exception) -> str:
    """Return what to tell of an error, nothing of a bug."""
    if isinstance(error, SerflowError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory ({error or 'main memory'}). Run fewer jobs at a time, or where there is more memory."
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Make room there, then run it again." if full else "Check the path and its permissions."
        return f"{error.filename}: {error.strerror or error}. {remedy}"
    return ""


def _stop(number: int, _frame: object) -> None:
    """End as on an error, so that what is half-written is deleted."""
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="serflow", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for name, (function, arguments) in VERBS.items():
        sub = verbs.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.add_argument("--log", type=Path, help="write messages to this file instead of standard error")
        for argument, options in arguments.items():
            keywords = {key: value for key, value in options.items() if key != "positional"}
            if "positional" in options:
                sub.add_argument(argument, **keywords)
            else:
                sub.add_argument(f"--{argument.replace('_', '-')}", required="default" not in keywords, **keywords)
        sub.set_defaults(function=function)
    return parser


@verb(corpus=CORPUS, output=ONE | {"help": "the archive"})
def fetch(corpus: str, output: Path) -> None:
    """Download a corpus's archive and verify it."""
    from serflow.corpora import load
    from serflow.corpora.archive import fetch as download

    source = load(corpus).DOWNLOAD
    if source is None:
        raise ConfigError(corpus, "needs a signed licence and is never downloaded", "See resources/README.md.")
    download(source.url, output, source.md5)


@verb(archive=ONE, output=ONE | {"help": "the corpus tree"})
def extract(archive: Path, output: Path) -> None:
    """Extract a local archive, whole or not at all."""
    from serflow.corpora.archive import extract as unpack

    unpack(archive, output)


@verb(corpus=CORPUS, output=ONE | {"help": "the corpus tree"})
def demo(corpus: str, output: Path) -> None:
    """Generate a synthetic demo corpus."""
    from serflow.corpora.demo.demo import generate

    generate(corpus, output)


@verb(
    corpus=CORPUS,
    root=ONE | {"help": "the corpus tree"},
    output=ONE | {"help": "CSV"},
    report=ONE | {"help": "JSON"},
    workers=WORKERS,
)
def manifest(corpus: str, root: Path, output: Path, report: Path, workers: int) -> None:
    """Read a corpus tree into a manifest and a report on it."""
    from serflow.corpora import manifest as manifests

    rows, found = manifests.build(corpus, root, workers)
    manifests.write(rows, output)
    write_json(report, found)


@verb(corpus=CORPUS, root={"type": Path, "positional": True, "help": "archive or folder"}, workers=WORKERS)
def verify(corpus: str, root: Path, workers: int) -> None:
    """Hold a copy of a corpus against the published counts."""
    import tempfile

    from serflow.corpora import load
    from serflow.corpora import manifest as manifests
    from serflow.corpora import verify as verification
    from serflow.corpora.archive import extract as unpack
    from serflow.errors import CorpusError

    load(corpus)
    with tempfile.TemporaryDirectory() as folder:
        tree = root
        if root.is_file():
            tree = Path(folder, "tree")
            unpack(root, tree)
        rows, report = manifests.build(corpus, tree, workers)
    print(verification.table(corpus, rows))
    differences = verification.verify(corpus, rows, report)
    for difference in differences:
        print(f"- {difference}")
    for pair in report["identical"]:
        print(f"- identical recordings: {', '.join(pair)}")
    if differences:
        raise CorpusError(
            root, f"differs from the published {corpus.upper()} in {len(differences)} points", "See above."
        )
    print(f"{root} agrees with the published {corpus.upper()}.")


@verb(recipe=SPEC, manifest=ONE, root=ONE, output=ONE | {"help": "the Zarr store"}, workers=WORKERS)
def features(recipe: dict[str, Any], manifest: Path, root: Path, output: Path, workers: int) -> None:
    """Compute a recipe into a feature cache."""
    from serflow.corpora.manifest import read
    from serflow.features import cache

    cache.build(recipe, read(manifest), root, output, workers)


@verb(
    protocol=SPEC,
    labels={"type": lambda text: text.split(","), "help": "emotions, separated by commas"},
    corpora={"nargs": "+"},
    manifests=MANY,
    seed={"type": int},
    select=SPEC | {"default": {}, "help": "JSON: corpus -> values that columns of its manifest must have"},
    output=ONE | {"help": "CSV"},
    report=ONE | {"help": "JSON: what leaks"},
)
def split(
    protocol: dict[str, Any],
    labels: list[str],
    corpora: list[str],
    manifests: list[Path],
    seed: int,
    select: dict[str, dict[str, str]],
    output: Path,
    report: Path,
) -> None:
    """Apply a protocol to one or more manifests."""
    from serflow.corpora.manifest import read
    from serflow.protocols import protocols

    rows = [row for path in manifests for row in read(path)]
    assignment = protocols.split(protocol, rows, labels, corpora, seed, select)
    found = protocols.leakage(assignment, rows)
    protocols.check(protocol, found, output)
    write_json(report, found)
    write_csv(output, protocols.COLUMNS, assignment)


@verb(name={"positional": True}, output=ONE)
def weights(name: str, output: Path) -> None:
    """Download ImageNet weights and verify them."""
    from serflow.models.weights import fetch as download

    download(name, output)


@verb(
    spec=SPEC,
    manifests=MANY,
    features=MANY,
    split=ONE,
    weights=ONE | {"default": None, "help": "pretrained weights (default: random ones)"},
    output=ONE | {"help": "the run's folder"},
    checkpoint=ONE | {"help": "where to keep checkpoints until the run is done"},
    device=DEVICE,
    precision={"default": "auto", "choices": ["auto", "fp32", "bf16"]},
    threads=THREADS,
)
def train(spec: dict[str, Any], features: list[Path], **options: Any) -> None:
    """Train one run: a system under a protocol, for one seed and fold."""
    from serflow.training.run import train as run

    run(spec, stores=features, **options)


@verb(spec=SPEC, runs=RUNS, output=ONE | {"help": "the combined run's folder"})
def combine(spec: dict[str, Any], runs: list[Path], output: Path) -> None:
    """Combine trained runs into one: the four-class run first, the two-class runs after it."""
    from serflow.training.two_step import combine as combine_runs

    neutral = spec["system_config"]["combine"]["neutral"]
    combine_runs(spec, runs[0], runs[1:], neutral, output)


@verb(
    run=ONE | {"help": "the run's folder"},
    manifest=ONE,
    split=ONE,
    root=ONE | {"help": "the corpus tree"},
    folder=ONE | {"default": None, "help": "noise recordings (default: generated stand-ins)"},
    snrs={"type": float, "nargs": "+", "help": "signal-to-noise ratios in dB"},
    output=ONE | {"help": "CSV"},
    device=DEVICE,
    threads=THREADS,
)
def noisy(**options: Any) -> None:
    """Recognise the test part of a trained run in noise."""
    from serflow.inference.noise import evaluate as recognise

    recognise(**options)


@verb(name={"positional": True}, config=SPEC, output=ONE | {"help": "JSON"})
def paper_record(name: str, config: dict[str, Any], output: Path) -> None:
    """Write a paper as a configuration runs it: overrides laid over its file, what is left out and why."""
    from serflow.config import check_config
    from serflow.papers.papers import Papers

    write_json(output, Papers(check_config(config)).record(name))


@verb(paper=PAPER, runs=RUNS, manifests=MANY, output=ONE | {"help": "CSV in long form"})
def evaluate(paper: dict[str, Any], runs: list[Path], manifests: list[Path], output: Path) -> None:
    """Score the runs of a paper, each number beside the published one."""
    from serflow.scoring.scores import evaluate_paper

    evaluate_paper(paper["paper"], runs, manifests, output, n_folds=_folds(paper), not_run=paper["not_run"])


def _folds(paper: dict[str, Any]) -> dict[tuple[str, str], int]:
    """Return the number of folds of each (corpus, protocol)."""
    return {(corpus, name): n for corpus, counts in paper["n_folds"].items() for name, n in counts.items()}


@verb(
    paper=PAPER,
    table={"help": "comparison, or the name of a published table in small letters, such as table_i"},
    scores=ONE,
    runs=RUNS,
    stem=STEM,
)
def table(paper: dict[str, Any], table: str, scores: Path, runs: list[Path], stem: Path) -> None:
    """Write one table of a paper as csv, md, tex and html."""
    from serflow.tables.tables import write_table

    write_table(paper["paper"], table, scores, runs, stem, synthetic=paper["synthetic"])


@verb(
    paper=PAPER,
    reports=MANY | {"help": "JSON that `serflow manifest` wrote"},
    leaks={"nargs": "+", "metavar": "CORPUS:PROTOCOL:SEED:JSON", "help": "reports that `serflow split` wrote"},
    stem=STEM,
)
def table_data(paper: dict[str, Any], reports: list[Path], leaks: list[str], stem: Path) -> None:
    """Write the table of a paper's corpora and splits as csv, md, tex and html."""
    from serflow.tables.data import write_data_table

    parts = [leak.split(":", 3) for leak in leaks]
    keys = [(corpus, protocol, int(seed), Path(path)) for corpus, protocol, seed, path in parts]
    write_data_table(paper["paper"], reports, keys, stem, synthetic=paper["synthetic"])


@verb(paper=PAPER, runs=RUNS, noisy=MANY | {"help": "what `serflow noisy` wrote"}, manifests=MANY, stem=STEM)
def table_noise(paper: dict[str, Any], runs: list[Path], noisy: list[Path], manifests: list[Path], stem: Path) -> None:
    """Write a paper's table of recognition in noise as csv, md, tex and html."""
    from serflow.tables.noise import write_noise_table

    about = {"synthetic": paper["synthetic"], "not_run": paper["not_run"]}
    write_noise_table(paper["paper"], runs, noisy, manifests, stem, **about)


@verb(paper=PAPER, study={"help": "a study of the paper file"}, runs=RUNS, manifests=MANY, stem=STEM)
def table_study(paper: dict[str, Any], study: str, runs: list[Path], manifests: list[Path], stem: Path) -> None:
    """Write the table of one of a paper's studies as csv, md, tex and html."""
    from serflow.tables.studies import write_study_table

    about = {"synthetic": paper["synthetic"], "n_folds": _folds(paper), "not_run": paper["not_run"]}
    write_study_table(paper["paper"], study, runs, manifests, stem, **about)


@verb(paper=PAPER, study={"help": "a study of the paper file"}, table=ONE | {"help": "the study's CSV"}, stem=STEM)
def figure_study(paper: dict[str, Any], study: str, table: Path, stem: Path) -> None:
    """Draw one of a paper's studies from its table."""
    from serflow.figures.studies import plot_study

    plot_study(paper["paper"], study, table, stem, synthetic=paper["synthetic"])


@verb(runs=RUNS, matrix=ONE | {"help": "CSV to write it to"}, title={}, stem=STEM)
def figure_confusion(runs: list[Path], matrix: Path, title: str, stem: Path) -> None:
    """Pool the runs of one system into a confusion matrix, and draw it."""
    from serflow.figures.confusion import plot_confusion
    from serflow.scoring.scores import confusion_matrix

    confusion_matrix(runs, matrix)
    plot_confusion(matrix, stem, title)


@verb(paper=PAPER, runs=RUNS, stem=STEM)
def figure_curves(paper: dict[str, Any], runs: list[Path], stem: Path) -> None:
    """Draw training curves."""
    from serflow.figures.curves import plot_curves

    plot_curves(paper["paper"], runs, stem)


@verb(paper=PAPER, scores=ONE, stem=STEM)
def figure_comparison(paper: dict[str, Any], scores: Path, stem: Path) -> None:
    """Draw published and own scores."""
    from serflow.figures.comparison import plot_comparison

    plot_comparison(paper["paper"], scores, stem)


@verb(
    paper=PAPER,
    figure={"help": "name of the published figure in small letters, such as figure_2"},
    run=ONE | {"help": "run folder"},
    features=ONE | {"help": "Zarr store"},
    manifest=ONE,
    stem=STEM,
)
def figure_recognition(
    paper: dict[str, Any], figure: str, run: Path, features: Path, manifest: Path, stem: Path
) -> None:
    """Draw a recording's spectrogram and its posteriors beside the published ones."""
    from serflow.figures.recognition import plot_recognition
    from serflow.tables.tables import slug

    entry = next(e for e in paper["paper"]["published_posteriors"] if slug(e["figure"]) == figure)
    recipe = read_json(run / "run.json")["system_config"]["recipe"]
    plot_recognition(run, entry, features, recipe, manifest, stem=stem)


@verb(
    paper=PAPER,
    figure={"help": "its name in small letters, such as figure_2 or table_1_confusion"},
    manifests=MANY | {"default": [], "help": "manifests of the corpora that it shows"},
    features=ONE | {"default": None, "help": "Zarr store"},
    roots=MANY | {"default": [], "help": "the corpus trees, in the order of the manifests"},
    runs=RUNS | {"default": []},
    sounds=ONE | {"default": None, "help": "folder of noise recordings (default: generated stand-ins)"},
    stem=STEM,
)
def figure(
    paper: dict[str, Any],
    figure: str,
    manifests: list[Path],
    features: Path | None,
    roots: list[Path],
    runs: list[Path],
    sounds: Path | None,
    stem: Path,
) -> None:
    """Draw one figure, or set one confusion matrix beside ours, as the paper prints it."""
    from serflow.figures.published import plot_figure

    sources: dict[str, Any] = {"manifests": manifests, "store": features, "roots": roots, "runs": runs}
    sources["sounds_folder"] = sounds
    plot_figure(paper["paper"], figure, stem, **sources, synthetic=paper["synthetic"])


@verb(
    papers={"type": _json, "nargs": "+", "help": "what `serflow paper` wrote, of all papers"},
    scores=MANY | {"help": "what `serflow evaluate` wrote, of those that were run"},
    runs=RUNS,
    stem=STEM,
)
def compare(papers: list[dict[str, Any]], scores: list[Path], runs: list[Path], stem: Path) -> None:
    """Write the table of published and own numbers over all papers, with a verdict each."""
    from serflow.tables.overview import write_overview

    write_overview(papers, scores, runs, stem)


@verb(table=ONE | {"help": "CSV"}, stem=STEM)
def figure_compare(table: Path, stem: Path) -> None:
    """Draw the table that `serflow compare` wrote."""
    from serflow.figures.overview import plot_overview

    plot_overview(table, stem)


@verb(benchmarks=ONE | {"help": "folder of benchmark files"}, runs=RUNS, stem=STEM)
def costs(benchmarks: Path, runs: list[Path], stem: Path) -> None:
    """Add up what the reproduction cost."""
    from serflow.tables.costs import write_costs

    write_costs(benchmarks, runs, stem)


@verb(
    results=ONE | {"default": None, "help": "the results folder (default: the page is made anew from the archive)"},
    command={"default": "snakemake", "help": "the command that made them (default: snakemake)"},
    tables=MANY | {"default": (), "help": "tables of single papers (PAPER/TABLE.md) to keep as they are"},
    archive=ONE | {"help": "folder that keeps all measurements, docs/results"},
    output=ONE | {"help": "Markdown"},
)
def results(results: Path | None, command: str, tables: Sequence[Path], archive: Path, output: Path) -> None:
    """Add new results to the archive of all that was measured, and write the page of it that the repository keeps."""
    from serflow.tables.results_page import write_results_page

    write_results_page(results, output, command, archive=archive, tables=tables)


@verb(
    config={"default": ["config.yaml"], "nargs": "+", "help": "YAML files, later ones over earlier ones"},
    costs=ONE | {"default": None, "help": "recorded costs (default: those of this repository)"},
)
def plan(config: list[str], costs: Path | None) -> None:
    """Say what a configuration takes, before anything runs: jobs, hours, gigabytes."""
    from serflow.config import read_config
    from serflow.papers.papers import Papers
    from serflow.plan import describe

    print(describe(Papers(read_config(config)), costs))


@verb(runs=RUNS, output=ONE | {"help": "CSV; what it holds of other systems and devices stays"})
def record_costs(runs: list[Path], output: Path) -> None:
    """Record what epochs took, for `serflow plan`."""
    from serflow.plan import record

    record(runs, output)


@verb(
    uri={"help": "sqlite:///FILE or the address of a tracking server"},
    paper=PAPER,
    runs=RUNS,
    scores=ONE,
    artifacts=MANY | {"help": "tables and figures"},
    results=ONE | {"help": "the results folder, which holds manifests and splits"},
    output=ONE | {"help": "JSON: run -> MLflow's run id"},
    prefix=PREFIX,
)
def track(
    uri: str,
    paper: dict[str, Any],
    runs: list[Path],
    scores: Path,
    artifacts: list[Path],
    results: Path,
    output: Path,
    prefix: str,
) -> None:
    """Log the runs of a paper to MLflow, each once."""
    from serflow.tracking.store import find_data, replay

    data = find_data(results, runs)
    root = results / "mlartifacts"
    write_json(output, replay(uri, paper["paper"], runs, scores, artifacts, root, data, prefix))


@verb(
    uri={"help": "sqlite:///FILE or the address of a tracking server"},
    artifacts=MANY | {"help": "tables and figures over all papers"},
    results=ONE | {"help": "the results folder"},
    output=ONE | {"help": "JSON: MLflow's run id"},
    prefix=PREFIX,
)
def track_overview(uri: str, artifacts: list[Path], results: Path, output: Path, prefix: str) -> None:
    """Log the comparison of all papers to MLflow, once."""
    from serflow.tracking.store import track_overview as log_overview

    log_overview(uri, artifacts, results, output, prefix)


if __name__ == "__main__":
    sys.exit(main())
