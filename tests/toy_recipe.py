"""A recipe for toy corpora of two emotions: small and fast."""

RATE = 8000
LABELS = ["happy", "sad"]
RECIPE = {
    "transform": "logmel",
    "sample_rate": RATE,
    "n_fft": 128,
    "hop_length": 64,
    "n_mels": 16,
    "fmin": 0.0,
    "fmax": 4000.0,
    "top_db": 80.0,
}
