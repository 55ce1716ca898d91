"""A paper file as a typed model: what a paper says, what it leaves unsaid, and what it published.

What a key means stands in its description, from which the JSON schema for editors and the reference page are generated.
Options of kinds (a recipe's transform, an input, a model, an augmentation, a copy) are declared by the functions that
take them; see `serflow.kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator

from serflow.corpora.registry import load, members
from serflow.errors import ConfigError
from serflow.kinds import Kinds, suggest
from serflow.labels import EMOTIONS, NO_EMOTIONS
from serflow.protocols.base import Protocol
from serflow.protocols.registry import KINDS, protocol_class
from serflow.schema import Model, check
from serflow.training.options import Training
from serflow.types import Count, Distinct, Indices, Intensity, Limit, Name, Names, Scenario, Sex, Share, Text

Labels = Annotated[list[Text], Limit(min_length=2), Distinct()]
#: Options of a kind, as they stand in the file.
Options = dict[str, Any]

CorpusName = Annotated[str, Limit(pattern=r"^[a-z][a-z0-9_]*(\+[a-z][a-z0-9_]*)*$")]
Part = Literal["train", "validation", "test"]
Metric = Literal["WA", "UA", "macro_F1", "accuracy", "loss"]
#: How figures are drawn: the modules of `serflow.figures.kinds`, read from source. A function's keyword-only parameters
#: are a figure's keys, its module's constant NEEDS says what it is drawn from.
FIGURES = Kinds("serflow.figures.kinds")


class Combination(Model):
    """A two-step predictor made from trained systems (Satt et al., section 4)."""

    first: Text = Field(description="The system that tells all classes apart.")
    second: Names = Field(description="The systems that tell neutral from one other class each.")
    neutral: Text = Field(description="The class that leads to the second step.")


class System(Model):
    """Recipe, input, model and training, or combine; with `based_on`, another system's keys but for its own."""

    title: str = Field(description="What it is called in tables and figures.")
    protocols: Names = Field(description="The protocols it runs under.")
    recipe: str | None = Field(None, description="The feature recipe.")
    input: Options | None = Field(
        None, description="How cached frames become what the model takes: `kind` and its options."
    )
    model: Options | None = Field(None, description="`module`, `pretrained` and the module's options.")
    training: Training | None = Field(None, description="How a network is trained.")
    combine: Combination | None = Field(None, description="Made from other systems instead of trained.")
    labels: Labels | None = Field(None, description="The labels it tells apart; by default all of the paper.")
    folds: Indices | None = Field(None, description="The folds it runs on; by default all.")
    study: bool = Field(False, description="Whether it runs in studies alone, except where config.yaml asks for it.")

    @model_validator(mode="after")
    def _check_keys(self) -> System:
        trained = [self.recipe, self.input, self.model]
        if (self.combine is None and None in trained) or (self.combine is not None and any(trained)):
            fault = "has not exactly one of the sets of keys that go together"
            raise ConfigError("", fault, "Allowed: recipe and input and model, or combine.")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """The systems it is combined from, the first one first; none for a trained one."""
        return (self.combine.first, *self.combine.second) if self.combine else ()


class Selection(Model):
    """Values that columns of a manifest must have."""

    scenario: Scenario | None = Field(None, description="Of IEMOCAP's dialogues.")
    intensity: Intensity | None = Field(None, description="Of RAVDESS's recordings.")
    sex: Sex | None = Field(None, description="Of the speaker.")

    def columns(self) -> dict[str, str]:
        """Return column -> wanted value."""
        return self.model_dump(exclude_none=True)


class NoisePublished(Model):
    """The numbers of a table of recognition in noise, overall accuracy in 0..1."""

    snr_db: float = Field(description="Signal-to-noise ratio in dB.")
    clean: Share = Field(description="Clean spectrograms, normal network.")
    modified_clean: Share = Field(description="Modified spectrograms of clean speech, modified network.")
    noisy: Share = Field(description="Noisy spectrograms, normal network.")
    modified_noisy: Share = Field(description="Modified spectrograms of noisy speech, modified network.")


class NoiseTable(Model):
    """A table of recognition in noise (Satt et al., section 5.3)."""

    table: Text = Field(description="The paper's name of the table.")
    normal: Text = Field(description="The system on normal spectrograms.")
    modified: Text = Field(description="The system on modified spectrograms.")
    folds: Indices = Field(description="The folds that are kept for it; their utterances are pooled.")
    utterances: Count | None = Field(
        None, description="Size of the set that the paper tests; by default assumed to be that of these folds."
    )
    snr_db: Annotated[list[float], Limit(min_length=1), Distinct()] = Field(
        description="Ratios to recognise at, in dB."
    )
    published: NoisePublished = Field(description="What the paper prints.")
    note: str = Field("", description="What must be said of the published numbers.")


class Beyond(Model):
    """Runs that are not in the paper: of some of its systems on a corpus, which need not be one of its own."""

    corpus: CorpusName = Field(description="A corpus, or several joined by +.")
    protocol: Text = Field(description="A protocol, also one that the systems do not name.")
    systems: Names = Field(description="The systems.")
    emotions: Labels | None = Field(
        None,
        description="The emotions told apart; by default all of the paper that the corpus has, and of a corpus that is "
        "not the paper's all but other and undecided.",
    )


class Study(Model):
    """A comparison of variants of one system: of what the paper's text describes, or of a choice it leaves unsaid."""

    title: str = Field(description="What is varied.")
    said: str = Field("", description="What the paper says of it; by default nothing.")
    systems: Annotated[list[Text], Limit(min_length=2), Distinct()] = Field(
        description="The variants, the reference first."
    )
    parts: Annotated[list[Literal["test", "validation"]], Limit(min_length=1), Distinct()] = Field(
        ["test"], description="The parts that are scored; the first is drawn."
    )

    @property
    def statement(self) -> str:
        """What the paper says of it, as a sentence."""
        return f"The paper: {self.said.rstrip('.')}." if self.said else "The paper does not say which."


class Published(Model):
    """One published number."""

    table: Text = Field(description="The table it is printed in.")
    system: Text
    corpus: Text
    protocol: Text
    part: Part = Field(description="The part it was measured on.")
    metric: Metric = Field(description="WA, UA, macro_F1 of a part at the end; accuracy or loss of an epoch.")
    value: float = Field(description="A fraction in 0..1 (66.1 % is 0.661); a loss in nats.")
    epoch: Count | None = Field(None, description="The epoch it is printed for; by default the end of training.")
    utterances: Count | None = Field(
        None, description="Size of the set that it was measured on; by default assumed to be what the protocol gives."
    )
    note: str = Field("", description="What must be said of it.")

    @model_validator(mode="after")
    def _check_value(self) -> Published:
        if self.metric != "loss" and not 0 <= self.value <= 1:
            raise ConfigError("value", f"{self.value:g} is no fraction in 0..1", "Write 66.1 % as 0.661.")
        if self.metric in ("accuracy", "loss") and self.part == "test":
            raise ConfigError("part", f"training logs no {self.metric} of the test part", "Use WA, UA or macro_F1.")
        return self

    @property
    def identity(self) -> tuple[object, ...]:
        """What no other number of the paper has."""
        return self.system, self.corpus, self.protocol, self.part, self.metric, self.epoch


class PublishedConfusion(Model):
    """A published confusion matrix."""

    table: Text
    system: Text
    corpus: Text
    protocol: Text
    rows: dict[str, dict[str, Annotated[float, Limit(ge=0, le=100)]]] = Field(
        description="True emotion -> predicted emotion -> per cent, as printed."
    )
    note: str = Field("", description="What must be said of it.")


class Figure(Model):
    """A figure of the paper to draw again; the keys of its kind stand beside these."""

    model_config = ConfigDict(extra="allow")
    #: The keys that are not its kind's.
    SHARED: ClassVar[tuple[str, ...]] = ("figure", "kind", "title", "corpus", "corpora")

    figure: Text = Field(description="The paper's name of the figure.")
    kind: Text = Field(description="How it is drawn.")
    title: str = Field(description="What it shows.")
    corpus: str | None = Field(None, description="The corpus that it shows.")
    corpora: Names | None = Field(None, description="Corpora: the first that is configured is shown, or all of them.")
    recipe: str | None = Field(None, description="The feature recipe that it shows.")
    systems: Names | None = Field(None, description="The systems that it shows.")
    protocol: str | None = Field(None, description="The protocol that it shows.")

    @model_validator(mode="after")
    def _check_keys(self) -> Figure:
        if (self.corpus is None) == (self.corpora is None):
            raise ConfigError("", "has not exactly one of corpus and corpora", "Give one of them.")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The keys that its kind takes."""
        return self.model_dump(exclude=set(self.SHARED), exclude_none=True)

    @property
    def shown(self) -> list[str]:
        """The corpora that it shows."""
        return self.corpora or [corpus for corpus in [self.corpus] if corpus]


class Assumption(Model):
    """A choice that the paper leaves unsaid."""

    topic: str
    unsaid: str = Field(description="What the paper does not say.")
    chosen: str = Field(description="What was chosen.")
    why: str = Field(description="Why.")


def _make_protocol(value: Any) -> Any:
    """Return the protocol of the class that `kind` names; what is no mapping or has no kind is left to be refused."""
    if not isinstance(value, Mapping) or isinstance(value, Protocol):
        return value
    kind = value.get("kind")
    if kind is None:
        raise ConfigError("", "key 'kind' is missing", "Needed: kind, title.")
    if kind not in KINDS.known():
        raise ConfigError("kind", f"{kind!r} is not allowed", suggest(kind, KINDS.known()))
    return check(protocol_class(kind), value, "")


AnyProtocol = Annotated[SerializeAsAny[Protocol], BeforeValidator(_make_protocol)]


class Paper(Model):
    """A paper file."""

    model_config = ConfigDict(title="a paper file")

    paper: Name = Field(description="The file's name without .yaml.")
    title: str
    authors: str
    year: int | None = None
    url: str | None = None
    labels: Labels = Field(description="The emotions told apart.")
    corpora: Annotated[list[CorpusName], Limit(min_length=1), Distinct()] = Field(
        description="Corpora, several joined by + to train on their union."
    )
    select: dict[str, Selection] = Field({}, description="Corpus -> the part of it that is used.")
    recipes: dict[Name, Options] = Field(
        description="Feature recipes: `transform`, `sample_rate`, the transform's options."
    )
    systems: dict[Name, System]
    protocols: dict[Name, AnyProtocol]
    beyond: list[Beyond] = Field([], description="Runs that the paper has not; config.yaml adds its own.")
    noise: NoiseTable | None = None
    studies: dict[Name, Study] = Field({})
    published: list[Published]
    published_confusion: list[PublishedConfusion] = Field([])
    figures: list[Figure] = Field([])
    assumptions: list[Assumption] = Field(description="Every choice that the paper leaves unsaid.")

    @property
    def all_corpora(self) -> list[str]:
        """The paper's corpora, then those of `beyond`."""
        return list(dict.fromkeys([*self.corpora, *(one.corpus for one in self.beyond)]))

    def asked(self, corpus: str, system: str) -> list[str]:
        """Return the protocols that a system runs under on a corpus."""
        own = self.systems[system].protocols if corpus in self.corpora else []
        added = [one.protocol for one in self.beyond if one.corpus == corpus and system in one.systems]
        return list(dict.fromkeys([*(name for name in own if self.protocols[name].applies_to(corpus)), *added]))

    def in_tables(self, corpus: str, system: str, protocol: str) -> bool:
        """Return whether such runs stand in the tables of the paper, not in those of its studies alone."""
        asked = [one for one in self.beyond if (one.corpus, one.protocol) == (corpus, protocol)]
        return not self.systems[system].study or any(system in one.systems for one in asked)

    def folds_on(self, corpus: str) -> dict[str, int]:
        """Return the number of folds of each protocol that any system runs under on a corpus."""
        names = dict.fromkeys(name for system in self.systems for name in self.asked(corpus, system))
        return {name: self.protocols[name].count_folds(members(corpus)) for name in names}

    def labels_on(self, corpus: str, protocol: str) -> list[str]:
        """Return the labels told apart on a corpus: those that it has, or a member of the union (SAVEE has no calm).

        On a corpus that is not the paper's they may be others than the paper's labels. Under a protocol that takes
        `SHARED_EMOTIONS` all members must have them, and the paper too.
        """
        present = [set(load(name).EMOTIONS.values()) for name in members(corpus)]
        every = self.protocols[protocol].SHARED_EMOTIONS
        found = set.intersection(*present) if every else set.union(*present)
        chosen = (one.emotions for one in self.beyond if (one.corpus, one.protocol) == (corpus, protocol))
        own = self.labels if every or corpus in self.corpora else [one for one in EMOTIONS if one not in NO_EMOTIONS]
        wanted = next((emotions for emotions in chosen if emotions), own)
        return [label for label in dict.fromkeys([*self.labels, *EMOTIONS]) if label in found and label in wanted]

    def study_protocols(self, study: str) -> list[str]:
        """Return the protocols under which all systems of a study run: the study is of these."""
        asked = [self.systems[name].protocols for name in self.studies[study].systems]
        return [name for name in asked[0] if all(name in own for own in asked)]

    @property
    def unsaid_split(self) -> Assumption | None:
        """What the paper leaves unsaid of how it split the recordings, and what is chosen."""
        return next((one for one in self.assumptions if one.topic == "split"), None)

    def title_of(self, kind: Literal["systems", "protocols"], name: str) -> str:
        """Return the title of a system or protocol; its name where the paper has none of it."""
        entry = (self.systems if kind == "systems" else self.protocols).get(name)
        return entry.title if entry else name


class PaperRecord(Model):
    """A paper as a configuration runs it: what all stages after training read, ``papers/{paper}.json``."""

    paper: Paper
    not_run: dict[str, str] = Field(description="Corpus -> why nothing runs on it.")
    left_out: dict[str, str] = Field({}, description="System -> why it runs on no corpus.")
    n_folds: dict[str, dict[str, int]] = Field(description="Corpus -> protocol -> number of its folds.")
    seeds: dict[str, list[int]] = Field({}, description="Protocol -> the seeds without which there is no verdict.")
    deviations: dict[str, list[str]] = Field(
        description="corpus/system/protocol -> where its runs depart from the paper file."
    )
    synthetic: bool = Field(description="Whether a corpus is a demo corpus.")

    def deviations_of(self, group: tuple[str, str, str]) -> list[str]:
        """Return where the runs of (corpus, system, protocol) depart from the paper file."""
        return self.deviations.get("/".join(group), [])

    @property
    def folds(self) -> dict[tuple[str, str], int]:
        """The number of folds of each (corpus, protocol)."""
        return {(corpus, name): n for corpus, counts in self.n_folds.items() for name, n in counts.items()}
