"""Drawing spectrograms and what has their axes."""

from __future__ import annotations

import librosa  # not by serflow.features.kernels: what is used here has none, and they take seconds to load
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serflow.features.recipes import Recipe

#: What the colours of a normalised log spectrogram mean.
LEVEL = "level above floor (SD)"
_MEL_TICKS = (0, 128, 256, 512, 1000, 2000, 4000, 8000, 16000)
_LINEAR_TICKS = range(0, 24001, 1000)


def draw_image(
    figure: Figure, axes: Axes, values: np.ndarray, extent: tuple[float, float, float, float], label: str
) -> None:
    """Draw ``(bins, frames)`` values, the first bin at the bottom, with a colour bar that `label` explains."""
    image = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis", extent=extent, interpolation="nearest")
    figure.colorbar(image, ax=axes, label=label, pad=0.02)


def draw_spectrogram(figure: Figure, axes: Axes, frames: np.ndarray, recipe: Recipe) -> None:
    """Draw ``(n_frames, n_bins)`` levels in dB below the maximum, bins evenly spaced whatever their frequencies.

    ``recipe``: of the transform ``logspectrogram`` or ``logmel``.
    """
    n_frames, n_bins = frames.shape
    hop, centres, mel = recipe["hop_length"] / recipe["sample_rate"], centre_frequencies(recipe, n_bins), is_mel(recipe)
    extent = (-hop / 2, (n_frames - 0.5) * hop, -0.5, n_bins - 0.5)
    draw_image(figure, axes, frames.T, extent, "level re maximum (dB)")
    ticks = [hz for hz in (_MEL_TICKS if mel else _LINEAR_TICKS) if centres[0] <= hz <= centres[-1]]
    axes.set_yticks(np.interp(ticks, centres, np.arange(n_bins)), [str(hz) for hz in ticks])
    axes.set(xlabel="time (s)", ylabel=f"frequency (Hz{', mel scale' if mel else ''})")


def draw_map(figure: Figure, axes: Axes, values: np.ndarray, recipe: Recipe, label: str) -> None:
    """Draw ``(bins, frames)`` values, each at its window's centre and its bin's frequency; `label`: of the colours.

    ``recipe``: of the transform ``logpower`` or ``harmonic``.
    """
    bins, frames = values.shape
    hop, step = recipe["hop_length"] / recipe["sample_rate"], recipe["sample_rate"] / recipe["n_fft"]
    start = (recipe["win_length"] - recipe["hop_length"]) / 2 / recipe["sample_rate"]
    draw_image(figure, axes, values, (start, start + frames * hop, -step / 2, (bins - 0.5) * step), label)


def is_mel(recipe: Recipe) -> bool:
    """Return whether a recipe's bins are evenly spaced in mel rather than in Hz."""
    return "n_mels" in recipe


def centre_frequencies(recipe: Recipe, n_bins: int) -> np.ndarray:
    """Return the centre frequency in Hz of each bin of a spectrogram recipe, shape ``(n_bins,)``."""
    if is_mel(recipe):
        return librosa.mel_frequencies(recipe["n_mels"] + 2, fmin=recipe["fmin"], fmax=recipe["fmax"])[1:-1]
    return np.arange(n_bins) * recipe["sample_rate"] / recipe["n_fft"]
