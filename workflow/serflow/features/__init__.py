"""Features: from a recording to frames, computed once per corpus and recipe into a Zarr store."""
