"""What the trainings of a configuration take, known before anything runs: hours and gigabytes, from recorded costs.

Which jobs there are, `snakemake -n` says: it takes two seconds and counts what is left to do.
"""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serflow.config import Config
from serflow.corpora.demo.names import utterances
from serflow.corpora.registry import load
from serflow.errors import DamagedFileError
from serflow.features.encoders import FRAMES_PER_SECOND, identify, width_of
from serflow.features.recipes import DTYPE, encoder_of, make_transform
from serflow.io.files import digest_value, read_csv, read_json, write_csv
from serflow.papers.model import Selection
from serflow.papers.papers import Papers, Recipe
from serflow.runs import RunId
from serflow.training.device import choose_device, choose_precision

#: Costs that were measured, by `serflow record-costs`.
COSTS = Path(__file__).parents[1] / "costs.csv"
#: ``config`` is `config_digest`; ``epoch_seconds`` are per 1000 items of the training part, evaluation included;
#: ``parameters`` are those of the network, 0 for an estimator, whose files are small.
COLUMNS = (
    *("paper", "system", "config", "device", "device_name", "precision", "threads"),
    *("epoch_seconds", "other_seconds", "parameters", "runs", "date", "commit"),
)
#: Rows of `COLUMNS` that agree in these are one measurement, the last of which stands.
KEY = COLUMNS[:7]
#: Options of training, and of its phases, that `config_digest` leaves out: most do not change how long an epoch takes;
#: the precision does, but has a column of its own.
FREE = ("precision", "epochs", "learning_rate", "learning_rates", "decay", "step_decay", "one_cycle", "early_stopping")
GIGA = 1e9
Cost = Mapping[str, str]


@dataclass(frozen=True)
class Load:
    """The trainings of one system, and the recorded cost of one, if there is any.

    ``items``: how many items each of ``runs`` trains on. With early stopping ``epochs``, and with them the hours, are
    the most that there can be. ``precision``: what it is to be trained in; that of an estimator is its own.
    """

    paper: str
    system: str
    epochs: int
    runs: tuple[RunId, ...]
    items: tuple[float, ...]
    precision: str
    cost: Cost | None

    @property
    def is_measured_otherwise(self) -> bool:
        """Whether the cost is of another precision than the trainings are to have."""
        return bool(self.epochs) and self.cost is not None and self.cost["precision"] != self.precision

    @property
    def hours(self) -> float | None:
        """What all of them take, one after the other; None: unknown."""
        return None if self.cost is None else sum(self.hours_each)

    @property
    def hours_each(self) -> list[float]:
        """What each of them takes; nothing if that is unknown."""
        if self.cost is None:
            return []
        per_item, other = float(self.cost["epoch_seconds"]) / 1000, float(self.cost["other_seconds"])
        return [(other + max(self.epochs, 1) * per_item * n) / 3600 for n in self.items]

    @property
    def weight_bytes(self) -> float | None:
        """What their weights take, in the run and in MLflow; None: unknown."""
        return None if self.cost is None else 2 * 4 * int(self.cost["parameters"]) * len(self.items)

    def __str__(self) -> str:
        epochs = f" of {self.epochs} epochs" if self.epochs else ""
        time = "hours unknown"
        if self.cost is not None:
            threads = "1 thread" if self.cost["threads"] == "1" else f"{self.cost['threads']} threads"
            where = "{device_name}, {precision}, {0}, {date}".format(threads, **self.cost)
            time = f"{spell_hours(self.hours or 0)} ({where})"
        trainings = "1 training" if len(self.items) == 1 else f"{len(self.items)} trainings"
        return f"{self.paper}/{self.system}: {trainings}{epochs}, {time}"


def spell_hours(hours: float) -> str:
    """Return a duration as a person would write it: "40 min", "5.2 h", "37 h", "6 days 14 h"."""
    if 0 < hours < 1 / 60:
        return "less than 1 min"
    if hours < 1:
        return f"{60 * hours:.0f} min"
    if hours < 10:
        return f"{hours:.1f} h"
    days, rest = divmod(round(hours), 24)
    return f"{round(hours)} h" if hours < 48 else f"{days} days {rest} h"


def describe(papers: Papers, costs: Path | None = None, jobs: int = 1, files: Sequence[str] = ()) -> str:
    """Return, for a person, what a configuration takes if nothing of it has been made yet.

    Parameters
    ----------
    papers
        The configuration's papers.
    costs
        CSV of `COLUMNS`; None: `COSTS`.
    jobs
        Trainings that run side by side.
    files
        The configuration's files; Snakemake takes config.yaml by itself.
    """
    place = choose_device(papers.config.device)
    device, precision = place.type, choose_precision(papers.config.precision, place)
    loads = find_loads(papers, read_costs(costs or COSTS), device, precision)
    weights = sum(load.weight_bytes or 0 for load in loads)
    caches = sum(cache_bytes(papers, corpus, recipe) for corpus, recipe in find_caches(papers))
    lines = [
        *map(str, loads),
        f"Training on {device}: {_tell_hours(loads, jobs, device, files)}.",
        f"Gigabytes: {(caches + weights) / GIGA:.1f} without the corpora (feature caches {caches / GIGA:.1f}; "
        f"weights, in runs and in MLflow, {weights / GIGA:.1f}).",
    ]
    trainings = sum(len(load.runs) for load in loads)
    told = f"features, tables and figures, and the seconds that each of {trainings} trainings needs to start"
    lines.append(f"Not counted: {told}.")
    if unknown := sorted({corpus for corpus, _ in find_caches(papers) if load(corpus).SECONDS is None}):
        lines.append(f"Not counted, since how long they last is not known: feature caches of {', '.join(unknown)}.")
    if unknown := [f"{load.paper}/{load.system}" for load in loads if load.cost is None]:
        lines.append(f"Not counted, since no cost is recorded: {', '.join(unknown)}.")
    if others := [f"{load.paper}/{load.system}" for load in loads if load.is_measured_otherwise]:
        fault = "By costs in another precision than here, so that the hours can be far off"
        lines.append(f"{fault}: {', '.join(others)}.")
    lines += papers.tell_unused()
    for paper in papers.papers:
        if papers.runs(paper) and (reason := papers.tell_left_out(paper)):
            lines.append(f"Left out: some systems of {paper}: {reason}.")
        lines += [f"Left out: {paper} on {corpus}: {reason}." for corpus, reason in papers.not_run(paper).items()]
    return "\n".join(lines)


def _tell_hours(loads: Sequence[Load], jobs: int, device: str, files: Sequence[str]) -> str:
    """Return how long it takes one after the other, and side by side, each as fast as alone; the longest bounds it.

    One GPU trains one after the other.
    """
    if loads and all(load.cost is None for load in loads):
        return "hours unknown"
    hours = [load.hours or 0 for load in loads]
    alone = f"{spell_hours(sum(hours))} one after the other"
    if jobs < 2 or device != "cpu":
        return alone
    longest = max((hours for load in loads for hours in load.hours_each), default=0)
    wall = spell_hours(max(sum(hours) / jobs, longest))
    own = [shlex.quote(file) for file in files if file != "config.yaml"]
    given = f" --configfile {' '.join(own)}" if own else ""
    how = f"snakemake --cores {jobs} --resources gpu={jobs} --set-threads train=1{given}"
    return f"{alone}, {wall} with {jobs} side by side (`{how}`)"


def list_left(papers: Papers, kept: Collection[RunId]) -> list[str]:
    """Return a line on the trainings of each system that are not among those kept: how many, what they take, which."""
    loads = find_loads(papers, read_costs(COSTS), "cpu", "bf16", kept)  # the same on each machine that makes the page
    return [f"{load}: {', '.join(_tell_runs(load.runs))}" for load in loads]


def _tell_runs(runs: Sequence[RunId]) -> Iterator[str]:
    """Yield which runs of one system there are: their folders, alike ones in braces as a shell takes them."""
    folds: dict[tuple[str, str, int], list[int]] = {}
    for run in runs:
        folds.setdefault((run.corpus, run.protocol, run.seed), []).append(run.fold)
    seeds: dict[tuple[str, str, tuple[int, ...]], list[int]] = {}
    for (corpus, protocol, seed), own in folds.items():
        seeds.setdefault((corpus, protocol, tuple(own)), []).append(seed)
    for (corpus, protocol, tested), chosen in seeds.items():
        yield f"`{corpus}/{protocol}/seed{_brace(chosen)}/fold{_brace(tested)}`"


def _brace(numbers: Sequence[int]) -> str:
    """Return numbers as a shell expands them: "2", "{0,2}", "{0..5}"."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 2 and list(numbers) == list(range(first, last + 1)):
        return f"{{{first}..{last}}}"
    return str(first) if len(numbers) == 1 else f"{{{','.join(map(str, numbers))}}}"


def find_loads(
    papers: Papers, recorded: Sequence[Cost], device: str, precision: str, kept: Collection[RunId] = ()
) -> list[Load]:
    """Return the trainings of each system, with its last cost recorded on `device`, ``cpu`` or ``cuda``.

    One in `precision`, ``fp32`` or ``bf16``, comes first. A system's own precision stands above that. Trainings among
    `kept` are left out.
    """
    systems: dict[tuple[str, str], list[RunId]] = {}
    for run in trainings(papers):
        if run not in kept:
            systems.setdefault((run.paper, run.system), []).append(run)
    loads = []
    for (paper, system), runs in systems.items():
        effective = papers.spec(runs[0]).system
        training = effective.get("training", {})
        epochs, own = training.get("epochs", 0), training.get("precision") or precision
        cost = find_cost(recorded, config_digest(effective), device if epochs else "cpu", own)
        items = tuple(count_items(papers, run) for run in runs)
        cost = cost if all(items) else None
        loads.append(Load(paper, system, epochs, tuple(runs), items, own, cost))
    return loads


def trainings(papers: Papers) -> list[RunId]:
    """Return the runs that are trained: those asked for, and those that the combined ones among them are made from."""
    asked = [run for paper in papers.active() for run in papers.runs(paper)]
    return list(dict.fromkeys(trained for run in asked for trained in papers.parts(run) or [run]))


def count_items(papers: Papers, run: RunId) -> float:
    """Return about how many items a run trains on, from published numbers of utterances; 0 where they are unknown."""
    paper, labels = papers.papers[run.paper], papers.labels_of(run)
    counts = [count_utterances(papers.config, corpus, labels, paper.select.get(corpus)) for corpus in run.corpora]
    protocol = paper.protocols[run.protocol]
    return all(counts) * sum(counts) * protocol.training_share(run.corpora) * (1 + len(protocol.copies))


def count_utterances(config: Config, corpus: str, labels: Sequence[str], select: Selection | None = None) -> int:
    """Return the utterances of some emotions; of a selection the published counts, if there are any, else of all.

    Where a corpus's module has no counts it is 0.
    """
    if config.source(corpus) == "demo":
        return sum(utterance.emotion in labels for utterance in utterances(corpus))
    module, columns = load(corpus), select.columns().items() if select else ()
    parts = [part.expected for part in getattr(module, "SELECTIONS", ()) if columns and columns <= part.where.items()]
    counted = parts[0] if parts else getattr(module, "LISTED", module.EXPECTED)  # a table's corpus lists its own
    return sum(n for emotion, n in counted.classes.items() if emotion in labels) if counted else 0


def find_caches(papers: Papers) -> list[tuple[str, Recipe]]:
    """Return the feature caches that trainings read: corpora and recipes."""
    found: dict[tuple[str, str], Recipe] = {}
    for run in trainings(papers):
        name, recipe = papers.recipe_of(run.paper, run.system, run.protocol)
        found |= {(corpus, name): recipe for corpus in run.corpora}
    return [(corpus, recipe) for (corpus, _), recipe in found.items()]


def cache_bytes(papers: Papers, corpus: str, recipe: Recipe) -> float:
    """Return about how large a feature cache is, from the published duration of a corpus; 0 without one."""
    module, per_second = load(corpus), _values_per_second(papers, recipe)
    seconds = module.SECONDS or 0
    if papers.config.source(corpus) == "demo":
        seconds *= len(utterances(corpus)) / module.EXPECTED.utterances
    return seconds * per_second * np.dtype(recipe.get("dtype", DTYPE)).itemsize * (1 + len(recipe.get("copies", {})))


def _values_per_second(papers: Papers, recipe: Recipe) -> float:
    """Return how many values a second of sound gives."""
    if weights := encoder_of(recipe):  # whose gigabytes need not be read for this
        folder = next(folder for folder in papers.config.encoders.values() if identify(folder) == weights)
        return 0 if recipe["pooled"] else FRAMES_PER_SECOND * width_of(Path(folder))
    transform = make_transform(recipe)
    noise = np.random.default_rng(0).standard_normal(2 * recipe["sample_rate"]).astype(np.float32)
    return transform(noise).size - transform(noise[: len(noise) // 2]).size


def config_digest(system: Mapping[str, Any]) -> str:
    """Return the digest of what decides how long an epoch takes: recipe, input, model, batches and augmentation."""
    training = _without(FREE, system.get("training", {}))
    if "phases" in training:
        training["phases"] = [_without(FREE, phase) for phase in training["phases"]]
    recipe, model = _without(["copies"], system["recipe"]), _without(["pretrained"], system["model"])
    return digest_value([recipe, system["input"], model, training])[:8]


def _without(names: Collection[str], options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in names}


def find_cost(recorded: Sequence[Cost], config: str, device: str, precision: str) -> Cost | None:
    """Return the last cost recorded of any system so configured on ``cpu`` or ``cuda``; None if there is none.

    Those of another precision come last.
    """
    wanted = {"config": config, "device": device}
    found = [row for row in recorded if wanted.items() <= row.items()]
    return max(found, key=lambda row: (row["precision"] == precision, row["date"]), default=None)


def read_costs(path: Path) -> list[Cost]:
    """Return the rows of a CSV of `COLUMNS`.

    Raises
    ------
    DamagedFileError
        If it is none.
    """
    remedy = "Give a file that `serflow record-costs` wrote."
    try:
        rows = read_csv(path)
    except DamagedFileError as error:
        raise DamagedFileError(path, error.fault, remedy) from error
    if missing := [name for name in COLUMNS if rows and name not in rows[0]]:
        raise DamagedFileError(path, f"has no column {missing[0]!r}, which recorded costs have", remedy)
    return [*rows]


def record(run_dirs: Iterable[Path], output: Path) -> None:
    """Write what the epochs of finished runs took into `output`, a CSV of `COLUMNS`.

    Rows that `output` already has of other systems, settings or devices stay.

    Raises
    ------
    DamagedFileError
        If `output` is there, but no such file.
    """
    rows = {tuple(row[name] for name in KEY): row for row in (read_costs(output) if output.exists() else [])}
    measured: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for folder in run_dirs:
        info = read_json(folder / "run.json")
        if "training_seconds" not in info:  # combined from other runs
            continue
        info["config"] = config_digest(info["system_config"])
        trained = len(read_csv(folder / "history.csv")) or 1  # an estimator has none
        measured.setdefault(tuple(str(info[name]) for name in KEY), []).append({**info, "epochs": trained})
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
        "parameters": str(last["n_parameters"] or 0),
        "runs": str(len(infos)),
        "date": last["finished"][:10],
        "commit": last["commit"][:10],
    }
