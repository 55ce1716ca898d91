"""Paper files: loaded, checked, and turned into the runs that a configuration asks for."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serflow import models
from serflow.config import overlay, read_schema, read_yaml, suggest, validate
from serflow.corpora import load, members
from serflow.errors import ConfigError
from serflow.features import transform
from serflow.features.copies import check_copies
from serflow.labels import check_labels
from serflow.models import weights
from serflow.protocols.protocols import count_folds, holds_for

PAPERS = Path(__file__).parents[2] / "papers"
#: Which list of ``seeds`` in config.yaml a kind of protocol takes.
SEEDS = {"random": "random", "speakers": "grouped", "augmented": "random"}
#: Where a paper as run departs from its file: the path of keys, and a sentence.
Deviation = tuple[tuple[str, ...], str]
#: The keys of an entry of ``figures`` that hold names, and the key of the paper file that defines them.
FIGURE_NAMES = {
    **{"recipe": "recipes", "systems": "systems", "protocol": "protocols", "corpus": "corpora", "corpora": "corpora"},
    **{"emotions": "labels", "emotion": "labels", "published": "labels"},
}


@dataclass(frozen=True, order=True)
class Run:
    """One training: a system on a corpus under a protocol, for one seed and fold."""

    paper: str
    corpus: str
    system: str
    protocol: str
    seed: int
    fold: int

    @property
    def path(self) -> str:
        """The run's place below ``results/runs``."""
        return f"{self.paper}/{self.corpus}/{self.system}/{self.protocol}/seed{self.seed}/fold{self.fold}"


class Papers:
    """The papers of one configuration: their effective files, their runs, and what is left out and why.

    Parameters
    ----------
    config
        As `serflow.config.check_config` returns it.
    folder
        Where the paper files are.

    Raises
    ------
    ConfigError
        If config.yaml or a paper file names something that does not exist or cannot be, two papers define one recipe
        differently, or nothing is left to run though a corpus is configured.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path = PAPERS) -> None:
        self.config = config
        available = sorted(path.stem for path in folder.glob("*.yaml"))
        wanted = config["papers"] or available
        _check_names("papers", wanted, available)
        _check_names("overrides", config["overrides"], available)
        files = {name: read_paper(folder / f"{name}.yaml") for name in {*wanted, *config["overrides"]}}
        effective = {name: apply_overrides(paper, config) for name, paper in files.items()}
        self.papers = {name: effective[name] for name in wanted}
        self.deviations = {name: find_deviations(derive_systems(files[name]), self.papers[name]) for name in wanted}
        if config["allow_partial"]:
            for name, paper in self.papers.items():
                self.papers[name], found = take_partial(paper, self.source)
                self.deviations[name] += found
        for key in ("systems", "protocols"):
            _check_names(key, config[key] or [], {name for paper in self.papers.values() for name in paper[key]})
        n_folds = max((n for paper in self.papers.values() for n in _count_all_folds(paper).values()), default=1)
        if config["folds"] and max(config["folds"]) >= n_folds:
            fault = f"{max(config['folds'])} is a fold of no protocol"
            raise ConfigError("config.yaml: folds", fault, f"Allowed: 0 to {n_folds - 1}.")
        self.recipes = self._merge_recipes()
        if any(map(self.corpora, self.papers)) and not self.active():
            asked = {key: config[key] for key in ("papers", "systems", "protocols", "folds") if config[key]}
            chosen = ", ".join(f"{key}: {value}" for key, value in asked.items())
            fault = f"on the corpora configured no system runs under all of {chosen or 'the overrides'}"
            remedy = "Configure another corpus, widen one of these keys, or set it to null for all."
            raise ConfigError("config.yaml", fault, remedy)

    def source(self, corpus: str) -> str | None:
        """Return the configured source of a corpus, None if there is none."""
        return self.config["corpora"].get(corpus, {}).get("source")

    def not_run(self, paper: str) -> dict[str, str]:
        """Return, for each corpus of a paper that is not run, the reason."""
        reasons = {}
        for corpus in self.papers[paper]["corpora"]:
            missing = [name.upper() for name in members(corpus) if not self.source(name)]
            if missing:
                reasons[corpus] = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not configured"
        return reasons

    def corpora(self, paper: str) -> list[str]:
        """Return the corpora of a paper that are configured."""
        return [corpus for corpus in self.papers[paper]["corpora"] if corpus not in self.not_run(paper)]

    def labels_of(self, paper: str, corpus: str, system: str) -> list[str]:
        """Return the labels of a system on a corpus: the paper's there, those alone that the system tells apart."""
        own = self.papers[paper]["systems"][system].get("labels")
        return [label for label in self.labels(paper, corpus) if own is None or label in own]

    def active(self) -> list[str]:
        """Return the papers of which something is run."""
        return [paper for paper in self.papers if next(self.runs(paper), None)]

    def labels(self, paper: str, corpus: str) -> list[str]:
        """Return a paper's labels that the corpus, or a member of the union, has: SAVEE has no calm."""
        present = {emotion for name in members(corpus) for emotion in load(name).EMOTIONS.values()}
        return [label for label in self.papers[paper]["labels"] if label in present]

    def recipe_of(self, paper: str, system: str, protocol: str) -> tuple[str, dict[str, Any]]:
        """Return the name and content of the recipe that a system takes under a protocol.

        Under a protocol of kind ``augmented`` it is the system's own plus the ``copies``, under another name.
        """
        name, rules = self.papers[paper]["systems"][system]["recipe"], self.papers[paper]["protocols"][protocol]
        recipe = self.papers[paper]["recipes"][name]
        if rules["kind"] != "augmented":
            return name, recipe
        return f"{name}_{protocol}", {**recipe, "copies": rules["copies"]}

    def folds(self, paper: str, corpus: str, protocol: str, system: str) -> list[int]:
        """Return the folds to run: of those that config.yaml and the system ask for, all that the corpus has."""
        found = range(self.n_folds(paper, corpus, protocol))
        wanted = self.config["folds"] if len(found) > 1 else None
        own = self.papers[paper]["systems"][system].get("folds")
        return [fold for fold in wanted or found if fold in found and (own is None or fold in own)]

    def n_folds(self, paper: str, corpus: str, protocol: str) -> int:
        """Return the number of folds that a protocol has on a corpus."""
        return count_folds(self.papers[paper]["protocols"][protocol], members(corpus))

    def protocols(self, paper: str, corpus: str, system: str) -> list[str]:
        """Return the protocols to run a system under."""
        wanted, rules = self.config["protocols"], self.papers[paper]["protocols"]
        asked = [
            name for name in self.papers[paper]["systems"][system]["protocols"] if wanted is None or name in wanted
        ]
        return [name for name in asked if holds_for(rules[name], corpus)]

    def systems(self, paper: str, study: str | None = None) -> list[str]:
        """Return the systems to run: those of a study, or of the paper's own tables."""
        content, wanted = self.papers[paper], self.config["systems"]
        if study is not None:
            return list(content["studies"][study]["systems"])
        own = [name for name, system in content["systems"].items() if not system.get("study")]
        return [name for name in own if wanted is None or name in wanted]

    def seeds(self, paper: str, protocol: str) -> list[int]:
        """Return the seeds to run a protocol with."""
        return list(self.config["seeds"][SEEDS[self.papers[paper]["protocols"][protocol]["kind"]]])

    def runs(self, paper: str, study: str | None = None) -> Iterator[Run]:
        """Yield the runs of a paper, or of one of its studies, in order."""
        for corpus in self.corpora(paper):
            for system in self.systems(paper, study):
                for protocol in self.protocols(paper, corpus, system):
                    for seed in self.seeds(paper, protocol):
                        for fold in self.folds(paper, corpus, protocol, system):
                            yield Run(paper, corpus, system, protocol, seed, fold)

    def parts(self, run: Run) -> list[Run]:
        """Return the runs that a combined system is made from, the first one first; none for a trained one."""
        combined = self.papers[run.paper]["systems"][run.system].get("combine")
        return [replace(run, system=name) for name in (combined["first"], *combined["second"])] if combined else []

    def spec(self, run: Run) -> dict[str, Any]:
        """Return all of the configuration that a run depends on, as plain builtins (see `serflow.training.run`)."""
        paper = self.papers[run.paper]
        system = paper["systems"][run.system]
        config = {key: system[key] for key in ("input", "model", "training", "combine") if key in system}
        if "recipe" in system:
            config["recipe"] = self.recipe_of(run.paper, run.system, run.protocol)[1]
        deviations = [text for path, text in self.deviations[run.paper] if _concerns(path, run, system)]
        identity = {key: getattr(run, key) for key in ("paper", "corpus", "system", "protocol", "seed", "fold")}
        labels = self.labels_of(run.paper, run.corpus, run.system)
        others = [label for label in self.labels(run.paper, run.corpus) if label not in labels]
        return {**identity, "labels": labels, "others": others, "system_config": config, "deviations": deviations}

    def record(self, name: str) -> dict[str, Any]:
        """Return all that the stages after training need to know of a paper.

        Returns
        -------
        dict
            ``paper``: the file as run; ``not_run``: corpus -> reason; ``n_folds``: corpus -> protocol -> number of its
            folds; ``labels``: corpus -> its labels; ``synthetic``: whether a corpus of it is a demo corpus.
        """
        _check_names("papers", [name], self.papers)
        paper = self.papers[name]
        n_folds = {
            corpus: {
                key: self.n_folds(name, corpus, key)
                for key, rules in paper["protocols"].items()
                if holds_for(rules, corpus)
            }
            for corpus in paper["corpora"]
        }
        sources = [self.source(member) for corpus in self.corpora(name) for member in members(corpus)]
        labels = {corpus: self.labels(name, corpus) for corpus in paper["corpora"]}
        left_out, synthetic = self.not_run(name), "demo" in sources
        return {"paper": paper, "not_run": left_out, "n_folds": n_folds, "labels": labels, "synthetic": synthetic}

    def _merge_recipes(self) -> dict[str, dict[str, Any]]:
        """Return all recipes by name; one name must mean one recipe, since it names the cache."""
        merged: dict[str, tuple[str, dict[str, Any]]] = {}
        for paper, content in self.papers.items():
            found = list(content["recipes"].items())
            for system, entry in content["systems"].items():
                if "recipe" in entry:
                    found += [self.recipe_of(paper, system, protocol) for protocol in entry["protocols"]]
            for name, recipe in found:
                other, first = merged.setdefault(name, (paper, recipe))
                if first != recipe:
                    fault = f"{name!r} is defined differently in {paper} and in {other}, a file or its overrides"
                    raise ConfigError("recipes", fault, "Give one of the two another name.")
        return {name: recipe for name, (_, recipe) in merged.items()}


def read_paper(path: Path) -> dict[str, Any]:
    """Return a paper file's content, checked; systems that are ``based_on`` others are not derived yet.

    Raises
    ------
    ConfigError
        If it is not valid YAML or does not fit ``schemas/paper.schema.json``.
    """
    paper = read_yaml(path)
    check_paper(derive_systems(paper, str(path)), str(path))
    if paper["paper"] != path.stem:
        raise ConfigError(f"{path}: paper", f"{paper['paper']!r} differs from the file's name", f"Write {path.stem!r}.")
    return paper


def derive_systems(paper: Any, where: str = "paper") -> Any:
    """Return a paper whose systems that are ``based_on`` another are that one with their own keys laid over it.

    Raises
    ------
    ConfigError
        If a system is based on one that does not exist, or in the end on itself.
    """
    systems = paper.get("systems") if isinstance(paper, Mapping) else None
    if not isinstance(systems, Mapping):
        return paper  # for the schema to complain about

    def derive(name: str, above: tuple[str, ...]) -> Any:
        system = systems[name]
        if not isinstance(system, Mapping) or "based_on" not in system:
            return system
        base, place = system["based_on"], f"{where}: systems.{name}.based_on"
        _check_names(place, [base], systems)
        if base in (name, *above):
            raise ConfigError(place, f"{base!r} is itself based on {name!r}", "Break the circle.")
        own = {key: value for key, value in system.items() if key != "based_on"}
        return overlay(derive(base, (name, *above)), own)

    return {**paper, "systems": {name: derive(name, ()) for name in systems}}


def check_paper(paper: Mapping[str, Any], where: str) -> None:
    """Raise a ConfigError unless a paper's content fits the schema and all names in it exist."""
    validate(paper, read_schema("paper"), where)
    check_labels(paper["labels"], f"{where}: labels")
    for corpus in paper["corpora"]:
        try:
            members(corpus)
        except ConfigError as error:
            raise ConfigError(f"{where}: corpora", error.fault, error.remedy) from None
    for name, recipe in paper["recipes"].items():
        transform(recipe, f"{where}: recipes.{name}")
        _check_recipe(recipe, f"{where}: recipes.{name}")
    for name, system in paper["systems"].items():
        place = f"{where}: systems.{name}"
        _check_names(f"{place}.protocols", system["protocols"], paper["protocols"])
        _check_names(f"{place}.labels", system.get("labels", []), paper["labels"])
        if "combine" in system:
            combined = system["combine"]
            _check_names(f"{place}.combine", [combined["first"], *combined["second"]], paper["systems"])
            _check_names(f"{place}.combine.neutral", [combined["neutral"]], paper["labels"])
        else:
            _check_names(f"{place}.recipe", [system["recipe"]], paper["recipes"])
            _check_model(system["model"], f"{place}.model")
            _check_input(system["input"], f"{place}.input")
            _check_training(system, f"{place}.training")
        _check_labels(paper, name, place)
    for name, study in paper.get("studies", {}).items():
        _check_names(f"{where}: studies.{name}.systems", study["systems"], paper["systems"])
    if "noise" in paper:
        _check_names(f"{where}: noise", [paper["noise"]["normal"], paper["noise"]["modified"]], paper["systems"])
    _check_names(f"{where}: select", paper.get("select", {}), paper["corpora"])
    for name, protocol in paper["protocols"].items():
        _check_names(f"{where}: protocols.{name}.corpora", protocol.get("corpora", []), paper["corpora"])
        _check_protocol(protocol, f"{where}: protocols.{name}")
    _check_folds(paper, where)
    _check_published(paper, where)


def _check_published(paper: Mapping[str, Any], where: str) -> None:
    for key in ("published", "published_confusion"):
        for entry in paper.get(key, []):
            for field, kind in (("system", "systems"), ("protocol", "protocols"), ("corpus", "corpora")):
                _check_names(f"{where}: {key}", [entry[field]], paper[kind])
    for entry in paper.get("published_posteriors", []):
        _check_names(f"{where}: published_posteriors", [entry["label"], *entry["posteriors"]], paper["labels"])
    for entry in paper.get("published_confusion", []):
        if any(sorted(row) != sorted(paper["labels"]) for row in (entry["rows"], *entry["rows"].values())):
            fault = f"the matrix of {entry['table']} has not each label as a row and as a column"
            raise ConfigError(f"{where}: published_confusion", fault, f"Labels: {', '.join(paper['labels'])}.")
    for entry in paper.get("figures", []):
        place = f"{where}: figures: {entry['figure']}"
        for field, kind in FIGURE_NAMES.items():
            named = entry.get(field, [])
            _check_names(f"{place}: {field}", [named] if isinstance(named, str) else named, paper[kind])


def _check_recipe(recipe: Mapping[str, Any], where: str) -> None:
    """Raise a ConfigError unless the numbers of a recipe fit each other."""
    limits = {"fmin": "fmax", "win_length": "n_fft", "first": "n_mfcc", "n_mfcc": "n_mels"}
    for low, high in (limits | {"pitch_floor": "pitch_ceiling"}).items():
        if low in recipe and high in recipe and recipe[low] > recipe[high]:
            raise ConfigError(f"{where}.{low}", f"{recipe[low]} is above {high}", f"Allowed: up to {recipe[high]}.")
    half = recipe["sample_rate"] / 2
    if recipe.get("fmax", 0) > half:
        raise ConfigError(f"{where}.fmax", f"{recipe['fmax']} is above half the sample_rate", f"Allowed: up to {half}.")


def _check_model(model: Mapping[str, Any], where: str) -> None:
    """Raise a ConfigError unless there is such a model with such options; a user's own file is not run for it."""
    if model["module"].endswith(".py"):
        if not Path(model["module"]).is_file():
            raise ConfigError(f"{where}.module", f"there is no file {model['module']!r}", "Correct the path.")
    else:
        available = [path.stem for path in (Path(str(models.__file__)).parent / "architectures").glob("*.py")]
        _check_names(f"{where}.module", [model["module"]], set(available) - {"__init__"})
        _check_options(models.module_of(model).build, model, {"module", "pretrained"}, where)
    pretrained = model.get("pretrained", "none")
    if pretrained == "imagenet":
        try:
            weights.file_name(model)
        except ConfigError as error:
            raise ConfigError(f"{where}.pretrained", error.fault, error.remedy) from None
    elif pretrained != "none" and not Path(pretrained).is_file():
        remedy = "Allowed: imagenet, none, or a weights file."
        raise ConfigError(f"{where}.pretrained", f"{pretrained!r} is no file", remedy)


def _check_input(options: Mapping[str, Any], where: str) -> None:
    from serflow.training.inputs import KINDS

    _check_names(f"{where}.kind", [options["kind"]], KINDS)
    _check_options(KINDS[options["kind"]], options, {"kind"}, where)


def _check_options(function: Callable[..., Any], options: Iterable[str], others: set[str], where: str) -> None:
    """Raise a ConfigError unless the options, but for some others, are what a function takes by keyword alone."""
    parameters = inspect.signature(function).parameters.values()
    taken = {p.name: p.default is p.empty for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "input_shape"}
    for name in options:
        if name not in taken and name not in others:
            raise ConfigError(where, f"unknown key {name!r}", suggest(name, taken))
    for name, required in taken.items():
        if required and name not in options:
            raise ConfigError(where, f"key {name!r} is missing", f"It takes: {', '.join(sorted(taken))}.")


def _check_training(system: Mapping[str, Any], where: str) -> None:
    from serflow.training.augment import make_augment
    from serflow.training.schedule import check_stages, check_stopping

    training = system.get("training")
    if training is None:
        own = system["model"]["module"].endswith(".py")  # which is not run to ask what it is
        if not own and models.framework(system["model"]) == "torch":
            raise ConfigError(where, "is missing", "Give epochs, batch_size, optimiser and learning_rate.")
        return
    if training.get("freeze_epochs", 0) >= training["epochs"]:
        fault = f"{training['freeze_epochs']} of {training['epochs']} epochs leave none to train all weights"
        raise ConfigError(f"{where}.freeze_epochs", fault, "Lower freeze_epochs.")
    try:
        check_stages(training, system["input"])
        check_stopping(training, n_validation=1)
        make_augment(training.get("augment", ()), system["input"]["kind"], n_classes=2)
    except ConfigError as error:
        raise ConfigError(error.where.replace("training", where), error.fault, error.remedy) from None


def _check_labels(paper: Mapping[str, Any], name: str, where: str) -> None:
    """Raise a ConfigError unless each corpus has two or more of a system's labels, and a combination's neutral."""
    system = paper["systems"][name]
    for corpus in paper["corpora"]:
        if not any(holds_for(paper["protocols"][protocol], corpus) for protocol in system["protocols"]):
            continue
        wanted = system.get("labels", paper["labels"])
        present = {emotion for member in members(corpus) for emotion in load(member).EMOTIONS.values()}
        if len(present.intersection(wanted)) < 2:
            fault = f"{corpus} has fewer than two of {', '.join(wanted)}"
            raise ConfigError(f"{where}.labels", fault, f"It has: {', '.join(sorted(present))}.")
        neutral = system.get("combine", {}).get("neutral")
        if neutral and neutral not in present:
            raise ConfigError(f"{where}.combine.neutral", f"{corpus} has no {neutral!r}", "Choose another label.")


def _check_folds(paper: Mapping[str, Any], where: str) -> None:
    """Raise a ConfigError if a system, or the study of noise, asks for a fold that no protocol of it has."""
    counts = _count_all_folds(paper)
    asked = {f"systems.{name}.folds": (name, system.get("folds", [])) for name, system in paper["systems"].items()}
    if "noise" in paper:
        asked["noise.fold"] = (paper["noise"]["normal"], [paper["noise"]["fold"]])
    for key, (name, folds) in asked.items():
        n_folds = max((n for (_, p), n in counts.items() if p in paper["systems"][name]["protocols"]), default=0)
        if n_folds and folds and max(folds) >= n_folds:
            fault = f"{max(folds)} is a fold of no protocol of {name}"
            raise ConfigError(f"{where}: {key}", fault, f"Allowed: 0 to {n_folds - 1}.")


def _count_all_folds(paper: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Return the number of folds of each protocol on each corpus that it is one of: (corpus, protocol) -> number."""
    pairs = [(corpus, item) for corpus in paper["corpora"] for item in paper["protocols"].items()]
    return {(c, name): count_folds(rules, members(c)) for c, (name, rules) in pairs if holds_for(rules, c)}


def _check_protocol(protocol: Mapping[str, Any], where: str) -> None:
    kind, parts = protocol["kind"], protocol.get("parts", {})
    if (kind == "speakers") == bool(parts) or (parts and abs(sum(parts.values()) - 1) > 1e-9):
        fault = f"{parts} does not fit kind {kind}"
        raise ConfigError(f"{where}.parts", fault, "A random split needs parts that sum to 1, another kind has none.")
    if (kind == "augmented") != bool(protocol.get("copies")):
        fault = f"{protocol.get('copies')} does not fit kind {kind}"
        raise ConfigError(f"{where}.copies", fault, "Kind augmented needs copies, another kind has none.")
    check_copies(protocol.get("copies", {}), f"{where}.copies")
    if "validation" in protocol and kind != "speakers":
        fault = f"{protocol['validation']!r} does not fit kind {kind}"
        raise ConfigError(f"{where}.validation", fault, "Kind speakers alone takes it: remove the key.")


def apply_overrides(paper: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a paper with config.yaml's ``overrides`` and ``pretrained`` laid over it."""
    where = f"config.yaml: overrides.{paper['paper']}"
    result = derive_systems(overlay(paper, config["overrides"].get(paper["paper"], {})), where)
    for system in result["systems"].values():
        if system.get("model", {}).get("pretrained") == "imagenet":
            system["model"]["pretrained"] = config["pretrained"]
    if result["paper"] != paper["paper"]:
        raise ConfigError(f"{where}.paper", f"{result['paper']!r} would rename the paper", "Remove the key.")
    check_paper(result, where)
    return result


def find_deviations(original: Mapping[str, Any], effective: Mapping[str, Any]) -> list[Deviation]:
    """Return where a paper as run differs from its file: (path of keys, sentence)."""
    before, after = dict(_leaves(original, ())), dict(_leaves(effective, ()))
    changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
    added = [name for name in effective["systems"] if name not in original["systems"]]
    result: list[Deviation] = [(("systems", name), f"system {name}: not in the paper") for name in added]
    for path in changed:
        if path[0] == "systems" and path[1] in added:
            continue
        name = ".".join(path[2:] if path[0] == "systems" else path)
        result.append((path, f"{name}: {after.get(path)} instead of {before.get(path)}"))
    return result


def take_partial(
    paper: Mapping[str, Any], source: Callable[[str], str | None]
) -> tuple[dict[str, Any], list[Deviation]]:
    """Put what is configured of each union of corpora in its place, as ``allow_partial`` asks.

    Returns
    -------
    tuple
        The paper, what names the union naming what is run in its place, and the deviations.
        A union stays as it is if none of its members is configured, or what is left of it is a corpus of the paper.
    """
    result, deviations = copy.deepcopy(dict(paper)), list[Deviation]()
    for corpus in paper["corpora"]:
        taken = "+".join(name for name in members(corpus) if source(name))
        if not taken or taken in result["corpora"]:
            continue
        result["corpora"][result["corpora"].index(corpus)] = taken
        for key in ("published", "published_confusion", "figures"):
            for entry in result.get(key, []):
                if entry.get("corpus") == corpus:
                    entry["corpus"] = taken
                if corpus in entry.get("corpora", []):
                    entry["corpora"][entry["corpora"].index(corpus)] = taken
        deviations.append((("corpora", taken), f"corpus: {taken} alone instead of {corpus}"))
    return result, deviations


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, (*path, str(key)))
    else:
        yield path, value


def _concerns(path: tuple[str, ...], run: Run, system: Mapping[str, Any]) -> bool:
    """Return whether a changed key touches a run; what a combined system is made from touches it too."""
    combined = system.get("combine", {})
    scope = {
        "systems": [run.system, combined.get("first"), *combined.get("second", [])],
        "recipes": [system.get("recipe")],
        "protocols": [run.protocol],
        "corpora": [run.corpus],
        "studies": [],
    }
    return path[0] not in scope or len(path) == 1 or path[1] in scope[path[0]]


def _check_names(key: str, names: Any, allowed: Any) -> None:
    for name in names:
        if name not in allowed:
            place = key if ":" in key else f"config.yaml: {key}"
            raise ConfigError(place, f"unknown name {name!r}", suggest(name, allowed))
