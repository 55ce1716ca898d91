"""File names of what a paper prints: "Table I" becomes ``table_i``."""

from __future__ import annotations

import re

from serflow.papers.model import Figure, Paper, PublishedConfusion


def slug(name: str) -> str:
    """Return the file stem of a table or figure of the paper."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def published_tables(paper: Paper) -> dict[str, str]:
    """Return the tables of published numbers: file stem -> the paper's name of the table."""
    return {slug(number.table): number.table for number in paper.published}


def published_confusions(paper: Paper) -> dict[str, PublishedConfusion]:
    """Return the confusion matrices that a paper prints, by the file stem of ours beside them."""
    return {f"{slug(matrix.table)}_confusion": matrix for matrix in paper.published_confusion}


def published_figures(paper: Paper) -> dict[str, Figure]:
    """Return the figures of a paper file by file stem."""
    return {slug(figure.figure): figure for figure in paper.figures}
