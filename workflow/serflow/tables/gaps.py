"""The table of differences between a paper's systems and protocols."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from serflow.errors import RunError
from serflow.papers.model import PaperRecord
from serflow.papers.names import name_protocol
from serflow.runs import RunRecord, check_folds, read_runs
from serflow.scoring.differences import Estimate
from serflow.scoring.gaps import JOINT, PAIRED, Gap, subtract_runs
from serflow.scoring.metrics import label_of
from serflow.scoring.pooling import read_speakers, without_copies
from serflow.scoring.scores import Scores
from serflow.tables import texts
from serflow.tables.table import NOTHING, Table

NOTES = (
    "Points: percentage points, with a 95 % percentile-bootstrap interval (2000 draws) over speakers, or over "
    "utterances where fewer than six speakers are tested. What both sides share is drawn for both at once. "
    "Where folds or seeds are missing, what is alike is compared: under one protocol the seeds and folds that both "
    "sides have; between protocols the seeds that have as many folds as any of their side; always without speakers "
    "whom one side alone tests. The interval leaves out what other seeds would change.",
    "p: McNemar's exact test of WA, of several seeds on the mean posteriors, where both sides predict the same "
    "recordings, each by as many networks, without augmented copies; Holm: corrected for the number of pairs of "
    "systems under one protocol on one corpus. The test takes recordings as independent; the interval, which draws "
    "speakers, does not.",
    "The leak minus its control: original recordings alone, since the leak also tests augmented copies.",
)


def gap_table(record: PaperRecord, scores: Scores, gaps: Sequence[Gap]) -> Table:
    """Return one row per difference and metric; with `scores` it says which folds and seeds are missing."""
    paper = record.paper
    columns = ["Corpus", "Difference", "Metric (part)", "Points [95 %]", "Both sides share", "p", "p (Holm)"]
    rows = []
    for gap in gaps:
        systems = [paper.title_of("systems", name) for name in (gap.first_system, gap.second_system)]
        protocols = [name_protocol(paper, name) for name in (gap.first_protocol, gap.second_protocol)]
        told = f"{systems[0]}: {protocols[0]} minus {protocols[1]}"
        if gap.first_protocol == gap.second_protocol:
            told = f"{systems[0]} minus {systems[1]}, {protocols[0]}"
        shared = gap.method + ("" if gap.unit == "speakers" else ", resampled by utterance")
        told += _tell_missing(scores, gap)
        numbers = [NOTHING if p is None else f"{p:.2g}" for p in (gap.p, gap.p_holm)]
        rows.append([gap.corpus, told, texts.heading(gap.metric, gap.part), of_gap(gap), shared, *numbers])
    return Table(f"{paper.title}: differences", columns, rows, [*NOTES, *texts.score_notes(paper)])


def _tell_missing(scores: Scores, gap: Gap) -> str:
    """Return e.g. " (unfinished: 1 of 3 seeds / 1 of 6 folds)" of both sides; empty where nothing is missing."""
    sides = ((gap.first_system, gap.first_protocol), (gap.second_system, gap.second_protocol))
    found = [scores.find(gap.corpus, *side, gap.metric, gap.part) for side in sides]
    missing = [score.missing if score else "" for score in found]
    return f" (unfinished: {' / '.join(text or 'all' for text in missing)})" if any(missing) else ""


def of_gap(gap: Gap) -> str:
    """Return e.g. "+24.1 [+18.0, +30.2]"."""
    return of_estimate(Estimate(gap.value, gap.low, gap.high))


def of_estimate(difference: Estimate) -> str:
    """Return a difference of fractions in points, e.g. "+24.1 [+18.0, +30.2]"."""
    value, low, high = (f"{100 * number:+.1f}" for number in difference)
    return f"{value} [{low}, {high}]"


def compare_folders(first: Path, second: Path, part: str, manifests: Sequence[Path] = ()) -> list[Gap]:
    """Return the differences between the runs of two systems, protocols or configurations.

    Between protocols of the original recordings alone, as in `find_gaps`: one of them may test augmented copies.

    Parameters
    ----------
    first, second
        Folders with the runs of one system under one protocol, at any depth: a run, or what holds its seeds.
    part
        The part of the utterances.
    manifests
        Manifests of the corpora; by default those of the results folder in which `first` stands.

    Raises
    ------
    RunError
        If a folder holds no run or those of several systems, a manifest is missing, or the two cannot be compared.
    """
    runs = [_read_system(folder) for folder in (first, second)]
    corpora = sorted({corpus for found in runs for run in found for corpus in run.id.corpora})
    if not manifests:
        results, found, _ = runs[0][0].path.absolute().as_posix().rpartition(f"/runs/{runs[0][0].id.path}")
        if not found:
            raise RunError(first, "stands in no results folder, which would hold manifests", "Give --manifests.")
        suffix = ".gz" if runs[0][0].path.joinpath("predictions.csv.gz").is_file() else ""  # as evidence is kept
        manifests = [Path(results, "manifests", f"{corpus}.csv{suffix}") for corpus in corpora]
    if runs[0][0].id.protocol != runs[1][0].id.protocol:
        runs = [list(map(without_copies, found)) for found in runs]
    gaps = subtract_runs(runs[0], runs[1], part, read_speakers(manifests))
    if not gaps:
        labels = ["/".join(found[0].labels) for found in runs]
        fault = f"cannot be compared with {second}: labels {labels[0]} and {labels[1]}, part {part}"
        raise RunError(first, fault, "Give runs that tell the same labels apart and have this part.")
    return gaps


def describe_gaps(gaps: Sequence[Gap]) -> str:
    """Return what `compare_folders` found as text for a terminal."""
    one = gaps[0]
    names = [f"{one.first_system} ({one.first_protocol})", f"{one.second_system} ({one.second_protocol})"]
    places = [f"{one.paper} on {one.corpus}", f"{one.second_paper or one.paper} on {one.second_corpus or one.corpus}"]
    told = f"{names[0]} minus {names[1]}, {places[0]}"
    if places[0] != places[1]:
        told = f"{names[0]}, {places[0]}, minus {names[1]}, {places[1]}"
    lines = [f"{told}, {one.part} part, in points [95 %]:"]
    lines += [f"  {label_of(gap.metric):9} {of_gap(gap)}" for gap in gaps]
    told = {PAIRED: "all recordings", JOINT: "all speakers"}.get(one.method, one.method)
    lines.append(f"Bootstrap over {one.n_units} {one.unit}; the two sides share {told}.")
    if one.first_protocol != one.second_protocol:
        lines.append("Augmented copies, where there are any, are left out on both sides.")
    if one.p is not None:
        lines.append(f"McNemar's exact test: p = {one.p:.2g}.")
    return "\n".join(lines)


def _read_system(folder: Path) -> list[RunRecord]:
    """Return the runs in a folder, all of one system under one protocol."""
    runs = read_runs(path.parent for path in sorted(folder.rglob("run.json")))
    groups = sorted({"/".join((run.id.paper, *run.group)) for run in runs})
    if len(groups) != 1:
        fault = f"holds runs of {', '.join(groups)}" if groups else "holds no run"
        raise RunError(folder, fault, "Give a folder such as results/runs/PAPER/CORPUS/SYSTEM/PROTOCOL.")
    check_folds(runs)
    return runs
