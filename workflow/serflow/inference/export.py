"""`serflow export`: a folder with all that `serflow predict` needs of a run, and a model card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serflow.errors import SerflowError
from serflow.inference.card import write_card
from serflow.inference.evaluation import evaluate
from serflow.inference.predictor import load, model_file
from serflow.inference.systems import EVALUATION, PARTS, TrainedRun, check_own_code, find_run
from serflow.io.files import replace_folder, workspace, write_json, write_text


class ExportError(SerflowError):
    """A run cannot be exported, or not to where it is wanted."""


def export(model: str, folder: Path, results: Path) -> None:
    """Write a folder with a run's models, its run.json, `EVALUATION` and a model card; whole or not at all.

    A combined run takes the runs that it is made from with it, below `PARTS`.

    Parameters
    ----------
    model, results
        See `serflow.inference.systems.find_run`.
    folder
        Where to write; it may exist if it is empty.

    Raises
    ------
    ExportError
        If there is something at `folder`, or it is the current folder.
    InferenceError, ModelError
        If the run cannot be applied, or not without code of the user's own.
    """
    if folder.resolve() == Path.cwd():
        raise ExportError(folder, "is the folder that you are in", "Name a new folder.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fault = "is no folder" if not folder.is_dir() else "is not empty"
        raise ExportError(folder, fault, "Name a new folder, or empty this one.")
    run = find_run(model, results)
    for one in run.models:
        check_own_code(one)
        load(one.folder, "cpu", threads=1)  # a model that does not fit is refused here, not on another machine
    known = evaluate(run)
    folder = folder.resolve()  # a link to an empty folder stays one
    with workspace(folder) as partial:
        _write_run(run, partial)
        for part in run.parts:
            _write_run(part, partial / PARTS / part.id.system)
        write_json(partial / EVALUATION, known)
        write_text(partial / "README.md", write_card(run, known))
        replace_folder(partial, folder)


def _write_run(run: TrainedRun, folder: Path) -> None:
    """Write run.json, without paths of this machine, and the model, if the run has one of its own."""
    folder.mkdir(parents=True)
    if not run.parts:
        shutil.copyfile(model_file(run.folder, run.info), folder / f"model.{run.info['model_format']}")
    write_json(folder / "run.json", _portable(run.info))


def _portable(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what run.json says, but for the paths of the runs that a combined one is made from, and the command."""
    return {key: value for key, value in info.items() if key not in ("runs", "command")}
