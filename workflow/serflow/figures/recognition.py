"""DeepEMO's Figures 2-5: one utterance's mel-spectrogram beside the probabilities of the eight emotions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.figures.signals import centre_frequencies, draw_spectrogram
from serflow.figures.style import BLUE, ORANGE, new_figure, save, style
from serflow.io.files import read_csv
from serflow.runs import RERUN, ScoreError, load_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def deepemo_recognition(
    spectrogram: np.ndarray,
    hop: float,
    centres: np.ndarray,
    ours: Mapping[str, float],
    published: Mapping[str, float],
    *,
    utterance: str,
    label: str,
    figure_name: str,
) -> Figure:
    """Draw an utterance's log-mel spectrogram beside our and the published class probabilities.

    Parameters
    ----------
    spectrogram
        ``(n_frames, n_bands)`` in dB.
    hop
        Seconds between frames.
    centres
        ``(n_bands,)`` centre frequencies of the bands in Hz, ascending.
    ours, published
        Probability of each class, ours in label-set order. The published ones belong to another recording.
    utterance, label
        Our utterance and its true class.
    figure_name
        The paper's name of the figure, e.g. "Figure 2".
    """
    with style():
        figure = new_figure(10.5, 4.6)
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        draw_spectrogram(figure, left, spectrogram, hop, centres, mel=True)
        _bars(right, ours, published)
        figure.suptitle(
            f"DeepEMO, {figure_name}: {label}\n"
            f"Ours: test utterance {utterance}, true emotion {label}. Published: a {label} recording the paper does "
            "not name.",
            fontsize=10.5,
        )
    return figure


def _bars(axes: Axes, ours: Mapping[str, float], published: Mapping[str, float]) -> None:
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


def pick_utterance(run_dir: Path | str, label: str) -> tuple[str, dict[str, float]]:
    """Return the first test utterance of an emotion by name, and our posteriors; chosen by rule, not by its result.

    Raises
    ------
    ScoreError
        If the test part has no utterance of that emotion.
    """
    run = load_run(run_dir)
    truth = np.array(run.labels)[run.truth]
    found = sorted((run.utterances[i], i) for i in np.flatnonzero((run.parts == "test") & (truth == label)))
    if not found:
        raise ScoreError(run.path / "predictions.csv", f"the test part has no utterance that is {label}", RERUN)
    utterance, i = found[0]
    return utterance, dict(zip(run.labels, map(float, run.posteriors[i]), strict=True))


def plot_recognition(
    run_dir: Path | str,
    published: Mapping[str, Any],
    store: Path | str,
    recipe: Mapping[str, Any],
    manifest: Path | str,
    *,
    stem: Path | str,
) -> None:
    """Draw one of Figures 2-5 from a run and its feature cache and save it as png and svg.

    Parameters
    ----------
    run_dir
        Run whose test part the utterance is taken from; see `pick_utterance`.
    published
        One entry of the paper file's ``published_posteriors``: `figure`, `label`, `posteriors`.
    store, recipe, manifest
        Zarr store of a ``logmel`` recipe, that recipe, and the manifest CSV it was computed from.
    stem
        Path of the figure without suffix.
    """
    from serflow.features import cache

    utterance, posteriors = pick_utterance(run_dir, published["label"])
    rows = read_csv(manifest)
    features = cache.load(Path(store), recipe, rows)
    row = [found["utterance"] for found in rows].index(utterance)
    figure = deepemo_recognition(
        features.read(np.flatnonzero((features.utterance == row) & (features.copy == 0))),
        recipe["hop_length"] / recipe["sample_rate"],
        centre_frequencies(recipe, recipe["n_mels"]),
        posteriors,
        published["posteriors"],
        utterance=utterance,
        label=published["label"],
        figure_name=published["figure"],
    )
    save(figure, stem)
