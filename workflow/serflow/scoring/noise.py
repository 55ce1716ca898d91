"""Scores recognition in noise: two systems, each on clean and on noisy speech."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from serflow.errors import RunError
from serflow.papers.model import NoiseTable, PaperRecord
from serflow.runs import RERUN, RunId, RunRecord
from serflow.scoring.frames import read_frame
from serflow.scoring.gaps import Difference, bootstrap_runs
from serflow.scoring.paper import describe_missing, reason_of, score_part
from serflow.scoring.pooling import Speakers
from serflow.scoring.scores import ALL, NOT_RUN, Score, Scores

TYPES = {**dict.fromkeys(("noise", "source", "utterance", "label", "predicted"), "str"), "snr_db": "float"}


@dataclass(frozen=True)
class Case:
    """A row of the table: the key of its published number, the test data, the system's role, whether noise is added."""

    key: str
    data: str
    predictor: str
    noisy: bool


#: The rows of Satt et al., Table 2.
CASES = (
    Case("clean", "clean spectrograms", "normal", False),
    Case("modified_clean", "modified spectrograms of clean speech", "modified", False),
    Case("noisy", "noisy spectrograms", "normal", True),
    Case("modified_noisy", "modified spectrograms of noisy speech", "modified", True),
)


@dataclass(frozen=True)
class NoisyRun:
    """A run and its predictions in noise, a frame with the columns `TYPES`."""

    run: RunRecord
    rows: pd.DataFrame

    def at(self, snr: float, sound: str | None = None) -> RunRecord | None:
        """Return the run with its predictions at a ratio, in one or all noises, as its test part; None without any."""
        rows = self.rows[self.rows["snr_db"] == snr]
        rows = rows if sound is None else rows[rows["noise"] == sound]
        index = {label: i for i, label in enumerate(self.run.labels)}
        truth, guess = (rows[column].map(index).to_numpy(dtype=np.int64) for column in ("label", "predicted"))
        names = tuple(rows["utterance"])
        parts = np.full(len(names), "test")
        return replace(self.run, utterances=names, parts=parts, truth=truth, predicted=guess) if names else None


@dataclass(frozen=True)
class NoiseScores:
    """Scores of one case at one ratio on one corpus under one protocol ("" where nothing was run).

    ``whole``: of all noises pooled; ``sounds``: WA in each noise; ``reason``: why there is nothing.
    """

    corpus: str
    protocol: str
    snr_db: float
    case: Case
    whole: Scores = field(default_factory=Scores)
    sounds: Mapping[str, Score] = field(default_factory=dict)
    reason: str = ""


def read_noisy(paths: Iterable[Path | str], runs: Iterable[RunRecord]) -> list[NoisyRun]:
    """Read what `serflow.inference.noise` wrote; a file's path tells its run, in whose order they are returned.

    Raises
    ------
    RunError
        If there is no such run, or a file does not hold each utterance of its test part once in each noise.
    """
    files = {RunId.from_path(Path(path).with_suffix("")): path for path in paths}
    found = [NoisyRun(run, _read(files.pop(run.id), run)) for run in runs if run.id in files]
    for path in files.values():
        raise RunError(path, "is of none of the runs", "Give the runs' folders too.")
    return found


def score_noise(
    record: PaperRecord, noise: NoiseTable, heard: Sequence[NoisyRun], speakers: Speakers
) -> list[NoiseScores]:
    """Return the scores of each of `CASES` for each corpus, protocol and ratio."""
    places = dict.fromkeys((one.run.id.corpus, one.run.id.protocol) for one in heard)
    return [
        _score_case(record, noise, NoiseScores(corpus, protocol, snr, case), heard, speakers)
        for corpus in record.paper.corpora
        for protocol in [name for place, name in places if place == corpus] or [""]
        for snr in noise.snr_db
        for case in CASES
    ]


#: What is subtracted in a table of recognition in noise: keys of `CASES`.
PAIRS = (
    ("clean", "noisy"),
    ("modified_clean", "modified_noisy"),
    ("modified_clean", "clean"),
    ("modified_noisy", "noisy"),
)


def subtract_cases(
    noise: NoiseTable, heard: Sequence[NoisyRun], snr: float, speakers: Speakers
) -> dict[tuple[str, str], Difference]:
    """Return the difference of each of `PAIRS` at a ratio, of runs on one corpus under one protocol.

    An utterance is drawn with its copies in all noises.
    """
    runs = {case.key: _runs_of(noise, case, heard, snr) for case in CASES}
    found = {pair: bootstrap_runs(runs[pair[0]], runs[pair[1]], "test", speakers) for pair in PAIRS}
    return {pair: difference for pair, difference in found.items() if difference}


def system_of(noise: NoiseTable, case: Case) -> str:
    """Return the system of a case."""
    return noise.normal if case.predictor == "normal" else noise.modified


def sounds_of(heard: Iterable[NoisyRun]) -> list[str]:
    """Return the names of all noises, in the order of the files."""
    return list(dict.fromkeys(sound for one in heard for sound in one.rows["noise"]))


def _score_case(
    record: PaperRecord, noise: NoiseTable, blank: NoiseScores, heard: Sequence[NoisyRun], speakers: Speakers
) -> NoiseScores:
    system = system_of(noise, blank.case)
    place = (blank.corpus, system, blank.protocol)
    mine = [one for one in heard if one.run.group == place]

    available = record.folds.get((blank.corpus, blank.protocol))
    n_folds = None if available is None else len([fold for fold in noise.folds if fold < available])
    missing = describe_missing([one.run for one in mine], n_folds, record.seeds.get(blank.protocol, ()))

    def score(sound: str | None = None) -> list[Score]:
        found = _runs_of(noise, blank.case, mine, blank.snr_db, sound)
        return [replace(row, missing=missing) for row in score_part(found, "test", speakers)] if found else []

    whole = score()
    if not whole:
        reason = f"{NOT_RUN}no noise at {blank.snr_db:g} dB was added"
        return replace(blank, reason=reason if mine else reason_of(record, blank.corpus, system))
    rows = {sound: score(sound) for sound in sounds_of(mine)} if blank.case.noisy else {}
    sounds = {sound: row for sound, found in rows.items() for row in found if (row.metric, row.scope) == ("WA", ALL)}
    return replace(blank, whole=Scores(tuple(whole)), sounds=sounds)


def _runs_of(
    noise: NoiseTable, case: Case, heard: Iterable[NoisyRun], snr: float, sound: str | None = None
) -> list[RunRecord]:
    """Return the runs of a case's system, with what they predict of its data."""
    mine = [one for one in heard if one.run.id.system == system_of(noise, case)]
    found = [one.at(snr, sound) if case.noisy else one.run for one in mine]
    return [run for run in found if run]


def _read(path: Path | str, run: RunRecord) -> pd.DataFrame:
    frame = read_frame(path, TYPES)
    test = sorted(np.array(run.utterances)[run.parts == "test"])
    for (sound, snr), rows in frame.groupby(["noise", "snr_db"], sort=False):
        if sorted(rows["utterance"]) != test:
            fault = f"{sound} at {snr:g} dB: its utterances are not those of the test part of {run.path}"
            raise RunError(path, fault, RERUN)
    return frame
