"""serflow: published speech-emotion-recognition systems, reproduced from the raw corpora to every table and figure."""

__version__ = "0.1.0"
