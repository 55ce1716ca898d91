"""Protocols: how a corpus is divided into training, validation and test parts, and what may stand on both sides."""
