"""config.yaml as a typed model: every key, its default, what is allowed. Errors name the key and its value."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import Field

from serflow.corpora import CORPORA
from serflow.corpora.demo.names import DEMOS
from serflow.corpora.registry import load, use_tables
from serflow.errors import ConfigError, WeightsError
from serflow.kinds import suggest
from serflow.labels import EMOTIONS
from serflow.models.weights import IMAGENET, WORDS
from serflow.schema import Model, check, hide_credentials
from serflow.types import Count, Distinct, Indices, Limit, Names, Text

#: libyaml's, ten times as fast, where PyYAML was built with it.
Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Sources of a corpus that are no path.
KEYWORDS = ("download", "demo")


class CorpusConfig(Model):
    """Where one corpus is; of one that is not built in also its table of labels."""

    source: Text | None = Field(
        None,
        description="`download` (RAVDESS), a local archive or folder, `demo` (synthetic), or null: left out.",
    )
    labels: Text | None = Field(
        None,
        description="Of a corpus of your own: its table of labels, a CSV file with the columns path, emotion, speaker, "
        "and where known sex, statement, session, fold, part, intensity; or the header of an audformat database.",
    )
    emotions: dict[Text, Text] = Field(
        {}, description="Label of the table -> emotion of serflow, for labels that are not named so."
    )
    folds: Annotated[int, Limit(ge=2)] | None = Field(
        None,
        description="How many speaker-independent folds to make where the table has no column fold; "
        "by default 5, or the number of speakers if that is lower.",
    )

    @property
    def table(self) -> dict[str, Any]:
        """What a corpus of one's own is made from; empty of a built-in one."""
        return self.model_dump(include={"labels", "emotions", "folds"}) if self.labels else {}


class Seeds(Model):
    """How often a protocol is repeated, each time with another seed."""

    random: Indices = Field([0, 1, 2], description="Seeds of random splits.")
    grouped: Indices = Field([0], description="Seeds of speaker-independent folds.")
    studies: Indices = Field(
        [0, 1, 2], description="Seeds of studies, whose differences are small, whatever the split."
    )


class Noise(Model):
    """Recognition in noise (Satt et al.)."""

    source: Text | None = Field(
        None, description="A folder of your recordings (the file's name is the noise's); null: generated stand-ins."
    )


class Tracking(Model):
    """Where MLflow keeps its runs."""

    uri: str | None = Field(
        None,
        description="An SQLite file, a server's address without credentials, or null: a file in the results folder.",
    )
    prefix: Annotated[str, Limit(pattern=r"^\w[\w@.-]*$")] | None = Field(
        None, description="Experiments are named PREFIX/PAPER, so that several people can share a server."
    )


class CrossCorpus(Model):
    """Systems that are trained on one or several corpora and tested on another, on the emotions that all have."""

    train: Names = Field(description="The corpora to train on; of their speakers one of each sex validates.")
    test: Text = Field(description="The corpus to test on, whole.")
    systems: Names = Field(description="The systems, as PAPER.SYSTEM.")
    emotions: Annotated[list[Text], Limit(min_length=2), Distinct()] | None = Field(
        None, description="The emotions told apart; by default all that the corpora share and the paper has."
    )


class OnCorpus(Model):
    """Systems to run on a corpus."""

    systems: Names = Field(description="The systems, as PAPER.SYSTEM.")
    emotions: Annotated[list[Text], Limit(min_length=2), Distinct()] | None = Field(
        None,
        description="The emotions told apart; by default those of the paper where the corpus is one of its own, else "
        "all that the corpus has but other and undecided.",
    )


class Config(Model):
    """config.yaml."""

    papers: Names | None = Field(None, description="Which papers (files in workflow/papers); null: all.")
    corpora: dict[str, CorpusConfig] = Field({}, description="Where each corpus is.", validate_default=True)
    allow_partial: bool = Field(
        False, description="Run papers that join corpora on those that are configured; every table then says so."
    )
    results: Text = Field("results", description="The folder of all results.")
    resources: Text = Field("resources", description="The folder of downloads and extracted corpora.")
    seeds: Seeds = Field(default_factory=Seeds, description="Which seeds.")
    systems: Names | None = Field(None, description="Narrow a run to systems of these names; null: all.")
    protocols: Names | None = Field(None, description="Narrow a run to protocols of these names; null: all.")
    folds: Indices | None = Field(None, description="Narrow a run to these folds, counted from 0; null: all.")
    pretrained: Text | dict[Text, Text] = Field(
        "imagenet",
        description="Weights that ImageNet systems start from: `imagenet`, `none` (random), or a file; or one of these "
        "for each network, as in `{resnet18: FILE, resnet34: none}`.",
    )
    encoders: dict[Text, Text] = Field(
        {},
        description="Pretrained encoders by the name that recipes give them (`weights`): folders in Hugging Face's "
        "format, such as `{wav2vec2_base: FOLDER}`. They are never downloaded.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="What to train on; auto: a GPU where there is one."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware multiplies it, else fp32."
    )
    threads: Count = Field(8, description="Threads of one training job on a CPU.")
    tracking: Tracking = Field(default_factory=Tracking, description="MLflow.")
    noise: Noise = Field(default_factory=Noise, description="Recognition in noise.")
    cross_corpus: list[CrossCorpus] = Field([], description="Systems to train on some corpora and test on another.")
    run_on: dict[Text, Names | OnCorpus] = Field(
        {},
        description="Corpus -> systems (PAPER.SYSTEM) to run on it under a random split, on unseen speakers, under the "
        "leak and under its control.",
    )
    statement_independent: dict[Text, Names | OnCorpus] = Field(
        {}, description="Corpus -> systems (PAPER.SYSTEM) to test on speakers and sentences that are not trained on."
    )
    overrides: dict[str, dict[str, Any]] = Field({}, description="Changes to paper files, by paper.")

    def source(self, corpus: str) -> str | None:
        """Return the configured source of a corpus, None if there is none."""
        found = self.corpora.get(corpus)
        return found.source if found else None

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """The tables of the corpora that are not built in, by corpus."""
        return {name: corpus.table for name, corpus in self.corpora.items() if corpus.table}

    def weights_of(self, network: str) -> str:
        """Return what a network such as ``resnet18`` starts from: `imagenet`, `none` or a file."""
        return self.pretrained if isinstance(self.pretrained, str) else self.pretrained.get(network, "imagenet")


def check_config(raw: Mapping[str, Any], command_line: Mapping[str, Any] | None = None) -> Config:
    """Return the configuration, every key with its value.

    Parameters
    ----------
    raw
        What the configuration files say, with what ``--config`` gave laid over it.
    command_line
        What ``--config`` gave: its texts are parsed (``"null"``, ``"3"``), since Snakemake leaves them as they were
        typed. A value that is quoted in a YAML file stays text.

    Raises
    ------
    ConfigError
        If a key is unknown, a value is not allowed, or what a path names does not exist or cannot be what it should.
    CorpusError
        If the table of a corpus is faulty; see `serflow.corpora.table`.
    """
    values = _parse_scalars(raw, command_line or {})
    corpora = values.get("corpora", {})
    if isinstance(corpora, Mapping):
        for name, corpus in corpora.items():
            _check_name(name, isinstance(corpus, Mapping) and bool(corpus.get("labels")))
        defaults = {name: {"source": "download"} for name in CORPORA if load(name).DOWNLOAD and name not in corpora}
        values["corpora"] = {**defaults, **corpora}
    config = check(Config, values, "config.yaml")
    _check_places(config)
    for name, corpus in config.corpora.items():
        _check_table(name, corpus)
        if corpus.source:
            _check_source(name, corpus)
    use_tables(config.tables)
    for name, corpus in config.corpora.items():
        if corpus.source and corpus.source not in KEYWORDS:
            _check_folder(name, corpus)
    for network in config.pretrained if isinstance(config.pretrained, dict) else ():
        if network not in IMAGENET:
            raise ConfigError("config.yaml: pretrained", f"unknown key {network!r}", suggest(network, list(IMAGENET)))
    for key, value in _pretrained(config).items():
        if value not in WORDS and not Path(value).is_file():
            fault = f"{value!r} is no file"
            raise ConfigError(f"config.yaml: {key}", fault, "Allowed: imagenet, none, or a weights file.")
    for name, folder in config.encoders.items():
        _check_encoder(name, folder)
    _check_noise(config.noise.source)
    _check_tracking(config.tracking.uri)
    return config


def _pretrained(config: Config) -> dict[str, str]:
    """Return the values of ``pretrained`` by their key."""
    if isinstance(config.pretrained, str):
        return {"pretrained": config.pretrained}
    return {f"pretrained.{network}": value for network, value in config.pretrained.items()}


def _check_name(name: str, has_table: bool) -> None:
    """Raise a ConfigError unless a corpus is built in and has no table of labels, or has one and a name of its own."""
    if has_table and name in CORPORA:
        fault = "is built in and takes no table of labels"
        raise ConfigError(
            f"config.yaml: corpora.{name}.labels", fault, f"Give your corpus another name, such as my_{name}."
        )
    if has_table and not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        remedy = "Allowed: small letters, digits and _, a letter first."
        raise ConfigError("config.yaml: corpora", f"{name!r} is no name for a corpus", remedy)
    if not has_table and name not in CORPORA:
        remedy = f"{suggest(name, CORPORA)} A corpus of your own needs `labels`, its table of labels."
        raise ConfigError("config.yaml: corpora", f"unknown key {name!r}", remedy)


def _check_table(name: str, corpus: CorpusConfig) -> None:
    """Raise a ConfigError if keys that a table goes with stand without it, or a label is mapped to no emotion."""
    for key in ("emotions", "folds"):
        if getattr(corpus, key) and not corpus.labels:
            fault, remedy = "goes with `labels`, which this corpus has not", "Remove it."
            raise ConfigError(f"config.yaml: corpora.{name}.{key}", fault, remedy)
    for label, emotion in corpus.emotions.items():
        if emotion not in EMOTIONS:
            key = f"config.yaml: corpora.{name}.emotions.{label}"
            raise ConfigError(key, f"unknown emotion {emotion!r}", suggest(emotion, EMOTIONS))


def _check_source(name: str, corpus: CorpusConfig) -> None:
    """Raise a ConfigError unless a corpus can come from there: a keyword, an archive, or a folder with recordings."""
    source = str(corpus.source)
    key, path = f"config.yaml: corpora.{name}.source", Path(source)
    remedy = "Give an archive or folder, `demo`, or null to leave it out."
    if source in KEYWORDS and corpus.table:
        raise ConfigError(key, f"{source!r} is not possible for a corpus of your own", "Give an archive or folder.")
    if source == "download" and load(name).DOWNLOAD is None:
        raise ConfigError(key, "'download' is not possible: it is never downloaded", "See resources/README.md.")
    if source == "demo" and name not in DEMOS:
        raise ConfigError(key, "there is no demo corpus of this name", f"There are: {', '.join(sorted(DEMOS))}.")
    if source in KEYWORDS:
        return
    from serflow.corpora.archive import is_archive

    try:
        if not path.exists():
            raise ConfigError(key, f"{source!r} does not exist", remedy)
        if not path.is_dir() and not is_archive(path):
            raise ConfigError(key, f"{source!r} is no whole zip, tar or tar.gz archive", remedy)
    except OSError as error:
        fault = f"{str(error.filename or source)!r} cannot be read ({error.strerror})"
        raise ConfigError(key, fault, "Check its permissions.") from error


def _check_folder(name: str, corpus: CorpusConfig) -> None:
    """Raise a ConfigError unless a corpus's folder can be listed, holds recordings, and links to files that are there.

    It is listed once: that of a large corpus takes seconds.
    """
    from serflow.corpora.base import files, not_audio

    key, source = f"config.yaml: corpora.{name}.source", Path(str(corpus.source))
    if not source.is_dir():
        return
    try:
        found = list(files(source))
    except OSError as error:
        fault = f"{str(error.filename or source)!r} cannot be read ({error.strerror})"
        raise ConfigError(key, fault, "Check its permissions.") from error
    if not corpus.table and all(map(not_audio, found)):
        fault = f"{str(source)!r} is a folder without a WAV or FLAC file"
        raise ConfigError(key, fault, "Give an archive or folder, `demo`, or null to leave it out.")
    for path in filter(load(name).is_read, found):
        if not (source / path).exists():
            fault = f"{path!r} in {str(source)!r} is a link to a file that is not there"
            raise ConfigError(key, fault, "Fetch the file (`git annex get`, `datalad get`), or delete the link.")


def _check_encoder(name: str, folder: str) -> None:
    """Raise a ConfigError unless a folder holds an encoder; what its weights are worth is known when they are read."""
    from serflow.features.encoders import list_files

    try:
        list_files(Path(folder))
    except (OSError, WeightsError) as error:
        fault, remedy = (error.fault, error.remedy) if isinstance(error, WeightsError) else (str(error), "Correct it.")
        raise ConfigError(f"config.yaml: encoders.{name}", f"{folder!r} {fault}", remedy) from None


def _check_noise(source: str | None) -> None:
    """Raise a ConfigError unless the folder of noises holds a recording."""
    if source is None:
        return
    from serflow.features.noise import list_sounds

    if not list_sounds(Path(source)):
        fault = f"{source!r} is no folder with recordings"
        remedy = "Allowed: a folder that holds some (WAV, FLAC, MP3, Ogg, …), or null for generated noises."
        raise ConfigError("config.yaml: noise.source", fault, remedy)


def _check_places(config: Config) -> None:
    """Raise a ConfigError unless all paths suit Snakemake, results and resources are folders, and no two are one."""
    places = {"results": config.results, "resources": config.resources, "noise.source": config.noise.source}
    sources = {f"corpora.{name}.source": corpus.source for name, corpus in config.corpora.items() if not corpus.table}
    places |= {name: source for name, source in sources.items() if source not in KEYWORDS}
    encoders = {f"encoders.{name}": folder for name, folder in config.encoders.items()}
    shared = _pretrained(config) | encoders  # may be where another one is, as two tables may label one folder
    for corpus, table in config.tables.items():
        shared |= {f"corpora.{corpus}.source": config.source(corpus) or "", f"corpora.{corpus}.labels": table["labels"]}
    taken: dict[Path, str] = {}
    for name, place in [*places.items(), *shared.items()]:
        if place and re.search(r"^~|[{}]|<.*>", place):  # Snakemake replaces what stands in {} and <>
            remedy = "Write the path in full; it must be free of ~ at its start, of braces, and of <...>."
            raise ConfigError(f"config.yaml: {name}", f"{place!r} is not taken as a path", remedy)
    for name, place in places.items():
        if place and name in ("results", "resources") and Path(place).exists() and not Path(place).is_dir():
            remedy = "Name a folder; it is made where there is none."
            raise ConfigError(f"config.yaml: {name}", f"{place!r} is no folder", remedy)
        other = taken.setdefault(Path(place).resolve(), name) if place else name
        if other != name:
            raise ConfigError(f"config.yaml: {name}", f"{place!r} is {other} too", "Give each a place of its own.")


def _check_tracking(uri: str | None) -> None:
    """Raise a ConfigError unless the address is an SQLite file's or a server's, and has no credentials in it."""
    if uri is None:
        return
    if uri.startswith("sqlite:///") and uri != "sqlite:///":
        return
    key, shown = "config.yaml: tracking.uri", hide_credentials(uri.partition("?")[0])
    if "@" in uri or "?" in uri:
        fault = f"{shown!r} has more than the address in it, such as a user name, password or token"
        names = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN,"
        raise ConfigError(key, fault, f"Give the address alone, and set {names} in the environment.")
    try:
        parts = urlsplit(uri)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        known = False
    if not known:
        fault = f"{shown!r} is neither an SQLite file nor a tracking server"
        remedy = "Allowed: sqlite:///FILE, http://HOST:PORT, https://HOST, or null for a file in the results folder."
        raise ConfigError(key, fault, remedy)


def read_config(paths: Iterable[Path | str]) -> Config:
    """Return the configuration that YAML files give, later ones laid over earlier ones as Snakemake does, checked.

    Raises
    ------
    ConfigError
        If a file is missing or no mapping, or see `check_config`.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise ConfigError(path, "is no mapping of keys to values", "See config.yaml.")
        merged = overlay(merged, content)
    return check_config(merged)


def read_yaml(path: Path | str) -> Any:
    """Return what a YAML file holds.

    Raises
    ------
    ConfigError
        If it cannot be read, is not valid, or a mapping in it has a key twice: YAML would take the last one in silence.
    """
    try:
        loader = Loader(Path(path).read_text(encoding="utf-8"))
        node = loader.get_single_node()
        _check_twins(node, path)
        return None if node is None else loader.construct_document(node)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"cannot be read ({error})", "Name a YAML file in UTF-8.") from error
    except yaml.YAMLError as error:
        raise ConfigError(path, f"is not valid YAML ({' '.join(str(error).split())})", "Correct the file.") from error


def _check_twins(node: Any, path: Path | str) -> None:
    """Raise a ConfigError at a key that stands twice in a mapping; `node` is what YAML composes, None for no text."""
    parts = node.value if node is not None and not isinstance(node.value, str) else []
    first: dict[str, int] = {}
    for key, _ in (part for part in parts if isinstance(part, tuple)):
        line = key.start_mark.line + 1
        if str(key.value) in first:
            fault = f"key {key.value!r} stands here and in line {first[str(key.value)]}"
            raise ConfigError(f"{path}: line {line}", fault, "Keep one of the two: the other would be lost.")
        first[str(key.value)] = line
    for part in parts:
        _check_twins(part[1] if isinstance(part, tuple) else part, path)


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `base` with `changes` laid over it, mapping by mapping."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = overlay(result[key], value) if nested else copy.deepcopy(value)
    return result


def _parse_scalars(value: Any, typed: Any) -> Any:
    """Return a copy of `value` in which texts that also stand in `typed`, the command line's part, are parsed."""
    if isinstance(value, Mapping):
        parts = typed if isinstance(typed, Mapping) else {}
        return {str(key): _parse_scalars(part, parts.get(key)) for key, part in value.items()}
    if isinstance(value, list):
        return [_parse_scalars(part, part if value == typed else None) for part in value]
    if not isinstance(value, str) or value != typed:
        return copy.deepcopy(value)
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    return parsed if parsed is None or isinstance(parsed, bool | int | float) else value
