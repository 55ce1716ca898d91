"""`serflow <verb>`: verbs for people, and one verb per stage of the workflow. Parses arguments and calls, no more."""

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
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serflow.errors import ConfigError, SerflowError
from serflow.io import log
from serflow.io.files import read_json, write_csv, write_json, write_text
from serflow.io.workers import count_cores
from serflow.kinds import suggest

if TYPE_CHECKING:
    from serflow.papers.model import PaperRecord
    from serflow.runs import Spec

#: Keywords of argparse's ``add_argument``. Beside them: one that is ``positional`` has no dashes; ``read`` makes of its
#: value, or of each of its values, what the verb takes.
Options = dict[str, Any]
#: Verb -> its function and arguments; filled by `verb`.
VERBS: dict[str, tuple[Callable[..., None], dict[str, Options]]] = {}
#: The verbs that people type, each with an example; all others are stages, which Snakemake calls.
EXAMPLES = {
    "predict": "serflow predict jin/resnet1d my_recording.wav",
    "export": "serflow export jin/resnet1d my_model",
    "audit": "serflow audit labels.csv --html audit.html",
    "compare": "serflow compare results/runs/jin/ravdess/resnet1d/published results/runs/mittal/ravdess/cnn/published",
    "plan": "serflow plan --config config.yaml mine.yaml",
    "verify": "serflow verify ravdess /data/Audio_Speech_Actors_01-24.zip",
    "keep": "serflow keep results --command 'snakemake jin'",
    "results": "serflow results --check",
    "record-costs": "serflow record-costs --runs results/runs/jin/*/*/*/*/* --output workflow/costs.csv",
    "reference": "serflow reference --schemas workflow/schemas --page docs/reference.md",
}
STAGE = "Snakemake calls this verb: `snakemake -n --printshellcmds --quiet host` shows each call."


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


def _read_record(path: Path) -> PaperRecord:
    """Return what `serflow paper` wrote."""
    from serflow.papers.model import PaperRecord
    from serflow.schema import check

    return check(PaperRecord, read_json(path), str(path))


def _read_spec(value: Any) -> Spec:
    """Return the specification of a run from what `Spec.plain` made of it."""
    from serflow.runs import Spec

    try:
        return Spec.from_plain(value)
    except (KeyError, TypeError) as error:
        fault = f"is no specification of a run: {error} is missing" if isinstance(error, KeyError) else "is no mapping"
        raise ConfigError("--spec", fault, "Give what Snakemake gives, or a run.json.") from error


def _count(text: str) -> int:
    """Return a number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def _with_keys(*keys: str) -> Callable[[str], Any]:
    """Return `_json` for a mapping that has at least these keys."""

    def read(text: str) -> Any:
        value = _json(text)
        if missing := [key for key in keys if not isinstance(value, dict) or key not in value]:
            raise argparse.ArgumentTypeError(f"is no mapping with the key {missing[0]!r}: {text!r}")
        return value

    return read


ONE: Options = {"type": Path}
MANY: Options = {"type": Path, "nargs": "+"}
CORPUS: Options = {"positional": True, "help": "its name, such as ravdess"}
WORKERS: Options = {"type": _count, "default": count_cores(), "help": "number of processes (default: all cores)"}
THREADS: Options = {"type": _count, "default": count_cores(), "help": "number of CPU threads (default: all cores)"}
DEVICE: Options = {"default": "auto", "choices": ["auto", "cpu", "cuda"]}
JSON: Options = {"type": _json, "help": "JSON, or a file of it"}
SPEC: Options = {"type": _json, "read": _read_spec, "help": "JSON, or a file of it (a run.json will do)"}
TABLES: Options = JSON | {"default": {}, "help": "JSON: corpus -> its table, as {labels: FILE, emotions: {}, folds: 5}"}
PAPER: Options = {"type": Path, "read": _read_record, "help": "what `serflow paper` wrote"}
STUDY: Options = {"help": "a study of the paper file"}
RUNS: Options = MANY | {"help": "run folders"}
RESULTS: Options = ONE | {"default": Path("results"), "help": "the results folder (default: results)"}
PREFIX: Options = {"default": "", "help": "of the experiments' names, PREFIX/PAPER (default: none)"}
#: Exit status of `serflow audit` where something leaks; argparse's own is 2.
LEAK = 3
STEM: Options = ONE | {"help": "path without suffix"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status. A user's fault is printed as one sentence, its trace goes to the log.

    Ctrl-C ends it in silence, with status 130.
    """
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
        function(**{name: _read(VERBS[verb][1].get(name, {}), value) for name, value in options.items()})
    except Exception as error:
        sentence = _sentence(error)
        if not sentence and not log_file:
            raise
        if log_file:
            log.say(traceback.format_exc())
        told = sentence or f"{type(error).__name__}: {error}. This is a bug; the trace is in {log_file}."
        print(f"serflow {verb}: {told}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _read(option: Options, value: Any) -> Any:
    read = option.get("read")
    if read is None:
        return value
    return [read(path) for path in value] if isinstance(value, list) else read(value)


def _sentence(error: Exception) -> str:
    """Return what to tell of an error, nothing of a bug."""
    if isinstance(error, SerflowError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory ({error or 'main memory'}). Run fewer jobs at a time, or where there is more memory."
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails again when it flushes
        return "nobody reads what it prints any more, so it has stopped before its end."
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Make room there, then run it again." if full else "Check the path and its permissions."
        return f"{error.filename}: {error.strerror or error}. {remedy}"
    return ""


def _stop(number: int, _frame: object) -> None:
    """End as on an error, so that what is half-written is deleted."""
    raise SystemExit(128 + number)


class _Parser(argparse.ArgumentParser):
    """A parser that answers a misspelt verb with the nearest one."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.dest == "verb" and value not in VERBS:
            raise argparse.ArgumentError(None, f"unknown verb {value!r}. {suggest(value, list(VERBS))}")
        super()._check_value(action, value)


def _parser() -> argparse.ArgumentParser:
    people = {name: VERBS[name] for name in EXAMPLES if name in VERBS}
    stages = {name: entry for name, entry in VERBS.items() if name not in people}
    listed = "\n\n".join(
        "\n".join([title, *(f"  {name:<18} {function.__doc__}" for name, (function, _) in verbs.items())])
        for title, verbs in (("verbs for people:", people), ("stages, which Snakemake calls:", stages))
    )
    parser = _Parser(
        prog="serflow",
        usage="serflow [--version] VERB ...",
        description="Reproduces published speech-emotion-recognition systems; `serflow VERB --help` explains a verb.",
        epilog=listed,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"serflow {version('serflow')}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", help=argparse.SUPPRESS, prog="serflow")
    for name, (function, arguments) in VERBS.items():
        epilog = f"example: {EXAMPLES[name]}" if name in EXAMPLES else STAGE
        sub = verbs.add_parser(name, description=function.__doc__, epilog=epilog)
        sub.add_argument("--log", type=Path, help="write messages to this file instead of standard error")
        for argument, options in arguments.items():
            keywords = {key: value for key, value in options.items() if key not in ("positional", "read")}
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
        raise ConfigError(corpus, "is never downloaded", "See resources/README.md.")
    download(source.url, output, source.md5)


@verb(archive=ONE, output=ONE | {"help": "the corpus tree"})
def extract(archive: Path, output: Path) -> None:
    """Extract a local archive, whole or not at all."""
    from serflow.corpora.archive import extract as unpack

    unpack(archive, output)


@verb(corpus=CORPUS, output=ONE | {"help": "the corpus tree"})
def demo(corpus: str, output: Path) -> None:
    """Generate a synthetic demo corpus."""
    from serflow.corpora.demo.write import generate

    generate(corpus, output)


@verb(
    corpus=CORPUS,
    root=ONE | {"help": "the corpus tree"},
    output=ONE | {"help": "CSV"},
    report=ONE | {"help": "JSON"},
    workers=WORKERS,
    tables=TABLES,
)
def manifest(corpus: str, root: Path, output: Path, report: Path, workers: int, tables: dict[str, Any]) -> None:
    """Read a corpus tree into a manifest and a report on it."""
    from serflow.corpora.registry import use_tables
    from serflow.corpora.row import write_manifest
    from serflow.corpora.scan import scan_corpus

    use_tables(tables)
    rows, found = scan_corpus(corpus, root, workers)
    write_manifest(rows, output)
    write_json(report, found)


@verb(corpus=CORPUS, root={"type": Path, "positional": True, "help": "archive or folder"}, workers=WORKERS)
def verify(corpus: str, root: Path, workers: int) -> None:
    """Check a copy of a corpus against the published counts."""
    from serflow.corpora.verify import verify as verify_corpus
    from serflow.errors import CorpusError

    text, differences = verify_corpus(corpus, root, workers)
    print(text)
    if differences:
        raise CorpusError(root, f"differs from the published {corpus} in {len(differences)} points", "See above.")
    print(f"{root} agrees with the published {corpus}.")


@verb(
    table=ONE | {"positional": True, "help": "CSV: path, speaker, part and, if known, statement, emotion"},
    root=ONE | {"default": None, "help": "folder that the paths start from (default: the table's)"},
    json=ONE | {"default": None, "help": "file to write the whole report to"},
    html=ONE | {"default": None, "help": "page to write"},
    workers=WORKERS,
)
def audit(table: Path, root: Path | None, json: Path | None, html: Path | None, workers: int) -> None:
    """Report what leaks in a split of any software. Exit status: 0 no leak, 3 a leak, 1 an error."""
    from serflow.audit.page import to_html
    from serflow.audit.report import audit as audit_split
    from serflow.audit.report import to_text

    for path in filter(None, (json, html)):
        if path.is_dir() or json == html:
            raise ConfigError(path, "is a folder, or named twice", "Give --json and --html a file each.")
    report = audit_split(table, root, workers)
    if json:
        write_json(json, report.to_json())
    if html:
        write_text(html, to_html(report))
    print(to_text(report))
    if report.leaks:
        raise SystemExit(LEAK)


@verb(
    recipe=JSON | {"type": _with_keys("transform", "sample_rate")},
    manifest=ONE,
    root=ONE,
    output=ONE | {"help": "the Zarr store"},
    workers=WORKERS,
    device=DEVICE | {"help": "what a pretrained encoder computes on"},
)
def features(recipe: dict[str, Any], manifest: Path, root: Path, output: Path, workers: int, device: str) -> None:
    """Compute the features of a recipe into a store."""
    from serflow.corpora.manifest import read_manifest
    from serflow.features.build import build_store
    from serflow.features.recipes import encoder_of

    place = "cpu"
    if encoder_of(recipe):
        from serflow.training.device import choose_device

        place = choose_device(device).type
    build_store(recipe, read_manifest(manifest), root, output, workers, place)


@verb(
    protocol=JSON | {"type": _with_keys("kind")},
    labels={"type": lambda text: text.split(","), "help": "emotions, separated by commas"},
    corpora={"nargs": "+"},
    manifests=MANY,
    seed={"type": int},
    select=JSON | {"default": {}, "help": "JSON: corpus -> values that columns of its manifest must have"},
    tables=TABLES,
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
    tables: dict[str, Any],
    output: Path,
    report: Path,
) -> None:
    """Apply a protocol to one or more manifests."""
    from serflow.corpora.manifest import read_manifest
    from serflow.corpora.registry import use_tables
    from serflow.protocols.assignment import COLUMNS
    from serflow.protocols.registry import make_protocol
    from serflow.protocols.split import check_split, leakage
    from serflow.protocols.split import split as split_rows

    use_tables(tables)
    rules, rows = make_protocol(protocol), [row for path in manifests for row in read_manifest(path)]
    assignment = split_rows(rules, rows, labels, corpora, seed, select)
    found = leakage(assignment, rows, corpora)
    check_split(rules, found, output)
    write_json(report, found)
    write_csv(output, COLUMNS, assignment)


@verb(
    name={"positional": True},
    output=ONE,
    file=ONE | {"default": None, "help": "a file of your own to copy instead, if it fits the model"},
    model=JSON | {"default": {}, "help": "JSON: the model that the file is for"},
)
def weights(name: str, output: Path, file: Path | None, model: dict[str, Any]) -> None:
    """Download ImageNet weights and verify them, or copy a file of one's own."""
    if file is None:
        from serflow.models.weights import fetch as download

        download(name, output)
    else:
        from serflow.models.pretrained import adopt

        adopt(model, file, output)


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
def train(spec: Spec, features: list[Path], **options: Any) -> None:
    """Train one run: a system under a protocol, for one seed and fold."""
    from serflow.training.run import train as run

    run(spec, stores=features, **options)


@verb(spec=SPEC, runs=RUNS, output=ONE | {"help": "the combined run's folder"})
def combine(spec: Spec, runs: list[Path], output: Path) -> None:
    """Combine trained runs into one: the four-class run first, the two-class runs after it."""
    from serflow.training.two_step import combine as combine_runs

    combine_runs(spec, runs[0], runs[1:], output)


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


@verb(
    model={"positional": True, "help": "a run's folder, one that `serflow export` wrote, or PAPER/SYSTEM"},
    audio=MANY | {"positional": True, "help": "recordings, or folders of them"},
    results=RESULTS,
    folds={"action": "store_true", "default": False, "help": "average the networks of all folds of the same seed"},
    window={"type": float, "default": None, "help": "length of windows over time, in s (default: whole recordings)"},
    hop={"type": float, "default": None, "help": "step from window to window, in s (default: their length)"},
    output=ONE | {"default": None, "help": "CSV or JSON to write the table to"},
    device=DEVICE,
    threads=THREADS,
)
def predict(**options: Any) -> None:
    """Recognise the emotion of recordings with a trained run."""
    from serflow.inference.predict import predict as recognise

    recognise(**options)


@verb(
    run={"positional": True, "help": "a run's folder, or PAPER/SYSTEM"},
    folder=ONE | {"positional": True, "help": "the folder to write, new or empty"},
    results=RESULTS,
)
def export(run: str, folder: Path, results: Path) -> None:
    """Write a folder with a trained run's model and model card, for `serflow predict` on any machine."""
    from serflow.inference.export import export as write_folder

    write_folder(run, folder, results)


@verb(name={"positional": True}, config=JSON, output=ONE | {"help": "JSON"})
def paper_record(name: str, config: dict[str, Any], output: Path) -> None:
    """Write a paper as a configuration runs it: overrides laid over its file, what is left out and why."""
    from serflow.config import check_config
    from serflow.papers.papers import Papers

    record = Papers(check_config(config)).record(name)
    write_json(output, record.model_dump(mode="json", by_alias=True, exclude_none=True))


@verb(
    paper=PAPER,
    runs=RUNS,
    manifests=MANY,
    output=ONE | {"help": "CSV in long form"},
    gaps=ONE | {"help": "CSV of the differences between systems and protocols"},
)
def scores(paper: PaperRecord, runs: list[Path], manifests: list[Path], output: Path, gaps: Path) -> None:
    """Score the runs of a paper, each number beside the published one, and their differences."""
    from serflow.scoring.paper import write_scores

    write_scores(paper, runs, manifests, output, gaps)


@verb(
    paper=PAPER,
    scores=ONE,
    gaps=ONE,
    runs=RUNS,
    manifests=MANY | {"help": "CSV, each with its report beside it (JSON)"},
    splits=MANY | {"help": "reports that `serflow split` wrote, CORPUS/PROTOCOL/seedS.json"},
    noisy=MANY | {"default": (), "help": "what `serflow noisy` wrote of these runs"},
    folder=ONE | {"help": "where to write the tables"},
)
def tables(paper: PaperRecord, **options: Any) -> None:
    """Write all tables of a paper as csv, md, tex and html."""
    from serflow.tables.paper import write_tables

    write_tables(paper, **options)


@verb(paper=PAPER, study=STUDY, runs=RUNS, manifests=MANY, stem=STEM)
def study_table(paper: PaperRecord, study: str, runs: list[Path], manifests: list[Path], stem: Path) -> None:
    """Write the table of one of a paper's studies as csv, md, tex and html."""
    from serflow.papers.checks import check_names
    from serflow.tables.studies import write_study

    check_names([study], paper.paper.studies, "--study")
    write_study(paper, study, runs, manifests, stem)


@verb(paper=PAPER, study=STUDY, table=ONE | {"help": "the study's CSV"}, stem=STEM)
def figure_study(paper: PaperRecord, study: str, table: Path, stem: Path) -> None:
    """Draw one of a paper's studies from its table."""
    from serflow.figures.studies import plot_study
    from serflow.papers.checks import check_names

    check_names([study], paper.paper.studies, "--study")
    plot_study(paper, study, table, stem)


@verb(
    paper=PAPER,
    scores=ONE,
    runs=RUNS,
    folder=ONE | {"help": "where to draw the figures"},
    matrices=ONE | {"help": "where to write the counts of the confusion matrices, as CSV"},
)
def figures(paper: PaperRecord, **options: Any) -> None:
    """Draw a paper's scores, speakers, training curves and confusion matrices."""
    from serflow.figures.paper import plot_paper

    plot_paper(paper, **options)


@verb(
    paper=PAPER,
    figure={"help": "its name in small letters, such as figure_2 or table_1_confusion"},
    runs=RUNS | {"default": []},
    manifests=MANY | {"default": [], "help": "manifests of the corpora that it shows"},
    features=MANY | {"default": [], "help": "the Zarr store of its recipe, for the first manifest"},
    roots=MANY | {"default": [], "help": "the corpus trees, in the order of the manifests"},
    sounds=MANY | {"default": [], "help": "folder of noise recordings (default: generated stand-ins)"},
    stem=STEM,
)
def figure_published(paper: PaperRecord, figure: str, stem: Path, **sources: list[Path]) -> None:
    """Draw one figure of a paper, or a published confusion matrix beside ours."""
    from serflow.figures.published import plot_published

    plot_published(paper, figure, stem, **sources)


@verb(
    papers=PAPER | {"nargs": "+", "help": "what `serflow paper` wrote, of all papers"},
    scores=MANY | {"help": "what `serflow scores` wrote, of those that were run"},
    gaps=MANY,
    runs=RUNS,
    stem=STEM,
)
def comparison(papers: list[PaperRecord], scores: list[Path], gaps: list[Path], runs: list[Path], stem: Path) -> None:
    """Write the comparison of all papers, a verdict on each published number, as csv, md, tex and html."""
    from serflow.tables.overview import write_overview

    write_overview(papers, scores, gaps, runs, stem)


@verb(comparison=ONE | {"help": "CSV"}, stem=STEM)
def figure_overview(comparison: Path, stem: Path) -> None:
    """Draw the comparison of all papers."""
    from serflow.figures.overview import plot_overview

    plot_overview(comparison, stem)


@verb(
    benchmarks=ONE | {"help": "folder of benchmark files"},
    runs=RUNS,
    stem=STEM,
    synthetic={"action": "store_true", "default": False, "help": "say that a corpus is a synthetic demo"},
)
def costs(benchmarks: Path, runs: list[Path], stem: Path, synthetic: bool) -> None:
    """Add up what the reproduction cost."""
    from serflow.tables.costs import write_costs

    write_costs(benchmarks, runs, stem, synthetic=synthetic)


@verb(
    first=ONE | {"positional": True, "help": "folder with the runs of a system under a protocol"},
    second=ONE | {"positional": True, "help": "folder with the runs of another system or protocol"},
    part={"default": "test", "choices": ["test", "validation"], "help": "part of the utterances (default: test)"},
    manifests=MANY | {"default": (), "help": "manifests (default: those of the results folder of the first)"},
    output=ONE | {"default": None, "help": "CSV to write the differences to"},
)
def compare(first: Path, second: Path, part: str, manifests: Sequence[Path], output: Path | None) -> None:
    """Compare two systems: differences with intervals, and McNemar's test where the same recordings are predicted."""
    from serflow.scoring.gaps import write_gaps
    from serflow.tables.gaps import compare_folders, describe_gaps

    gaps = compare_folders(first, second, part, manifests)
    print(describe_gaps(gaps))
    if output:
        write_gaps(gaps, output)


@verb(
    results=ONE | {"positional": True, "help": "the results folder of a run on real corpora"},
    evidence=ONE | {"default": Path("evidence"), "help": "where evidence is kept (default: evidence)"},
    command={"help": "the command that made the results"},
)
def keep(results: Path, evidence: Path, command: str) -> None:
    """Keep the finished runs of a results folder as evidence."""
    from serflow.tables.evidence import keep as keep_runs

    added = keep_runs(results, evidence, command)
    print("\n".join([*(f"kept {run.path}" for run in added), f"{len(added)} runs added"]))


@verb(
    root=ONE | {"default": Path(), "help": "the repository, which holds evidence, docs and README.md (default: .)"},
    check={"action": "store_true", "default": False, "help": "write nothing; fail at the first difference"},
)
def results(root: Path, check: bool) -> None:
    """Write the pages on measured results from the evidence that the repository keeps."""
    from serflow.figures.pictures import check_pictures, write_pictures
    from serflow.tables.results_page import check_pages, write_pages

    if check:
        pages = check_pages(root)
        check_pictures(root, pages.results, pages.drawn)
        print("Every measured number stands as the evidence gives it.")
    else:
        pages = write_pages(root)
        pictures = write_pictures(root, pages.results, pages.drawn)
        print("\n".join(f"wrote {path}" for path in (*(root / path for path in pages.texts), *pictures)))


@verb(
    config={"default": ["config.yaml"], "nargs": "+", "help": "YAML files, later ones over earlier ones"},
    costs=ONE | {"default": None, "help": "recorded costs (default: those of this repository)"},
    jobs={"type": _count, "default": count_cores(), "help": "trainings side by side (default: one per core)"},
)
def plan(config: list[str], costs: Path | None, jobs: int) -> None:
    """Estimate trainings, hours and disk space before anything runs."""
    from serflow.config import read_config
    from serflow.papers.papers import Papers
    from serflow.plan import describe

    print(describe(Papers(read_config(config)), costs, jobs, config))


@verb(runs=RUNS, output=ONE | {"help": "CSV; what it holds of other systems and devices stays"})
def record_costs(runs: list[Path], output: Path) -> None:
    """Record what epochs took, for `serflow plan`."""
    from serflow.plan import record

    record(runs, output)


@verb(
    papers=PAPER | {"nargs": "+", "help": "what `serflow paper` wrote, of all papers"},
    scores=MANY | {"help": "what `serflow scores` wrote, of those that were run", "default": ()},
    runs=RUNS | {"default": ()},
    manifests=MANY | {"default": ()},
    roots=MANY | {"help": "the corpus trees, in the order of the manifests", "default": ()},
    costs=ONE | {"help": "HTML: the table of what all results took", "default": None},
    results=ONE | {"help": "the results folder"},
    shown=MANY | {"help": "tables (HTML) and figures (PNG) in it to show", "default": ()},
    output=ONE | {"help": "HTML"},
)
def page(papers: list[PaperRecord], **options: Any) -> None:
    """Write the results page: all that was found, in one file to read and to send."""
    from serflow.page.render import write_page

    write_page(papers, **options)


@verb(
    uri={"help": "sqlite:///FILE or the address of a tracking server"},
    paper=PAPER,
    runs=RUNS,
    scores=ONE,
    artifacts=MANY | {"help": "tables and figures"},
    results=ONE | {"help": "the results folder, which holds manifests, splits, tables and figures"},
    output=ONE | {"help": "JSON: run -> MLflow's run id"},
    prefix=PREFIX,
)
def track(paper: PaperRecord, output: Path, **options: Any) -> None:
    """Log the runs of a paper to MLflow, each once."""
    from serflow.tracking.store import track as log_paper

    write_json(output, log_paper(record=paper, **options))


@verb(
    uri={"help": "sqlite:///FILE or the address of a tracking server"},
    artifacts=MANY | {"help": "tables and figures over all papers"},
    results=ONE | {"help": "the results folder"},
    output=ONE | {"help": "JSON: MLflow's run id"},
    prefix=PREFIX,
)
def track_overview(output: Path, **options: Any) -> None:
    """Log the comparison of all papers to MLflow, once."""
    from serflow.tracking.store import track_overview as log_overview

    write_json(output, log_overview(**options))


@verb(schemas=ONE | {"help": "folder of the JSON schemas"}, page=ONE | {"help": "Markdown"})
def reference(schemas: Path, page: Path) -> None:
    """Write the JSON schemas of config.yaml and of paper files, and the reference page of every key."""
    from serflow.reference import write_reference

    write_reference(schemas, page)


if __name__ == "__main__":
    sys.exit(main())
