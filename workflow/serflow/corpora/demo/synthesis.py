"""How the demo corpora sound: source-filter synthesis with NumPy alone.

Emotion moves F0 (level, range, slope), tempo, intensity, spectral tilt and breathiness; speakers differ in all of these
and overlap, so no cue gives an emotion away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serflow.corpora.demo.names import Utterance
from serflow.corpora.demo.seeds import generator_of

Array = NDArray[np.float64]

SAMPLE_RATE = 16_000
F0_RANGE = (75.0, 450.0)  # Hz, approached and never reached; pitch trackers search at least this
#: What carries emotion. Level, span, slope: F0 in semitones (shift; height of accents; change from start to end);
#: tempo, brightness: natural logarithm of a ratio; loudness, breath: dB.
CUES = ("level", "span", "slope", "tempo", "loudness", "brightness", "breath")
#: What each emotion adds to the speaker's own manner, in the order of `CUES`.
EMOTION_CUES = {
    "neutral": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "calm": (-1.0, -0.8, 0.5, -0.12, -3.0, -0.25, 3.0),
    "happy": (3.5, 2.5, 2.0, 0.08, 3.0, 0.20, -1.0),
    "sad": (-1.0, -1.0, -1.5, -0.18, -6.0, -0.40, 5.0),
    "angry": (3.5, 1.5, -2.5, 0.10, 8.0, 0.55, -4.0),
    "fearful": (5.5, 0.0, 1.5, 0.18, 0.0, 0.05, 6.0),
    "disgust": (-0.5, 1.2, -3.5, -0.15, 1.0, 0.15, 0.0),
    "surprised": (5.0, 3.5, 6.0, 0.05, 3.5, 0.15, 1.0),
    "bored": (-1.5, -1.5, -0.5, -0.22, -2.0, -0.20, 1.0),
    "excited": (4.5, 3.0, 2.0, 0.14, 5.0, 0.30, -1.0),
    "frustrated": (1.5, 1.0, -2.5, 0.02, 4.0, 0.30, -2.0),
    "other": (0.5, 0.5, 0.0, -0.05, 0.0, 0.0, 1.0),
    "undecided": (1.5, 1.0, 0.0, 0.0, 1.5, 0.10, 0.0),
}
MANNER = np.array([0.0, 1.8, -2.5, 0.0, -29.0, np.log(1300.0), -30.0])  # neutral speech of the average speaker
SPREAD = np.array([1.2, 0.6, 1.2, 0.05, 1.7, 0.13, 2.0])  # standard deviation between utterances of one speaker
SPEAKER_SPREAD = np.array([0.0, 0.4, 0.6, 0.06, 2.5, 0.18, 2.5])  # between speakers' neutral manners
HABIT = 1.0  # how far a speaker's way with one emotion departs from everybody's, in units of SPREAD

#: Formants 1-3 of American English vowels in Hz, men's means (Peterson & Barney 1952, table II).
VOWELS = np.array(
    [
        (270, 2290, 3010),
        (390, 1990, 2550),
        (530, 1840, 2480),
        (660, 1720, 2410),
        (730, 1090, 2440),
        (570, 840, 2410),
        (300, 870, 2240),
        (640, 1190, 2390),
    ],
    dtype=float,
)
UPPER_FORMANTS = (3500.0, 4500.0, 5500.0)  # Hz; the same in all vowels
BANDWIDTHS = np.array([70.0, 90.0, 130.0, 200.0, 300.0, 400.0])  # Hz
#: Consonants: closure (s), noise (s), centre and width of the noise (Hz), its level (dB re the voice)
CONSONANTS = (
    (0.00, 0.080, 6000.0, 1300.0, -14.0),  # s
    (0.00, 0.080, 3200.0, 900.0, -12.0),  # sh
    (0.00, 0.065, 5000.0, 3000.0, -22.0),  # f
    (0.040, 0.025, 4200.0, 1600.0, -10.0),  # t
    (0.045, 0.025, 2000.0, 700.0, -10.0),  # k
    (0.050, 0.015, 900.0, 600.0, -12.0),  # p
)
VOWEL_SECONDS, SHORTEST_VOWEL = 0.155, 0.11
FRAME, HOP = 512, 128


@dataclass(frozen=True)
class _Speaker:
    f0: float  # Hz, neutral
    tract: float  # factor on formants
    expressiveness: float
    manner: Array  # (7,), as CUES


@dataclass(frozen=True)
class _Segments:
    """Stretches of constant targets, n of them."""

    samples: NDArray[np.int64]  # (n,) lengths
    voice: Array  # (n,) amplitude
    noise: Array  # (n,) amplitude re the voice's
    formants: Array  # (n, 6), Hz
    band: Array  # (n, 2): centre and width of the noise, Hz

    def track(self, values: Array, at: Array, ramp: float) -> Array:
        """Return `values` (n,) at the sample positions `at`: constant in a segment, slopes of `ramp` s between."""
        ends = np.cumsum(self.samples)
        inset = np.minimum(ramp * SAMPLE_RATE / 2, self.samples / 4)
        points = np.stack([ends - self.samples + inset, ends - inset], axis=1)
        return np.interp(at, points.ravel(), np.repeat(values, 2))


def _speaker(corpus: str, utterance: Utterance, seed: int) -> _Speaker:
    rng = generator_of("speaker", seed, corpus, utterance.speaker)
    low, high, tract = (170.0, 240.0, 1.15) if utterance.sex == "female" else (95.0, 140.0, 1.0)
    return _Speaker(
        f0=rng.uniform(low, high),
        tract=tract * rng.uniform(0.94, 1.06),
        expressiveness=rng.uniform(0.7, 1.25),
        manner=MANNER + SPEAKER_SPREAD * rng.standard_normal(len(CUES)),
    )


def _cues(corpus: str, utterance: Utterance, speaker: _Speaker, seed: int) -> Array:
    """Return the cues of one utterance, (7,): the speaker's manner, the emotion, the speaker's habit and chance."""
    habit = generator_of("habit", seed, corpus, utterance.speaker, utterance.emotion).standard_normal(len(CUES))
    chance = generator_of("chance", seed, corpus, utterance.recording).standard_normal(len(CUES))
    emotion = speaker.expressiveness * utterance.strength * np.array(EMOTION_CUES[utterance.emotion])
    return speaker.manner + emotion + SPREAD * (HABIT * habit + chance)


def _segments(corpus: str, utterance: Utterance, tract: float, tempo: float, seed: int) -> _Segments:
    """Lay out the syllables of an utterance: silence, then consonant and vowel in turn, then silence."""
    text = generator_of("text", seed, corpus, utterance.text)
    timing = generator_of("timing", seed, corpus, utterance.recording)
    rate = np.exp(-np.clip(tempo, -0.25, 0.25))
    margins = timing.uniform(0.09, 0.15, 2)
    rows: list[tuple[float, float, float, int, int]] = [(margins[0], 0, 0, 0, 0)]
    for syllable in range(utterance.syllables):
        vowel, consonant = int(text.integers(len(VOWELS))), int(text.integers(len(CONSONANTS)))
        closure, burst, _, _, level = CONSONANTS[consonant]
        if closure:
            rows.append((rate * closure, 0, 0, vowel, consonant))
        rows.append((rate * burst, 0, 10 ** (level / 20), vowel, consonant))
        final = 1.25 if syllable == utterance.syllables - 1 else 1.0
        length = rate * VOWEL_SECONDS * final * text.uniform(0.85, 1.2) * timing.uniform(0.92, 1.08)
        rows.append((max(length, SHORTEST_VOWEL), 10 ** (timing.normal(0, 1.5) / 20), 0, vowel, consonant))
    rows.append((margins[1], 0, 0, rows[-1][3], 0))
    seconds, voice, noise, vowels, consonants = (np.array(column) for column in zip(*rows, strict=True))
    upper = np.broadcast_to(UPPER_FORMANTS, (len(rows), len(UPPER_FORMANTS)))
    formants = tract * np.hstack([VOWELS[vowels], upper])
    samples = np.rint(seconds * SAMPLE_RATE).astype(np.int64)
    return _Segments(samples, voice, noise, formants, np.array(CONSONANTS)[consonants, 2:4])


def _contour(segments: _Segments, centre: float, span: float, slope: float, rng: np.random.Generator) -> Array:
    """Return F0 in Hz at every sample, voiced or not: a line, an accent on each vowel and slight jitter."""
    edges = np.concatenate([[0], np.cumsum(segments.samples)])
    position = np.arange(edges[-1], dtype=float)
    semitones = slope * (position / edges[-1] - 0.5) + 0.08 * _wander(len(position), rng)
    for index in np.flatnonzero(segments.voice):
        peak, width = edges[index : index + 2].mean(), 0.7 * segments.samples[index]
        semitones += max(span, 0.2) * rng.uniform(0.2, 1.5) * np.exp(-0.5 * ((position - peak) / width) ** 2)
    # A voice's range ends softly: what aims beyond F0_RANGE is drawn in, the middle of the range stays as it is.
    low, high = np.log2(F0_RANGE)
    middle, half = (low + high) / 2, (high - low) / 2
    return 2 ** (middle + half * np.tanh((np.log2(centre) + semitones / 12 - middle) / half))


def _wander(samples: int, rng: np.random.Generator) -> Array:
    """Return smooth noise of about unit variance, (samples,), with a new value every 20 ms."""
    step = SAMPLE_RATE // 50
    knots = rng.standard_normal(samples // step + 2)
    return np.interp(np.arange(samples), step * np.arange(len(knots)), knots)


def _pulses(f0: Array, brightness: float) -> Array:
    """Return a glottal source with the harmonics of `f0` (n,), the k-th of amplitude exp(-k f0 / brightness).

    The sum of the geometric series stands in for its terms: time does not grow with the number of harmonics, and what
    lies above half the sampling rate (and so is aliased) is weak where `brightness`, in Hz, is well below it.
    """
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    ratio = np.exp(-f0 / brightness)
    cosine = np.cos(phase)
    return ratio * (cosine - ratio) / (1 - 2 * ratio * cosine + ratio**2)


def _filter(signal: Array, gains: Array) -> Array:
    """Filter `signal` (n,) by magnitude responses `gains` (n_frames, FRAME // 2 + 1), one each HOP samples.

    Frames overlap by three quarters under a square-root Hann window before and after, which sums to a constant.
    """
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME))
    n_frames, overlap = len(gains), FRAME // HOP
    padded = np.zeros((n_frames + overlap - 1) * HOP)
    padded[FRAME // 2 : FRAME // 2 + len(signal)] = signal
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP] * window
    frames = np.fft.irfft(np.fft.rfft(frames) * gains, FRAME) * window
    output = np.zeros((n_frames + overlap - 1, HOP))
    for part in range(overlap):
        output[part : part + n_frames] += frames[:, part * HOP : (part + 1) * HOP]
    return output.ravel()[FRAME // 2 : FRAME // 2 + len(signal)] * 2 / overlap


def _voice_gains(formants: Array) -> Array:
    """Return the magnitude response of resonances at `formants` (n_frames, 6) in Hz: (n_frames, FRAME // 2 + 1)."""
    frequency = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    gains = np.ones((len(formants), len(frequency)))
    for centre, bandwidth in zip(formants.T[:, :, None], BANDWIDTHS, strict=True):
        gains *= centre**2 / np.hypot(centre**2 - frequency**2, bandwidth * frequency)
    return gains


def synthesise(corpus: str, utterance: Utterance, *, seed: int = 0) -> tuple[Array, Array]:
    """Synthesise one utterance of a demo corpus.

    Returns
    -------
    signal : (n_samples,), within -1 and 1, at `SAMPLE_RATE`
    f0 : (n_samples,)
        The fundamental frequency in Hz, the true spacing of the harmonics; 0 where the voice is silent.
    """
    speaker = _speaker(corpus, utterance, seed)
    level, span, slope, tempo, loudness, brightness, breath = _cues(corpus, utterance, speaker, seed)
    segments = _segments(corpus, utterance, speaker.tract, tempo, seed)
    rng = generator_of("pitch", seed, corpus, utterance.recording)
    f0 = _contour(segments, speaker.f0 * 2 ** (level / 12), span, slope, rng)
    rng = generator_of("noise", seed, corpus, utterance.recording)
    position = np.arange(len(f0), dtype=float)
    centres = np.arange(0, len(f0) + FRAME, HOP, dtype=float)
    voiced = segments.track(segments.voice, position, 0.025)
    formants = np.stack([segments.track(column, centres, 0.05) for column in segments.formants.T], axis=1)
    band = [segments.track(column, centres, 0.0)[:, None] for column in segments.band.T]
    frequency = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)

    shimmer = 1 + 0.04 * _wander(len(f0), rng)
    tone = _pulses(f0, np.exp(brightness)) * shimmer
    tone /= np.sqrt(np.mean(tone**2))
    breathing = 10 ** (breath / 20) * np.diff(rng.standard_normal(len(f0) + 1))
    voice = _filter(voiced * (tone + breathing), _voice_gains(formants))
    voice /= np.sqrt(np.mean(voice[voiced > 0.5] ** 2))
    hiss = segments.track(segments.noise, position, 0.01) * rng.standard_normal(len(f0))
    friction = 4 * _filter(hiss, np.exp(-0.5 * ((frequency - band[0]) / band[1]) ** 2))
    floor = 10 ** (-68 / 20) * rng.standard_normal(len(f0))
    signal = 10 ** (loudness / 20) * (voice + friction) + floor
    return signal * min(1.0, 0.98 / np.abs(signal).max()), np.where(voiced > 0.1, f0, 0.0)
