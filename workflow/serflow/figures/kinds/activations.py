"""Satt et al., Figures 2 and 3: what first-layer filters respond to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from serflow.features.recipes import Recipe
from serflow.figures.request import Request
from serflow.figures.spectrograms import LEVEL, draw_map
from serflow.figures.style import new_figure, wrap
from serflow.figures.utterances import choose_tested, read_frames
from serflow.inference import predictor as inference
from serflow.training.batches import make_picker
from serflow.training.dataset import Dataset, prepare
from serflow.types import Names, Text

NEEDS = "one_run manifests features"
#: How each kind of filter is picked, which the paper does not say; the measure of the rule stands above the map.
RULES = {
    "vertical": "of the maps that rise with the spectrogram, the one that changes most along time for its change"
    " along frequency (ratio of mean squares)",
    "horizontal": "of the maps that rise with the spectrogram, the one that changes least along time for its change"
    " along frequency (ratio of mean squares)",
    "silence": "of the maps active on most of the spectrogram's quieter half, the one of lowest correlation with it"
    " (not below 0: none has learnt silence)",
}


class Choice(NamedTuple):
    """A filter that a rule picks: its number, from 0, and the rule's measure."""

    number: int
    measure: float


def activations(
    request: Request,
    *,
    systems: Names,
    recipe: Text,
    emotion: Text,
    filters: list[Literal["vertical", "horizontal", "silence"]],
) -> Figure:
    """Draw the first part of a test utterance beside the maps that first-layer filters make of it.

    Parameters
    ----------
    systems
        The network with convolutions; its first run is shown.
    recipe
        What the network was trained on.
    emotion
        Of the utterance, the first by name in the run's test part.
    filters
        Which kinds of filters.
    """
    run, rows, options = request.read_runs(systems)[0], request.read_rows(), request.paper.recipes[recipe]
    n, row = choose_tested(run, rows, emotion)
    frames = read_frames(request.features[0], options, rows, row, segment=0)
    spectrogram, maps = frames.T.astype(np.float32), _apply(run.path, frames)
    chosen: dict[str, Choice | None] = {kind: choose_filter(maps, spectrogram, kind) for kind in filters}
    told = (
        f"Ours: the first part of {run.utterances[n]}, the first {emotion} utterance by name in the test part of fold"
        f" {run.id.fold}, seed {run.id.seed}, {run.id.corpus}. The paper does not say how it picked filters. Ours: "
        + "; ".join(f"{kind}: {RULES[kind]}" for kind in chosen)
    )
    panels = {kind: (found, maps[found.number]) if found else None for kind, found in chosen.items()}
    return draw(spectrogram, panels, options, request.title(f"{told}."))


def _apply(folder: Path, frames: np.ndarray) -> np.ndarray:
    """Return the maps that a run's network makes of the frames (n_frames, bins) of an item; see `activation_maps`."""
    predictor = inference.load(folder, device="cpu", threads=1)
    data = Dataset(frames, np.array([0, len(frames)]), np.array([-1]), {}, [""], np.array([0]), [""])
    inputs = prepare(predictor.info["system_config"]["input"], data, predictor.info["input_statistics"])
    batch = inputs.finish(make_picker(inputs, torch.device("cpu"))(torch.tensor([0])))
    return activation_maps(predictor.network, batch)[..., : len(frames)]


def activation_maps(network: nn.Module, batch: torch.Tensor) -> np.ndarray:
    """Return the first convolution's maps of one item after ReLU, before pooling, shape (filters, bins, frames).

    ``batch``: the item as the network receives it, shape (1, 1, bins, frames).
    """
    maps: list[torch.Tensor] = []
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    handle = first.register_forward_hook(lambda _module, _inputs, output: maps.append(output.relu()))
    try:
        with torch.inference_mode():
            network(batch)
    finally:
        handle.remove()
    return maps[0][0].float().cpu().numpy()


def choose_filter(maps: np.ndarray, spectrogram: np.ndarray, kind: str) -> Choice | None:
    """Return the filter that `RULES` picks; None if no map fits.

    Parameters
    ----------
    maps
        Shape (filters, bins, frames): `activation_maps`, without the frames that were filled with zeros.
    spectrogram
        Shape (bins, frames): what they are the maps of.
    """
    alive = np.flatnonzero(maps.reshape(len(maps), -1).std(axis=1) > 0).tolist()
    scores = {n: float(np.corrcoef(maps[n].ravel(), spectrogram.ravel())[0, 1]) for n in alive}
    if kind == "silence":
        quiet = spectrogram <= np.median(spectrogram)
        scores = {n: value for n, value in scores.items() if (maps[n][quiet] > 0).mean() > 0.5}
    else:
        scores = {n: _uprightness(maps[n]) for n, value in scores.items() if value > 0}
    if not scores:
        return None
    number = (max if kind == "vertical" else min)(scores, key=scores.__getitem__)
    return Choice(number, scores[number])


def _uprightness(values: np.ndarray) -> float:
    """Return the ratio of the squared differences along time to those along frequency of a (bins, frames) map."""
    along_time, along_frequency = (np.square(np.diff(values, axis=axis)).mean() for axis in (1, 0))
    return float(along_time / along_frequency) if along_frequency > 0 else np.inf


def draw(
    spectrogram: np.ndarray,
    panels: Mapping[str, tuple[Choice, np.ndarray] | None],
    recipe: Recipe,
    title: str,
) -> Figure:
    """Draw a spectrogram and, right of it, activation maps.

    Parameters
    ----------
    spectrogram
        Shape (bins, frames), at least 0, under `recipe`.
    panels
        Kind of filter: the chosen one and its map, shape (bins, frames); None if no map fits.
    """
    figure = new_figure(1 + 4.6 * (1 + len(panels)), 4.8, wrap(title, 60 * (1 + len(panels))))
    grid = figure.subplots(1, 1 + len(panels), sharex=True, sharey=True, squeeze=False)[0]
    draw_map(figure, grid[0], spectrogram, recipe, LEVEL)
    grid[0].set_title("normalised log spectrogram")
    for axes, (kind, panel) in zip(grid[1:], panels.items(), strict=True):
        if panel is None:
            axes.set_title(f"{kind}: no filter fits")
            axes.set_axis_off()
            continue
        choice, values = panel
        measured = "correlation" if kind == "silence" else "time/frequency"
        axes.set_title(f"{kind}: filter {choice.number + 1} ({measured} {choice.measure:.2f})")
        draw_map(figure, axes, values, recipe, "activation")
    for axes in grid:
        axes.set_xlabel("time (s)")
    grid[0].set_ylabel("frequency (Hz)")
    return figure
