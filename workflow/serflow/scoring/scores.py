"""Scores in long form, ``results/scores/{paper}.csv``: one row per number, ours with the published one beside it."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serflow.scoring.frames import column_types, make_frame, plain_rows, read_frame, write_frame

#: What stands in the column ``source``: computed from predictions, logged by training, or what guessing would score.
PREDICTIONS, HISTORY, CHANCE = "predictions", "history", "chance"
#: Systems of the rows of chance.
UNIFORM, MAJORITY = "chance (uniform)", "chance (majority)"
#: Metrics of the training and validation part of each epoch: ``{part}_{metric}`` in `history.csv`.
HISTORY_METRICS = ("accuracy", "loss")
#: Scope of a number over all folds and speakers; the others are "fold K" and "speaker CORPUS/NAME".
ALL = "all"
NOT_RUN = "not run: "
#: The part of the original recordings alone where augmented copies are tested too.
ORIGINALS = "test_originals"


@dataclass(frozen=True)
class Score:
    """One number: value and sd are mean and standard deviation over seeds, low and high bound the 95 % interval.

    ``epoch`` is None at the end of training; ``n_runs`` counts seeds; ``unit``: what the interval's bootstrap draws,
    speakers, or utterances where the speakers are too few; ``missing`` says which folds and seeds are missing,
    ``note`` why there is no value.

    Of the rows over all folds and speakers alone, for verdicts: ``seed_variance`` and, of one seed's test set,
    ``n_effective`` (see `differences`); ``spread``: where the last epoch is taken, the range of the validation accuracy
    over the last tenth of epochs, the mean over runs; ``collapsed``: number of runs that predict one class.
    """

    paper: str
    system: str
    protocol: str
    corpus: str
    part: str = ""
    metric: str = ""
    epoch: int | None = None
    scope: str = ALL
    value: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    n_runs: int | None = None
    n_folds: int | None = None
    n_speakers: int | None = None
    n_utterances: int | None = None
    unit: str = ""
    seed_variance: float | None = None
    n_effective: float | None = None
    spread: float | None = None
    collapsed: int | None = None
    published: float | None = None
    table: str = ""
    source: str = PREDICTIONS
    missing: str = ""
    note: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What no other number of the paper has, as `papers.model.Published.identity`; folds and speakers apart."""
        return self.system, self.corpus, self.protocol, self.part, self.metric, self.epoch

    @property
    def reason(self) -> str:
        """Why there is no value, "not run: ..."; empty where there is one."""
        return self.note[self.note.find(NOT_RUN) :] if self.value is None and NOT_RUN in self.note else ""


TYPES = column_types(Score)


@dataclass(frozen=True)
class Scores:
    """Score rows, in order."""

    rows: tuple[Score, ...] = ()

    @classmethod
    def read(cls, *paths: Path | str) -> Scores:
        """Read one or more files that `write` wrote; see `read_frame` for errors."""
        return cls(tuple(Score(**row) for path in paths for row in plain_rows(read_frame(path, TYPES))))

    def write(self, path: Path | str) -> None:
        """Write them as CSV with the columns `TYPES`."""
        write_frame(path, make_frame(map(vars, self.rows), TYPES))

    def __iter__(self) -> Iterator[Score]:
        return iter(self.rows)

    def select(self, **wanted: Any) -> Scores:
        """Return the rows whose columns have the wanted values, e.g. ``select(scope="all", corpus="ravdess")``."""
        return Scores(tuple(row for row in self if all(getattr(row, name) == value for name, value in wanted.items())))

    def find(
        self, corpus: str, system: str, protocol: str, metric: str, part: str = "test", epoch: int | None = None
    ) -> Score | None:
        """Return the number over all folds and speakers, or None."""
        return self._by_key.get((system, corpus, protocol, part, metric, epoch))

    def speakers_of(self, score: Score) -> list[Score]:
        """Return the numbers of each speaker."""
        return [row for row in self if row.scope.startswith("speaker ") and row.key == score.key]

    def published_value(self, corpus: str, system: str, metric: str, part: str) -> tuple[float | None, int | None]:
        """Return what was published at the end of training, and the epoch it was printed for (None: the end).

        Where a paper prints accuracies by epoch only, the last of them stands for WA.
        """
        found = self.select(corpus=corpus, system=system, part=part, scope=ALL)
        mine = [row for row in found if row.published is not None]
        end = [row for row in mine if row.metric == metric and row.epoch is None]
        epochs = [row for row in mine if row.metric == "accuracy" and metric == "WA"]
        last = sorted(epochs, key=lambda row: row.epoch or math.inf)[-1:]
        return next(((row.published, row.epoch) for row in [*end, *last]), (None, None))

    @functools.cached_property
    def _by_key(self) -> dict[tuple[object, ...], Score]:
        return {row.key: row for row in reversed(self.rows) if row.scope == ALL}
