"""The papers of one configuration: as they are run, their runs, and what is left out and why."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serflow.config import Config, Seeds
from serflow.corpora.registry import members
from serflow.errors import ConfigError
from serflow.features.encoders import identify as identify_encoder
from serflow.features.recipes import check_relations, encoder_of, extra_of
from serflow.models.weights import identify
from serflow.papers.beyond import check_asked, extend, list_asked
from serflow.papers.checks import check_names
from serflow.papers.deviations import Deviation, find_deviations, select_deviations
from serflow.papers.load import PAPERS, Plain, apply_config, derive_systems, make_paper, read_paper, take_partial
from serflow.papers.model import Paper, PaperRecord
from serflow.runs import RunId, Spec

#: A feature recipe as it stands in a paper file.
Recipe = dict[str, Any]


class Papers:
    """The papers of one configuration.

    Parameters
    ----------
    config
        The configuration.
    folder
        Where the paper files are.
    elsewhere
        Whether what they ask for is computed elsewhere, so that no library or encoder has to be here.

    Raises
    ------
    ConfigError
        If config.yaml or a paper file names something that does not exist or cannot be, two papers define one recipe
        differently, or nothing is left to run though a corpus is configured.
    """

    def __init__(self, config: Config, folder: Path = PAPERS, elsewhere: bool = False) -> None:
        self.config, self._elsewhere = config, elsewhere
        available = sorted(path.stem for path in folder.glob("*.yaml"))
        wanted = config.papers or available
        check_names(wanted, available, "config.yaml: papers")
        check_names(config.overrides, available, "config.yaml: overrides")
        check_asked(config, available)
        files = {name: read_paper(folder / f"{name}.yaml") for name in dict.fromkeys([*wanted, *config.overrides])}
        #: Each paper as builtins and as a model, with all changes laid over it.
        self.contents: dict[str, Plain] = {}
        self.papers: dict[str, Paper] = {}
        self._deviations: dict[str, list[Deviation]] = {}
        self._runs: dict[tuple[str, str | None], list[RunId]] = {}
        others: list[Paper] = []
        for name, (content, paper) in files.items():
            effective, model = apply_config(content, paper, config)
            if name in wanted:
                self._take(name, content, effective, model)
            else:
                others.append(model)
        self._check_narrowing()
        self._check_encoders(others, folder)
        self.recipes = self._merge_recipes()
        self._check_copies()

    def _take(self, name: str, content: Plain, effective: Plain, model: Paper) -> None:
        """Keep a paper as it is run, and where that departs from its file."""
        deviations = find_deviations(derive_systems(content), effective)
        taken = effective
        if self.config.allow_partial:
            taken, replaced = take_partial(taken, self.config)
            deviations += [
                (("corpora", part), f"corpus: {part} alone instead of {union}") for part, union in replaced.items()
            ]
        taken = extend(taken, self.config)  # last: what is added must not change what the paper itself runs on a part
        if taken != effective:
            effective, model = taken, make_paper(taken, f"{name} as config.yaml runs it")
        self.contents[name], self.papers[name], self._deviations[name] = effective, model, deviations

    def not_run(self, paper: str) -> dict[str, str]:
        """Return, for each corpus of a paper that is not run, the reason."""
        if (reason := self.tell_left_out(paper)) and not self.systems(paper):
            return dict.fromkeys(self.papers[paper].all_corpora, reason)
        reasons = {}
        for corpus in self.papers[paper].all_corpora:
            missing = [name.upper() for name in members(corpus) if not self.config.source(name)]
            if missing:
                reasons[corpus] = _say_missing(missing, "configured")
        return reasons

    def encoders(self, paper: str) -> dict[str, str]:
        """Return the folders of the encoders that a paper's recipes take and that are configured, by name."""
        named = map(encoder_of, self.papers[paper].recipes.values())
        return {name: self.config.encoders[name] for name in named if name in self.config.encoders}

    def left_out(self, paper: str) -> dict[str, str]:
        """Return the systems of a paper that run on no corpus, and why."""
        return {name: _say_missing([what], state) for name, (what, state) in self._lacking(paper).items()}

    def tell_left_out(self, paper: str) -> str:
        """Return what systems lack that would run otherwise, in words; nothing where none does."""
        lacking = self._lacking(paper)
        found = list(dict.fromkeys(lacking[name] for name in self._asked(paper) if name in lacking))
        states = dict.fromkeys(state for _, state in found)
        return " and ".join(_say_missing([what for what, one in found if one == state], state) for state in states)

    def _lacking(self, paper: str) -> dict[str, tuple[str, str]]:
        """Return the systems that lack a library or an encoder: its name, and that it is not installed or configured.

        No library is imported.
        """
        found: dict[str, tuple[str, str]] = {}
        if self._elsewhere:
            return found
        for name, system in self.papers[paper].systems.items():
            for part in system.parts or (name,):
                recipe = self.papers[paper].recipes[self.papers[paper].systems[part].recipe or ""]
                library, encoder = next(iter(extra_of(recipe)), ""), encoder_of(recipe)
                if library and find_spec(library) is None:
                    found[name] = (library, "installed")
                elif encoder and encoder not in self.config.encoders:
                    found[name] = (f"encoders.{encoder}", "configured")
        return found

    def corpora(self, paper: str) -> list[str]:
        """Return the corpora of a paper that are configured, those beyond its own last."""
        left_out = self.not_run(paper)
        return [corpus for corpus in self.papers[paper].all_corpora if corpus not in left_out]

    def active(self) -> list[str]:
        """Return the papers of which something is run."""
        return [paper for paper in self.papers if self.runs(paper)]

    def labels_of(self, run: RunId) -> list[str]:
        """Return the labels of a run: the paper's there, those alone that the system tells apart."""
        paper = self.papers[run.paper]
        own = paper.systems[run.system].labels
        return [label for label in paper.labels_on(run.corpus, run.protocol) if own is None or label in own]

    def recipe_of(self, paper: str, system: str, protocol: str) -> tuple[str, Recipe]:
        """Return the name and content of the recipe that a trained system takes under a protocol.

        Under a protocol with augmented copies it is the system's own plus the ``copies``, named after the paper's
        first protocol with these copies.
        """
        name, protocols = self.papers[paper].systems[system].recipe, self.papers[paper].protocols
        assert name is not None, f"{system} is combined, not trained"  # noqa: S101
        recipe, copies = self._as_run(self.papers[paper].recipes[name]), protocols[protocol].copies
        if not copies:
            return name, recipe
        first = next(other for other, rules in protocols.items() if rules.copies == copies)
        return f"{name}_{first}", {**recipe, "copies": dict(copies)}

    def _as_run(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the digest of the encoder's folder in place of its name, where that is configured."""
        folder = self.config.encoders.get(encoder_of(recipe) or "")
        return {**recipe, "weights": identify_encoder(folder)} if folder else recipe

    def folds(self, paper: str, corpus: str, protocol: str, system: str) -> list[int]:
        """Return the folds to run: of those that config.yaml and the system ask for, all that the corpus has."""
        found = range(self.n_folds(paper, corpus, protocol))
        wanted = self.config.folds if len(found) > 1 else None
        own = self.papers[paper].systems[system].folds
        return [fold for fold in wanted or found if fold in found and (own is None or fold in own)]

    def n_folds(self, paper: str, corpus: str, protocol: str) -> int:
        """Return the number of folds that a protocol has on a corpus."""
        return self.papers[paper].protocols[protocol].count_folds(members(corpus))

    def protocols(self, paper: str, corpus: str, system: str) -> list[str]:
        """Return the protocols to run a system under."""
        wanted = self.config.protocols
        return [name for name in self.papers[paper].asked(corpus, system) if wanted is None or name in wanted]

    def systems(self, paper: str, study: str | None = None) -> list[str]:
        """Return the systems to run: those of a study, or of the paper's own tables."""
        lacking = self._lacking(paper)
        asked = self._asked(paper) if study is None else self.papers[paper].studies[study].systems
        return [name for name in asked if name not in lacking]

    def _asked(self, paper: str) -> list[str]:
        """Return the systems of a paper's own tables that config.yaml asks for, whether they lack something or not."""
        wanted, own = self.config.systems, self.papers[paper].systems.items()
        beyond = {name for one in self.papers[paper].beyond for name in one.systems}
        found = [name for name, system in own if not system.study or name in beyond]
        return [name for name in found if wanted is None or name in wanted]

    def seeds(self, paper: str, protocol: str, study: str | None = None) -> list[int]:
        """Return the seeds to run a protocol with, for a study or for the paper's own tables."""
        kind = "studies" if study else self.papers[paper].protocols[protocol].SEEDS
        return list(getattr(self.config.seeds, kind))

    def runs(self, paper: str, study: str | None = None) -> list[RunId]:
        """Return the runs of a paper, or of one of its studies, in order."""
        shared = self.papers[paper].study_protocols(study) if study else self.papers[paper].protocols
        if (paper, study) not in self._runs:  # each job of a dry run asks again
            self._runs[paper, study] = [
                RunId(paper, corpus, system, protocol, seed, fold)
                for corpus in self.corpora(paper)
                if not study or corpus in self.papers[paper].corpora
                for system in self.systems(paper, study)
                for protocol in self.protocols(paper, corpus, system)
                if protocol in shared and (study or self.papers[paper].in_tables(corpus, system, protocol))
                for seed in self.seeds(paper, protocol, study)
                for fold in self.folds(paper, corpus, protocol, system)
            ]
        return self._runs[paper, study]

    def parts(self, run: RunId) -> list[RunId]:
        """Return the runs that a combined system is made from, the first one first; none for a trained one."""
        return [run.of_system(name) for name in self.papers[run.paper].systems[run.system].parts]

    def all_runs(self) -> list[RunId]:
        """Return all runs that can be asked for: of tables, of studies, and what combined ones are made from."""
        asked = [
            run
            for paper in self.active()
            for study in (None, *self.papers[paper].studies)
            for run in self.runs(paper, study)
        ]
        return list(dict.fromkeys([*asked, *(part for run in asked for part in self.parts(run))]))

    def spec(self, run: RunId) -> Spec:
        """Return all of the configuration that a run's numbers depend on."""
        entry = self.contents[run.paper]["systems"][run.system]
        system = {key: entry[key] for key in ("input", "model", "training", "combine") if key in entry}
        if "pretrained" in system.get("model", {}):
            system["model"] = system["model"] | {"pretrained": identify(system["model"]["pretrained"])}
        if "recipe" in entry:
            system["recipe"] = self.recipe_of(run.paper, run.system, run.protocol)[1]
        labels = self.labels_of(run)
        others = [label for label in self.papers[run.paper].labels_on(run.corpus, run.protocol) if label not in labels]
        return Spec(run, tuple(labels), tuple(others), system)

    def record(self, name: str) -> PaperRecord:
        """Return all that the stages after training need to know of a paper."""
        check_names([name], self.papers, "config.yaml: papers")
        paper = self.papers[name]
        groups = [
            (corpus, system, protocol)
            for corpus in paper.all_corpora
            for system in paper.systems
            for protocol in paper.asked(corpus, system)
        ]
        told = {group: select_deviations(self._deviations[name], group, paper.systems) for group in groups}
        sources = [self.config.source(member) for corpus in self.corpora(name) for member in members(corpus)]
        return PaperRecord(
            paper=paper,
            not_run=self.not_run(name),
            left_out=self.left_out(name),
            n_folds={corpus: paper.folds_on(corpus) for corpus in paper.all_corpora},
            seeds={protocol: list(getattr(Seeds(), rules.SEEDS)) for protocol, rules in paper.protocols.items()},
            deviations={"/".join(group): texts for group, texts in told.items() if texts},
            synthetic="demo" in sources,
        )

    def tell_unused(self) -> list[str]:
        """Return, in a sentence for each key, what config.yaml asks of papers that `papers` leaves out."""
        unused = {f"overrides.{name}": name for name in self.config.overrides}
        unused |= {
            f"{one.where}: {system}": system.partition(".")[0]
            for one in list_asked(self.config)
            for system in one.systems
        }
        since = f"changes nothing, since papers is {', '.join(self.papers)}"
        return [f"config.yaml: {key} {since}." for key, paper in unused.items() if paper not in self.papers]

    def _check_encoders(self, others: Iterable[Paper], folder: Path) -> None:
        """Raise a ConfigError if config.yaml names an encoder that no paper takes. Of `others` the overrides count."""
        named = _find_encoders([*self.papers.values(), *others])
        if self.config.encoders.keys() - named:  # a paper that is not asked for may take it
            named |= _find_encoders(read_paper(path)[1] for path in folder.glob("*.yaml"))
        check_names(self.config.encoders, named, "config.yaml: encoders")

    def _check_narrowing(self) -> None:
        """Raise a ConfigError if config.yaml asks for names or folds that no paper has, or for nothing at all."""
        config, papers = self.config, self.papers.values()
        for key in ("systems", "protocols"):
            known = {name for paper in papers for name in getattr(paper, key)}
            check_names(getattr(config, key) or [], known, f"config.yaml: {key}")
        places = {
            (paper, corpus, protocol)
            for paper in self.papers
            for corpus in self.corpora(paper)
            for system in self.papers[paper].systems
            for protocol in self.protocols(paper, corpus, system)
        }
        n_folds = max((self.n_folds(*place) for place in places), default=0)
        if config.folds and places and max(config.folds) >= n_folds:
            fault = f"{max(config.folds)} is a fold of no protocol on the corpora configured"
            raise ConfigError("config.yaml: folds", fault, f"Allowed: 0 to {n_folds - 1}.")
        if any(map(self.corpora, self.papers)) and not self.active():
            asked = {key: getattr(config, key) for key in ("papers", "systems", "protocols", "folds")}
            chosen = ", ".join(f"{key}: {value}" for key, value in asked.items() if value)
            lacking = "; ".join(filter(None, map(self.tell_left_out, self.papers)))
            fault = f"on the corpora configured no system runs under all of {chosen or 'the overrides'}"
            fault += f": {lacking}" * bool(lacking)
            remedy = "Configure another corpus, widen one of these keys, or set it to null for all."
            raise ConfigError("config.yaml", fault, remedy)

    def _check_copies(self) -> None:
        """Raise a ConfigError if a protocol's copies do not fit the recipe of a system that is to run under it."""
        for paper, system, protocol in dict.fromkeys((run.paper, run.system, run.protocol) for run in self.all_runs()):
            if self.papers[paper].systems[system].recipe:
                try:
                    check_relations(self.recipe_of(paper, system, protocol)[1])
                except ConfigError as error:
                    where, fault = f"{paper}: {system} under {protocol}", f"{error.where} {error.fault}"
                    raise ConfigError(where, fault, error.remedy) from None

    def _merge_recipes(self) -> dict[str, Recipe]:
        """Return all recipes by name; one name must mean one recipe, since it names the cache."""
        merged: dict[str, tuple[str, Recipe]] = {}
        for paper, content in self.papers.items():
            found = [(name, self._as_run(recipe)) for name, recipe in content.recipes.items()]
            for system, entry in content.systems.items():
                if entry.recipe:
                    found += [self.recipe_of(paper, system, name) for name in content.protocols]
            for name, recipe in found:
                other, first = merged.setdefault(name, (paper, recipe))
                if first != recipe:
                    fault = f"{name!r} is defined differently in {paper} and in {other}, a file or its overrides"
                    raise ConfigError("recipes", fault, "Give one of the two another name.")
        return {name: recipe for name, (_, recipe) in merged.items()}


def _say_missing(names: list[str], what: str) -> str:
    """Return the words that names are not configured, or whatever they have to be."""
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{listed} {'is' if len(names) == 1 else 'are'} not {what}"


def _find_encoders(papers: Iterable[Paper]) -> set[str]:
    """Return the names that papers' recipes give to encoders."""
    return {encoder for paper in papers for recipe in paper.recipes.values() if (encoder := encoder_of(recipe))}
