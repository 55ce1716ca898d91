"""The results page ``index.html``: what was found, in one self-contained file."""
