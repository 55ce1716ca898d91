"""Applying trained runs to new signals."""
