"""Paper files: loaded, checked, and turned into the runs that a configuration asks for."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serflow.config import read_schema, validate
from serflow.corpora import members
from serflow.errors import ConfigError
from serflow.features import transform
from serflow.labels import check_labels
from serflow.protocols import count_folds

PAPERS = Path(__file__).parents[1] / "papers"
#: Which list of ``seeds`` in config.yaml a kind of protocol takes.
SEEDS = {"random": "random", "speakers": "grouped"}


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
        If config.yaml or a paper file names something that does not exist, or two papers define one recipe differently.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path = PAPERS) -> None:
        self.config = config
        available = sorted(path.stem for path in folder.glob("*.yaml"))
        wanted = config["papers"] or available
        _check_names("papers", wanted, available)
        _check_names("overrides", config["overrides"], available)
        originals = {name: read_paper(folder / f"{name}.yaml") for name in wanted}
        self.papers = {name: apply_overrides(paper, config) for name, paper in originals.items()}
        self.deviations = {name: find_deviations(originals[name], self.papers[name]) for name in wanted}
        _check_names(
            "protocols", config["protocols"] or [], {p for paper in self.papers.values() for p in paper["protocols"]}
        )
        self.recipes = _merge_recipes(self.papers)

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

    def active(self) -> list[str]:
        """Return the papers that have a run: a configured corpus, and a system under one of the wanted protocols."""
        return [paper for paper in self.papers if next(self.runs(paper), None)]

    def folds(self, paper: str, corpus: str, protocol: str) -> list[int]:
        """Return the folds to run."""
        n_folds = self.n_folds(paper, corpus, protocol)
        wanted = self.config["folds"]
        if wanted is None or n_folds == 1:
            return list(range(n_folds))
        if max(wanted) >= n_folds:
            fault = f"{max(wanted)} is no fold of {paper}/{corpus}/{protocol}"
            raise ConfigError("config.yaml: folds", fault, f"Allowed: 0 to {n_folds - 1}.")
        return list(wanted)

    def n_folds(self, paper: str, corpus: str, protocol: str) -> int:
        """Return the number of folds that a protocol has on a corpus."""
        return count_folds(self.papers[paper]["protocols"][protocol], members(corpus))

    def protocols(self, paper: str, system: str) -> list[str]:
        """Return the protocols to run a system under."""
        wanted = self.config["protocols"]
        return [name for name in self.papers[paper]["systems"][system]["protocols"] if wanted is None or name in wanted]

    def seeds(self, paper: str, protocol: str) -> list[int]:
        """Return the seeds to run a protocol with."""
        return list(self.config["seeds"][SEEDS[self.papers[paper]["protocols"][protocol]["kind"]]])

    def runs(self, paper: str) -> Iterator[Run]:
        """Yield the runs of a paper, in order."""
        for corpus in self.corpora(paper):
            for system in self.papers[paper]["systems"]:
                for protocol in self.protocols(paper, system):
                    for seed in self.seeds(paper, protocol):
                        for fold in self.folds(paper, corpus, protocol):
                            yield Run(paper, corpus, system, protocol, seed, fold)

    def spec(self, run: Run) -> dict[str, Any]:
        """Return all of the configuration that a run depends on, as plain builtins (see `serflow.training.run`)."""
        paper = self.papers[run.paper]
        system = paper["systems"][run.system]
        parts = {key: system[key] for key in ("input", "model", "training")}
        config = {"recipe": paper["recipes"][system["recipe"]], **parts}
        deviations = [text for path, text in self.deviations[run.paper] if _concerns(path, run, system)]
        identity = {key: getattr(run, key) for key in ("paper", "corpus", "system", "protocol", "seed", "fold")}
        return {**identity, "labels": paper["labels"], "system_config": config, "deviations": deviations}

    def record(self, name: str) -> dict[str, Any]:
        """Return all that the stages after training need to know of a paper.

        Returns
        -------
        dict
            ``paper``: the file as run; ``not_run``: corpus -> reason; ``n_folds``: corpus -> protocol -> number of its
            folds; ``synthetic``: whether a corpus of it is a demo corpus.
        """
        _check_names("papers", [name], self.papers)
        paper = self.papers[name]
        n_folds = {c: {p: self.n_folds(name, c, p) for p in paper["protocols"]} for c in paper["corpora"]}
        sources = [self.source(member) for corpus in self.corpora(name) for member in members(corpus)]
        return {"paper": paper, "not_run": self.not_run(name), "n_folds": n_folds, "synthetic": "demo" in sources}


def read_paper(path: Path) -> dict[str, Any]:
    """Return a paper file's content.

    Raises
    ------
    ConfigError
        If it is not valid YAML or does not fit ``schemas/paper.schema.json``.
    """
    import yaml

    try:
        paper = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        fault = f"is not valid YAML ({' '.join(str(error).split())})"
        raise ConfigError(path, fault, "Correct the file.") from error
    check_paper(paper, str(path))
    if paper["paper"] != path.stem:
        raise ConfigError(f"{path}: paper", f"{paper['paper']!r} differs from the file's name", f"Write {path.stem!r}.")
    return paper


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
    for name, system in paper["systems"].items():
        _check_names(f"{where}: systems.{name}.recipe", [system["recipe"]], paper["recipes"])
        _check_names(f"{where}: systems.{name}.protocols", system["protocols"], paper["protocols"])
    for name, protocol in paper["protocols"].items():
        parts = protocol.get("parts", {})
        if (protocol["kind"] == "random") != bool(parts) or (parts and abs(sum(parts.values()) - 1) > 1e-9):
            place = f"{where}: protocols.{name}.parts"
            raise ConfigError(
                place, f"{parts} does not fit kind {protocol['kind']}", "A random split needs parts that sum to 1."
            )
    for entry in paper.get("published_posteriors", []):
        _check_names(f"{where}: published_posteriors", [entry["label"], *entry["posteriors"]], paper["labels"])
    for entry in paper["published"]:
        _check_names(f"{where}: published", [entry["system"]], paper["systems"])
        _check_names(f"{where}: published", [entry["protocol"]], paper["protocols"])
        _check_names(f"{where}: published", [entry["corpus"]], paper["corpora"])


def apply_overrides(paper: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a paper with config.yaml's ``overrides`` and ``pretrained`` laid over it."""
    result = _overlay(paper, config["overrides"].get(paper["paper"], {}))
    for system in result["systems"].values():
        if system["model"].get("pretrained") == "imagenet":
            system["model"]["pretrained"] = config["pretrained"]
    where = f"config.yaml: overrides.{paper['paper']}"
    if result["paper"] != paper["paper"]:
        raise ConfigError(f"{where}.paper", f"{result['paper']!r} would rename the paper", "Remove the key.")
    check_paper(result, where)
    return result


def find_deviations(original: Mapping[str, Any], effective: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """Return where a paper as run differs from its file: (path of keys, sentence)."""
    before, after = dict(_leaves(original, ())), dict(_leaves(effective, ()))
    changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
    result = []
    for path in changed:
        name = ".".join(path[2:] if path[0] == "systems" else path)
        result.append((path, f"{name}: {after.get(path)} instead of {before.get(path)}"))
    return result


def _merge_recipes(papers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return all recipes by name; one name must mean one recipe, since it names the cache."""
    merged: dict[str, dict[str, Any]] = {}
    for paper in papers.values():
        for name, recipe in paper["recipes"].items():
            if merged.setdefault(name, recipe) != recipe:
                fault = f"{name!r} is defined differently in another paper"
                raise ConfigError(f"workflow/papers/{paper['paper']}.yaml: recipes", fault, "Give it another name.")
    return merged


def _overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _overlay(result[key], value) if nested else copy.deepcopy(value)
    return result


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, (*path, str(key)))
    else:
        yield path, value


def _concerns(path: tuple[str, ...], run: Run, system: Mapping[str, Any]) -> bool:
    """Return whether a changed key touches a run."""
    scope = {"systems": run.system, "recipes": system["recipe"], "protocols": run.protocol}
    return path[0] not in scope or path[1] == scope[path[0]]


def _check_names(key: str, names: Any, allowed: Any) -> None:
    for name in names:
        if name not in allowed:
            place = key if ":" in key else f"config.yaml: {key}"
            raise ConfigError(place, f"unknown name {name!r}", f"Allowed: {', '.join(sorted(allowed))}.")
