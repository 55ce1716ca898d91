"""Worker processes: they end with the process that started them, and an error says when one of them is killed."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from serflow.errors import SerflowError

#: How long workers may go on with their tasks when their results are not wanted any more, in s.
PATIENCE = 10.0


class WorkerError(SerflowError):
    """A worker process has ended before its work was done."""


def count_cores() -> int:
    """Return how many processors this process may use; in a cluster's job they are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def start_workers(number: int, initialise: Callable[..., None], *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes forked from this one, each of which calls `initialise` first.

    On an error or a signal, tasks that wait are dropped, and those that run have `PATIENCE` seconds to end.

    Raises
    ------
    WorkerError
        If one of them is killed, or cannot begin.
    """
    # Forked workers share what is imported and read; nothing may have started threads that a fork would break.
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(number, context, initializer=_begin, initargs=(initialise, *arguments))
    try:
        yield pool
    except BaseException as error:
        # What waits is dropped, what runs may end: a worker killed while it hands over a result would block the pool.
        thread = getattr(pool, "_executor_manager_thread", None)
        pool.shutdown(wait=False, cancel_futures=True)
        broken = isinstance(error, BrokenProcessPool)  # nobody takes results any more
        deadline = time.monotonic() + (0 if broken else PATIENCE)
        for worker in multiprocessing.active_children():
            worker.join(max(0.0, deadline - time.monotonic()))
            worker.kill()
        if thread:  # as Python 3.11 ends, it closes a pipe that this thread may be closing, and prints a trace
            thread.join(PATIENCE)
        if broken:
            fault = "was killed (as when memory runs out), or could not begin"
            raise WorkerError("a worker process", fault, f"Give fewer than {number} --workers or --threads.") from error
        raise
    pool.shutdown()


def map_ahead(pool: Executor, ahead: int, function: Callable[..., Any], *arguments: Iterable[Any]) -> Iterator[Any]:
    """Yield what `Executor.map` does, with at most `ahead` tasks handed out whose results were not taken yet.

    It hands out all at once: results pile up in memory where whoever takes them is slower than the workers.
    """
    rest = zip(*arguments, strict=False)
    waiting = deque(pool.submit(function, *task) for task in itertools.islice(rest, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting += (pool.submit(function, *task) for task in itertools.islice(rest, 1))
        yield result


def _begin(initialise: Callable[..., None], *arguments: Any) -> None:
    # They often reach a whole process group: the process that started this one ends it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    initialise(*arguments)


def _end_with_parent() -> None:
    """End this process when its parent does, even by SIGKILL: it would wait for work forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 (this is a worker)
    parent.join()
    os._exit(1)
