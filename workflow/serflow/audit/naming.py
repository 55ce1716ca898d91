"""Deciding whether two recordings are copies of one, and naming what was changed, from their waveforms."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
from scipy import fft

from serflow.audit.fingerprint import Fingerprint
from serflow.audit.matching import BOTH, FINE, WARPED, Likeness
from serflow.features.audio import read_signal

#: Sampling rate at which waveforms are compared, in Hz.
RATE = 16_000
#: Least correlation of two waveforms that are copies; less is enough where the rest is noise: here, of -7 dB. The rest
#: of two takes that are spoken alike follows the signal, as that of a codec does, which leaves a higher correlation.
WAVEFORM, NOISY = 0.7, 0.4
#: Correlation from which two waveforms differ by rounding alone.
EQUAL = 0.9999
#: Smallest changes that are named: gain in dB, delay in s, pitch in semitones, tempo and speed as a logarithm.
GAIN, DELAY, SEMITONES, TEMPO = 0.5, 0.0005, 0.25, 0.03
#: A band whose level falls by more than this, in dB, was cut off, if the bands below correlate so; their width in Hz.
CUT, BELOW, BAND = 20.0, 0.98, 250
#: A filter above this is none, in Hz: encoders have one.
HIGHEST = 6500
#: Frame in samples, and correlation of its levels from which a difference follows the signal.
FRAME, FOLLOWS = 512, 0.5


def name_copy(likeness: Likeness, prints: tuple[Fingerprint, Fingerprint], paths: tuple[Path, Path]) -> list[str]:
    """Return what was changed between two recordings, of the second as compared with the first.

    Returns
    -------
    list of str
        One name for each change that can be told; empty if they are no copies.
    """
    first, second = map(_read, paths)
    lag, correlation = align(first, second)
    pair = _overlap(first, second, lag)
    if abs(correlation) >= WAVEFORM or (abs(correlation) >= NOISY and not _follows(*pair)):
        return _name_waveform(*pair, lag)
    warped = likeness.warped >= (BOTH if likeness.fine >= FINE else WARPED)
    return _name_warp(likeness.shift, prints) if warped else []


@functools.lru_cache(64)
def _read(path: Path) -> np.ndarray:
    return read_signal(path, RATE)


def align(first: np.ndarray, second: np.ndarray) -> tuple[int, float]:
    """Return by how many samples the second signal is later than the first, and their correlation there (-1 to 1)."""
    size = fft.next_fast_len(len(first) + len(second), real=True)
    products = fft.irfft(np.conj(fft.rfft(first, size)) * fft.rfft(second, size), size)
    lag = int(np.abs(products).argmax())
    lag = lag if lag < len(second) else lag - size
    return lag, _correlation(*_overlap(first, second, lag))


def _overlap(first: np.ndarray, second: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = first[max(0, -lag) :], second[max(0, lag) :]
    size = min(len(first), len(second))
    return first[:size], second[:size]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    norm = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / norm if norm else 0.0


def _name_waveform(first: np.ndarray, second: np.ndarray, lag: int) -> list[str]:
    """Return the changes between two aligned signals."""
    gain, names = _gain(first, second), []
    if gain < 0:
        names.append("inverted polarity")
    if abs(lag) >= DELAY * RATE:
        names.append(f"time shift of {lag / RATE:+.3f} s")
    cut = _find_cut(first * gain, second)
    below = tuple(_low_pass(signal, cut) for signal in (first, second))
    if cut and abs(_correlation(*below)) >= BELOW:
        names.append(f"resampling or low-pass filter ({cut / 1000:g} kHz)")
        first, second = below
    correlation = abs(_correlation(first, second))
    if correlation < EQUAL:
        decibels = 10 * math.log10(correlation**2 / (1 - correlation**2))
        names.append("re-encoding" if _follows(first, second) else f"added noise ({decibels:.0f} dB)")
    # Which of the two is the noisy one is unknown: the gain is this, or this less the square of the correlation.
    decibels = 20 * math.log10(abs(_gain(first, second)))
    decibels = min(decibels, decibels - 40 * math.log10(correlation), key=abs)
    if abs(decibels) >= GAIN:
        names.append(f"gain of {decibels:+.1f} dB")
    return names or ["re-encoding or rounding"]


def _gain(first: np.ndarray, second: np.ndarray) -> float:
    """Return the factor by which the first of two aligned signals comes closest to the second."""
    return float(first @ second) / float(first @ first)


def _find_cut(first: np.ndarray, second: np.ndarray) -> float:
    """Return above which frequency one of two signals lacks what the other has, in Hz; 0 where there is none."""
    levels = []
    for signal in (first, second):
        power = np.abs(fft.rfft(signal)) ** 2
        width = max(1, round(BAND * len(signal) / RATE))
        bands = power[: len(power) // width * width].reshape(-1, width).mean(axis=1)
        levels.append(10 * np.log10(bands + 1e-12 * bands.max()))
    cut = np.abs(levels[0] - levels[1]) > CUT
    lowest = len(cut) - int(np.logical_and.accumulate(cut[::-1]).sum())
    return float(lowest * BAND) if 0 < lowest * BAND <= HIGHEST else 0.0


def _low_pass(signal: np.ndarray, hertz: float) -> np.ndarray:
    spectrum = fft.rfft(signal)
    spectrum[int((hertz - BAND) * len(signal) / RATE) :] = 0
    return fft.irfft(spectrum, len(signal))


def _follows(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether the difference of two aligned signals rises and falls with the signal, as that of a codec does."""
    size = len(first) // FRAME * FRAME
    rest = second - _gain(first, second) * first
    levels = [np.log((one[:size].reshape(-1, FRAME) ** 2).mean(axis=1) + 1e-12) for one in (rest, first)]
    return size > 2 * FRAME and float(np.corrcoef(*levels)[0, 1]) >= FOLLOWS


def _name_warp(shift: float, prints: tuple[Fingerprint, Fingerprint]) -> list[str]:
    """Return the changes between two recordings from the shift of their spectra and how long their speech lasts."""
    faster = math.log(prints[0].active / prints[1].active) if all(one.active for one in prints) else 0.0
    semitones, names = 12 * shift / math.log(2), []
    if abs(semitones) >= SEMITONES and abs(faster - shift) < TEMPO:
        return [f"speed of {math.exp(shift):.2f}"]
    if abs(semitones) >= SEMITONES:
        names.append(f"pitch of {semitones:+.1f} semitones")
    if abs(faster) >= TEMPO or not names:
        names.append(f"tempo of {math.exp(faster):.2f}")
    return names
