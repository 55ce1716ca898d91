"""What a manifest says of a recording's sound, read independently of serflow."""

import hashlib

import soundfile


def facts(path):
    """Return the sampling rate, number of samples and SHA-1 of a file of 16-bit samples."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    sha1 = hashlib.sha1(samples.astype("<i2").tobytes(), usedforsecurity=False).hexdigest()
    return {"sample_rate": str(rate), "samples": str(len(samples)), "sha1": sha1}
