"""One function per figure; each takes plain data and returns a matplotlib figure."""
