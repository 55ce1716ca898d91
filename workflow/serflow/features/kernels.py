"""librosa, imported by one process at a time: get it with ``from serflow.features.kernels import librosa``.

librosa compiles kernels when the modules below are imported, and numba caches each kernel as two files, which it does
not write as one. Processes that fill an empty cache at the same time leave pairs that do not match, and whoever calls
such a kernel later is killed by a segmentation fault (numba issue 10128).
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import librosa
from numba.misc.appdirs import AppDirs

from serflow.io.files import locked

__all__ = ["librosa", "lock_file"]

#: All modules with generalised ufuncs, except librosa.beat: it is not used here and takes half a minute to compile.
MODULES = ("librosa.util.utils", "librosa.core.audio", "librosa.core.pitch")


def lock_file() -> Path:
    """Return a path in numba's cache of librosa: where NUMBA_CACHE_DIR says, beside librosa, or in the user's cache."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(librosa.__file__).parent / "__pycache__")
    if not os.access(folder if folder.exists() else folder.parent, os.W_OK):
        folder = Path(AppDirs("numba", appauthor=False).user_cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "serflow.lock"


with locked(lock_file()):
    for module in MODULES:
        importlib.import_module(module)
