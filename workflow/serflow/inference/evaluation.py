"""What is known of how good a trained run is: its protocol, and its scores on speakers who were not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serflow.corpora import CORPORA
from serflow.inference.systems import EVALUATION, ModelError, TrainedRun, is_unseen
from serflow.io.files import read_json
from serflow.io.log import say
from serflow.papers.model import PaperRecord
from serflow.runs import read_run
from serflow.scoring.metrics import scores
from serflow.scoring.pooling import pooled_confusion
from serflow.scoring.scores import Scores

METRICS = ("WA", "UA")
#: What of a score is kept.
FACTS = ("metric", "value", "low", "high", "unit", "n_runs", "n_folds", "n_speakers", "n_utterances", "missing")


def evaluate(run: TrainedRun) -> dict[str, Any]:
    """Return what is known of how good a run's system is, as plain builtins.

    ``paper``, ``system``, ``protocol``: titles; ``role``: of the protocol, see `serflow.protocols.base.Role`;
    ``unseen``: whether it tests speakers who were not trained on; ``synthetic``: whether a corpus is a demo; ``url``
    and ``deviations`` of the paper; ``corpora``: those that were trained on; ``scores``: of the test part under the
    run's own protocol and under those of unseen speakers, each with ``protocol``, ``unseen`` and `FACTS`, values in
    0..1. What nobody knows is None.

    Scores are those of ``results/scores``, over all folds and seeds; where there are none, the run's own of its test
    part, without an interval. An exported run keeps what was known.
    """
    if run.exported:
        kept: dict[str, Any] = read_json(run.folder / EVALUATION)
        return kept
    try:
        record = run.record()
    except ModelError as error:  # an older run's model can be applied all the same
        say(f"warning: {error.where} {error.fault}, so nothing is known of the run's protocol", aloud=True)
        record = None
    known: dict[str, Any] = {
        "paper": run.id.paper,
        "system": run.id.system,
        "protocol": run.id.protocol,
        **dict.fromkeys(("role", "unseen", "synthetic", "url")),
        "deviations": [],
        "corpora": list(run.id.corpora),
    }
    if record:
        own = record.paper.protocols.get(run.id.protocol)
        known |= {
            "paper": record.paper.title,
            "system": record.paper.title_of("systems", run.id.system),
            "protocol": record.paper.title_of("protocols", run.id.protocol),
            "role": own.purpose if own else None,
            "unseen": own.unseen_speakers if own and own.purpose != "given" else None,
            "synthetic": record.synthetic,
            "url": record.paper.url,
            "deviations": record.deviations_of(run.id.group),
        }
        if known["role"] == "other_corpus":
            known["corpora"] = known["corpora"][:-1]  # the last one is tested
    return known | {"scores": list(_scores(run, record, bool(known["unseen"])))}


def _scores(run: TrainedRun, record: PaperRecord | None, unseen: bool) -> Iterator[dict[str, Any]]:
    """Yield the scores of a run's system under its own protocol, then under those of unseen speakers."""
    path = run.results / "scores" / f"{run.id.paper}.csv" if run.results else None
    table = Scores.read(path) if path and record and path.is_file() else None
    # The scores may be of a later configuration, on other corpora.
    if table is None or record is None or not table.find(run.id.corpus, run.id.system, run.id.protocol, "WA"):
        yield from _own_scores(run, unseen)
    if table is None or record is None:
        return
    protocols = {name: protocol for name, protocol in record.paper.protocols.items() if is_unseen(protocol)}
    for name in dict.fromkeys([run.id.protocol, *protocols]):
        for metric in METRICS:
            score = table.find(run.id.corpus, run.id.system, name, metric)
            if score and score.value is not None:
                is_new = unseen if name == run.id.protocol else True
                yield {"protocol": name, "unseen": is_new} | {fact: getattr(score, fact) for fact in FACTS}


def _own_scores(run: TrainedRun, unseen: bool) -> Iterator[dict[str, Any]]:
    """Yield a run's own scores of its test part, if it still has its predictions."""
    if not (run.folder / "predictions.csv").is_file():
        return
    confusion = pooled_confusion([read_run(run.folder)])
    for metric in METRICS:
        facts = {"metric": metric, "value": float(scores(confusion)[metric]), "n_utterances": int(confusion.sum())}
        yield {"protocol": run.id.protocol, "unseen": unseen, **dict.fromkeys(FACTS), **facts}


def describe(known: Mapping[str, Any]) -> list[str]:
    """Return sentences for who applies a system: how good it is on unseen speakers, and what it was trained on."""
    unseen = [score for score in known["scores"] if score["unseen"]]
    lines = []
    if unseen:
        first = unseen[0]
        of = [f"{first['n_utterances']} recordings"]
        of += [f"{first['n_speakers']} speakers"] if first["n_speakers"] else []
        of += [first["missing"]] if first["missing"] else []
        same = [score for score in unseen if score["protocol"] == first["protocol"]]
        told = ", ".join(tell(score) for score in same)
        whose = "On speakers that it was not trained on"
        if known["unseen"] is False:
            whose = "Other runs of the same system, on speakers that they were not trained on"
        lines.append(f"{whose}: {told} (protocol {first['protocol']}, {', '.join(of)}).")
    else:
        lines.append("How good it is on speakers that it was not trained on is not known: no such run is scored.")
    if known["synthetic"]:
        lines.append("Its corpus is synthetic: neither its scores nor its posteriors say anything about speech.")
    else:
        lines.append(f"It was trained on {speech(known)} alone: expect less on other recordings.")
    return lines


def tell(score: Mapping[str, Any]) -> str:
    """Return e.g. "WA 49.7 % [45.0, 54.9]"."""
    interval = "" if score["low"] is None else f" [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"
    return f"{score['metric']} {100 * score['value']:.1f} %{interval}"


def speech(known: Mapping[str, Any]) -> str:
    """Return what a run was trained on, e.g. "acted speech (ravdess)"; of one's own corpus nobody knows how it came."""
    acted = all(name in CORPORA for name in known["corpora"])
    return f"{'acted ' if acted else ''}speech ({', '.join(known['corpora'])})"


def warn(known: Mapping[str, Any]) -> str | None:
    """Return what must be said of a run whose own test part says nothing of new speakers, None of another."""
    if known["role"] == "leak":
        return (
            "warning: this run was trained under a leak (copies of its test recordings are in its training part), so "
            "that its own scores are worth nothing. Take PAPER/SYSTEM instead of its folder: a speaker-independent run."
        )
    if known["unseen"] is False:
        return "note: this run was trained and tested on the same speakers; its own scores hold for these alone."
    return None
