"""Loss and accuracy over the epochs of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.figures.style import BLUE, VERMILION, new_figure, save, style, wrap
from serflow.runs import load_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = Sequence[Mapping[str, float]]

_PARTS = (("train", BLUE, "-"), ("validation", VERMILION, "--"))
_ROWS = (("loss", 1.0, "cross-entropy (nats)"), ("accuracy", 100.0, "accuracy (%)"))


def curves(
    histories: Mapping[str, Sequence[History]],
    title: str,
    published: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Figure:
    """Draw training and validation loss and accuracy, one column per protocol.

    Parameters
    ----------
    histories
        Name of a protocol to the histories of its runs (seeds and folds): thin lines; their mean is thick.
    title
        Title, best with paper, system and corpus.
    published
        Name of a protocol to published entries (`metric`, `epoch`, `value`), drawn as points.
    """
    with style():
        n = len(histories)
        figure = new_figure(max(6.4, 0.8 + 4.2 * n), 6.2)
        grid = figure.subplots(2, n, sharex="col", sharey="row", squeeze=False)
        for j, (name, runs) in enumerate(histories.items()):
            grid[0, j].set_title(f"{fill(name, 46)}\n({_told(runs)})", fontsize=10, va="bottom")
            for i, (quantity, scale, _) in enumerate(_ROWS):
                _draw(grid[i, j], runs, quantity, scale)
                _points(grid[i, j], (published or {}).get(name, []), quantity, scale)
            grid[1, j].set_xlabel("epoch")
        for i, (_, _, label) in enumerate(_ROWS):
            grid[i, 0].set_ylabel(label)
        grid[0, 0].set_ylim(bottom=0)
        grid[1, 0].set_ylim(0, 103)
        handles = {label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels())}  # noqa: B905
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles))
        figure.suptitle(title, fontsize=12)
    return figure


def _draw(
    axes: Axes, runs: Sequence[History], quantity: str, scale: float, parts: Sequence[tuple[str, str, str]] = _PARTS
) -> None:
    """Draw one line per run and their mean over the epochs that all of them have."""
    for part, colour, dashes in parts:
        lines = [scale * np.array([row[f"{part}_{quantity}"] for row in run]) for run in runs]
        for line in lines if len(lines) > 1 else []:
            axes.plot(np.arange(1, len(line) + 1), line, color=colour, alpha=0.3, linewidth=0.8)
        shortest = min(len(line) for line in lines)
        mean = np.mean([line[:shortest] for line in lines], axis=0)
        name = "training" if part == "train" else part
        marker = "o" if shortest == 1 else None
        axes.plot(np.arange(1, shortest + 1), mean, dashes, color=colour, linewidth=2, label=name, marker=marker)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)


def _points(axes: Axes, entries: Sequence[Mapping[str, Any]], quantity: str, scale: float) -> None:
    """Draw the published values of one quantity."""
    for part, colour, marker in (("train", BLUE, "s"), ("validation", VERMILION, "D")):
        found = [
            (e["epoch"], scale * e["value"])
            for e in entries
            if (e["part"], e["metric"]) == (part, quantity) and "epoch" in e
        ]
        if found:
            name = f"published, {'training' if part == 'train' else part}"
            x, y = zip(*found, strict=True)
            look: Any = {"color": "none", "edgecolors": colour, "linewidths": 1.4, "s": 34, "zorder": 3}
            axes.scatter(x, y, marker=marker, label=name, clip_on=False, **look)


def losses(histories: Mapping[str, Sequence[History]], title: str) -> Figure:
    """Draw training and validation loss over the epochs, one panel per system, one below the other on the same axes.

    Parameters
    ----------
    histories
        Title of a system to the histories of its runs: thin lines; their mean is thick.
    title
        Title.
    """
    with style():
        figure = new_figure(8, 1.4 + 2.6 * len(histories))
        grid = figure.subplots(len(histories), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (name, runs) in zip(grid, histories.items(), strict=True):
            _draw(axes, runs, "loss", 1.0)
            axes.set_title(f"{fill(name, 90)} ({_told(runs)})", fontsize=10)
            axes.set_ylabel("cross-entropy (nats)")
        grid[-1].set_xlabel("epoch")
        grid[0].set_ylim(bottom=0)
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        figure.suptitle(wrap(title), fontsize=10.5)
    return figure


def training_accuracy(histories: Mapping[str, Sequence[History]], title: str) -> Figure:
    """Draw the training accuracy over the epochs, one panel per corpus; `histories` as of `losses`, by corpus."""
    with style():
        figure = new_figure(max(6.4, 0.8 + 4.2 * len(histories)), 4.0)
        grid = figure.subplots(1, len(histories), sharey=True, squeeze=False)[0]
        for axes, (name, runs) in zip(grid, histories.items(), strict=True):
            _draw(axes, runs, "accuracy", 100.0, parts=_PARTS[:1])
            axes.set_title(f"{fill(name, 46)} ({_told(runs)})", fontsize=10)
            axes.set_xlabel("epoch")
        grid[0].set_ylabel("training accuracy (%)")
        grid[0].set_ylim(0, 103)
        figure.suptitle(wrap(title), fontsize=10.5)
    return figure


def _told(runs: Sequence[History]) -> str:
    return f"{len(runs)} runs, thick: their mean" if len(runs) > 1 else "1 run"


def plot_losses(paper: Mapping[str, Any], run_dirs: Iterable[Path | str], title: str, stem: Path | str) -> None:
    """Draw the losses of each system among the runs and save as png and svg; see `losses`."""
    runs = load_runs(run_dirs)
    systems = {key: settings.get("title", key) for key, settings in paper["systems"].items()}
    found = {name: [run.history for run in runs if run.info["system"] == key] for key, name in systems.items()}
    save(losses({name: mine for name, mine in found.items() if mine}, title), stem)


def plot_training_accuracy(
    paper: Mapping[str, Any], run_dirs: Iterable[Path | str], title: str, stem: Path | str
) -> None:
    """Draw the training accuracy on each corpus and save as png and svg; corpora that were not run are named."""
    found: dict[str, Sequence[History]] = {}
    for run in load_runs(run_dirs):
        found[run.info["corpus"]] = [*found.get(run.info["corpus"], []), run.history]
    missing = [corpus for corpus in paper["corpora"] if corpus not in found]
    note = f"\nNot run: {', '.join(missing)}" if missing else ""
    save(training_accuracy(found, title + note), stem)


def plot_curves(paper: Mapping[str, Any], run_dirs: Iterable[Path | str], stem: Path | str) -> None:
    """Draw the runs of one system on one corpus, a column per protocol, and save as png and svg."""
    runs = load_runs(run_dirs)
    corpus, system = runs[0].info["corpus"], runs[0].info["system"]
    histories: dict[str, Sequence[History]] = {}
    published: dict[str, Sequence[Mapping[str, Any]]] = {}
    for key, settings in paper["protocols"].items():
        mine = [run.history for run in runs if run.info["protocol"] == key and run.history]
        if mine:
            name = settings.get("title", key)
            histories[name] = mine
            published[name] = [
                entry
                for entry in paper.get("published", [])
                if (entry["system"], entry["corpus"], entry["protocol"]) == (system, corpus, key)
            ]
    title = f"{paper['systems'].get(system, {}).get('title', system)} on {corpus}"
    save(curves(histories, title, published), stem)
