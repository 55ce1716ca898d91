"""Which tables and figures a configuration makes, as file stems below ``results/tables`` and ``results/figures``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serflow.corpora import members
from serflow.figures.published import entries
from serflow.papers.papers import Papers, Run
from serflow.tables.tables import slug, table_stems

#: Over all papers.
TABLES, FIGURES = ("comparison", "costs"), ("comparison",)
#: Kinds of figures that need recordings.
FROM_RECORDINGS = ("waveforms", "harmonic_frame", "noisy_spectrograms")


def tables(papers: Papers, paper: str) -> list[str]:
    """Return the tables of a paper."""
    return [f"{paper}/{stem}" for stem in ("data", *table_stems(papers.papers[paper]), *noise_tables(papers, paper))]


def noise_tables(papers: Papers, paper: str) -> list[str]:
    """Return the paper's table of recognition in noise, if a run of it is asked for."""
    return [slug(papers.papers[paper]["noise"]["table"])] if noisy_runs(papers, paper) else []


def noisy_runs(papers: Papers, paper: str) -> list[Run]:
    """Return the runs whose test part is also recognised in noise."""
    noise = papers.papers[paper].get("noise")
    if not noise:
        return []
    systems = (noise["normal"], noise["modified"])
    return [run for run in papers.runs(paper) if run.system in systems and run.fold == noise["fold"]]


def figures(papers: Papers, paper: str) -> list[str]:
    """Return the figures of a paper: those it prints, and curves and confusion matrices of all that is run."""
    systems, runs = papers.papers[paper]["systems"], list(papers.runs(paper))
    stems = ["comparison", *recognition_figures(papers, paper), *published_figures(papers, paper)]
    stems += dict.fromkeys(f"{run.corpus}/{run.system}/curves" for run in runs if "training" in systems[run.system])
    stems += dict.fromkeys(f"{run.corpus}/{run.system}/{run.protocol}/confusion" for run in runs)
    return [f"{paper}/{stem}" for stem in stems]


def studies(papers: Papers, paper: str) -> list[str]:
    """Return the studies of a paper, each a table and a figure of this stem."""
    return [f"{paper}/studies/{study}" for study in papers.papers[paper].get("studies", {})]


def recognition_figures(papers: Papers, paper: str) -> list[str]:
    """Return the paper's figures of recognised recordings: "Figure 2" becomes ``figure_2``."""
    return [slug(entry["figure"]) for entry in papers.papers[paper].get("published_posteriors", [])]


def published_figures(papers: Papers, paper: str) -> dict[str, dict[str, Any]]:
    """Return the paper's other figures and confusion matrices that there will be something for: stem -> entry."""
    found = entries(papers.papers[paper]).items()
    return {stem: entry for stem, entry in found if _has_sources(papers, paper, entry)}


def runs_of_figure(papers: Papers, paper: str, entry: Mapping[str, Any]) -> list[Run]:
    """Return the runs that a published figure shows."""
    corpora = corpora_of_figure(entry)
    return [
        run
        for run in papers.runs(paper)
        if run.corpus in corpora
        and run.system in entry.get("systems", [])
        and run.protocol == entry.get("protocol", run.protocol)
    ]


def corpora_of_figure(entry: Mapping[str, Any]) -> list[str]:
    """Return the corpora that a published figure shows."""
    return list(entry.get("corpora") or [entry["corpus"]])


def shown_corpus(papers: Papers, paper: str, entry: Mapping[str, Any]) -> str:
    """Return the corpus of which a figure shows recordings: its first that is configured and, if it shows runs, run."""
    run = {run.corpus for run in runs_of_figure(papers, paper, entry)}
    wanted = run if entry.get("systems") else papers.corpora(paper)
    return next(corpus for corpus in corpora_of_figure(entry) if corpus in wanted)


def _has_sources(papers: Papers, paper: str, entry: Mapping[str, Any]) -> bool:
    """Return whether a corpus of a figure is configured, and the systems that it shows are run on those that are."""
    configured = [corpus for corpus in corpora_of_figure(entry) if corpus in papers.corpora(paper)]
    shown = {(run.corpus, run.system) for run in runs_of_figure(papers, paper, entry)}
    if entry["kind"] == "activations":
        return bool(shown)
    return bool(configured) and all(
        (corpus, system) in shown for corpus in configured for system in entry.get("systems", [])
    )


def caches(papers: Papers) -> list[tuple[str, str]]:
    """Return the feature caches that runs and figures read: (corpus, recipe)."""
    found: dict[tuple[str, str], None] = {}
    for paper in papers.active():
        for asked in papers.runs(paper):
            for run in papers.parts(asked) or [asked]:
                recipe, _ = papers.recipe_of(paper, run.system, run.protocol)
                found |= dict.fromkeys((corpus, recipe) for corpus in members(run.corpus))
        for entry in published_figures(papers, paper).values():
            if "recipe" in entry and entry["kind"] not in FROM_RECORDINGS:
                found[members(shown_corpus(papers, paper, entry))[0], entry["recipe"]] = None
    return list(found)
