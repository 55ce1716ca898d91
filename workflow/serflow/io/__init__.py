"""Files, downloads, worker processes and messages."""
