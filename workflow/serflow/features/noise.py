"""Background recordings and their mixing with speech at a signal-to-noise ratio."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from serflow.errors import ConfigError, CorpusError
from serflow.features.audio import read_signal
from serflow.io.audio import suffixes

#: Signal-to-noise ratios are kept to this many dB.
TOLERANCE_DB = 0.01


def mix(signal: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Return a signal with noise added at a signal-to-noise ratio, measured in the mixture.

    Parameters
    ----------
    signal, noise
        Shape (n_samples,) each.
    snr_db
        Ratio of their mean powers over the whole of both, in dB.

    Returns
    -------
    numpy.ndarray
        Shape (n_samples,), float32, the signal at its own level; it may exceed full scale.

    Raises
    ------
    CorpusError
        If one of them is silent, or the mixture does not hold the ratio to 0.01 dB.
    """
    clean, added = signal.astype(np.float64), noise.astype(np.float64)
    power, noise_power = np.mean(clean**2), np.mean(added**2)
    if not power > 0 or not noise_power > 0:
        fault = f"has mean power {noise_power:g} to be mixed with a signal of {power:g}"
        raise CorpusError("noise", fault, "Neither may be silent: replace that recording.")
    mixed = (clean + added * np.sqrt(power / noise_power / 10 ** (snr_db / 10))).astype(np.float32)
    measured = 10 * np.log10(power / np.mean((mixed - clean) ** 2))
    if not abs(measured - snr_db) <= TOLERANCE_DB:
        fault = f"is at {measured:.2f} dB instead of {snr_db:g} dB in a mixture of 32-bit floats"
        raise CorpusError("noise", fault, "Give a ratio that such samples can hold.")
    return mixed


def list_sounds(folder: Path) -> list[Path]:
    """Return the recordings in a folder, sorted; none where there is no such folder."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in suffixes() and path.is_file())


def read_sounds(folder: Path, sample_rate: int) -> dict[str, np.ndarray]:
    """Return the recordings in a folder by their names without suffix, in alphabetical order.

    Parameters
    ----------
    folder
        With a file per sound, of one of `serflow.io.audio.suffixes`; files of other kinds are no recordings and are
        left alone.
    sample_rate
        In Hz; recordings of another rate are resampled.

    Returns
    -------
    dict
        Mono signals, shape (n_samples,), float32.

    Raises
    ------
    ConfigError
        If the folder does not exist, holds no recording, or two of one name.
    CorpusError
        If a recording cannot be read or is silent.
    """
    files = list_sounds(folder)
    if not files:
        fault = "holds no recording of noise" if folder.is_dir() else "is no folder"
        raise ConfigError(folder, fault, "Put some there (WAV, FLAC, MP3, Ogg, …), or leave out the folder.")
    sounds: dict[str, np.ndarray] = {}
    for path in files:
        if path.stem in sounds:
            raise ConfigError(path, "has the name of another recording beside it", "Leave one of them in the folder.")
        sounds[path.stem] = read_signal(path, sample_rate)
        if not sounds[path.stem].any():
            raise CorpusError(path, "is silent, which no signal-to-noise ratio allows", "Replace the recording.")
    return sounds
