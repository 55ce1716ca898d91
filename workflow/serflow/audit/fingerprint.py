"""Fingerprints of recordings, by which copies are found although their sound was changed.

Both are made from the magnitude of the spectrum of a whole recording below 2 kHz, without the lines of steady tones,
less its local mean and divided by its local spread, so that only its fine structure remains. Gain, delay and the phase
of a filter leave that unchanged; noise, lossy codecs and resampling weaken it. Two takes of one sentence have fine
structures that are unrelated, however alike they sound.

- `Fingerprint.fine` keeps the finest structure, of a quarter of a hertz, which only copies of one waveform share.
- `Fingerprint.warped` is smoother, over the logarithm of the frequency. A phase vocoder keeps it when it changes the
  tempo, and a change of pitch or speed shifts it along its axis.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
from scipy import fft
from scipy.ndimage import median_filter, uniform_filter1d

from serflow.corpora.scan import read_pcm16

#: Sampling rate of what is compared, in Hz, and length of the transform: longer recordings are folded to it, which
#: samples their spectrum.
RATE, LENGTH = 4000, 16_384
RESOLUTION = RATE / LENGTH
#: Band of the finest structure, and of the warped one, in Hz.
FINE_BAND, WARPED_BAND = (100, 1900), (150, 1900)
#: Widths of the local mean (the first: of the median too), in bins of `RESOLUTION`: 15 Hz and 30 Hz; of the smoothing
#: of the warped one: 1.2 Hz.
FINE_WIDTH, WARPED_WIDTH, SMOOTHING = 61, 123, 5
#: What exceeds so many times the median of its neighbours belongs to a steady tone, such as mains hum.
TONE = 4
#: Step of the warped axis, in units of the natural logarithm of the frequency.
STEP = 0.001
#: Time between two values of the energy, in samples at `RATE`, and the shares of its sum where speech begins and ends.
HOP, ACTIVE = 64, (0.03, 0.97)


class Fingerprint(NamedTuple):
    """What is kept of a recording.

    ``digest`` is the SHA-256 of its 16-bit samples, ``seconds`` its duration, ``active`` how long its speech lasts in
    s; ``fine`` and ``warped`` have unit length, or are zero for a recording without sound.
    """

    digest: str
    seconds: float
    active: float
    fine: np.ndarray
    warped: np.ndarray


def fingerprint(path: Path) -> Fingerprint:
    """Return the fingerprint of a recording.

    Raises
    ------
    CorpusError
        If it cannot be decoded, is truncated or empty, or holds samples that are not finite.
    """
    samples, rate = read_pcm16(path)
    signal = soxr.resample(samples.mean(axis=1, dtype=np.float32) / 2**15, rate, RATE)
    spectrum = _spectrum(signal)
    digest = hashlib.sha256(samples.tobytes()).hexdigest()
    fine, warped = _fine(spectrum).astype(np.float16), _warped(spectrum).astype(np.float16)
    return Fingerprint(digest, len(samples) / rate, _active_seconds(signal), fine, warped)


def _spectrum(signal: np.ndarray) -> np.ndarray:
    """Return the magnitudes of a signal's spectrum at multiples of `RESOLUTION`, shape (LENGTH / 2 + 1,)."""
    folded = np.pad(signal, (0, -len(signal) % LENGTH)).reshape(-1, LENGTH).sum(axis=0)
    return _without_tones(np.abs(fft.rfft(folded)))


def _without_tones(spectrum: np.ndarray) -> np.ndarray:
    """Return a spectrum without the lines of steady tones, which make recordings alike that are no copies."""
    level = median_filter(spectrum, FINE_WIDTH)
    return np.where(spectrum > TONE * level, level, spectrum)


def _fine(spectrum: np.ndarray) -> np.ndarray:
    """Return the finest structure, shape (7373,)."""
    low, high = (round(hertz / RESOLUTION) for hertz in FINE_BAND)
    return _unit(_flatten(np.sqrt(spectrum[low:high]), FINE_WIDTH))


def _warped(spectrum: np.ndarray) -> np.ndarray:
    """Return the smoothed structure over the logarithm of the frequency, shape (2539,)."""
    smooth = np.clip(uniform_filter1d(spectrum**2, SMOOTHING), 0, None) ** 0.25
    low, high = np.log(WARPED_BAND)
    frequencies = np.exp(np.arange(low, high, STEP))
    flat = np.interp(frequencies / RESOLUTION, np.arange(len(spectrum)), _flatten(smooth, WARPED_WIDTH))
    weighted = flat * np.sqrt(frequencies)  # as many hertz as a step covers
    return _unit(weighted - weighted.mean())


def _flatten(values: np.ndarray, width: int) -> np.ndarray:
    """Return values less their mean over `width` neighbours, divided by their spread there."""
    rest = values - uniform_filter1d(values, width)
    spread = np.sqrt(np.clip(uniform_filter1d(rest**2, width), 0, None))
    return rest / (spread + 1e-6 * spread.max() + np.finfo(np.float32).tiny)


def _unit(vector: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vector)
    return vector / norm if norm else vector


def _active_seconds(signal: np.ndarray) -> float:
    """Return how long a signal's speech lasts, in s, whatever its gain: it begins and ends at `ACTIVE` shares."""
    frames = np.pad(signal, (0, -len(signal) % HOP)).reshape(-1, HOP)
    total = np.cumsum(np.sqrt((frames**2).mean(axis=1)))
    if not len(total) or not total[-1]:  # resampled, a few samples are none
        return 0.0
    begin, end = np.interp(ACTIVE, total / total[-1], np.arange(len(total)))
    return float(end - begin) * HOP / RATE
