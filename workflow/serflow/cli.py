"""`serflow <verb>`: one verb per stage of the workflow. Parses arguments and calls, no more."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serflow import log
from serflow.errors import ConfigError, SerflowError
from serflow.files import read_json, write_csv, write_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status. A user's fault is printed as one sentence, its trace goes to the log."""
    # A sixth of the import time of torch is garbage collection that finds nothing: collect more seldom.
    gc.set_threshold(50_000, 50, 50)
    options = vars(_parser().parse_args(arguments))
    log_file, function, verb = options.pop("log"), options.pop("function"), options.pop("verb")
    if log_file:
        log.open_log(log_file)
    try:
        function(**options)
    except SerflowError as error:
        if log_file:
            log.say(traceback.format_exc())
        print(f"serflow {verb}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if log_file:
            log.say(traceback.format_exc())
        print(
            f"serflow {verb}: {error.filename}: {error.strerror}. Check the path and its permissions.", file=sys.stderr
        )
        return 1
    except Exception as error:
        if not log_file:
            raise
        log.say(traceback.format_exc())
        print(
            f"serflow {verb}: {type(error).__name__}: {error}. This is a bug; the trace is in {log_file}.",
            file=sys.stderr,
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="serflow", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")

    def verb(function: Any, summary: str, **arguments: dict[str, Any]) -> None:
        name = function.__name__.removesuffix("_record").replace("_", "-")
        sub = verbs.add_parser(name, help=summary, description=summary)
        sub.add_argument("--log", type=Path, help="write messages to this file instead of standard error")
        for argument, keywords in arguments.items():
            if keywords.pop("positional", False):
                sub.add_argument(argument, **keywords)
            else:
                sub.add_argument(f"--{argument.replace('_', '-')}", required="default" not in keywords, **keywords)
        sub.set_defaults(function=function)

    one, many = {"type": Path}, {"type": Path, "nargs": "+"}
    corpus = {"positional": True, "help": "ravdess, savee or iemocap"}
    workers = {"type": int, "default": os.cpu_count(), "help": "number of processes (default: all cores)"}
    threads = {"type": int, "default": os.cpu_count(), "help": "number of CPU threads (default: all cores)"}
    spec = {"type": _json, "help": "JSON, or a file of it (a run.json will do)"}

    verb(fetch, "download a corpus's archive and verify it", corpus=dict(corpus), output=one | {"help": "the archive"})
    verb(
        extract,
        "extract a local archive, whole or not at all",
        archive=dict(one),
        output=one | {"help": "the corpus tree"},
    )
    verb(demo, "generate a synthetic demo corpus", corpus=dict(corpus), output=one | {"help": "the corpus tree"})
    verb(
        manifest,
        "read a corpus tree into a manifest and a report on it",
        corpus=dict(corpus),
        root=one | {"help": "the corpus tree"},
        output=one | {"help": "CSV"},
        report=one | {"help": "JSON"},
        workers=dict(workers),
    )
    verb(
        verify,
        "hold a copy of a corpus against the published counts",
        corpus=dict(corpus),
        root={"type": Path, "positional": True, "help": "archive or folder"},
        workers=dict(workers),
    )
    verb(
        features,
        "compute a recipe into a feature cache",
        recipe=dict(spec),
        manifest=dict(one),
        root=dict(one),
        output=one | {"help": "the Zarr store"},
        workers=dict(workers),
    )
    verb(
        split,
        "apply a protocol to one or more manifests",
        protocol=dict(spec),
        labels={"type": lambda text: text.split(","), "help": "emotions, separated by commas"},
        corpora={"nargs": "+"},
        manifests=dict(many),
        seed={"type": int},
        output=one | {"help": "CSV"},
        report=one | {"help": "JSON: what leaks"},
    )
    verb(weights, "download ImageNet weights and verify them", name={"positional": True}, output=dict(one))
    verb(
        train,
        "train one run: a system under a protocol, for one seed and fold",
        spec=dict(spec),
        manifests=dict(many),
        features=dict(many),
        split=dict(one),
        weights=one | {"default": None, "help": "pretrained weights (default: random ones)"},
        output=one | {"help": "the run's folder"},
        checkpoint=one | {"help": "where to keep checkpoints until the run is done"},
        device={"default": "auto", "choices": ["auto", "cpu", "cuda"]},
        precision={"default": "auto", "choices": ["auto", "fp32", "bf16"]},
        threads=dict(threads),
    )
    paper = {"type": _json, "help": "what `serflow paper` wrote"}
    stem = one | {"help": "path without suffix"}
    runs = many | {"help": "run folders"}
    verb(
        paper_record,
        "write a paper as a configuration runs it: overrides laid over its file, what is left out and why",
        name={"positional": True},
        config=dict(spec),
        output=one | {"help": "JSON"},
    )
    verb(
        evaluate,
        "score the runs of a paper, each number beside the published one",
        paper=dict(paper),
        runs=dict(runs),
        manifests=dict(many),
        output=one | {"help": "CSV in long form"},
    )
    verb(
        table,
        "write one table of a paper as csv, md, tex and html",
        paper=dict(paper),
        table={"help": "comparison, or the name of a published table in small letters, such as table_i"},
        scores=dict(one),
        runs=dict(runs),
        stem=dict(stem),
    )
    verb(
        table_data,
        "write the table of a paper's corpora and splits as csv, md, tex and html",
        paper=dict(paper),
        reports=many | {"help": "JSON that `serflow manifest` wrote"},
        leaks={"nargs": "+", "metavar": "CORPUS:PROTOCOL:SEED:JSON", "help": "reports that `serflow split` wrote"},
        stem=dict(stem),
    )
    verb(
        figure_confusion,
        "pool the runs of one system into a confusion matrix, and draw it",
        runs=dict(runs),
        matrix=one | {"help": "CSV to write it to"},
        title={},
        stem=dict(stem),
    )
    verb(figure_curves, "draw training curves", paper=dict(paper), runs=dict(runs), stem=dict(stem))
    verb(figure_comparison, "draw published and own scores", paper=dict(paper), scores=dict(one), stem=dict(stem))
    verb(
        figure_recognition,
        "draw a recording's spectrogram and its posteriors beside the published ones",
        paper=dict(paper),
        figure={"help": "name of the published figure in small letters, such as figure_2"},
        run=one | {"help": "run folder"},
        features=one | {"help": "Zarr store"},
        manifest=dict(one),
        stem=dict(stem),
    )
    verb(
        figure,
        "draw one figure, or set one confusion matrix beside ours, as the paper prints it",
        paper=dict(paper),
        figure={"help": "its name in small letters, such as figure_2 or table_1_confusion"},
        manifests=many | {"default": [], "help": "manifests of the corpora that it shows"},
        features=one | {"default": None, "help": "Zarr store"},
        roots=many | {"default": [], "help": "the corpus trees, in the order of the manifests"},
        runs=runs | {"default": []},
        stem=dict(stem),
    )
    verb(
        compare,
        "write the table of published and own numbers over all papers, with a verdict each",
        papers={"type": _json, "nargs": "+", "help": "what `serflow paper` wrote, of all papers"},
        scores=many | {"help": "what `serflow evaluate` wrote, of those that were run"},
        runs=dict(runs),
        stem=dict(stem),
    )
    verb(figure_compare, "draw the table that `serflow compare` wrote", table=one | {"help": "CSV"}, stem=dict(stem))
    verb(
        costs,
        "add up what the reproduction cost",
        benchmarks=one | {"help": "folder of benchmark files"},
        runs=dict(runs),
        stem=dict(stem),
    )
    verb(
        results,
        "write the page of results that the repository keeps",
        results=one | {"help": "the results folder"},
        command={"default": "snakemake", "help": "the command that made them (default: snakemake)"},
        output=one | {"help": "Markdown"},
    )
    verb(
        plan,
        "say what a configuration takes, before anything runs: jobs, hours, gigabytes",
        config={"default": ["config.yaml"], "nargs": "+", "help": "YAML files, later ones over earlier ones"},
        costs=one | {"default": None, "help": "recorded costs (default: those of this repository)"},
    )
    verb(
        record_costs,
        "record what epochs took, for `serflow plan`",
        runs=dict(runs),
        output=one | {"help": "CSV; what it holds of other systems and devices stays"},
    )
    verb(
        track,
        "log the runs of a paper to MLflow, each once",
        uri={"help": "sqlite:///FILE or the address of a tracking server"},
        paper=dict(paper),
        runs=dict(runs),
        scores=dict(one),
        artifacts=many | {"help": "tables and figures"},
        results=one | {"help": "the results folder, which holds manifests and splits"},
        output=one | {"help": "JSON: run -> MLflow's run id"},
    )
    return parser


def _json(text: str) -> Any:
    """Return the value of a JSON text or of the file that it names."""
    path = Path(text)
    try:
        return read_json(path) if not text.lstrip().startswith(("{", "[")) else json.loads(text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"neither JSON nor a file of it: {text!r} ({error})") from error


def fetch(corpus: str, output: Path) -> None:
    """Download a corpus's archive."""
    from serflow.corpora import load
    from serflow.corpora.archive import fetch as download

    source = load(corpus).DOWNLOAD
    if source is None:
        raise ConfigError(corpus, "needs a signed licence and is never downloaded", "See resources/README.md.")
    download(source.url, output, source.md5)


def extract(archive: Path, output: Path) -> None:
    """Extract an archive."""
    from serflow.corpora.archive import extract as unpack

    unpack(archive, output)


def demo(corpus: str, output: Path) -> None:
    """Generate a demo corpus."""
    from serflow.corpora.demo import generate

    generate(corpus, output)


def manifest(corpus: str, root: Path, output: Path, report: Path, workers: int) -> None:
    """Write a corpus's manifest and the report on it."""
    from serflow.corpora import manifest as manifests

    rows, found = manifests.build(corpus, root, workers)
    manifests.write(rows, output)
    write_json(report, found)


def verify(corpus: str, root: Path, workers: int) -> None:
    """Print how a copy differs from what was published."""
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


def features(recipe: dict[str, Any], manifest: Path, root: Path, output: Path, workers: int) -> None:
    """Compute a feature cache."""
    from serflow.corpora.manifest import read
    from serflow.features import cache

    cache.build(recipe, read(manifest), root, output, workers)


def split(
    protocol: dict[str, Any],
    labels: list[str],
    corpora: list[str],
    manifests: list[Path],
    seed: int,
    output: Path,
    report: Path,
) -> None:
    """Write a split and its leakage report."""
    from serflow import protocols
    from serflow.corpora.manifest import read

    rows = [row for path in manifests for row in read(path)]
    assignment = protocols.split(protocol, rows, labels, corpora, seed)
    found = protocols.leakage(assignment, rows)
    protocols.check(protocol, found, output)
    write_json(report, found)
    write_csv(output, protocols.COLUMNS, assignment)


def weights(name: str, output: Path) -> None:
    """Download pretrained weights."""
    from serflow.models.weights import fetch as download

    download(name, output)


def train(spec: dict[str, Any], features: list[Path], **options: Any) -> None:
    """Train one run."""
    from serflow.training.run import train as run

    run(spec, stores=features, **options)


def paper_record(name: str, config: dict[str, Any], output: Path) -> None:
    """Write a paper as run."""
    from serflow.config import check_config
    from serflow.papers import Papers

    write_json(output, Papers(check_config(config)).record(name))


def evaluate(paper: dict[str, Any], runs: list[Path], manifests: list[Path], output: Path) -> None:
    """Write the scores of a paper."""
    from serflow.evaluation.comparison import evaluate_paper

    n_folds = {(corpus, name): n for corpus, counts in paper["n_folds"].items() for name, n in counts.items()}
    evaluate_paper(paper["paper"], runs, manifests, output, n_folds=n_folds, not_run=paper["not_run"])


def table(paper: dict[str, Any], table: str, scores: Path, runs: list[Path], stem: Path) -> None:
    """Write one table."""
    from serflow.evaluation.tables import write_table

    write_table(paper["paper"], table, scores, runs, stem, synthetic=paper["synthetic"])


def table_data(paper: dict[str, Any], reports: list[Path], leaks: list[str], stem: Path) -> None:
    """Write the table of corpora and splits."""
    from serflow.evaluation.data import write_data_table

    parts = [leak.split(":", 3) for leak in leaks]
    keys = [(corpus, protocol, int(seed), Path(path)) for corpus, protocol, seed, path in parts]
    write_data_table(paper["paper"], reports, keys, stem, synthetic=paper["synthetic"])


def figure_confusion(runs: list[Path], matrix: Path, title: str, stem: Path) -> None:
    """Write and draw a confusion matrix."""
    from serflow.evaluation.comparison import confusion_matrix
    from serflow.figures.confusion import plot_confusion

    confusion_matrix(runs, matrix)
    plot_confusion(matrix, stem, title)


def figure_curves(paper: dict[str, Any], runs: list[Path], stem: Path) -> None:
    """Draw training curves."""
    from serflow.figures.curves import plot_curves

    plot_curves(paper["paper"], runs, stem)


def figure_comparison(paper: dict[str, Any], scores: Path, stem: Path) -> None:
    """Draw published and own scores."""
    from serflow.figures.comparison import plot_comparison

    plot_comparison(paper["paper"], scores, stem)


def figure_recognition(
    paper: dict[str, Any], figure: str, run: Path, features: Path, manifest: Path, stem: Path
) -> None:
    """Draw one recording's recognition."""
    from serflow.evaluation.tables import slug
    from serflow.figures.recognition import plot_recognition

    entry = next(e for e in paper["paper"]["published_posteriors"] if slug(e["figure"]) == figure)
    recipe = read_json(run / "run.json")["system_config"]["recipe"]
    plot_recognition(run, entry, features, recipe, manifest, stem=stem)


def figure(
    paper: dict[str, Any],
    figure: str,
    manifests: list[Path],
    features: Path | None,
    roots: list[Path],
    runs: list[Path],
    stem: Path,
) -> None:
    """Draw one of the paper's figures."""
    from serflow.figures.published import plot_figure

    sources: dict[str, Any] = {"manifests": manifests, "store": features, "roots": roots, "runs": runs}
    plot_figure(paper["paper"], figure, stem, **sources, synthetic=paper["synthetic"])


def compare(papers: list[dict[str, Any]], scores: list[Path], runs: list[Path], stem: Path) -> None:
    """Write the table over all papers."""
    from serflow.evaluation.overview import write_overview

    write_overview(papers, scores, runs, stem)


def figure_compare(table: Path, stem: Path) -> None:
    """Draw the table over all papers."""
    from serflow.figures.overview import plot_overview

    plot_overview(table, stem)


def costs(benchmarks: Path, runs: list[Path], stem: Path) -> None:
    """Write the table of costs."""
    from serflow.evaluation.costs import write_costs

    write_costs(benchmarks, runs, stem)


def results(results: Path, command: str, output: Path) -> None:
    """Write the page of results."""
    from serflow.evaluation.results_page import write_results_page

    write_results_page(results, output, command=command)


def plan(config: list[str], costs: Path | None) -> None:
    """Print what a configuration takes."""
    from serflow.config import read_config
    from serflow.papers import Papers
    from serflow.plan import describe

    print(describe(Papers(read_config(config)), costs))


def record_costs(runs: list[Path], output: Path) -> None:
    """Record what epochs took."""
    from serflow.plan import record

    record(runs, output)


def track(
    uri: str,
    paper: dict[str, Any],
    runs: list[Path],
    scores: Path,
    artifacts: list[Path],
    results: Path,
    output: Path,
) -> None:
    """Log runs to MLflow."""
    from serflow.tracking import find_data, replay

    data = find_data(results, runs)
    write_json(output, replay(uri, paper["paper"], runs, scores, artifacts, results / "mlartifacts", data))


if __name__ == "__main__":
    sys.exit(main())
