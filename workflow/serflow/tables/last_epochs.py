"""The table of last epochs: how far a result depends on where training happened to stop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from serflow.papers.model import PaperRecord
from serflow.papers.names import name_protocol
from serflow.runs import RunRecord
from serflow.scoring.paper import last_epochs
from serflow.tables.table import Table

NOTE = (
    "Of the runs that take their last epoch as it comes. Validation accuracy in %, the means over runs: of the last "
    "epoch, and the mean, the lowest and the highest of the last tenth of epochs. Widest range: the largest distance "
    "from lowest to highest in one run, in points. Where it is large, the last epoch is a draw."
)


def last_epochs_table(record: PaperRecord, runs: Sequence[RunRecord]) -> Table:
    """Return one row per corpus, system, protocol and precision: the validation accuracy over the last epochs."""
    columns = ["Corpus", "System", "Protocol", "Device, precision", "Runs", "Last", "Mean", "Lowest", "Highest"]
    groups: dict[tuple[str, ...], list[list[float]]] = {}
    for run in runs:
        if last := last_epochs(run):
            computed = f"{run.info['device']}, {run.info['precision']}"
            groups.setdefault((*run.group, computed), []).append(last)
    rows = []
    for (corpus, system, protocol, computed), found in groups.items():
        each = np.array([(last[-1], np.mean(last), min(last), max(last)) for last in found])
        values = [*each.mean(axis=0), np.max(each[:, 3] - each[:, 2])]
        place = [corpus, record.paper.title_of("systems", system), name_protocol(record.paper, protocol)]
        rows.append([*place, computed, str(len(found)), *(f"{100 * value:.1f}" for value in values)])
    return Table(f"{record.paper.title}: last epochs", [*columns, "Widest range"], rows, [NOTE])
