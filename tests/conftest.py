"""Tests run side by side, file by file."""

import sys

import pytest

from serflow.features import kernels  # noqa: F401  before any test imports librosa, for its lock
from serflow.io import log


@pytest.fixture(autouse=True)
def drawn_alike():
    """A net is initialised the same whichever tests ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def no_log(monkeypatch):
    """Messages go to standard error, whichever log a test before has opened."""
    monkeypatch.setattr(log, "_stream", None)


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that they do not run alone at the end."""
    items.sort(key=lambda item: item.path.parent.name != "workflow")
