"""What the comparison of all papers holds, ``results/tables/comparison.csv``: published numbers, ours, verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from serflow.items import UNION_MARK, members_of
from serflow.papers.names import ROLES
from serflow.protocols.base import Role
from serflow.scoring.frames import column_types, make_frame, plain_rows, read_frame, write_frame

#: The note of ours on unseen speakers where no other protocol than the paper's is needed for it.
SAME = "the paper's protocol is speaker-independent"


@dataclass(frozen=True)
class Cell:
    """Ours under one protocol: a fraction in 0..1, or the reason in ``note`` why there is none.

    ``seeds``: their number; the fields from ``unit`` to ``missing`` as in `scores.Score`. ``originals`` and its bounds:
    of the original recordings alone, where augmented copies are tested too.
    ``protocol`` is empty if there is no such protocol; ``deviations``: where its runs depart from the paper.
    """

    protocol: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    speakers: int | None = None
    seeds: int | None = None
    unit: str = ""
    seed_variance: float | None = None
    n_effective: float | None = None
    spread: float | None = None
    collapsed: int | None = None
    missing: str = ""
    originals: float | None = None
    originals_low: float | None = None
    originals_high: float | None = None
    note: str = ""
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """One published number (a fraction in 0..1; None: none was published), and ours beside it by role of protocol.

    ``emotions``: how many are told apart, where it is not the number of the paper's labels.
    """

    paper: str
    corpus: str
    system: str
    title: str
    metric: str
    part: str
    epoch: int | None
    published: float | None
    cells: Mapping[Role, Cell] = field(default_factory=lambda: dict.fromkeys(ROLES, Cell()))
    chance_uniform: float | None = None
    chance_majority: float | None = None
    verdict: str = ""
    reason: str = ""
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    synthetic: bool = False
    emotions: int | None = None

    def shown(self, role: Role) -> Cell:
        """Return ours by role; on unseen speakers it is the paper's protocol's where that is speaker-independent."""
        cell = self.cells[role]
        return self.cells["published"] if cell.note == SAME else cell

    @property
    def place(self) -> str:
        """What `name_place` returns with the corpora's own names."""
        return self.name_place(str)

    def name_place(self, name: Callable[[str], str]) -> str:
        """Return the corpus, or those trained on → the one tested on, and how many emotions if it is not the paper's.

        ``name``: how a corpus or a union of several is written.
        """
        text = name_corpora(self.corpus, {role for role, cell in self.cells.items() if cell.protocol}, name)
        return f"{text}, {self.emotions} emotions" if self.emotions else text

    @property
    def measured(self) -> bool:
        """Whether there is any value of ours."""
        return any(cell.value is not None for cell in self.cells.values())


def name_corpora(corpus: str, roles: Collection[Role], name: Callable[[str], str]) -> str:
    """Return a corpus or union as `name` writes it; of a test on another corpus, those trained on → the one tested."""
    if set(roles) != {"other_corpus"}:
        return name(corpus)
    *trained, tested = members_of(corpus)
    return f"{name(UNION_MARK.join(trained))} → {name(tested)}"


_OWN, _CELL = column_types(Result), column_types(Cell)
TYPES = _OWN | {f"ours_{role}_{name}": kind for role in ROLES for name, kind in _CELL.items()}


def write_results(results: Iterable[Result], path: Path | str) -> None:
    """Write results as CSV; see `results_frame`."""
    write_frame(path, results_frame(results))


def results_frame(results: Iterable[Result]) -> pd.DataFrame:
    """Return results as a data frame with the columns `TYPES`; a cell's deviations are one JSON list."""
    return make_frame(map(_flatten, results), TYPES)


def read_results(path: Path | str) -> list[Result]:
    """Read what `write_results` wrote; see `read_frame` for errors."""
    return list(map(_unflatten, plain_rows(read_frame(path, TYPES))))


def _flatten(result: Result) -> dict[str, Any]:
    row = {name: getattr(result, name) for name in _OWN}
    for role, cell in result.cells.items():
        row |= {f"ours_{role}_{name}": getattr(cell, name) for name in _CELL}
        row[f"ours_{role}_deviations"] = json.dumps(cell.deviations, ensure_ascii=False)
    return row


def _unflatten(row: Mapping[str, Any]) -> Result:
    cells: dict[Role, Cell] = {}
    for role in ROLES:
        own = {name: row[f"ours_{role}_{name}"] for name in _CELL}
        cells[role] = Cell(**own | {"deviations": tuple(json.loads(own["deviations"]))})
    own = {name: row[name] for name in _OWN} | {"synthetic": bool(row["synthetic"])}
    return Result(cells=cells, **own)
