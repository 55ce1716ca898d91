"""Synthetic demo corpora."""
