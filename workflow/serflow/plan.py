"""What a configuration takes, said before anything runs: jobs, hours from recorded costs, gigabytes."""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serflow.corpora import CORPORA, load, members
from serflow.io.files import digest_value, read_csv, read_json, write_csv
from serflow.papers import targets
from serflow.papers.papers import Papers, Run
from serflow.protocols.protocols import speaker_folds

#: Costs that were measured, by `serflow record-costs`.
COSTS = Path(__file__).parents[1] / "costs.csv"
#: ``config`` is `config_digest`; ``epoch_seconds`` are per 1000 items of the training part, evaluation included.
COLUMNS = (
    *("paper", "system", "config", "device", "device_name", "precision", "threads"),
    *("epoch_seconds", "other_seconds", "runs", "date", "commit"),
)
#: Rows of `COLUMNS` that agree in these are one measurement, the last of which stands.
KEY = COLUMNS[:7]
GIGA = 1e9


@dataclass(frozen=True)
class Load:
    """What the runs of one system take: their number, epochs each, and `hours` or, if unknown, None; and on what.

    With early stopping the epochs, and with them the hours, are the most that there can be.
    """

    paper: str
    system: str
    runs: int
    epochs: int
    hours: float | None
    measured: str
    weight_bytes: float


def describe(papers: Papers, costs: Path | None = None) -> str:
    """Return, for a person, what a configuration takes if nothing of it has been made yet.

    Parameters
    ----------
    papers
        The configuration's papers.
    costs
        CSV of `COLUMNS`; None: `COSTS`.
    """
    recorded = read_csv(costs or COSTS)
    device = _device(papers.config["device"])
    loads = [
        load_of(papers, paper, system, recorded, device)
        for paper, system in dict.fromkeys((run.paper, run.system) for run in trainings(papers))
    ]
    lines = [_line(load) for load in loads]
    jobs = count_jobs(papers)
    parts = ", ".join(f"{n} {name}" for name, n in jobs.items())
    lines.append(f"Jobs: {sum(jobs.values())} ({parts}).")
    lines.append(_hours(loads, device))
    caches = sum(cache_bytes(papers, corpus, recipe) for corpus, recipe in targets.caches(papers))
    weights = sum(load.weight_bytes for load in loads)
    lines.append(
        f"Gigabytes: {(caches + weights) / GIGA:.1f} (feature caches {caches / GIGA:.1f}, "
        f"weights {weights / GIGA:.1f}, each kept in its run and in MLflow), corpora apart."
    )
    for paper in papers.papers:
        lines += [f"Left out: {paper} on {corpus}: {reason}." for corpus, reason in papers.not_run(paper).items()]
    return "\n".join(lines)


def trainings(papers: Papers) -> list[Run]:
    """Return the runs that are trained: those asked for, and those that the combined ones among them are made from."""
    asked = [run for paper in papers.active() for run in papers.runs(paper)]
    return list(dict.fromkeys(trained for run in asked for trained in papers.parts(run) or [run]))


def count_jobs(papers: Papers) -> dict[str, int]:
    """Return the number of jobs by kind, as Snakemake will count them when nothing has been made."""
    asked = [run for paper in papers.active() for run in papers.runs(paper)]
    runs = list(trainings(papers))
    configured = [source for source in map(papers.source, CORPORA) if source]
    prepared = sum(_preparations(source) for source in configured)
    weights = {_architecture(papers, run) for run in runs} - {""}
    kinds = {
        "trainings": len(runs),
        "combinations of trained systems": sum(bool(papers.parts(run)) for run in asked),
        "runs applied to noisy speech": sum(len(targets.noisy_runs(papers, paper)) for paper in papers.active()),
        "feature caches": len(targets.caches(papers)),
        "splits": len({(run.paper, run.corpus, run.protocol, run.seed) for run in runs}),
        "corpora and manifests": prepared + len(configured),
        "weights to download": len(weights),
        "tables": sum(len(targets.tables(papers, paper)) for paper in papers.active()),
        "figures": sum(len(targets.figures(papers, paper)) for paper in papers.active()),
        "scores and records": 2 * len(papers.active()) + len(papers.papers),
    }
    if runs:
        kinds["tables"] += len(targets.TABLES)
        kinds["figures"] += len(targets.FIGURES)
        kinds["scores and records"] += 1
    return {name: n for name, n in kinds.items() if n}


def _preparations(source: str) -> int:
    """Return the jobs between a corpus's source and its tree: download and extract, generate, or none."""
    return 2 if source == "download" else int(source == "demo" or Path(source).is_file())


def _architecture(papers: Papers, run: Run) -> str:
    model = papers.papers[run.paper]["systems"][run.system]["model"]
    return f"{model['module']}{model['depth']}" if model.get("pretrained") == "imagenet" else ""


def load_of(papers: Papers, paper: str, system: str, recorded: Sequence[Mapping[str, str]], device: str) -> Load:
    """Return what the runs of one system take; see `describe`."""
    runs = [run for run in trainings(papers) if (run.paper, run.system) == (paper, system)]
    entry = papers.papers[paper]["systems"][system]
    epochs = entry.get("training", {}).get("epochs", 0)
    recipe = papers.papers[paper]["recipes"][entry["recipe"]]
    config = config_digest({**entry, "recipe": recipe})
    cost = find_cost(recorded, paper, system, config, device if epochs else "cpu")
    hours, measured = None, "unknown"
    if cost:
        per_item, other = float(cost["epoch_seconds"]) / 1000, float(cost["other_seconds"])
        hours = sum(other + max(epochs, 1) * per_item * n_training(papers, run) for run in runs) / 3600
        measured = f"{cost['device_name']}, {cost['precision']}, {cost['threads']} threads, {cost['date']}"
    size = 2 * 4 * n_parameters(papers, runs[0]) * len(runs)
    return Load(paper, system, len(runs), epochs, hours, measured, size)


def n_training(papers: Papers, run: Run) -> float:
    """Return about how many items a run trains on, from published numbers of utterances."""
    labels = papers.labels_of(run.paper, run.corpus, run.system)
    protocol = papers.papers[run.paper]["protocols"][run.protocol]
    select = papers.papers[run.paper].get("select", {})
    utterances = sum(_count(papers, name, labels, select.get(name)) for name in members(run.corpus))
    if protocol["kind"] == "speakers":
        return utterances * (1 - 1 / len(speaker_folds(members(run.corpus))))
    return utterances * protocol["parts"]["train"] * (1 + len(protocol.get("copies", {})))


def _count(papers: Papers, corpus: str, labels: Sequence[str], select: Mapping[str, str] | None = None) -> float:
    """Return the utterances of some emotions; of a selection the published counts, if there are any, else of all."""
    if papers.source(corpus) == "demo":
        from serflow.corpora.demo.demo import utterances

        return sum(utterance.emotion in labels for utterance in utterances(corpus))
    module = load(corpus)
    published = [
        part.expected for part in getattr(module, "SELECTIONS", ()) if select and select.items() <= part.where.items()
    ]
    classes = (published or [module.EXPECTED])[0].classes
    return sum(n for emotion, n in classes.items() if emotion in labels)


def cache_bytes(papers: Papers, corpus: str, recipe: str) -> float:
    """Return about how large a feature cache is, from the published duration of a corpus."""
    import numpy as np

    content = papers.recipes[recipe]
    one, two = _example(content, 1), _example(content, 2)
    seconds = load(corpus).SECONDS
    if papers.source(corpus) == "demo":
        emotions = load(corpus).EMOTIONS.values()
        seconds *= _count(papers, corpus, list(emotions)) / load(corpus).EXPECTED.utterances
    item = np.dtype(content.get("dtype", "float32")).itemsize
    return seconds * (two.size - one.size) * item * (1 + len(content.get("copies", {})))


def _example(recipe: Mapping[str, Any], seconds: int) -> Any:
    import numpy as np

    from serflow.features import transform

    signal = np.random.default_rng(0).standard_normal(recipe["sample_rate"] * seconds).astype(np.float32)
    return transform(recipe)(signal)


def n_parameters(papers: Papers, run: Run) -> int:
    """Return the number of weights of a run's network; 0 for an estimator, whose files are small."""
    import numpy as np

    from serflow import models
    from serflow.training.inputs import Dataset, prepare

    config = papers.spec(run)["system_config"]
    if models.framework(config["model"]) != "torch":
        return 0
    frames, zero = _example(config["recipe"], 2), np.zeros(1, dtype=np.int64)
    data = Dataset(frames, np.array([0, len(frames)]), zero, {"train": zero}, ["example"], zero, [""])
    n_classes = len(papers.labels_of(run.paper, run.corpus, run.system))
    with contextlib.redirect_stderr(io.StringIO()):  # what it says of the example is of no interest
        shape = prepare(config["input"], data).shape
    network = models.build(config["model"], n_classes, shape)
    return sum(parameter.numel() for parameter in network.parameters())


def config_digest(system: Mapping[str, Any]) -> str:
    """Return the digest of what decides how long an epoch takes: recipe, input, model, batches and augmentation."""
    training = dict(system.get("training", {}))
    for key in ("epochs", "learning_rate", "decay", "step_decay", "early_stopping"):
        training.pop(key, None)
    recipe = {key: value for key, value in system["recipe"].items() if key != "copies"}
    model = {key: value for key, value in system["model"].items() if key != "pretrained"}
    return digest_value([recipe, system["input"], model, training])[:8]


def find_cost(
    recorded: Sequence[Mapping[str, str]], paper: str, system: str, config: str, device: str
) -> Mapping[str, str] | None:
    """Return the last cost recorded of a system as configured on ``cpu`` or ``cuda``; None if there is none."""
    wanted = {"paper": paper, "system": system, "config": config, "device": device}
    found = [row for row in recorded if all(row[key] == value for key, value in wanted.items())]
    return max(found, key=lambda row: row["date"], default=None)


def record(run_dirs: Iterable[Path], output: Path) -> None:
    """Write what the epochs of finished runs took into `output`, a CSV of `COLUMNS`.

    Rows that `output` already has of other systems, settings or devices stay.
    """
    measured: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for folder in run_dirs:
        info = read_json(folder / "run.json")
        if "training_seconds" not in info:  # combined from other runs
            continue
        config = config_digest(info["system_config"])
        key = tuple(str({**info, "config": config}[name]) for name in KEY)
        trained = len(read_csv(folder / "history.csv")) or 1  # an estimator has none
        measured.setdefault(key, []).append({**info, "epochs": trained})
    rows = {tuple(row[name] for name in KEY): row for row in (read_csv(output) if output.exists() else [])}
    for key, infos in measured.items():
        rows[key] = dict(zip(KEY, key, strict=True)) | _medians(infos)
    write_csv(output, COLUMNS, [rows[key] for key in sorted(rows)])


def _medians(infos: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the columns after `KEY` for runs of one key."""
    per_1000 = [info["training_seconds"] / info["epochs"] / info["parts"]["train"] * 1000 for info in infos]
    others = [info["seconds"] - info["training_seconds"] for info in infos]
    last = max(infos, key=lambda info: info["finished"])
    return {
        "epoch_seconds": f"{statistics.median(per_1000):.4g}",
        "other_seconds": f"{statistics.median(others):.3g}",
        "runs": str(len(infos)),
        "date": last["finished"][:10],
        "commit": last["commit"][:10],
    }


def _device(wanted: str) -> str:
    from serflow.training.device import choose_device

    return choose_device(wanted).type


def _line(load: Load) -> str:
    time = "hours unknown" if load.hours is None else f"{load.hours:.2g} h ({load.measured})"
    epochs = f" of {load.epochs} epochs" if load.epochs else ""
    return f"{load.paper}/{load.system}: {load.runs} trainings{epochs}, {time}"


def _hours(loads: Sequence[Load], device: str) -> str:
    """Return the sentence on hours: their sum, and of which systems they are unknown."""
    known = sum(load.hours for load in loads if load.hours is not None)
    unknown = [f"{load.paper}/{load.system}" for load in loads if load.hours is None]
    text = f"Hours: {known:.2g} of training on {device}, one after the other"
    if unknown:
        text += f", and unknown ones of {', '.join(unknown)}, of which no cost is recorded"
    return text + "."
