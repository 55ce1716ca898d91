"""What a paper file's model cannot say of itself: that names exist, options fit their kinds, and things go together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from serflow.corpora.registry import members
from serflow.errors import ConfigError
from serflow.features.recipes import COPIES, STORE_OPTIONS, TRANSFORMS, check_relations
from serflow.kinds import Kinds, options_model, split_kind, suggest
from serflow.labels import EMOTIONS, check_labels
from serflow.models import ARCHITECTURES, input_kinds
from serflow.models.weights import WORDS, file_name
from serflow.papers.model import FIGURES, Beyond, Figure, Paper, System
from serflow.papers.names import COMMON_FIGURES, COMMON_TABLES, slug
from serflow.schema import check
from serflow.training.options import AUGMENTATIONS, INPUTS, check_input, check_training


def check_paper(paper: Paper, where: str) -> None:
    """Raise a ConfigError unless all names in a paper exist, and all options are taken and go together."""
    check_labels(paper.labels, f"{where}: labels")
    for corpus in paper.corpora:
        _within("", f"{where}: corpora", members, corpus)
    for corpus in paper.select:
        known = {member for name in paper.corpora for member in members(name)}
        check_names([corpus], known, f"{where}: select")
    for name, recipe in paper.recipes.items():
        _check_recipe(recipe, f"{where}: recipes.{name}")
    for name, protocol in paper.protocols.items():
        place = f"{where}: protocols.{name}"
        check_names(protocol.corpora or [], paper.corpora, f"{place}.corpora")
        _check_copies(protocol.copies, f"{place}.copies")
    for n, entry in enumerate(paper.beyond):
        place = f"{where}: beyond.{n}"
        _within(place, "corpus", members, entry.corpus)
        check_names([entry.protocol], paper.protocols, f"{place}.protocol")
        check_names(entry.systems, paper.systems, f"{place}.systems")
        _check_emotions(paper, entry, f"{place}.emotions")
    for name in paper.systems:
        _check_system(paper, name, f"{where}: systems.{name}")
    for name, study in paper.studies.items():
        check_names(study.systems, paper.systems, f"{where}: studies.{name}.systems")
        if not paper.study_protocols(name):
            remedy = "Give them a protocol in common."
            raise ConfigError(f"{where}: studies.{name}.systems", "run under no common protocol", remedy)
    if paper.noise:
        check_names([paper.noise.normal, paper.noise.modified], _trained(paper), f"{where}: noise")
    _check_folds(paper, where)
    _check_published(paper, where)
    for n, figure in enumerate(paper.figures):
        _check_figure(paper, figure, f"{where}: figures.{n}")
    _check_stems(paper, where)


def check_options(kinds: Kinds, options: Mapping[str, Any], where: str, key: str = "kind") -> None:
    """Raise a ConfigError unless a kind exists and takes the options that stand beside its name.

    Parameters
    ----------
    kinds
        The kinds to choose from.
    options
        The name of the kind, under `key`, and its options.
    where
        The place of the options in the file.
    key
        See above.
    """
    if not isinstance(options.get(key), str):
        raise ConfigError(where, f"key {key!r} is missing or no text", f"Allowed: {', '.join(kinds.known())}.")
    name, rest = split_kind(options, key)
    found = _within(where, key, kinds.options, name)
    _within(where, "", check, options_model(name, tuple(found.values())), rest, "")


def _within(where: str, key: str, function: Any, *arguments: Any) -> Any:
    """Return what a function returns; its ConfigErrors name `key` at `where`, or if that is empty their own key."""
    try:
        return function(*arguments)
    except ConfigError as error:
        raise ConfigError(".".join(filter(None, [where, key or error.where])), error.fault, error.remedy) from None


def check_names(names: Iterable[str], allowed: Iterable[str], where: str) -> None:
    """Raise a ConfigError at the first name that is not allowed."""
    for name in names:
        if name not in allowed:
            raise ConfigError(where, f"unknown name {name!r}", suggest(name, sorted(allowed)))


def _check_recipe(recipe: Mapping[str, Any], where: str) -> None:
    stored = {key: recipe[key] for key in (option.name for option in STORE_OPTIONS) if key in recipe}
    _within(where, "", check, options_model("recipe", STORE_OPTIONS), stored, "")
    check_options(TRANSFORMS, {key: value for key, value in recipe.items() if key not in stored}, where, "transform")
    _check_copies(recipe.get("copies", {}), f"{where}.copies")
    _within(where, "", check_relations, recipe)


def _check_copies(copies: Mapping[str, Mapping[str, Any]], where: str) -> None:
    for name, options in copies.items():
        check_names([name], COPIES.known(), where)
        _within(
            f"{where}.{name}", "", check, options_model(name, tuple(COPIES.options(name).values())), dict(options), ""
        )


def _check_system(paper: Paper, name: str, where: str) -> None:
    """Check one system; a combined one is made of others, a trained one of kinds."""
    system = paper.systems[name]
    check_names(system.protocols, paper.protocols, f"{where}.protocols")
    check_names(system.labels or [], paper.labels, f"{where}.labels")
    if system.combine:
        check_names(system.parts, _trained(paper), f"{where}.combine")
        check_names([system.combine.neutral], paper.labels, f"{where}.combine.neutral")
    else:
        assert system.recipe is not None and system.input is not None and system.model is not None  # noqa: S101
        check_names([system.recipe], paper.recipes, f"{where}.recipe")
        _check_model(system.model, f"{where}.model")
        check_options(INPUTS, system.input, f"{where}.input")
        taken = input_kinds(system.model)
        if taken:
            check_names([system.input["kind"]], taken, f"{where}.input.kind")
        _within(f"{where}.input", "", check_input, system.input)
        _check_scope(system.input, system.model, f"{where}.model")
        _check_floor(system.input, paper.recipes[system.recipe], f"{where}.input")
        _check_training(system, where)
        _check_validation(paper, name, f"{where}.training.early_stopping")
    _check_classes(paper, name, where)


def _trained(paper: Paper) -> list[str]:
    """Return the systems that are not combined from others."""
    return [name for name, system in paper.systems.items() if not system.combine]


def _check_emotions(paper: Paper, entry: Beyond, where: str) -> None:
    """Check that the corpus has all emotions of an entry, and that no other entry chooses others for the same runs."""
    check_names(entry.emotions or [], EMOTIONS, where)
    place = (entry.corpus, entry.protocol)
    found = paper.labels_on(*place)
    missing = [emotion for emotion in entry.emotions or [] if emotion not in found]
    if missing:
        allowed = paper.model_copy(update={"beyond": []}).labels_on(*place)
        raise ConfigError(where, f"{entry.corpus} has no {missing[0]!r}", f"Allowed: {', '.join(allowed)}.")
    if any((one.corpus, one.protocol) == place and one.emotions != entry.emotions for one in paper.beyond):
        fault = f"{entry.corpus} is asked for twice under {entry.protocol}, each time with other emotions"
        raise ConfigError(where, fault, "Choose the same emotions for all systems of a paper.")


def _check_model(model: Mapping[str, Any], where: str) -> None:
    """Check a model's name, options and weights; a user's own file is read, not run."""
    options = {key: value for key, value in model.items() if key != "pretrained"}
    pretrained = model.get("pretrained", "none")
    if not isinstance(pretrained, str):
        raise ConfigError(f"{where}.pretrained", f"{pretrained!r} is not allowed", "Allowed: text.")
    if pretrained == "imagenet" and isinstance(model.get("module"), str):
        _within(where, "module", ARCHITECTURES.file, model["module"])
        _within(where, "pretrained", file_name, model)
    elif pretrained not in WORDS and not Path(pretrained).is_file():
        remedy = "Allowed: imagenet, none, or a weights file."
        raise ConfigError(f"{where}.pretrained", f"{pretrained!r} is no file", remedy)
    check_options(ARCHITECTURES, options, where, "module")


def _check_scope(taken: Mapping[str, Any], model: Mapping[str, Any], where: str) -> None:
    """Raise where a model's standardisation on its training part would undo that of the input."""
    again = ARCHITECTURES.options(model["module"]).get("standardise")
    if taken.get("scope") and again and model.get("standardise", again.default):
        fault = f"is true, which would undo the input's scope: {taken['scope']}"
        raise ConfigError(f"{where}.standardise", fault, "Set it to false.")


def _check_floor(taken: Mapping[str, Any], recipe: Mapping[str, Any], where: str) -> None:
    """Raise unless what an image takes for black is the lowest value of the recipe."""
    if taken["kind"] != "image":
        return
    lowest = -recipe["top_db"] if "top_db" in recipe else None
    if lowest is None and recipe["transform"] in TRANSFORMS.known():
        fault = f"is image, but the recipe's {recipe['transform']} gives no decibels below the maximum"
        raise ConfigError(f"{where}.kind", fault, "Take a recipe that has `top_db`, or another kind.")
    if lowest is not None and taken["floor_db"] != lowest:
        fault = f"is {taken['floor_db']:g}, but the recipe's top_db is {recipe['top_db']:g}"
        raise ConfigError(f"{where}.floor_db", fault, f"Set it to {lowest:g}.")


def _check_validation(paper: Paper, name: str, where: str) -> None:
    """Raise where an epoch is to be chosen under a protocol that has no validation part."""
    training = paper.systems[name].training
    if training is None or training.early_stopping is None:
        return
    for corpus in paper.all_corpora:
        for protocol in paper.asked(corpus, name):
            if not paper.protocols[protocol].has_validation(members(corpus)):
                fault = f"protocol {protocol} has no validation part to choose the epoch by"
                raise ConfigError(where, fault, "Remove it, or do without this protocol (`protocols: [...]`).")


def _check_training(system: System, where: str) -> None:
    assert system.input is not None and system.model is not None  # noqa: S101
    training, module = system.training, system.model["module"]
    in_epochs = ARCHITECTURES.constant(module, "FRAMEWORK", "torch") == "torch"
    if training is None:
        if in_epochs:
            remedy = "Give epochs, batch_size, optimiser and learning_rate."
            raise ConfigError(f"{where}.training", "is missing", remedy)
        return
    if not in_epochs:
        fault, remedy = (
            f"is given, but {module} is not trained in epochs",
            "Remove it; write null where it is inherited.",
        )
        raise ConfigError(f"{where}.training", fault, remedy)
    for n, entry in enumerate(training.augment):
        check_options(AUGMENTATIONS, entry, f"{where}.training.augment.{n}")
    _within(f"{where}.training", "", check_training, training, system.input)


def _check_classes(paper: Paper, name: str, where: str) -> None:
    """Check that each corpus has two or more of a system's labels, and a combination's neutral."""
    system = paper.systems[name]
    for corpus, protocol in [(one, two) for one in paper.all_corpora for two in paper.asked(one, name)]:
        present = paper.labels_on(corpus, protocol)
        if len(set(present).intersection(system.labels or present)) < 2:
            fault = f"{corpus} has fewer than two of {', '.join(system.labels or paper.labels)} under {protocol}"
            raise ConfigError(f"{where}.labels", fault, f"It has: {', '.join(present) or 'none'}.")
        if system.combine and system.combine.neutral not in present:
            fault = f"{corpus} has no {system.combine.neutral!r}"
            raise ConfigError(f"{where}.combine.neutral", fault, "Choose another label.")
        told = {label for part in system.parts[1:] for label in paper.systems[part].labels or present}
        if system.combine and corpus not in paper.corpora and told != set(present):
            fault = f"tells apart {', '.join(sorted(told))}; {corpus} has {', '.join(present)} under {protocol}"
            raise ConfigError(
                f"{where}.combine", fault, "Name the former as `emotions`, where systems are given to it."
            )


def _check_folds(paper: Paper, where: str) -> None:
    """Check that no system, nor the table of noise, asks for a fold that no protocol of it has."""
    asked = {f"systems.{name}.folds": (name, system.folds or []) for name, system in paper.systems.items()}
    if paper.noise:
        asked["noise.folds"] = (paper.noise.normal, paper.noise.folds)
    for key, (name, folds) in asked.items():
        n_folds = max((count_folds(paper, protocol) for protocol in paper.systems[name].protocols), default=0)
        if n_folds and folds and max(folds) >= n_folds:
            fault = f"{max(folds)} is a fold of no protocol of {name}"
            raise ConfigError(f"{where}: {key}", fault, f"Allowed: 0 to {n_folds - 1}.")


def count_folds(paper: Paper, protocol: str) -> int:
    """Return the most folds that a protocol of a paper has on any corpus that it runs on."""
    return max((paper.folds_on(corpus).get(protocol, 0) for corpus in paper.all_corpora), default=0)


def _check_published(paper: Paper, where: str) -> None:
    seen: set[tuple[object, ...]] = set()
    for n, number in enumerate(paper.published):
        _check_place(paper, number, f"{where}: published")
        if number.identity in seen:
            remedy = "Keep one entry per system, corpus, protocol, part, metric and epoch."
            raise ConfigError(f"{where}: published.{n}", f"{number.table}, {number.system}: stands twice", remedy)
        seen.add(number.identity)
    for matrix in paper.published_confusion:
        _check_place(paper, matrix, f"{where}: published_confusion")
        own = paper.systems[matrix.system].labels
        labels = [one for one in paper.labels_on(matrix.corpus, matrix.protocol) if own is None or one in own]
        if any(set(row) != set(labels) for row in (set(matrix.rows), *map(set, matrix.rows.values()))):
            fault = f"the matrix of {matrix.table} has not each label as a row and as a column"
            raise ConfigError(f"{where}: published_confusion", fault, f"Labels: {', '.join(labels)}.")


def _check_stems(paper: Paper, where: str) -> None:
    """Check that no two tables and no two figures would be written to one file."""
    tables = [("published", name, slug(name)) for name in dict.fromkeys(number.table for number in paper.published)]
    tables += [("noise.table", paper.noise.table, slug(paper.noise.table))] if paper.noise else []
    figures = [("figures", figure.figure, slug(figure.figure)) for figure in paper.figures]
    confusions = [
        ("published_confusion", entry.table, f"{slug(entry.table)}_confusion") for entry in paper.published_confusion
    ]
    for common, own in ((COMMON_TABLES, tables), (COMMON_FIGURES, figures)):
        owner = dict.fromkeys(common, "what every paper gets")
        for key, name, stem in [*own, *confusions]:
            if stem in owner:
                fault = f"{name!r} gives the file name {stem!r}, which is taken by {owner[stem]}"
                raise ConfigError(f"{where}: {key}", fault, "Give it another name.")
            owner[stem] = repr(name)


def _check_place(paper: Paper, entry: Any, where: str) -> None:
    check_names([entry.system], paper.systems, where)
    check_names([entry.protocol], paper.protocols, where)
    check_names([entry.corpus], paper.corpora, where)


def _check_figure(paper: Paper, figure: Figure, where: str) -> None:
    """Check a figure's kind, that it has all keys which the kind needs, and the names in it."""
    check_options(FIGURES, {"kind": figure.kind, **figure.options}, where)
    check_names(figure.shown, paper.corpora, f"{where}: corpora")
    known: dict[str, Iterable[str]] = {"recipe": paper.recipes, "systems": paper.systems, "protocol": paper.protocols}
    known |= dict.fromkeys(("emotion", "emotions", "published"), paper.labels)
    for key, allowed in known.items():
        names = figure.options.get(key, [])
        check_names([names] if isinstance(names, str) else names, allowed, f"{where}: {key}")
