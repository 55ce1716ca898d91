"""Which changes of a recording are found and named, and that other takes are no copies."""

import io

import numpy as np
import pytest
import soundfile
import soxr

from serflow.audit.search import find_copies, read_prints
from serflow.features import copies

RATE = 16_000


def encode(signal, form, subtype):
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, RATE, format=form, subtype=subtype)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")[0]


CHANGES = {
    "gain": (lambda x: x / 4, "gain of -12.0 dB"),
    "inverted": (lambda x: -x, "inverted polarity"),
    "delay": (lambda x: np.pad(x, (1600, 0)), "time shift of +0.100 s"),
    "noise": (lambda x: copies.noise(x, sample_rate=RATE, seed=1, snr_db=10), "added noise (10 dB)"),
    "mp3": (lambda x: encode(x, "MP3", "MPEG_LAYER_III"), "re-encoding"),
    "ogg": (lambda x: encode(x, "OGG", "VORBIS"), "re-encoding"),
    "speed": (lambda x: soxr.resample(x, 1.1 * RATE, RATE), "speed of 1.10"),
    "pitch": (lambda x: copies.pitch(x, sample_rate=RATE, seed=0, semitones=2), "pitch of +2.0 semitones"),
    "tempo": (lambda x: copies.stretch(x, sample_rate=RATE, seed=0, rate=1.25), "tempo of 1.2"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory, utter):
    """Search four takes of two sentences each for copies of the first, and for each other."""
    folder = tmp_path_factory.mktemp("speech")
    signals = {f"take{n}": utter(n, n % 2) for n in range(8)}
    signals |= {name: change(signals["take0"]) for name, (change, _) in CHANGES.items()}
    paths = []
    for name, signal in signals.items():
        paths.append(folder / f"{name}.wav")
        soundfile.write(paths[-1], signal, RATE)
    # The same at another rate, another format and with two channels.
    paths.append(folder / "stereo.flac")
    soundfile.write(paths[-1], np.stack([soxr.resample(signals["take0"], RATE, 44_100)] * 2, axis=1), 44_100)
    prints = read_prints({path: str(path) for path in paths}, 1)
    takes = range(8)
    return [path.stem for path in paths], find_copies(paths, prints, [(takes, range(8, len(paths))), (takes, takes)], 1)


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_copy_is_found_and_named(found, kind):
    names, (pairs, _) = found
    mine = {names[pair.first]: pair.changes for pair in pairs if names[pair.second] == kind}
    assert list(mine) == ["take0"]
    assert any(change.startswith(CHANGES[kind][1]) for change in mine["take0"]), mine


def test_another_rate_format_and_number_of_channels_hide_nothing(found):
    names, (pairs, _) = found
    assert [names[pair.first] for pair in pairs if names[pair.second] == "stereo"] == ["take0"]


def test_takes_of_one_sentence_are_no_copies(found):
    assert found[1][1] == []


def add_hum(signal, seed):
    """Add mains hum of 40 harmonics, each with its own phase, as loud as the signal."""
    draw = np.random.default_rng(seed)
    time = np.arange(len(signal)) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * n * time + draw.uniform(0, 2 * np.pi)) / n for n in range(1, 41))
    return signal + hum * np.sqrt(np.mean(signal**2) / np.mean(hum**2))


def test_mains_hum_makes_no_copies_and_hides_none(record, utter):
    takes = [add_hum(utter(n, n % 2), n) for n in range(8)]
    paths = [record(f"take{n}.wav", signal) for n, signal in enumerate(takes)]
    paths.append(record("copy.wav", copies.stretch(takes[0], sample_rate=RATE, seed=0, rate=1.25)))
    prints = read_prints({path: str(path) for path in paths}, 1)
    among_takes, of_copy = find_copies(paths, prints, [(range(8), range(8)), (range(8), [8])], 1)
    assert among_takes == []
    assert [pair.first for pair in of_copy] == [0]


@pytest.fixture
def name_changes(record):
    """Return a function: the changes that are named between two signals."""

    def name(first, second):
        paths = [record("first.wav", first), record("second.wav", second)]
        (pairs,) = find_copies(paths, read_prints({path: str(path) for path in paths}, 1), [([0], [1])], 1)
        return [change for pair in pairs for change in pair.changes]

    return name


def test_a_cut_of_high_frequencies_is_named_with_its_limit(name_changes, utter):
    signal = utter(0)
    signal = signal + 0.003 * np.random.default_rng(0).standard_normal(len(signal))
    spectrum = np.fft.rfft(signal)
    spectrum[4000 * len(signal) // RATE :] = 0
    cut = np.fft.irfft(spectrum, len(signal))
    assert name_changes(signal, cut) == ["resampling or low-pass filter (4 kHz)"]


def test_a_late_copy_of_a_long_recording_is_found_and_its_whole_delay_is_named(name_changes, utter):
    """Of more than the 4.1 s of a fingerprint's transform."""
    long = np.concatenate([utter(n, n) for n in range(4)])
    late = np.concatenate([np.zeros(5 * RATE), long])
    assert len(long) > 5 * RATE
    assert name_changes(long, late) == ["time shift of +5.000 s"]
