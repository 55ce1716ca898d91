"""Generated stand-ins for the background sounds of Satt et al., Section 5.3.

The paper names its seven noises but does not give them. Stand-ins are drawn from a seed and lie below half the sampling
rate. None sings, and many notes or people sound at once, since the paper asks for no single dominant pitch; Praat still
finds one in about half of the frames of pop, babble and laughter alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.signal import butter, lfilter, oaconvolve, resample_poly, sosfilt

from serflow.errors import ConfigError

#: Root mean square of a stand-in, full scale ±1.
RMS = 0.1
#: Talkers at once in babble; a voice talks more than once, from different places, where fewer voices are given.
TALKERS = 12

Generator = np.random.Generator


def make_noise(
    sound: str, n_samples: int, sample_rate: int, seed: int, voices: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Return a stand-in for one of the paper's noises.

    Parameters
    ----------
    sound
        One of `SOUNDS`.
    n_samples, sample_rate
        Length, and sampling rate in Hz.
    seed
        Not negative: the same seed, the same sound.
    voices
        For ``speech``: signals of other speakers, shape (n,) each, at `sample_rate`; at least one.

    Returns
    -------
    numpy.ndarray
        Shape (n_samples,), float32, of root mean square 0.1.

    Raises
    ------
    ConfigError
        If there is no such sound, or ``speech`` has no voices.
    """
    if sound not in SOUNDS:
        raise ConfigError("noise", f"unknown sound {sound!r}", f"Allowed: {', '.join(SOUNDS)}.")
    rng = np.random.default_rng(seed)
    made = babble(n_samples, rng, voices) if sound == "speech" else MAKERS[sound](n_samples, sample_rate, rng)
    return (RMS * made / np.sqrt(np.mean(made**2))).astype(np.float32)


# --- music -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Style:
    """A band: what it plays in each sixteenth of a bar, x for a stroke; tempo in beats per minute."""

    tempo: tuple[float, float]
    kick: str
    snare: str
    hat: str
    bass: str
    chords: str
    #: Chords, a bar each, in semitones above the key, the bass's note first.
    progression: tuple[tuple[int, ...], ...]
    #: How the harmonics of the chords fall: amplitude k to this power.
    tilt: float
    #: Gain of the chords before they are clipped softly; 0: not clipped.
    drive: float
    #: How fast a chord dies away, per s.
    decay: float
    #: Shares of the mixture.
    drums: float
    bassline: float
    harmony: float


#: Four on the floor, claps and plucked major chords.
POP = Style(
    tempo=(112, 124),
    kick="x...x...x...x...",
    snare="....x.......x...",
    hat="..x...x...x...x.",
    bass="x..x..x.x..x..x.",
    chords="x..x..x...x...x.",
    progression=((0, 4, 11, 14), (7, 11, 17, 21), (9, 12, 19, 23), (5, 9, 16, 19)),
    tilt=-1.6,
    drive=0.0,
    decay=4.0,
    drums=1.2,
    bassline=0.5,
    harmony=0.8,
)
#: A faster beat with open cymbals and overdriven chords.
ROCK = Style(
    tempo=(134, 150),
    kick="x.x...x.x.x...x.",
    snare="....x.......x..x",
    hat="x.x.x.x.x.x.x.x.",
    bass="x.x.x.x.x.x.x.x.",
    chords="x...x.x.x...x.x.",
    progression=((0, 7, 15, 22), (8, 15, 19, 24), (3, 10, 19, 26), (10, 14, 20, 29)),
    tilt=-1.0,
    drive=6.0,
    decay=1.0,
    drums=1.3,
    bassline=0.5,
    harmony=0.8,
)
#: Of clipped chords: clipping makes harmonics above half the sampling rate, which would fold back.
OVERSAMPLING = 4


def play_band(style: Style, n_samples: int, rate: int, rng: Generator) -> np.ndarray:
    """Return drums, bass and chords of a `Style` from a random sixteenth of its progression on, (n_samples,)."""
    step = 15 / rng.uniform(*style.tempo)
    key, first = 110 * 2 ** (rng.integers(12) / 12), int(rng.integers(16 * len(style.progression)))
    scale = OVERSAMPLING if style.drive else 1
    drums, bass, chords = np.zeros(n_samples), np.zeros(n_samples), np.zeros(n_samples * scale)
    strokes = {"kick": _kick(rate), "snare": _snare(rate, rng), "hat": _hat(rate, rng)}
    notes = [_note(key * 2 ** (chord[0] / 12 - 1.5), 0.3, rate, rate, -2.2, 8.0) for chord in style.progression]
    struck = [_strike(style, chord, key, rate * scale, rate) for chord in style.progression]
    for number in range(first - 16, first + int(n_samples / rate / step) + 1):
        at, place, bar = (number - first) * step, number % 16, number // 16 % len(style.progression)
        for name, stroke in strokes.items():
            if getattr(style, name)[place] == "x":
                _add(drums, stroke * rng.uniform(0.7, 1), round(at * rate))
        if style.bass[place] == "x":
            _add(bass, notes[bar], round(at * rate))
        if style.chords[place] == "x":
            _add(chords, struck[bar], round(at * rate * scale))
    if style.drive:
        chords = resample_poly(np.tanh(style.drive * _scale(chords)), 1, OVERSAMPLING)[:n_samples]
    return style.drums * _scale(drums) + style.bassline * _scale(bass) + style.harmony * _scale(chords)


def _strike(style: Style, chord: Sequence[int], key: float, rate: int, limit: int) -> np.ndarray:
    """Return half a second of a chord at `rate` Hz, without harmonics above half of `limit` Hz."""
    tones = [_note(key * 2 ** (1 + note / 12), 0.5, rate, limit, style.tilt, style.decay) for note in chord]
    return np.sum(tones, axis=0)


def ambient(n_samples: int, rate: int, rng: Generator) -> np.ndarray:
    """Return slowly swelling chords of detuned notes, from bass to treble, that melt into each other in a breath."""
    half, key = round(4.0 * rate), 41 * 2 ** (rng.integers(12) / 12)
    chords = [(0, 14, 19, 28, 35, 38), (-3, 12, 21, 28, 31, 35), (5, 16, 21, 26, 31, 40), (-5, 14, 17, 26, 33, 36)]
    sound, first = np.zeros(n_samples), int(rng.integers(half, 2 * half))
    for number, start in enumerate(range(-first, n_samples, half)):
        place = slice(max(0, start), min(n_samples, start + 2 * half))
        time = (np.arange(place.start, place.stop) - start) / rate
        swell = np.sin(np.pi * time * rate / (2 * half)) ** 2
        for note in np.repeat(chords[number % len(chords)], 3):
            frequency = key * 2 ** ((note + rng.normal(0, 0.15)) / 12)
            pulse = 1 + 0.6 * np.sin(2 * np.pi * (rng.uniform(0.1, 0.6) * time + rng.random()))
            sound[place] += swell * pulse * _tone(frequency * time + rng.random(), frequency, min(rate, 6000), -2.5)
    return _scale(sound) + 0.35 * _scale(_band(rng.standard_normal(n_samples), 150, min(3000, 0.4 * rate), rate))


def _tone(cycles: np.ndarray, highest: float, limit: float, tilt: float) -> np.ndarray:
    """Return a tone whose harmonics below 0.45 `limit` Hz fall as k to the power of `tilt`, shape of `cycles`.

    Parameters
    ----------
    cycles
        Its phase in periods.
    highest
        Its highest fundamental frequency in Hz.
    limit, tilt
        See above.
    """
    numbers = np.arange(1, max(2, int(0.45 * limit / highest) + 1))
    grid = np.arange(2049) / 2048
    period = numbers**tilt @ np.sin(2 * np.pi * numbers[:, None] * grid + numbers[:, None] ** 2)
    return np.interp(cycles % 1, grid, period)


def _note(frequency: float, seconds: float, rate: int, limit: int, tilt: float, decay: float) -> np.ndarray:
    """Return a `_tone` at `rate` Hz that dies away by `decay` per s."""
    time = np.arange(round(seconds * rate)) / rate
    edges = np.minimum(1, np.minimum(time, time[::-1]) / 0.005)
    return _tone(frequency * time, frequency, limit, tilt) * np.exp(-decay * time) * edges


def _kick(rate: int) -> np.ndarray:
    """Return a drum whose pitch falls from 150 to 50 Hz."""
    time = np.arange(round(0.25 * rate)) / rate
    return np.sin(2 * np.pi * (50 * time + 100 * 0.03 * (1 - np.exp(-time / 0.03)))) * np.exp(-time / 0.08)


def _snare(rate: int, rng: Generator) -> np.ndarray:
    """Return a burst of noise over a short tone."""
    time = np.arange(round(0.2 * rate)) / rate
    hiss = _scale(_band(rng.standard_normal(len(time)), 500, 0.45 * rate, rate)) * np.exp(-time / 0.06)
    return 0.6 * hiss + 0.6 * np.sin(2 * np.pi * 190 * time) * np.exp(-time / 0.04)


def _hat(rate: int, rng: Generator) -> np.ndarray:
    """Return a short hiss of the highest quarter below half the sampling rate."""
    time = np.arange(round(0.12 * rate)) / rate
    return 0.4 * _scale(_band(rng.standard_normal(len(time)), 0.34 * rate, 0.45 * rate, rate)) * np.exp(-time / 0.03)


# --- crowds ----------------------------------------------------------------------------------------------------------

#: First four formants of vowels that are cried out, in Hz.
CRIES = ((850, 1350, 2700, 3600), (650, 1150, 2600, 3500), (600, 1800, 2600, 3600))


def babble(n_samples: int, rng: Generator, voices: Sequence[np.ndarray]) -> np.ndarray:
    """Return `TALKERS` voices at once, equally loud, each from a random place of its signal on, over and over."""
    heard = [_scale(voice.astype(np.float64)) for voice in voices if voice.any()]
    if not heard:
        raise ConfigError("noise", "'speech' is babble of other speakers, and none was given", "Give voices.")
    sound = np.zeros(n_samples)
    for k in range(max(TALKERS, len(heard))):
        voice = heard[k % len(heard)]
        sound += voice[(rng.integers(len(voice)) + np.arange(n_samples)) % len(voice)]
    return sound


def anger(n_samples: int, rate: int, rng: Generator) -> np.ndarray:
    """Return many people's rough, loud shouts in a room, over a roar that swells and falls."""
    sound, roar = np.zeros(n_samples), np.zeros(n_samples)
    for _ in range(max(8, round(16 * n_samples / rate))):
        length = round(rng.uniform(0.4, 1.2) * rate)
        top, share = rng.uniform(180, 420), np.linspace(0, 1, length)
        f0 = top * (1 + 0.25 * np.sin(np.pi * share)) * 2 ** (-rng.uniform(0.1, 0.6) * share)
        rough = 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(40, 75) * np.arange(length) / rate)
        cry = (
            _voice(f0 * (1 + 0.02 * rng.standard_normal(length)), 0.5, rate, rng) * rough * np.sin(np.pi * share) ** 0.5
        )
        _add(sound, cry * rng.uniform(0.3, 1), int(rng.integers(-length, max(1, n_samples))))
    for formant in CRIES[0]:
        roar += _scale(_band(rng.standard_normal(n_samples), 0.7 * formant, min(1.4 * formant, 0.45 * rate), rate))
    return _room(_scale(sound) + 0.4 * _scale(roar * _swells(n_samples, rate, 0.8, rng)), rate, rng)


def laughter(n_samples: int, rate: int, rng: Generator) -> np.ndarray:
    """Return several people who laugh in bouts of four to five bursts a second, in a room."""
    sound = np.zeros(n_samples)
    for _ in range(10):
        at, pace, height = rng.uniform(-2, 0.3), rng.uniform(4, 5), rng.uniform(150, 420)
        loudness = rng.uniform(0.4, 1)
        while at < n_samples / rate:
            bursts = int(rng.integers(4, 10))
            for k in range(bursts):
                length = round(rng.uniform(0.4, 0.6) / pace * rate)
                share = np.linspace(0, 1, length)
                f0 = height * (1.15 - 0.4 * k / bursts) * (1 + 0.1 * np.sin(np.pi * share))
                burst = _voice(f0, 0.7, rate, rng) * np.sin(np.pi * share) * loudness * (1 - 0.6 * k / bursts)
                _add(sound, burst, round((at + k / pace) * rate))
            at += bursts / pace + rng.uniform(0.1, 0.8)
    return _room(sound, rate, rng)


def applause(n_samples: int, rate: int, rng: Generator) -> np.ndarray:
    """Return sixty people who clap three to five times a second each, with twelve pairs of hands, in a room."""
    sound = np.zeros(n_samples)
    time = np.arange(round(0.03 * rate)) / rate
    for _ in range(12):
        strokes = np.zeros(n_samples)
        for _ in range(5):
            times = np.cumsum(rng.normal(1 / rng.uniform(3, 5), 0.02, 6 + 6 * n_samples // rate)) - rng.random()
            places = np.round(times * rate).astype(int)
            places = places[(places >= 0) & (places < n_samples)]
            strokes[places] += rng.uniform(0.3, 1) * rng.uniform(0.6, 1, len(places))
        centre = rng.uniform(700, min(2600, 0.25 * rate))
        clap = _band(rng.standard_normal(len(time)), 0.6 * centre, 1.7 * centre, rate) * np.exp(-time / 0.004)
        sound += oaconvolve(strokes, _scale(clap))[:n_samples]
    return _room(sound, rate, rng)


def _voice(f0: np.ndarray, breath: float, rate: int, rng: Generator) -> np.ndarray:
    """Return a cried vowel: harmonics of `f0` (n,), Hz, and `breath` times as much noise, through four formants."""
    sound = _scale(_tone(np.cumsum(f0) / rate, f0.max(), min(rate, 9000), -0.3)) + breath * rng.standard_normal(len(f0))
    tract = rng.uniform(0.95, 1.2)
    for formant in CRIES[rng.integers(len(CRIES))]:
        if tract * formant < 0.45 * rate:
            radius = np.exp(-np.pi * (60 + 0.06 * formant) / rate)
            poles = [1, -2 * radius * np.cos(2 * np.pi * tract * formant / rate), radius**2]
            sound = lfilter([sum(poles)], poles, sound)
    return _scale(sound)


def _swells(n_samples: int, rate: int, period: float, rng: Generator) -> np.ndarray:
    """Return a random envelope between 0.3 and 1 with a new goal every `period` s, shape (n_samples,)."""
    goals = rng.uniform(0.3, 1, int(n_samples / rate / period) + 2)
    return np.interp(np.arange(n_samples) / rate / period, np.arange(len(goals)), goals)


def _room(sound: np.ndarray, rate: int, rng: Generator) -> np.ndarray:
    """Return a sound with the reverberation of a hall: 0.4 s of noise that dies away by 60 dB."""
    time = np.arange(round(0.4 * rate)) / rate
    tail = _scale(rng.standard_normal(len(time)) * np.exp(-time * np.log(1000) / 0.4)) / np.sqrt(len(time))
    return sound + 0.7 * oaconvolve(sound, tail)[: len(sound)]


# --- parts of both ---------------------------------------------------------------------------------------------------


def _add(sound: np.ndarray, event: np.ndarray, start: int) -> None:
    """Add to a sound what of an event that begins at sample `start`, maybe before it, falls into it."""
    low, high = max(0, start), min(len(sound), start + len(event))
    if low < high:
        sound[low:high] += event[low - start : high - start]


def _scale(sound: np.ndarray) -> np.ndarray:
    """Return a sound of root mean square 1; silence stays silent."""
    power = np.mean(sound**2)
    return sound / np.sqrt(power) if power > 0 else sound


def _band(noise: np.ndarray, low: float, high: float, rate: int) -> np.ndarray:
    """Return what of a sound lies between two frequencies in Hz, shape as given."""
    return sosfilt(butter(2, [low, high], "bandpass", fs=rate, output="sos"), noise)


MAKERS: dict[str, Callable[[int, int, Generator], np.ndarray]] = {
    "ambient": ambient,
    "pop": partial(play_band, POP),
    "rock": partial(play_band, ROCK),
    "anger": anger,
    "applause": applause,
    "laughter": laughter,
}
SOUNDS = ("ambient", "pop", "rock", "speech", "anger", "applause", "laughter")
