#!/bin/sh
# Snakemake runs this in the new environment, from the folder in which it was started: the repository's.
exec pip install --no-deps --no-build-isolation -e .
