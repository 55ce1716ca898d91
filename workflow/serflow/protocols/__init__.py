"""Protocols: how a corpus is divided into parts."""
