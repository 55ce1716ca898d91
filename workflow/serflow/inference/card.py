"""The model card of an exported run: Markdown with the front matter that Hugging Face reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from serflow import corpora
from serflow.corpora import CORPORA
from serflow.features.encoders import FOLDERS
from serflow.features.recipes import encoder_of
from serflow.inference.evaluation import speech
from serflow.inference.systems import TrainedRun, heard_seconds

#: Licences of corpora that Hugging Face has a name for.
LICENCES = {"CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0"}
#: Our metrics in the names of Hugging Face's.
METRICS = {"WA": "accuracy", "UA": "recall"}
#: What was trained on of the test part, by the protocol's role, where its speakers were.
LEAKS = {
    "leak": "**leaky.** Copies of the test recordings were trained on: the scores under this run's own protocol say "
    "nothing about new speakers.",
    "control": "the speakers of the test part were trained on; the augmented copies are of training recordings alone.",
    "given": "not known: the parts are the corpus's own. The leak audit on the results page says what they share.",
    **dict.fromkeys(("published", "random"), "the speakers of the test part were trained on; its recordings were not."),
}
USE = (
    "Research on the recognition of emotion in speech: as a baseline, and to compare protocols. It is not meant for "
    "decisions about people, such as hiring, teaching, policing or health; the European Union's AI Act largely "
    "forbids the inference of emotions at work and in schools."
)


def write_card(run: TrainedRun, known: Mapping[str, Any]) -> str:
    """Return a run's model card.

    Parameters
    ----------
    run
        The run.
    known
        See `serflow.inference.evaluation.evaluate`.
    """
    header = yaml.safe_dump(_front_matter(run, known), sort_keys=False, allow_unicode=True)
    body = "\n\n".join(_sections(run, known))
    return f"---\n{header}---\n\n{body}\n"


def _front_matter(run: TrainedRun, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Hugging Face reads, and under ``serflow`` what it has no keys for; values in 0..1.

    Scores of synthetic speech are kept out of its lists.
    """
    licences = {name: corpora.load(name).LICENCE if name in CORPORA else "" for name in known["corpora"]}
    named = LICENCES.get("; ".join(sorted(set(licences.values()))))
    results = [
        {
            "task": {"type": "audio-classification", "name": f"speech emotion recognition, {score['protocol']}"},
            "dataset": {"type": run.id.corpus, "name": run.id.corpus},
            "metrics": [{"type": METRICS[score["metric"]], "name": score["metric"], "value": round(score["value"], 4)}],
        }
        for score in known["scores"]
        if not known["synthetic"]
    ]
    return {
        **({"license": named} if named else {"license": "other", "license_name": "that-of-the-training-corpora"}),
        "library_name": "serflow",
        "pipeline_tag": "audio-classification",
        "tags": ["speech-emotion-recognition", *(["synthetic"] if known["synthetic"] else [])],
        "datasets": list(known["corpora"]),
        "metrics": list(METRICS.values()),
        **({"model-index": [{"name": f"{run.id.paper}-{run.id.system}", "results": results}]} if results else {}),
        "serflow": {
            "labels": list(run.info["labels"]),
            "protocol": run.id.protocol,
            "leak": known["role"] == "leak" if known["role"] else None,
            "unseen_speakers": known["unseen"],
            "licences": licences,
            "scores": [
                {key: score[key] for key in ("protocol", "metric", "value", "low", "high")} for score in known["scores"]
            ],
        },
    }


def _sections(run: TrainedRun, known: Mapping[str, Any]) -> Iterator[str]:
    info = run.info
    yield f"# {known['system']} ({known['paper']})"
    if known["synthetic"]:
        yield "**Trained on a synthetic demo corpus: it has never heard speech.**"
    about = f"Recognises {len(info['labels'])} emotions in recordings of speech: {', '.join(info['labels'])}."
    yield f"{about} Trained with serflow {info['versions']['serflow']} as run `{run.id.path}`."
    yield "```bash\nserflow predict THIS_FOLDER recording.wav\n```"
    yield "## Evaluation\n\n" + "\n".join(_evaluation(run, known))
    yield "## Training data\n\n" + "\n".join(map(_corpus, known["corpora"]))
    yield f"## Intended use\n\n{USE}"
    yield "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(run, known))


def _evaluation(run: TrainedRun, known: Mapping[str, Any]) -> Iterator[str]:
    yield f"Protocol of this run: {known['protocol']} (`{run.id.protocol}`, seed {run.id.seed}, fold {run.id.fold})."
    yield f"\nLeak status: {leak_status(known)}\n"
    if not known["scores"]:
        yield "There is no score of it."
        return
    yield "| Protocol | Speakers of the test part | Metric | Value | 95 % interval | Tested |"
    yield "|---|---|---|---|---|---|"
    for score in known["scores"]:
        yield f"| {' | '.join(_cells(score, known))} |"
    yield "\nWA: share of recordings that are recognised. UA: mean over the classes of the share that is recognised."
    if any(score["n_folds"] for score in known["scores"]):
        yield "Scores are over all folds and seeds of the system; this folder has the model of one of them."


def _cells(score: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Return a score's row of the table."""
    seen = "not trained on" if score["unseen"] else "not known" if known["unseen"] is None else "trained on"
    value, interval = f"{100 * score['value']:.1f} %", "not computed"
    if score["low"] is not None:
        interval = f"{100 * score['low']:.1f} to {100 * score['high']:.1f} (over {score['unit']})"
    tested = f"{score['n_utterances']} recordings"
    tested += f" of {score['n_speakers']} speakers" if score["n_speakers"] else ""
    return [f"`{score['protocol']}`", seen, score["metric"], value, interval, tested]


def leak_status(known: Mapping[str, Any]) -> str:
    """Return a sentence on what of its test part a run was trained on."""
    if known["role"] is None:
        return "not known, since the record of its paper was not beside the run."
    if known["unseen"]:
        return "none. No speaker of the test part was trained on."
    return LEAKS.get(known["role"], "the speakers of the test part were trained on.")


def _corpus(name: str) -> str:
    if name not in CORPORA:
        return f"- {name}: a corpus of the user's own, whose licence serflow does not know."
    module = corpora.load(name)
    return f"- {module.TITLE}. Licence: {module.LICENCE or 'not known'}. {module.CITATION}".rstrip()


def _limits(run: TrainedRun, known: Mapping[str, Any]) -> Iterator[str]:
    yield f"It was trained on {speech(known)} alone: expect less on other speakers, languages, rooms and microphones."
    yield "Its posteriors are not calibrated; an emotion that is none of its classes is given one of them."
    yield "A recording is taken as one utterance of up to 60 s; longer ones need `--window`."
    if seconds := heard_seconds(run):
        yield f"Of a recording it hears the first {seconds:.1f} s alone."
    if encoder := encoder_of(run.recipe):
        yield f"It needs the pretrained encoder `{encoder}`, which is not in this folder: set {FOLDERS} to where it is."
    for deviation in known["deviations"]:
        yield f"Unlike the paper: {deviation}"
