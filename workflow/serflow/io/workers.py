"""Worker processes: they end with the process that started them, and an error says when one of them is killed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from serflow.errors import SerflowError


class WorkerError(SerflowError):
    """A worker process has ended before its work was done."""


@contextlib.contextmanager
def start_workers(number: int, initialise: Callable[..., None], *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes forked from this one, each of which calls `initialise` first.

    Raises
    ------
    WorkerError
        If one of them is killed, or cannot begin.
    """
    # Forked workers share what is imported and read; nothing may have started threads that a fork would break.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(number, context, initializer=_begin, initargs=(initialise, *arguments)) as pool:
        try:
            yield pool
        except BaseException as error:
            for worker in multiprocessing.active_children():  # nobody waits for their results any more
                worker.kill()
            if isinstance(error, BrokenProcessPool):
                fault = "was killed (as when memory runs out), or could not begin"
                raise WorkerError(
                    "a worker process", fault, f"Give fewer than {number} --workers or --threads."
                ) from error
            raise


def _begin(initialise: Callable[..., None], *arguments: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the command line's, which cleans up
    threading.Thread(target=_end_with_parent, daemon=True).start()
    initialise(*arguments)


def _end_with_parent() -> None:
    """End this process when its parent does, even by SIGKILL: it would wait for work forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 (this is a worker)
    parent.join()
    os._exit(1)
