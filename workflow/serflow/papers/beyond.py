"""Runs that config.yaml asks for beyond the papers' own: systems on other corpora, or under protocols of all papers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from serflow.config import Config, OnCorpus, overlay, read_yaml
from serflow.corpora.registry import known, load, members
from serflow.errors import ConfigError
from serflow.items import UNION_MARK
from serflow.kinds import suggest
from serflow.papers.load import Plain
from serflow.papers.model import Paper
from serflow.protocols.registry import make_protocol

#: Protocols that any system can run under.
PROTOCOLS = Path(__file__).parents[2] / "protocols.yaml"
#: Those that `run_on` runs a system under.
RUN_ON = ("speaker_independent", "random", "augment_then_split", "augment_training_part")


class Asked(NamedTuple):
    """What one entry of config.yaml, at `where`, asks for: a shared protocol, and systems as PAPER.SYSTEM."""

    where: str
    corpus: str
    protocol: str
    systems: Sequence[str]
    emotions: Sequence[str] | None = None


def list_asked(config: Config) -> list[Asked]:
    """Return what config.yaml asks for beyond the papers' own runs."""
    found = [
        Asked(f"cross_corpus.{n}", UNION_MARK.join([*one.train, one.test]), "cross_corpus", one.systems, one.emotions)
        for n, one in enumerate(config.cross_corpus)
    ]
    for key in ("run_on", "statement_independent"):
        for corpus, given in getattr(config, key).items():
            one = given if isinstance(given, OnCorpus) else OnCorpus(systems=given)
            protocols = _run_on(corpus, config.protocols) if key == "run_on" else [key]
            found += [Asked(f"{key}.{corpus}", corpus, name, one.systems, one.emotions) for name in protocols]
    return found


def _run_on(corpus: str, wanted: Sequence[str] | None) -> list[str]:
    """Return the protocols of `run_on`: the corpus's own split first, if its table gives one and it is wanted."""
    own = corpus in known() and getattr(load(corpus), "PARTS", None) and (wanted is None or "given" in wanted)
    return [*(["given"] if own else []), *RUN_ON]


def check_asked(config: Config, papers: Sequence[str]) -> None:
    """Raise a ConfigError unless all that is asked for names corpora, and systems of papers as PAPER.SYSTEM."""
    for one in list_asked(config):
        try:
            members(one.corpus)
        except ConfigError as error:
            raise ConfigError(f"config.yaml: {one.where}", error.fault, error.remedy) from None
        if one.protocol == "statement_independent" and not getattr(load(one.corpus), "HAS_STATEMENTS", True):
            fault = f"needs the sentence of each recording, and the table of labels of {one.corpus} has none"
            raise ConfigError(
                f"config.yaml: {one.where}", fault, "Fill its column statement with texts, or ids of them."
            )
        for name in one.systems:
            paper, dot, _ = name.partition(".")
            if not dot or paper not in papers:
                fault = f"{name!r} does not name a paper and one of its systems"
                hint = f" {suggest(paper, papers)}" if paper not in papers else ""
                raise ConfigError(f"config.yaml: {one.where}", fault, f"Write PAPER.SYSTEM.{hint}")


def extend(content: Plain, config: Config) -> Plain:
    """Return a paper with what config.yaml asks of its systems as ``beyond``, and the protocols that it lacks for it.

    Raises
    ------
    ConfigError
        If the paper has no such system, or emotions are chosen for the paper's own runs.
    """
    result = overlay(content, {})
    for where, corpus, protocol, names, emotions in list_asked(config):
        systems = [name.partition(".")[2] for name in names if name.partition(".")[0] == content["paper"]]
        for system in systems:
            if system not in content["systems"]:
                fault = f"{content['paper']} has no system {system!r}"
                raise ConfigError(f"config.yaml: {where}", fault, suggest(system, content["systems"]))
        if systems:
            chosen = {"emotions": list(emotions)} if emotions else {}
            taken = _take_protocol(result, protocol)
            if chosen and corpus in content["corpora"] and taken in content["protocols"]:
                fault = f"would change what {content['paper']} itself runs on {corpus} under {taken}"
                raise ConfigError(f"config.yaml: {where}", f"choosing emotions {fault}", "Leave out `emotions`.")
            entry = {"corpus": corpus, "protocol": taken, "systems": systems, **chosen}
            result["beyond"] = [*result.get("beyond", []), entry]
    return result


def _take_protocol(content: Plain, name: str) -> str:
    """Return the name of a paper's own protocol that stands for a shared one; if there is none add that.

    It is of the same kind and role, or splits alike: EmoBox's own protocol is the one of unseen speakers. A paper's own
    random split stands for the shared one, whatever its parts.
    """
    shared, own = shared_protocols()[name], content["protocols"]
    wanted = make_protocol(shared)
    roles = {wanted.purpose, *(["published"] if wanted.purpose == "random" else [])}
    for other, rules in own.items():
        found = make_protocol(rules)
        if (found.kind == wanted.kind and found.purpose in roles) or found.rules() == wanted.rules():
            return str(other)
    if name in own:
        remedy = "Rename it: config.yaml asks for the shared protocol of this name."
        raise ConfigError(f"{content['paper']}: protocols.{name}", "differs from workflow/protocols.yaml", remedy)
    own[name] = shared
    return name


@functools.cache
def shared_protocols() -> Plain:
    """Return the protocols that any system can run under, as they stand in their file."""
    return dict(read_yaml(PROTOCOLS))


def tell_emotions(paper: Paper, corpus: str, protocol: str) -> str:
    """Return which emotions are told apart on a corpus, and which of each corpus are left out."""
    kept, left_out = paper.labels_on(corpus, protocol), []
    for name in members(corpus):
        others = [emotion for emotion in dict.fromkeys(load(name).EMOTIONS.values()) if emotion not in kept]
        left_out += [f"{', '.join(others)} of {name}"] if others else []
    return f"{', '.join(kept)}; left out: {'; '.join(left_out) or 'none'}"
