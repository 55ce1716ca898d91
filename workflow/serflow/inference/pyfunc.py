"""MLflow's loader of a run, which its ``MLmodel`` names: `mlflow.pyfunc.load_model` takes it without pickle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serflow.inference.committee import load
from serflow.inference.predict import BATCH, Piece, cells_of, compute_piece, recognise
from serflow.inference.recordings import Job, find_recordings
from serflow.inference.systems import TrainedRun, read_trained
from serflow.io.workers import count_cores


class Recogniser:
    """A trained run that recognises recordings as `serflow predict` does, in this process."""

    def __init__(self, run: TrainedRun) -> None:
        self.run = run
        self.committee = load([run], "auto", count_cores())

    def predict(self, model_input: Any, params: None = None) -> pd.DataFrame:
        """Return one row per recording: file, emotion, the posterior of each class, and the error if there is one.

        Rows stand in the order of the paths: where these are files, there is one row for each, also for one that comes
        twice.

        Parameters
        ----------
        model_input
            Paths of recordings or of folders of them: a list, or a DataFrame's first column.

        Raises
        ------
        RecordingError
            If a path does not exist, or a folder holds no recording.
        """
        paths = model_input.iloc[:, 0] if isinstance(model_input, pd.DataFrame) else model_input
        labels = list(self.run.info["labels"])
        files = [file for path in paths for file in find_recordings([Path(path)])]
        rows = recognise(self._compute(files), self.committee, labels)
        found = pd.DataFrame([cells_of(row, labels, timed=False) for row in rows])
        found[labels] = found[labels].apply(pd.to_numeric)
        return found

    def _compute(self, files: Sequence[Path]) -> Iterator[list[Piece]]:
        """Yield what the network hears of recordings, in batches."""
        for n in range(0, len(files), BATCH):
            yield [compute_piece(self.run.recipe, Job(file)) for file in files[n : n + BATCH]]


def _load_pyfunc(path: str) -> Recogniser:
    """Return what MLflow calls a model, from the folder of a run's artifacts."""
    return Recogniser(read_trained(Path(path)))
