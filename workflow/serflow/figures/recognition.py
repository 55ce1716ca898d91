"""DeepEMO's Figures 2-5: one utterance's mel-spectrogram beside the probabilities of the emotions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serflow.corpora.manifest import read_manifest
from serflow.features.recipes import Recipe
from serflow.figures.spectrograms import draw_spectrogram
from serflow.figures.style import BLUE, ORANGE, new_figure, save, style
from serflow.figures.utterances import choose_tested, read_frames
from serflow.papers.model import PaperRecord
from serflow.papers.names import slug
from serflow.runs import read_run


def plot_recognition(
    record: PaperRecord, name: str, run: Path, features: Path, manifest: Path, stem: Path | str
) -> None:
    """Draw one of a paper's ``published_posteriors`` beside ours and save it as png and svg.

    Parameters
    ----------
    record
        The paper.
    name
        The file stem of the paper's figure.
    run
        Folder of the run whose test part the utterance is taken from; see `choose_tested`.
    features, manifest
        Zarr store of the run's recipe, a ``logmel`` one, and the manifest it was computed from.
    stem
        Path of the figure without suffix.
    """
    entry = next(entry for entry in record.paper.published_posteriors if slug(entry.figure) == name)
    found, rows = read_run(run), read_manifest(manifest)
    n, row = choose_tested(found, rows, entry.label)
    recipe = found.info["system_config"]["recipe"]
    ours = dict(zip(found.labels, found.posteriors[n].tolist(), strict=True))
    title = (
        f"{record.paper.title}\n{entry.figure}: {entry.label}. Ours: test utterance {rows[row]['utterance']}."
        f" Published: a {entry.label} recording the paper does not name."
    )
    frames = read_frames(features, recipe, rows, row)
    save(draw_recognition(frames, recipe, ours, entry.posteriors, title), stem, synthetic=record.synthetic)


def draw_recognition(
    frames: np.ndarray,
    recipe: Recipe,
    ours: Mapping[str, float],
    published: Mapping[str, float],
    title: str,
) -> Figure:
    """Draw an utterance's log-mel spectrogram beside our and the published class probabilities.

    Parameters
    ----------
    frames
        ``(n_frames, n_bands)`` in dB.
    recipe
        Of the frames.
    ours, published
        Probability of each class, ours in label-set order. The published ones are of another recording.
    title
        Title.
    """
    with style():
        figure = new_figure(10.5, 4.6)
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        draw_spectrogram(figure, left, frames, recipe)
        _draw_bars(right, ours, published)
        figure.suptitle(title)
    return figure


def _draw_bars(axes: Axes, ours: Mapping[str, float], published: Mapping[str, float]) -> None:
    at = np.arange(len(ours))
    kinds = ((ours, "ours", BLUE, None, -0.2), (published, "published (another recording)", ORANGE, "///", 0.2))
    for values, name, colour, hatch, shift in kinds:
        heights = [values.get(label, np.nan) for label in ours]
        bars = axes.barh(at + shift, heights, 0.38, color=colour, hatch=hatch, edgecolor="white", label=name)
        axes.bar_label(bars, [f"{x:.4f}" for x in heights], padding=3, fontsize=8)
    axes.set_yticks(at, list(ours))
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.19), xlabel="probability", xticks=np.arange(0, 1.01, 0.2))
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2)
