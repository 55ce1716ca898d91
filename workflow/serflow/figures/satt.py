"""Figures 2 to 5 of Satt et al.: what first-layer filters respond to, and spectrograms rebuilt from pitch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serflow.errors import CorpusError, TrainingError
from serflow.figures.style import BLUE, GREY, VERMILION, new_figure, save, style, wrap
from serflow.io.files import read_csv

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import nn

Row = Mapping[str, str]

#: How each kind of filter is picked, which the paper does not say; the measure of the rule stands above the map.
RULES = {
    "vertical": "of the maps that rise with the spectrogram, the one that changes most along time for its change"
    " along frequency (ratio of mean squares)",
    "horizontal": "of the maps that rise with the spectrogram, the one that changes least along time for its change"
    " along frequency (ratio of mean squares)",
    "silence": "of the maps active on most of the spectrogram's quieter half, the one of lowest correlation with it"
    " (not below 0: none has learnt silence)",
}
#: An utterance is shown whose first part holds an unbroken voiced run of at least this many seconds.
VOICED_SECONDS = 0.2
#: The noise of Figure 5 is drawn from this seed.
SEED = 0
LEVEL = "level above floor (SD)"


# --- Figures 2 and 3 -----------------------------------------------------------------------------------------------


def activation_maps(network: nn.Module, batch: torch.Tensor) -> np.ndarray:
    """Return the first convolution's maps of one item after ReLU, before pooling.

    Parameters
    ----------
    network
        With a convolution.
    batch
        The item as the network receives it, shape (1, 1, bins, frames).

    Returns
    -------
    numpy.ndarray
        Shape (filters, bins, frames), at least 0.
    """
    import torch

    maps: list[torch.Tensor] = []
    first = next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    handle = first.register_forward_hook(lambda _module, _inputs, output: maps.append(output.relu()))
    try:
        with torch.inference_mode():
            network(batch)
    finally:
        handle.remove()
    return maps[0][0].float().cpu().numpy()


def choose_filter(maps: np.ndarray, spectrogram: np.ndarray, kind: str) -> tuple[int, float] | None:
    """Return the number of the filter that `RULES` picks, from 0, and the rule's measure; None if no map fits.

    Parameters
    ----------
    maps
        Shape (filters, bins, frames): `activation_maps`, without the frames that were filled with zeros.
    spectrogram
        Shape (bins, frames): what they are the maps of.
    kind
        A key of `RULES`.
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
    return number, scores[number]


def _uprightness(values: np.ndarray) -> float:
    """Return the ratio of the squared differences along time to those along frequency of a (bins, frames) map."""
    along_time, along_frequency = (np.square(np.diff(values, axis=axis)).mean() for axis in (1, 0))
    return float(along_time / along_frequency) if along_frequency > 0 else np.inf


def plot_activations(
    run: Path | str,
    manifest: Path | str,
    store: Path | str,
    recipe: Mapping[str, Any],
    entry: Mapping[str, Any],
    title: str,
    stem: Path | str,
) -> None:
    """Draw the first part of a test utterance beside the maps that first-layer filters make of it, as png and svg.

    Parameters
    ----------
    run
        Run directory of a network with convolutions.
    manifest, store, recipe
        Of the run's corpus; the store is the recipe's.
    entry
        ``emotion`` of the utterance, ``filters``: keys of `RULES`.
    title, stem
        Title, and path without suffix.

    Raises
    ------
    TrainingError
        If no utterance of that emotion is in the run's test part.
    """
    from serflow.features import cache
    from serflow.inference import predictor as inference

    rows = read_csv(manifest)
    name = _test_utterance(Path(run), entry["emotion"])
    features = cache.load(Path(store), recipe, rows)
    row = [row["utterance"] for row in rows].index(name)
    frames = features.read(np.flatnonzero((features.utterance == row) & (features.segment == 0) & (features.copy == 0)))
    predictor = inference.load(run, device="cpu", threads=1)
    info, spectrogram = predictor.info, frames.T.astype(np.float32)
    maps = activation_maps(predictor.network, _batch(frames, info))[..., : len(frames)]
    chosen = {kind: choose_filter(maps, spectrogram, kind) for kind in entry["filters"]}
    told = (
        f"Ours: the first part of {name}, the first {entry['emotion']} utterance by name in the test part of fold"
        f" {info['fold']}, seed {info['seed']}, {info['corpus']}. The paper does not say how it picked filters. Ours: "
        + "; ".join(f"{kind}: {RULES[kind]}" for kind in chosen)
    )
    panels = {kind: found and (*found, maps[found[0]]) for kind, found in chosen.items()}
    save(activations(spectrogram, panels, recipe, f"{title}\n{told}."), stem)


def activations(
    spectrogram: np.ndarray,
    panels: Mapping[str, tuple[int, float, np.ndarray] | None],
    recipe: Mapping[str, Any],
    title: str,
) -> Figure:
    """Draw a spectrogram and, right of it, activation maps.

    Parameters
    ----------
    spectrogram
        Shape (bins, frames), at least 0, under `recipe`.
    panels
        Kind of filter: its number, from 0, its measure and its map, shape (bins, frames); None if no map fits.
    recipe
        Of the spectrogram.
    title
        Title.
    """
    with style():
        figure = new_figure(1 + 4.6 * (1 + len(panels)), 4.8)
        grid = figure.subplots(1, 1 + len(panels), sharex=True, sharey=True)
        _draw_map(figure, grid[0], spectrogram, recipe, LEVEL)
        grid[0].set_title("normalised log spectrogram")
        for axes, (kind, found) in zip(grid[1:], panels.items(), strict=True):
            if found is None:
                axes.set_title(f"{kind}: no filter fits")
                axes.set_axis_off()
                continue
            number, measure, values = found
            told = "correlation" if kind == "silence" else "time/frequency"
            axes.set_title(f"{kind}: filter {number + 1} ({told} {measure:.2f})")
            _draw_map(figure, axes, values, recipe, "activation")
        for axes in grid:
            axes.set_xlabel("time (s)")
        grid[0].set_ylabel("frequency (Hz)")
        figure.suptitle(wrap(title, 60 * (1 + len(panels))), fontsize=10.5)
    return figure


def _test_utterance(run: Path, emotion: str) -> str:
    """Return the first utterance by name of that emotion in a run's test part."""
    predictions = read_csv(run / "predictions.csv")
    names = [row["utterance"] for row in predictions if row["part"] == "test" and row["label"] == emotion]
    if not names:
        fault = f"has no {emotion} utterance in its test part"
        raise TrainingError(run, fault, "Ask the figure for an emotion that the corpus has.")
    return min(names)


def _batch(frames: np.ndarray, info: Mapping[str, Any]) -> torch.Tensor:
    """Return an item of (n_frames, bins) as the network of a run receives it: a batch of one."""
    import torch

    from serflow.training.inputs import Dataset, prepare

    data = Dataset(frames, np.array([0, len(frames)]), np.array([-1]), {}, [""], np.array([0]), [""])
    inputs = prepare(info["system_config"]["input"], data, info["input_statistics"])
    return inputs.finish(inputs.picker(torch.device("cpu"))(torch.tensor([0])))


def _draw_map(figure: Figure, axes: Axes, values: np.ndarray, recipe: Mapping[str, Any], label: str) -> None:
    """Draw (bins, frames) values, each at its window's centre and its bin's frequency."""
    bins, frames = values.shape
    hop, step = recipe["hop_length"] / recipe["sample_rate"], recipe["sample_rate"] / recipe["n_fft"]
    start = (recipe["win_length"] - recipe["hop_length"]) / 2 / recipe["sample_rate"]
    extent = (start, start + frames * hop, -step / 2, (bins - 0.5) * step)
    image = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis", extent=extent, interpolation="nearest")
    figure.colorbar(image, ax=axes, label=label, pad=0.02)


# --- Figures 4 and 5 -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speech:
    """An utterance to show: its manifest row, and its signal at the recipe's sampling rate, shape (n_samples,)."""

    row: Row
    signal: np.ndarray

    @property
    def told(self) -> str:
        """Which utterance it is, in words."""
        return (
            f"utterance {self.row['utterance']} of {self.row['corpus']}, the first by name with {VOICED_SECONDS:g} s of"
            " unbroken voice in its first part; the paper names none"
        )


def first_part(signal: np.ndarray, recipe: Mapping[str, Any]) -> np.ndarray:
    """Return the first of the parts that a signal, shape (n_samples,), is cut into before the recipe's transform."""
    from serflow.features.segments import count_segments, cut

    seconds = recipe.get("segment_seconds", math.inf)
    return cut(signal, count_segments(len(signal), recipe["sample_rate"], seconds))[0]


def longest_run(voiced: np.ndarray) -> tuple[int, int]:
    """Return first and last (exclusive) frame of the first longest unbroken run of True; (0, 0) if there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], voiced, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest])


def choose_speech(recordings: Iterator[tuple[Row, np.ndarray]], recipe: Mapping[str, Any]) -> Speech:
    """Return the first recording whose first part has a voiced run of at least `VOICED_SECONDS`.

    Parameters
    ----------
    recordings
        Manifest rows and signals at the recipe's sampling rate, in the order to try them in.
    recipe
        Of the transform ``harmonic``.

    Raises
    ------
    CorpusError
        If there is none.
    """
    for row, signal in recordings:
        start, stop = longest_run(_pitch(first_part(signal, recipe), recipe) > 0)
        if (stop - start) * recipe["hop_length"] >= VOICED_SECONDS * recipe["sample_rate"]:
            return Speech(row, signal)
    fault = f"no utterance has a voiced run of {VOICED_SECONDS:g} s in its first part"
    raise CorpusError("manifest", fault, "Widen the recipe's pitch_floor and pitch_ceiling, or leave this figure out.")


def _pitch(signal: np.ndarray, recipe: Mapping[str, Any]) -> np.ndarray:
    from serflow.features.transforms.harmonic import pitch

    return pitch(signal, **_options(pitch, recipe))


def _options(function: Any, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a function that a recipe gives."""
    return {key: recipe[key] for key in inspect.signature(function).parameters if key in recipe}


def _recordings(rows: Sequence[Row], places: Mapping[str, Path], sample_rate: int) -> Iterator[tuple[Row, np.ndarray]]:
    """Yield each row and its signal by the utterances' names; `places`: the tree of each corpus."""
    from serflow.features.audio import read_signal

    for row in sorted(rows, key=lambda row: row["utterance"]):
        yield row, read_signal(places[row["corpus"]] / row["path"], sample_rate)


def _places(manifests: Sequence[Path | str], roots: Sequence[Path | str]) -> tuple[list[Row], dict[str, Path]]:
    """Return the rows of all manifests and the tree of each one's corpus."""
    tables: list[list[Row]] = [list(read_csv(path)) for path in manifests]
    places = {rows[0]["corpus"]: Path(root) for rows, root in zip(tables, roots, strict=True)}
    return [row for rows in tables for row in rows], places


@dataclass(frozen=True)
class Frame:
    """A voiced frame: F0 in Hz, time in s; ``freqs`` in Hz, the rest in dB re a full-scale sine, all (bins,)."""

    freqs: np.ndarray
    original: np.ndarray
    envelope: np.ndarray
    modified: np.ndarray
    f0: float
    time: float


def middle_frame(signal: np.ndarray, recipe: Mapping[str, Any]) -> Frame:
    """Return the frame in the middle of the longest voiced run, modified by formula (1).

    Parameters
    ----------
    signal
        Shape (n_samples,), at the recipe's sampling rate, with a voiced frame.
    recipe
        Of the transform ``harmonic``.
    """
    from serflow.features.transforms.harmonic import envelope, harmonic_spectrum
    from serflow.features.transforms.logpower import frequencies, level

    f0 = _pitch(signal, recipe)
    start, stop = longest_run(f0 > 0)
    n = (start + stop - 1) // 2
    freqs = frequencies(recipe["sample_rate"], recipe["n_fft"], recipe["fmax"])
    original = level(signal, **_options(level, recipe))[n]
    outline = envelope(original, float(f0[n]), freqs)
    modified = harmonic_spectrum(outline, float(f0[n]), freqs, **_options(harmonic_spectrum, recipe))
    time = (n * recipe["hop_length"] + recipe["win_length"] / 2) / recipe["sample_rate"]
    return Frame(freqs, original, outline, np.maximum(modified, recipe["floor_db"]), float(f0[n]), time)


def plot_harmonic_frame(
    manifests: Sequence[Path | str],
    roots: Sequence[Path | str],
    recipe: Mapping[str, Any],
    title: str,
    stem: Path | str,
) -> None:
    """Draw one voiced frame's log-power spectrum and its harmonic modification as png and svg; see `choose_speech`.

    Parameters
    ----------
    manifests, roots
        Manifest CSV and corpus tree of each member corpus, in the same order.
    recipe
        Of the transform ``harmonic``.
    title, stem
        Title, and path without suffix.
    """
    rows, places = _places(manifests, roots)
    speech = choose_speech(_recordings(rows, places, recipe["sample_rate"]), recipe)
    frame = middle_frame(first_part(speech.signal, recipe), recipe)
    told = f"Ours: F0 {frame.f0:.1f} Hz, the frame at {frame.time:.2f} s, in the middle of the longest voiced run;"
    save(harmonic_frame(frame, f"{title}\n{told} {speech.told}"), stem)


def harmonic_frame(frame: Frame, title: str) -> Figure:
    """Draw a frame's original and modified log-power spectrum."""
    with style():
        figure = new_figure(8.5, 4.8)
        axes = figure.subplots()
        axes.plot(frame.freqs, frame.original, color=BLUE, linewidth=1.1, label="original")
        axes.plot(frame.freqs, frame.modified, color=VERMILION, linewidth=1.1, label="modified, S(f)")
        axes.plot(frame.freqs, frame.envelope, color=GREY, linewidth=0.9, linestyle="--", label="envelope, E(f)")
        axes.set(
            xlabel="frequency (Hz)",
            ylabel="level re a full-scale sine (dB)",
            xlim=(0, frame.freqs[-1] + frame.freqs[1]),
        )
        axes.legend(loc="upper right")
        figure.suptitle(wrap(title), fontsize=10.5)
    return figure


def plot_noisy_spectrograms(
    manifests: Sequence[Path | str],
    roots: Sequence[Path | str],
    recipe: Mapping[str, Any],
    entry: Mapping[str, Any],
    title: str,
    stem: Path | str,
    sounds_folder: Path | None = None,
) -> None:
    """Draw an utterance's spectrogram beside its harmonic modification, clean and with sounds added, as png and svg.

    The whole utterance is mixed, its first part shown, and its pitch tracked in the mixture; see `choose_speech`.

    Parameters
    ----------
    manifests, roots
        Manifest CSV and corpus tree of each member corpus, in the same order.
    recipe
        Of the transform ``harmonic``.
    entry
        ``sounds``, and ``snr_db`` in dB.
    title, stem
        Title, and path without suffix.
    sounds_folder
        Recordings of noise, one file per sound: those of the entry's names, or if it has none of them as many others;
        None: generated stand-ins.
    """
    from serflow.features.noise import mix

    rows, places = _places(manifests, roots)
    speech = choose_speech(_recordings(rows, places, recipe["sample_rate"]), recipe)
    n_samples, rate = len(speech.signal), recipe["sample_rate"]
    if sounds_folder:
        kind, said = "recorded", "recordings"
        noises = _recorded(sounds_folder, entry["sounds"], n_samples, rate)
    else:
        kind, said = "generated stand-in", "generated stand-ins, speech of other speakers of the corpus"
        noises = _made(speech, rows, places, entry["sounds"], rate)
    signals = {"clean": speech.signal}
    for sound, noise in noises.items():
        signals[f"{sound} ({kind}), {entry['snr_db']:g} dB"] = mix(speech.signal, noise, entry["snr_db"])
    pairs = {name: _pair(first_part(signal, recipe), recipe) for name, signal in signals.items()}
    told = f"Ours: the first part of {speech.told}. Noise: {said}; pitch from the noisy signal itself."
    save(noisy_spectrograms(pairs, recipe, f"{title}\n{told}"), stem)


def _recorded(folder: Path, wanted: Sequence[str], n_samples: int, sample_rate: int) -> dict[str, np.ndarray]:
    """Return recordings of sounds, each from its start and repeated to (n_samples,)."""
    from serflow.features.noise import read_sounds

    found = read_sounds(folder, sample_rate)
    names = [sound for sound in wanted if sound in found] or sorted(found)[: len(wanted)]
    return {name: np.resize(found[name], n_samples) for name in names}


def _made(
    speech: Speech, rows: Sequence[Row], places: Mapping[str, Path], wanted: Sequence[str], sample_rate: int
) -> dict[str, np.ndarray]:
    """Return stand-ins of sounds, each (n_samples,); babble is of other speakers than the utterance's."""
    from serflow.features.noise import make_noise
    from serflow.inference.noise import BABBLE, choose_voices

    chosen = choose_voices(rows, speech.row["speaker"], SEED) if BABBLE in wanted else []
    voices = [signal for _, signal in _recordings(chosen, places, sample_rate)]
    return {sound: make_noise(sound, len(speech.signal), sample_rate, SEED, voices) for sound in wanted}


def _pair(signal: np.ndarray, recipe: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return a signal's normalised log spectrogram and the harmonically modified one, both (bins, frames)."""
    from serflow.features.transforms.harmonic import harmonic
    from serflow.features.transforms.logpower import logpower

    original, modified = logpower(signal, **_options(logpower, recipe)), harmonic(signal, **_options(harmonic, recipe))
    return original.T, modified.T


def noisy_spectrograms(
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], recipe: Mapping[str, Any], title: str
) -> Figure:
    """Draw pairs of spectrograms, (bins, frames) each, one pair a row: as they are, and harmonically modified."""
    with style():
        figure = new_figure(10, 1 + 2.6 * len(pairs))
        grid = figure.subplots(len(pairs), 2, sharex=True, sharey=True, squeeze=False)
        for line, (name, pair) in zip(grid, pairs.items(), strict=True):
            for axes, values, way in zip(line, pair, ("log spectrogram", "harmonically modified"), strict=True):
                _draw_map(figure, axes, values, recipe, LEVEL)
                axes.set_title(f"{name}: {way}", fontsize=10)
            line[0].set_ylabel("frequency (Hz)")
        for axes in grid[-1]:
            axes.set_xlabel("time (s)")
        figure.suptitle(wrap(title, 120), fontsize=10.5)
    return figure
