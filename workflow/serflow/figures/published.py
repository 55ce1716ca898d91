"""A figure that a paper file asks for, or a published confusion matrix beside ours, by its file stem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from serflow.errors import ConfigError
from serflow.figures.confusion import plot_published_confusion
from serflow.figures.request import Request
from serflow.figures.style import save, style
from serflow.papers.checks import check_names
from serflow.papers.model import FIGURES, PaperRecord
from serflow.papers.names import published_confusions, published_figures

#: What is named otherwise in the constant NEEDS of a kind, or may be missing: stand-ins take the place of sounds.
SAME, OPTIONAL = {"one_run": "runs"}, ("sounds",)


def plot_published(record: PaperRecord, name: str, stem: Path | str, **sources: Sequence[Path]) -> None:
    """Draw one figure of a paper and save it as png and svg.

    Parameters
    ----------
    name
        The file stem of one of its figures or published confusion matrices.
    **sources
        The files to draw it from; see `serflow.figures.request.Request`.

    Raises
    ------
    ConfigError
        If the figure's kind needs other files.
    """
    matrices = published_confusions(record.paper)
    if name in matrices:
        plot_published_confusion(record, matrices[name], sources["runs"], stem)
        return
    figures = published_figures(record.paper)
    check_names([name], [*matrices, *figures], "--figure")
    figure = figures[name]
    for need in FIGURES.constant(figure.kind, "NEEDS", "").split():
        source = SAME.get(need, need)
        if source not in OPTIONAL and not sources.get(source):
            fault = f"{figure.figure} is of kind {figure.kind}, which is drawn from {source}"
            raise ConfigError(name, fault, f"Give --{source}.")
    request = Request(record.paper, figure, **sources)
    with style():
        drawn = FIGURES.load(figure.kind)(request, **figure.options)
    save(drawn, stem, synthetic=record.synthetic)
