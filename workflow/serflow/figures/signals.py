"""What a recording looks like: its spectrogram, and waveforms of recordings beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.errors import CorpusError
from serflow.figures.style import BLUE, new_figure, save, style, wrap
from serflow.io.files import read_csv

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEL_TICKS = (0, 128, 256, 512, 1000, 2000, 4000, 8000, 16000)
_LINEAR_TICKS = range(0, 24001, 1000)


def draw_spectrogram(
    figure: Figure, axes: Axes, values: np.ndarray, hop: float, centres: np.ndarray, *, mel: bool
) -> None:
    """Draw ``(n_frames, n_bins)`` levels in dB below the maximum.

    Parameters
    ----------
    hop
        Seconds between frames.
    centres
        ``(n_bins,)`` centre frequencies in Hz, ascending.
    mel
        Whether they are evenly spaced in mel rather than in Hz.
    """
    n_frames, n_bins = values.shape
    extent = (-hop / 2, (n_frames - 0.5) * hop, -0.5, n_bins - 0.5)
    image = axes.imshow(values.T, origin="lower", aspect="auto", cmap="viridis", extent=extent, interpolation="nearest")
    ticks = [hz for hz in (_MEL_TICKS if mel else _LINEAR_TICKS) if centres[0] <= hz <= centres[-1]]
    axes.set_yticks(np.interp(ticks, centres, np.arange(n_bins)), [str(hz) for hz in ticks])
    axes.set(xlabel="time (s)", ylabel=f"frequency (Hz{', mel scale' if mel else ''})")
    figure.colorbar(image, ax=axes, label="level re maximum (dB)", pad=0.02)


def centre_frequencies(recipe: Mapping[str, Any], n_bins: int) -> np.ndarray:
    """Return the centre frequency in Hz of each bin of a spectrogram recipe, shape ``(n_bins,)``."""
    if "n_mels" in recipe:
        from serflow.features.kernels import librosa

        return librosa.mel_frequencies(recipe["n_mels"] + 2, fmin=recipe["fmin"], fmax=recipe["fmax"])[1:-1]
    return np.arange(n_bins) * recipe["sample_rate"] / recipe["n_fft"]


def spectrogram(values: np.ndarray, recipe: Mapping[str, Any], title: str) -> Figure:
    """Draw one utterance's spectrogram; `values` are its frames ``(n_frames, n_bins)`` in dB under `recipe`."""
    with style():
        figure = new_figure(8, 4.6)
        hop = recipe["hop_length"] / recipe["sample_rate"]
        centres = centre_frequencies(recipe, values.shape[1])
        draw_spectrogram(figure, figure.subplots(), values, hop, centres, mel="n_mels" in recipe)
        figure.suptitle(wrap(title), fontsize=10.5)
    return figure


def waveforms(signals: Mapping[str, tuple[np.ndarray, int]], title: str) -> Figure:
    """Draw waveforms one below the other, on the same axes.

    Parameters
    ----------
    signals
        What to write above each: its samples ``(n_samples,)``, 1 is full scale, and sampling rate in Hz.
    title
        Title.
    """
    with style():
        figure = new_figure(8, 0.9 + 1.9 * len(signals))
        grid = figure.subplots(len(signals), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (name, (samples, rate)) in zip(grid, signals.items(), strict=True):
            axes.plot(np.arange(len(samples)) / rate, samples, color=BLUE, linewidth=0.6)
            axes.set_title(name, fontsize=10)
            axes.set_ylabel("amplitude")
        grid[-1].set_xlabel("time (s)")
        grid[-1].set_xlim(left=0)
        figure.suptitle(wrap(title), fontsize=10.5)
    return figure


def choose_utterance(rows: Sequence[Mapping[str, str]], wanted: str | None) -> tuple[int, str]:
    """Return the row of the utterance to show, and which one it is in words: the wanted one, else the first by name."""
    names = [row["utterance"] for row in rows]
    if wanted in names:
        return names.index(str(wanted)), f"utterance {wanted}, the paper's own"
    first = min(names)
    reason = f"the paper's, {wanted}, is not in this corpus" if wanted else "the paper names none"
    return names.index(first), f"utterance {first}, the first by name ({reason})"


def choose_speaker(rows: Sequence[Mapping[str, str]], emotions: Sequence[str]) -> list[Mapping[str, str]]:
    """Return one row per emotion, all of the first speaker by name who has them all: the first utterance of each.

    Raises
    ------
    CorpusError
        If no speaker has them all.
    """
    first: dict[tuple[str, str], dict[str, Mapping[str, str]]] = {}
    for row in sorted(rows, key=lambda row: row["utterance"]):
        first.setdefault((row["corpus"], row["speaker"]), {}).setdefault(row["emotion"], row)
    for _, found in sorted(first.items()):
        if all(emotion in found for emotion in emotions):
            return [found[emotion] for emotion in emotions]
    fault = f"no speaker has utterances of {' and '.join(emotions)}"
    raise CorpusError("manifest", fault, "Complete the corpus (`serflow verify`), or leave this figure out.")


def plot_spectrogram(
    manifest: Path | str, store: Path | str, recipe: Mapping[str, Any], wanted: str | None, title: str, stem: Path | str
) -> None:
    """Draw an utterance from a feature cache and save it as png and svg; see `choose_utterance`."""
    from serflow.features import cache

    rows = read_csv(manifest)
    row, told = choose_utterance(rows, wanted)
    features = cache.load(Path(store), recipe, rows)
    values = features.read(np.flatnonzero((features.utterance == row) & (features.copy == 0)))
    save(spectrogram(values, recipe, f"{title}\nOurs: {told}; {rows[row]['corpus']}"), stem)


def plot_waveforms(
    manifests: Sequence[Path | str], roots: Sequence[Path | str], emotions: Sequence[str], title: str, stem: Path | str
) -> None:
    """Draw an utterance of each emotion by one speaker and save it as png and svg; see `choose_speaker`.

    Parameters
    ----------
    manifests, roots
        Manifest CSV and corpus tree of each member corpus, in the same order.
    emotions, title, stem
        What to draw, its title, and the path without suffix.
    """
    import soundfile

    tables = [read_csv(path) for path in manifests]
    places = {rows[0]["corpus"]: Path(root) for rows, root in zip(tables, roots, strict=True)}
    chosen = choose_speaker([row for rows in tables for row in rows], emotions)
    signals = {}
    for row in chosen:
        samples, rate = soundfile.read(places[row["corpus"]] / row["path"])
        signals[f"{row['emotion']}: {row['utterance']}"] = (samples if samples.ndim == 1 else samples[:, 0], rate)
    told = (
        f"Ours: speaker {chosen[0]['speaker']} of {chosen[0]['corpus']}, the first who has both; the paper names none"
    )
    save(waveforms(signals, f"{title}\n{told}"), stem)
