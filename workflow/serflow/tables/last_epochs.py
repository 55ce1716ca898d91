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
    "One row per run that takes its last epoch as it comes. Validation accuracy in %: of the last epoch, and the mean, "
    "the lowest and the highest of the last tenth of epochs. Where these differ much, the last epoch is a draw."
)


def last_epochs_table(record: PaperRecord, runs: Sequence[RunRecord]) -> Table:
    """Return one row per run: its seed, fold and precision, and its validation accuracy over the last epochs."""
    columns = ["Corpus", "System", "Protocol", "Seed", "Fold", "Device, precision", "Last", "Mean", "Lowest", "Highest"]
    rows = []
    for run in runs:
        if last := last_epochs(run):
            values = (last[-1], float(np.mean(last)), min(last), max(last))
            rows.append(
                [
                    *(run.id.corpus, record.paper.title_of("systems", run.id.system)),
                    *(name_protocol(record.paper, run.id.protocol), str(run.id.seed), str(run.id.fold)),
                    f"{run.info['device']}, {run.info['precision']}",
                    *(f"{100 * value:.1f}" for value in values),
                ]
            )
    return Table(f"{record.paper.title}: last epochs", columns, rows, [NOTE])
