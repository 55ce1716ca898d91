import librosa
import numpy as np
import pytest
import soundfile

from serflow.errors import CorpusError
from serflow.features.audio import read_signal


def test_a_recording_comes_back_as_written(tmp_path):
    samples = np.array([0, 16384, -16384, 32767, -32768], np.int16)
    soundfile.write(tmp_path / "x.wav", samples, 16000)
    signal = read_signal(tmp_path / "x.wav", 16000)
    assert signal.dtype == np.float32
    np.testing.assert_allclose(signal, [0, 0.5, -0.5, 32767 / 32768, -1])


def test_wav_and_flac_agree(tmp_path):
    samples = np.random.default_rng(0).integers(-3000, 3000, 500).astype(np.int16)
    for name in ("x.wav", "x.flac"):
        soundfile.write(tmp_path / name, samples, 16000)
    np.testing.assert_array_equal(read_signal(tmp_path / "x.wav", 16000), read_signal(tmp_path / "x.flac", 16000))


def test_stereo_becomes_the_mean_of_its_channels(tmp_path):
    left, right = np.full(100, 0.5, np.float32), np.full(100, -0.25, np.float32)
    soundfile.write(tmp_path / "x.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    signal = read_signal(tmp_path / "x.wav", 16000)
    assert signal.shape == (100,)
    np.testing.assert_allclose(signal, 0.125)


@pytest.mark.parametrize("fault", ["absent", "text", "empty", "nan", "infinite", "truncated"])
def test_a_recording_that_cannot_be_used_is_named(tmp_path, fault):
    path = tmp_path / "Actor_01" / "bad.wav"
    path.parent.mkdir()
    signal = np.zeros(100, np.float32)
    if fault == "text":
        path.write_text("this is no recording")
    elif fault == "truncated":
        path.write_bytes(b"RIFF\x00\x10\x00\x00WAVEfm")
    elif fault != "absent":
        signal[50] = {"nan": np.nan, "infinite": np.inf}.get(fault, 0)
        soundfile.write(path, signal[: 0 if fault == "empty" else None], 16000, subtype="FLOAT")
    with pytest.raises(CorpusError) as caught:
        read_signal(path, 16000)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("native", [8000, 44100, 48000])
@pytest.mark.parametrize("n_samples", [1, 999, 20000])
def test_resampling_is_librosas(tmp_path, native, n_samples):
    samples = np.random.default_rng(n_samples).uniform(-0.5, 0.5, n_samples).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", samples, native, subtype="FLOAT")
    expected = librosa.resample(samples, orig_sr=native, target_sr=16000, res_type="soxr_hq")
    np.testing.assert_array_equal(read_signal(tmp_path / "x.wav", 16000), expected)
