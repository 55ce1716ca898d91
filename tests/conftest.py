"""Tests run side by side, file by file."""

from serflow.features import kernels  # noqa: F401  before any test imports librosa, for its lock


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that they do not run alone at the end."""
    items.sort(key=lambda item: item.path.parent.name != "workflow")
