import os
import subprocess
import sys
from pathlib import Path

import librosa

from serflow.features.kernels import lock_file
from serflow.io.files import locked


def test_librosa_is_imported_by_one_process_at_a_time():
    """Two at once spoil an empty cache of compiled kernels (numba issue 10128)."""
    with locked(lock_file()):
        command = [sys.executable, "-c", "from serflow.features.kernels import librosa; print(librosa.__name__)"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert "waiting for another process" in process.stderr.readline()
        assert process.poll() is None
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "librosa\n", "")


def test_the_lock_lies_in_the_cache_it_guards(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    assert lock_file().parent == tmp_path / "kernels"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert lock_file().parent == Path(librosa.__file__).parent / "__pycache__"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert lock_file().parent == tmp_path / "numba"
