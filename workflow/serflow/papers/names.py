"""What tables, figures and protocols of a paper are called, and their file names: "Table I" becomes ``table_i``."""

from __future__ import annotations

import re
from collections import Counter

from serflow.papers.model import Figure, Paper, PublishedConfusion
from serflow.protocols.base import Role

#: What the roles of protocols are called. Ours is shown once for each role.
ROLES: dict[Role, str] = {
    "published": "paper's protocol",
    "random": "random split",
    "given": "corpus's own split",
    "unseen": "unseen speakers",
    "unseen_statements": "unseen speakers and sentences",
    "other_corpus": "another corpus",
    "leak": "with the leak",
    "control": "control for the leak",
    "unseen_control": "control, unseen speakers",
}

#: Stems of the tables and figures that every paper gets: no name of its own may give one of them.
COMMON_TABLES = ("data", "comparison", "differences", "speakers", "last_epochs")
COMMON_FIGURES = ("comparison", "speakers")


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


def name_protocol(paper: Paper, name: str) -> str:
    """Return what a protocol is called by its role; with its name where a paper has several of that role."""
    if name not in paper.protocols:
        return name
    role = paper.protocols[name].purpose
    several = Counter(protocol.purpose for protocol in paper.protocols.values())[role] > 1
    return f"{ROLES[role]}, {name.replace('_', ' ')}" if several else ROLES[role]
