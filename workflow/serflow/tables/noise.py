"""A paper's table of recognition in noise: two predictors, each on clean and on noisy speech, ours beside published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from serflow.errors import ConfigError
from serflow.io.files import read_csv, write_text
from serflow.runs import RERUN, Run, ScoreError, conditions, deviations, load_run, speaker_names
from serflow.scoring.metrics import METRICS
from serflow.scoring.scores import MAJORITY, UNIFORM, _chance, _part_rows
from serflow.tables.render import render
from serflow.tables.tables import (
    BRACKETS,
    INTERVALS,
    METRIC_NOTE,
    NAMES,
    NOTHING,
    SIZES,
    SYNTHETIC,
    Table,
    _ours,
    _protocol,
    _protocol_notes,
    _sizes,
    _speaker_values,
    _title,
)

#: Key of the published number -> test data, predictor, and whether noise was added; the rows of Satt et al., Table 2.
CASES = {
    "clean": ("clean spectrograms", "normal", False),
    "modified_clean": ("modified spectrograms of clean speech", "modified", False),
    "noisy": ("noisy spectrograms", "normal", True),
    "modified_noisy": ("modified spectrograms of noisy speech", "modified", True),
}
POOLED = (
    "Noisy rows: every test utterance once with each noise, all pooled, so that WA and UA are the means over the "
    "noises; the columns of single noises give WA (%)."
)
RESAMPLES = 2000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Heard:
    """A run and its predictions in noise, as `serflow.inference.noise.evaluate` writes them."""

    run: Run
    noisy: list[dict[str, str]]

    @property
    def place(self) -> tuple[str, str]:
        """Corpus and protocol."""
        return self.run.info["corpus"], self.run.info["protocol"]


def write_noise_table(
    paper: Mapping[str, Any],
    runs: Sequence[Path],
    noisy: Sequence[Path],
    manifests: Sequence[Path],
    stem: Path | str,
    *,
    synthetic: bool,
    not_run: Mapping[str, str] | None = None,
) -> None:
    """Write the table as csv, md, tex and html.

    Parameters
    ----------
    paper
        The paper file; ``noise`` names the systems, the published numbers with their ratio, and the ratios to show.
    runs
        Run directories of the normal and the modified system.
    noisy
        What `serflow.inference.noise.evaluate` wrote of each run, in the same order.
    manifests
        Of the runs' corpora.
    stem
        Path without suffix.
    synthetic
        Whether the corpora are synthetic.
    not_run
        Corpus to the reason why nothing ran on it.

    Raises
    ------
    ConfigError
        If there are not as many noisy files as runs.
    ScoreError
        If a noisy file is not of the test part of its run.
    """
    if len(runs) != len(noisy):
        fault = f"{len(noisy)} files of noisy predictions for {len(runs)} runs"
        raise ConfigError(stem, fault, "Give one for each run, in the same order.")
    heard = [Heard(load_run(run), read_csv(path)) for run, path in zip(runs, noisy, strict=True)]
    for one, path in zip(heard, noisy, strict=True):
        _check(one, path)
    speakers = speaker_names(row for path in manifests for row in read_csv(path))
    table = noise_table(paper, sorted(heard, key=lambda one: one.run.order), speakers, not_run or {})
    table = replace(table, banner=SYNTHETIC if synthetic else "")
    for suffix, text in render(table).items():
        write_text(f"{stem}.{suffix}", text)


def noise_table(
    paper: Mapping[str, Any], heard: Sequence[Heard], speakers: Mapping[str, str], not_run: Mapping[str, str]
) -> Table:
    """Return the table: for each corpus, protocol and signal-to-noise ratio the rows of `CASES`, and chance.

    Parameters
    ----------
    paper, not_run
        See `write_noise_table`.
    heard
        The runs, ordered.
    speakers
        See `runs.speaker_names`.
    """
    noise, runs = paper["noise"], [one.run for one in heard]
    sounds = list(dict.fromkeys(row["noise"] for one in heard for row in one.noisy))
    columns = ["Corpus", "Protocol", "SNR (dB)", "Test data", "Predictor", "WA, published"]
    columns += [f"{NAMES.get(metric, metric)}, ours {BRACKETS}" for metric in METRICS]
    lines: list[list[str]] = []
    for corpus in paper["corpora"]:
        places = list(dict.fromkeys(one.place for one in heard if one.place[0] == corpus))
        for place in places or [(corpus, "")]:
            mine = [one for one in heard if one.place == place]
            for snr in noise["snr_db"]:
                lines += _block(paper, place, mine, float(snr), sounds, speakers, not_run)
            lines += _chance_lines(place, [one.run for one in mine], len(sounds))
    notes = [*_own_notes(paper, heard), *_protocol_notes(paper), METRIC_NOTE, INTERVALS, SIZES, conditions(runs)]
    assumptions = [{key: str(value) for key, value in entry.items()} for entry in paper.get("assumptions", [])]
    title = f"{paper['title']}: {noise['table']}"
    return Table(title, [*columns, *sounds, "n"], lines, notes, assumptions, deviations(runs))


def in_noise(run: Run, rows: Sequence[Mapping[str, str]]) -> Run:
    """Return a run whose test part is what it predicted in noise, to be scored as any other."""
    labels = run.labels
    return replace(
        run,
        utterances=tuple(row["utterance"] for row in rows),
        parts=np.full(len(rows), "test"),
        truth=np.array([labels.index(row["label"]) for row in rows], dtype=np.int64),
        predicted=np.array([labels.index(row["predicted"]) for row in rows], dtype=np.int64),
        posteriors=np.array([[float(row[label]) for label in labels] for row in rows]),
    )


def _check(heard: Heard, where: Path) -> None:
    """Raise unless each noise at each ratio was added to each test utterance of the run."""
    test = sorted(np.array(heard.run.utterances)[heard.run.parts == "test"])
    found: dict[tuple[str, str], list[str]] = {}
    for row in heard.noisy:
        found.setdefault((row["noise"], row["snr_db"]), []).append(row["utterance"])
    for (sound, snr), utterances in found.items():
        if sorted(utterances) != test:
            fault = f"{sound} at {snr} dB: its utterances are not those of the test part of {heard.run.path}"
            raise ScoreError(where, fault, RERUN)


def _block(
    paper: Mapping[str, Any],
    place: tuple[str, str],
    heard: Sequence[Heard],
    snr: float,
    sounds: Sequence[str],
    speakers: Mapping[str, str],
    not_run: Mapping[str, str],
) -> list[list[str]]:
    """Return the rows of one corpus and protocol at one signal-to-noise ratio."""
    noise, lines = paper["noise"], []
    for key, (data, predictor, added) in CASES.items():
        mine = [one for one in heard if one.run.info["system"] == noise[predictor]]
        cells = [place[0], _protocol(place[1]) or NOTHING, f"{snr:g}", data]
        cells += [f"{predictor}: {_title(paper, 'systems', noise[predictor])}", _published(paper, place[0], key, snr)]
        runs = [in_noise(one.run, _at(one, snr)) for one in mine if _at(one, snr)] if added else [o.run for o in mine]
        if not runs:
            missing = f"no noise at {snr:g} dB was added" if mine else not_run.get(place[0], "no run was made")
            lines.append([*cells, f"not run: {missing}", *[NOTHING] * (len(METRICS) - 1 + len(sounds) + 1)])
            continue
        rows = _rows(runs, speakers)
        whole = {row["metric"]: row for row in rows if row["scope"] == "all"}
        cells += [_ours(whole[metric], _speaker_values(rows, whole[metric])) for metric in METRICS]
        for sound in sounds:
            some = [in_noise(one.run, found) for one in mine if (found := _at(one, snr, sound))] if added else []
            cells.append(_ours(_rows(some, speakers)[0] | {"low": "", "high": ""}) if some else NOTHING)
        lines.append([*cells, _sizes([whole["WA"]], speakers=True)])
    return lines


def _at(heard: Heard, snr: float, sound: str | None = None) -> list[dict[str, str]]:
    return [row for row in heard.noisy if float(row["snr_db"]) == snr and sound in (None, row["noise"])]


def _rows(runs: Sequence[Run], speakers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the score rows of the test part of runs of one system; WA over all comes first."""
    corpus, system, protocol = runs[0].group
    about = {"corpus": corpus, "system": system, "protocol": protocol}
    return [row | about for row in _part_rows(runs, "test", speakers, RESAMPLES)]


def _chance_lines(place: tuple[str, str], runs: Sequence[Run], n_sounds: int) -> list[list[str]]:
    """Return what guessing would score on the test part, in noise or without."""
    folds = list({(run.info["seed"], run.info["fold"]): run for run in reversed(runs)}.values())
    rows = _chance(folds, "test") if folds else []
    lines = []
    for name in (UNIFORM, MAJORITY):
        mine = {row["metric"]: row["value"] for row in rows if row["system"] == name}
        if mine:
            cells = [place[0], _protocol(place[1]), NOTHING, NOTHING, name, NOTHING]
            lines.append([*cells, *(f"{100 * mine[metric]:.1f}" for metric in METRICS), *[NOTHING] * (n_sounds + 1)])
    return lines


def _published(paper: Mapping[str, Any], corpus: str, key: str, snr: float) -> str:
    """Return the published WA on the paper's own corpus; of noisy speech at the paper's ratio alone."""
    noise, own = paper["noise"], {entry["corpus"] for entry in paper.get("published", [])}
    if corpus not in own or (CASES[key][2] and snr != noise["published"]["snr_db"]):
        return NOTHING
    return f"{100 * noise['published'][key]:.1f}"


def _own_notes(paper: Mapping[str, Any], heard: Sequence[Heard]) -> list[str]:
    """Return what this table's rows stand on: fold, ratios, noises, and the paper file's own note."""
    noise = paper["noise"]
    folds = sorted({int(one.run.info["fold"]) for one in heard})
    notes = (
        [f"Fold {', '.join(map(str, folds))} alone: the paper, too, keeps one fold aside for testing."] if folds else []
    )
    published = f"published: {noise['published']['snr_db']:g} dB"
    notes.append(f"SNR: signal-to-noise ratio over each whole utterance; {published}. {POOLED}")
    for corpus in dict.fromkeys(one.place[0] for one in heard):
        rows = [row for one in heard if one.place[0] == corpus for row in one.noisy]
        for source in dict.fromkeys(row["source"] for row in rows):
            names = ", ".join(dict.fromkeys(row["noise"] for row in rows if row["source"] == source))
            told = "recordings that the user gave" if source == "recording" else "generated stand-ins, no recordings"
            notes.append(f"Noises on {corpus}: {told}: {names}.")
    return [*notes, *([f"Published: {noise['note']}."] if noise.get("note") else [])]
