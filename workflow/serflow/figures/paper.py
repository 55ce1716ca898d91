"""The figures that every paper gets, in one job: scores, speakers, training curves and confusion matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from serflow.figures.comparison import plot_comparison
from serflow.figures.confusion import plot_confusion
from serflow.figures.curves import plot_curves
from serflow.figures.speakers import plot_speakers
from serflow.papers.model import PaperRecord
from serflow.runs import RunRecord, read_runs
from serflow.scoring.confusion import write_confusion
from serflow.scoring.pooling import group_runs
from serflow.scoring.scores import Scores


def plot_paper(
    record: PaperRecord, scores: Path | str, runs: Iterable[Path | str], folder: Path, matrices: Path
) -> None:
    """Draw the figures of a paper's runs into a folder, each as png and svg.

    Parameters
    ----------
    scores
        What `scoring.paper.write_scores` wrote.
    runs
        Folders of the paper's runs.
    folder
        Gets ``comparison``, ``speakers``, ``{corpus}/{system}/curves`` of what is trained by epochs, and
        ``{corpus}/{system}/{protocol}/confusion``.
    matrices
        Gets the counts of each confusion matrix, ``{corpus}/{system}/{protocol}.csv``.
    """
    found, read = read_runs(runs), Scores.read(scores)
    plot_comparison(record, read, folder / "comparison")
    plot_speakers(record, read, folder / "speakers")
    plot_runs(record, found, folder)
    for group, members in group_runs(found).items():
        write_confusion(members, matrices / f"{'/'.join(group)}.csv")


def plot_runs(record: PaperRecord, runs: Sequence[RunRecord], folder: Path) -> None:
    """Draw curves and confusion matrices of a paper's runs into a folder, in the places that `plot_paper` names."""
    for corpus, system in dict.fromkeys(run.group[:2] for run in runs if run.history):
        members = [run for run in runs if run.group[:2] == (corpus, system)]
        plot_curves(record, members, folder / corpus / system / "curves")
    for group, members in group_runs(runs).items():
        plot_confusion(record, members, folder.joinpath(*group, "confusion"))
