"""Which tables and figures a configuration makes, as file stems below ``results/tables`` and ``results/figures``."""

from __future__ import annotations

from collections.abc import Sequence

from serflow.papers.model import FIGURES, Figure, PublishedConfusion
from serflow.papers.names import (
    COMMON_FIGURES,
    COMMON_TABLES,
    published_confusions,
    published_figures,
    published_tables,
    slug,
)
from serflow.papers.papers import Papers
from serflow.runs import RunId

#: Over all papers.
OVERALL_TABLES, OVERALL_FIGURES = ("comparison", "costs"), ("comparison",)


def tables(papers: Papers, paper: str) -> list[str]:
    """Return the tables of a paper."""
    content = papers.papers[paper]
    trained = any(content.systems[run.system].training for run in papers.runs(paper))
    noise = [slug(content.noise.table)] if content.noise and noisy_runs(papers, paper) else []
    stems = (
        *(stem for stem in COMMON_TABLES if trained or stem != "last_epochs"),
        *published_tables(content),
        *published_confusions(content),
        *noise,
    )
    return [f"{paper}/{stem}" for stem in stems]


def noisy_runs(papers: Papers, paper: str) -> list[RunId]:
    """Return the runs whose test part is also recognised in noise."""
    content = papers.papers[paper]
    noise = content.noise
    if not noise:
        return []
    systems = (noise.normal, noise.modified)
    own = (run for run in papers.runs(paper) if run.system in systems and run.corpus in content.corpora)
    return [run for run in own if run.protocol in content.systems[run.system].protocols and run.fold in noise.folds]


def figures(papers: Papers, paper: str) -> list[str]:
    """Return the figures of a paper: those of all papers, and those it prints."""
    return [*figures_of_runs(papers, paper), *(f"{paper}/{stem}" for stem in drawn_figures(papers, paper))]


def figures_of_runs(papers: Papers, paper: str) -> list[str]:
    """Return the figures that every paper gets: scores, speakers, curves and confusion matrices of all that is run."""
    content, runs = papers.papers[paper], list(papers.runs(paper))
    stems = list(COMMON_FIGURES)
    stems += dict.fromkeys(f"{run.corpus}/{run.system}/curves" for run in runs if content.systems[run.system].training)
    return [*(f"{paper}/{stem}" for stem in stems), *(f"{stem}/confusion" for stem in confusions(papers, paper))]


def confusions(papers: Papers, paper: str) -> list[str]:
    """Return the stems of the confusion matrices of all that is run, one per corpus, system and protocol."""
    return list(dict.fromkeys(f"{paper}/{'/'.join(run.group)}" for run in papers.runs(paper)))


def studies(papers: Papers, paper: str) -> list[str]:
    """Return the studies of a paper, each a table and a figure of this stem."""
    return [f"{paper}/studies/{study}" for study in papers.papers[paper].studies]


def drawn_figures(papers: Papers, paper: str) -> list[str]:
    """Return the paper's figures and confusion matrices that there is something for."""
    content = papers.papers[paper]
    figures_of_paper = [
        stem for stem, figure in published_figures(content).items() if _has_sources(papers, paper, figure)
    ]
    matrices = [stem for stem, matrix in published_confusions(content).items() if runs_shown(papers, paper, matrix)]
    return [*figures_of_paper, *matrices]


def runs_shown(papers: Papers, paper: str, entry: Figure | PublishedConfusion) -> list[RunId]:
    """Return the runs that a figure or a published confusion matrix shows."""
    if isinstance(entry, PublishedConfusion):
        corpora, systems = [entry.corpus], [entry.system]
    else:
        corpora, systems = entry.shown, entry.systems or []
    return [
        run
        for run in papers.runs(paper)
        if run.corpus in corpora and run.system in systems and entry.protocol in (None, run.protocol)
        if isinstance(entry, PublishedConfusion) or set(_emotions_of(entry)) <= set(papers.labels_of(run))
    ]


def _emotions_of(figure: Figure) -> list[str]:
    """Return the emotions that a figure shows, of which its runs must have been trained to tell each."""
    chosen = figure.options.get("emotions", figure.options.get("emotion", []))
    return [chosen] if isinstance(chosen, str) else list(chosen)


def shown_corpus(papers: Papers, paper: str, figure: Figure) -> str:
    """Return the corpus of which a figure shows recordings: its first that is configured and, if it shows runs, run."""
    run = {run.corpus for run in runs_shown(papers, paper, figure)}
    wanted = run if figure.systems else papers.corpora(paper)
    return next(corpus for corpus in figure.shown if corpus in wanted)


def needs_of(figure: Figure) -> Sequence[str]:
    """Return what a figure is drawn from, as its kind's constant ``NEEDS`` says."""
    return FIGURES.constant(figure.kind, "NEEDS", "").split()


def _has_sources(papers: Papers, paper: str, figure: Figure) -> bool:
    """Return whether a corpus of a figure is configured, and the systems that it shows are run on those that are."""
    configured = [corpus for corpus in figure.shown if corpus in papers.corpora(paper)]
    shown = {(run.corpus, run.system) for run in runs_shown(papers, paper, figure)}
    if "one_run" in needs_of(figure):
        return bool(shown)
    return bool(configured) and all(
        (corpus, system) in shown for corpus in configured for system in figure.systems or []
    )
