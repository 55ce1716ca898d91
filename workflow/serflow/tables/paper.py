"""All tables of a paper, in one job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from serflow.papers.model import PaperRecord
from serflow.papers.names import published_confusions, published_tables, slug
from serflow.runs import RunRecord, read_runs
from serflow.scoring.gaps import Gap, read_gaps
from serflow.scoring.noise import read_noisy
from serflow.scoring.pooling import read_speakers
from serflow.scoring.scores import Scores
from serflow.tables import texts
from serflow.tables.comparison import comparison_table
from serflow.tables.data import data_table
from serflow.tables.gaps import gap_table
from serflow.tables.last_epochs import last_epochs_table
from serflow.tables.noise import noise_table
from serflow.tables.published import confusion_table, published_table
from serflow.tables.speakers import speaker_table
from serflow.tables.table import Table


def write_tables(
    record: PaperRecord,
    scores: Path | str,
    gaps: Path | str,
    runs: Iterable[Path | str],
    manifests: Iterable[Path],
    splits: Iterable[Path],
    folder: Path | str,
    *,
    noisy: Sequence[Path] = (),
) -> None:
    """Write all tables of a paper into a folder, each as csv, md, tex and html.

    Parameters
    ----------
    scores, gaps
        What `scoring.paper.write_scores` wrote.
    runs
        Folders of the paper's runs: for confusion matrices, and for what they were computed with.
    manifests
        Manifests of the paper's corpora, each with its report beside it (``.json``).
    splits
        Leakage reports of the paper's splits.
    noisy
        What `serflow noisy` wrote of runs among `runs`.
    """
    manifests, found = list(manifests), read_runs(runs)
    tables = score_tables(record, Scores.read(scores), read_gaps(gaps), found)
    tables["data"] = data_table(record, [path.with_suffix(".json") for path in manifests], splits, found)
    if noisy and record.paper.noise:
        noise = record.paper.noise
        tables[slug(noise.table)] = noise_table(record, noise, read_noisy(noisy, found), read_speakers(manifests))
    for stem, table in tables.items():
        table.write(Path(folder, stem))


def score_tables(
    record: PaperRecord, scores: Scores, gaps: Sequence[Gap], runs: Sequence[RunRecord]
) -> dict[str, Table]:
    """Return the comparison, the tables that the paper prints, differences, speakers and last epochs, by file stem."""
    paper = record.paper
    tables = {"comparison": comparison_table(record, scores)}
    tables |= {stem: published_table(record, scores, name) for stem, name in published_tables(paper).items()}
    tables |= {stem: confusion_table(record, entry, runs) for stem, entry in published_confusions(paper).items()}
    tables |= {"differences": gap_table(record, scores, gaps), "speakers": speaker_table(record, scores)}
    if any(paper.systems[run.id.system].training for run in runs if run.id.system in paper.systems):
        tables["last_epochs"] = last_epochs_table(record, runs)
    return {stem: texts.finish(table, record, runs) for stem, table in tables.items()}
