"""Loss and accuracy over the epochs of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.evaluation.runs import load_runs
from serflow.figures.style import BLUE, VERMILION, new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = Sequence[Mapping[str, float]]

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
            runs_told = f"{len(runs)} runs, thick: their mean" if len(runs) > 1 else "1 run"
            grid[0, j].set_title(f"{fill(name, 46)}\n({runs_told})", fontsize=10, va="bottom")
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


def _draw(axes: Axes, runs: Sequence[History], quantity: str, scale: float) -> None:
    """Draw one line per run and their mean over the epochs that all of them have."""
    for part, colour, dashes in (("train", BLUE, "-"), ("validation", VERMILION, "--")):
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
