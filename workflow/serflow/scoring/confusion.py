"""Confusion matrices of runs, pooled over folds and seeds, alone or beside a published one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from serflow.papers.model import PublishedConfusion
from serflow.runs import RunRecord
from serflow.scoring.frames import write_frame
from serflow.scoring.pooling import pooled_confusion


def write_confusion(runs: Sequence[RunRecord], output: Path | str) -> None:
    """Pool the test predictions of runs of one corpus, system and protocol, and write the counts.

    The CSV has one row per true class: `truth`, then one column of counts per predicted class.
    """
    labels = list(runs[0].labels)
    counts = pd.DataFrame(pooled_confusion(runs), pd.Index(labels, name="truth"), labels)
    write_frame(output, counts.reset_index())


def confusion_percent(entry: PublishedConfusion, runs: Sequence[RunRecord]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return a published confusion matrix and ours, of the test parts pooled over folds and seeds.

    Parameters
    ----------
    entry
        The published matrix, in per cent.
    runs
        Runs of which those of its system, corpus and protocol count.

    Returns
    -------
    labels
        The C classes, in the order of the published rows.
    published, ours
        ``(C, C)`` in per cent of the true class (rows); ours is NaN where there is no utterance.
    """
    labels = list(entry.rows)
    published = np.array([[entry.rows[truth][guess] for guess in labels] for truth in labels], dtype=float)
    mine = [run for run in runs if run.group == (entry.corpus, entry.system, entry.protocol)]
    counts = np.zeros(published.shape)
    if mine:
        known = [label for label in labels if label in mine[0].labels]  # a part of a union may have fewer than it
        there, here = ([order.index(label) for label in known] for order in (labels, mine[0].labels))
        counts[np.ix_(there, there)] = pooled_confusion(mine)[np.ix_(here, here)]
    totals = counts.sum(axis=1, keepdims=True)
    return labels, published, np.where(totals > 0, 100 * counts / np.maximum(totals, 1), np.nan)
