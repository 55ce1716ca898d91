"""The figures that a paper file asks for: which they are, and which function draws which kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serflow.tables.tables import published_confusions, slug

#: Kinds drawn from runs alone.
FROM_RUNS = ("losses", "training_accuracy", "confusion", "published_confusion")


def entries(paper: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures of a paper file by file stem: its ``figures``, and each published confusion matrix."""
    found = {slug(entry["figure"]): dict(entry) for entry in paper.get("figures", [])}
    for stem, entry in published_confusions(paper).items():
        found[stem] = {
            **{"figure": entry["table"], "kind": "published_confusion", "title": "confusion matrix"},
            **{"corpus": entry["corpus"], "systems": [entry["system"]], "protocol": entry["protocol"], "table": entry},
        }
    return found


def plot_figure(
    paper: Mapping[str, Any],
    name: str,
    stem: Path | str,
    *,
    manifests: Sequence[Path | str] = (),
    store: Path | str | None = None,
    roots: Sequence[Path | str] = (),
    runs: Sequence[Path | str] = (),
    sounds_folder: Path | None = None,
    synthetic: bool = False,
) -> None:
    """Draw one of `entries` and save it as png and svg.

    Parameters
    ----------
    paper
        The paper file.
    name
        A key of `entries`.
    stem
        Path of the figure without suffix.
    manifests, roots
        Manifest CSV and corpus tree of each member corpus, in the same order.
    store
        Zarr store of the figure's recipe, for the first manifest.
    runs
        Run directories of the figure's systems, corpora and protocol.
    sounds_folder
        Recordings of noise, one file per sound; None: generated stand-ins.
    synthetic
        Whether the corpora are synthetic, which the title then says.
    """
    entry = entries(paper)[name]
    notice = "SYNTHETIC demo corpus. " if synthetic else ""
    title = f"{notice}{paper['title']}\n{entry['figure']}: {entry['title']}"
    if entry["kind"] in FROM_RUNS:
        _plot_runs(paper, entry, runs, title, stem)
    elif entry["kind"] == "labels":
        from serflow.figures.labels import plot_labels

        plot_labels(manifests, entry["published"], title, stem)
    elif entry["kind"] == "waveforms":
        from serflow.figures.signals import plot_waveforms

        plot_waveforms(manifests, roots, entry["emotions"], title, stem)
    elif entry["kind"] == "harmonic_frame":
        from serflow.figures.satt import plot_harmonic_frame

        plot_harmonic_frame(manifests, roots, paper["recipes"][entry["recipe"]], title, stem)
    elif entry["kind"] == "noisy_spectrograms":
        from serflow.figures.satt import plot_noisy_spectrograms

        recipe = paper["recipes"][entry["recipe"]]
        plot_noisy_spectrograms(manifests, roots, recipe, entry, title, stem, sounds_folder)
    elif entry["kind"] == "activations":
        from serflow.figures.satt import plot_activations

        assert store is not None, "activations need a feature cache"  # noqa: S101 (the rule gives it)
        plot_activations(runs[0], manifests[0], store, paper["recipes"][entry["recipe"]], entry, title, stem)
    else:
        from serflow.figures.signals import plot_spectrogram

        assert store is not None, f"a {entry['kind']} needs a feature cache"  # noqa: S101 (the rule gives it)
        plot_spectrogram(manifests[0], store, paper["recipes"][entry["recipe"]], entry.get("utterance"), title, stem)


def _plot_runs(
    paper: Mapping[str, Any], entry: Mapping[str, Any], runs: Sequence[Path | str], title: str, stem: Path | str
) -> None:
    from serflow.figures.confusion import plot_published_confusion, plot_run_confusion
    from serflow.figures.curves import plot_losses, plot_training_accuracy

    if entry["kind"] == "losses":
        plot_losses(paper, runs, title, stem)
    elif entry["kind"] == "training_accuracy":
        plot_training_accuracy(paper, runs, title, stem)
    elif entry["kind"] == "confusion":
        plot_run_confusion(runs, title, stem)
    else:
        plot_published_confusion(entry["table"], runs, title, stem)
