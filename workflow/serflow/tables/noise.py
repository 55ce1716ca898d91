"""A paper's table of recognition in noise: two systems, each on clean and on noisy speech, ours beside published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from serflow.papers.model import NoiseTable, PaperRecord
from serflow.papers.names import ROLES, name_protocol
from serflow.scoring.chance import score_guessing
from serflow.scoring.metrics import METRICS, label_of
from serflow.scoring.noise import CASES, NoiseScores, NoisyRun, score_noise, sounds_of, subtract_cases, system_of
from serflow.scoring.overview import Entry, make_cell
from serflow.scoring.pooling import Speakers
from serflow.scoring.results import Cell, Result
from serflow.scoring.scores import MAJORITY, UNIFORM, Scores
from serflow.scoring.verdicts import RULE, judge
from serflow.tables import texts
from serflow.tables.gaps import of_estimate
from serflow.tables.table import NOTHING, Table

POOLED = (
    "Noisy rows: every test utterance once with each noise, all pooled, so that WA and UA are the means over the "
    "noises; the columns of single noises give WA (%)."
)


def noise_table(record: PaperRecord, noise: NoiseTable, heard: Sequence[NoisyRun], speakers: Speakers) -> Table:
    """Return the rows that the paper prints for each corpus, protocol and ratio, then chance."""
    paper, sounds = record.paper, sounds_of(heard)
    columns = ["Corpus", "Protocol", "SNR (dB)", "Test data", "Predictor", "WA, published", "Verdict"]
    columns += [f"{label_of(metric)}, ours {texts.BRACKETS}" for metric in METRICS]
    scored = score_noise(record, noise, heard, speakers)
    rows: list[list[str]] = []
    differences: list[str] = []
    for place in dict.fromkeys((one.corpus, one.protocol) for one in scored):
        rows += [_line(record, noise, one, sounds) for one in scored if (one.corpus, one.protocol) == place]
        mine = [one for one in heard if (one.run.id.corpus, one.run.id.protocol) == place]
        rows += _chance_lines(record, mine, sounds)
        differences += [note for snr in noise.snr_db if (note := _tell_differences(noise, mine, snr, speakers))]
    notes = [RULE, *differences, *_own_notes(noise, heard), *texts.score_notes(paper), texts.SIZES]
    table = Table(f"{paper.title}: {noise.table}", [*columns, *sounds, "n"], rows, notes)
    return texts.finish(table, record, [one.run for one in heard])


def _line(record: PaperRecord, noise: NoiseTable, one: NoiseScores, sounds: Sequence[str]) -> list[str]:
    """Return the row of one case."""
    paper, case = record.paper, one.case
    system = system_of(noise, case)
    cells = [one.corpus, name_protocol(paper, one.protocol) or NOTHING, f"{one.snr_db:g}", case.data]
    published = _published(record, noise, one)
    judged = published is not None and not one.reason and paper.protocols[one.protocol].purpose == "published"
    verdict = _judge(record, noise, published, one, system, len(sounds)) if judged else NOTHING
    cells += [f"{case.predictor}: {paper.title_of('systems', system)}", texts.of_value("WA", published), verdict]
    if one.reason:
        return [*cells, one.reason, *[NOTHING] * (len(METRICS) - 1 + len(sounds) + 1)]
    found = [one.whole.find(one.corpus, system, one.protocol, metric) for metric in METRICS]
    each = [replace(one.sounds[sound], low=None, high=None) if sound in one.sounds else None for sound in sounds]
    cells += [texts.of_score(score, one.whole) for score in found]
    return [*cells, *map(texts.of_score, each), texts.of_sizes(found)]


def _chance_lines(record: PaperRecord, heard: Sequence[NoisyRun], sounds: Sequence[str]) -> list[list[str]]:
    """Return what guessing would score on the test part of a corpus under a protocol, in noise or without."""
    if not heard:
        return []
    scores, lines = Scores(tuple(score_guessing([one.run for one in heard], "test"))), []
    corpus, _, protocol = heard[0].run.group
    for name in (UNIFORM, MAJORITY):
        found = [scores.find(corpus, name, protocol, metric) for metric in METRICS]
        cells = [corpus, name_protocol(record.paper, protocol), NOTHING, NOTHING, name, NOTHING, NOTHING]
        lines.append([*cells, *map(texts.of_score, found), *[NOTHING] * (len(sounds) + 1)])
    return lines


def _tell_differences(noise: NoiseTable, heard: Sequence[NoisyRun], snr: float, speakers: Speakers) -> str:
    """Return what a case scores above another, of runs on one corpus under one protocol; empty without any."""
    found = subtract_cases(noise, heard, snr, speakers)
    if not found:
        return ""
    data = {case.key: case.data for case in CASES}
    told = [f"{data[a]} minus {data[b]} {of_estimate(one.estimates['WA'])}" for (a, b), one in found.items()]
    run, first = heard[0].run.id, next(iter(found.values()))
    place = f"{run.corpus} ({run.protocol.replace('_', ' ')}) at {snr:g} dB"
    method = f"95 % intervals by bootstrap over {first.n_units} {first.unit}"
    return f"Differences of WA on {place}, in points: {'; '.join(told)}. {method}, drawn for both sides at once."


def _published(record: PaperRecord, noise: NoiseTable, one: NoiseScores) -> float | None:
    """Return the published WA on the paper's own corpus; of noisy speech at the paper's ratio alone."""
    own = {entry.corpus for entry in record.paper.published}
    if one.corpus not in own or (one.case.noisy and one.snr_db != noise.published.snr_db):
        return None
    value: float = getattr(noise.published, one.case.key)
    return value


def _judge(
    record: PaperRecord, noise: NoiseTable, published: float | None, one: NoiseScores, system: str, n_sounds: int
) -> str:
    """Return the verdict on a published WA.

    An utterance is one recording of the paper's test set, in however many noises it is heard.
    """
    entry = Entry(one.corpus, system, one.protocol, "WA", value=published)
    cell = make_cell(record, one.whole, one.whole.find(one.corpus, system, one.protocol, "WA"), one.protocol, entry)
    if cell.n_effective:
        heard = cell.n_effective / (n_sounds if one.case.noisy else 1)
        cell = replace(cell, n_effective=noise.utterances or heard)
    cells = {**dict.fromkeys(ROLES, Cell()), "published": cell}
    about = (record.paper.paper, one.corpus, system, record.paper.title_of("systems", system), "WA", "test", None)
    verdict = judge(Result(*about, published, cells, synthetic=record.synthetic))
    return ": ".join(filter(None, (verdict.verdict, verdict.reason)))


def _own_notes(noise: NoiseTable, heard: Sequence[NoisyRun]) -> list[str]:
    """Return what this table's rows stand on: fold, ratios, noises, and the paper file's own note."""
    folds = ", ".join(map(str, sorted({one.run.id.fold for one in heard})))
    notes = [f"Folds: {folds}; the paper, too, keeps one session aside for testing."] if folds else []
    published = f"published: {noise.published.snr_db:g} dB"
    notes.append(f"SNR: signal-to-noise ratio over each whole utterance; {published}. {POOLED}")
    sources = dict.fromkeys(
        (one.run.id.corpus, source, sound)
        for one in heard
        for source, sound in one.rows[["source", "noise"]].drop_duplicates().itertuples(index=False)
    )
    for corpus, source in dict.fromkeys(key[:2] for key in sources):
        names = ", ".join(sound for *key, sound in sources if key == [corpus, source])
        told = "recordings that the user gave" if source == "recording" else "generated stand-ins, no recordings"
        notes.append(f"Noises on {corpus}: {told}: {names}.")
    return [*notes, *([f"Published: {noise.note}."] if noise.note else [])]
