"""Worker processes that are stopped while they hand over results, with many tasks waiting."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from serflow.io.workers import map_ahead

#: Runs a verb whose workers hand over large results, and fail at a task, if it is reached.
MANY = """
import signal, sys
from serflow import cli
from serflow.errors import SerflowError
from serflow.io.workers import start_workers

def work(number):
    if number == int(sys.argv[1]):
        raise SerflowError("a recording", "cannot be read", "Replace it.")
    return bytes(1_000_000)

def run():
    "Run."
    with start_workers(2, int) as pool:
        for number, _ in enumerate(pool.map(work, range(10_000))):
            if number == 0:
                print("begun", flush=True)

cli.VERBS["run"] = (run, {})
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.exit(cli.main(["run"]))
"""


def start(fails_at):
    """Start that verb in a process group of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "-c", MANY, str(fails_at)], start_new_session=True, **pipes)


@pytest.mark.parametrize("task", [0, 20])
def test_an_error_in_a_worker_is_all_that_is_told(task):
    process = start(task)
    output = process.communicate(timeout=60)[0]
    assert output.removeprefix("begun\n") == "serflow run: a recording: cannot be read. Replace it.\n"
    assert process.returncode == 1


def test_no_more_tasks_are_handed_out_than_asked_for_before_results_are_taken():
    begun = []
    with ThreadPoolExecutor(1) as pool:
        found = map_ahead(pool, 3, lambda n, _: begun.append(n) or n, range(10), itertools.repeat("same"))
        assert next(found) == 0
        pool.submit(int).result()  # what was handed out is done
        assert begun == [0, 1, 2, 3]
        assert list(found) == list(range(1, 10))


def test_nothing_of_a_pool_is_left_running_after_an_error():
    """Python 3.11 may otherwise print a trace as it ends, when the pool's own thread ends at the same time."""
    ending = """
    import threading
    print([thread.name for thread in threading.enumerate() if not thread.daemon])
    """
    code = MANY.replace('sys.exit(cli.main(["run"]))', f"cli.main(['run']){textwrap.dedent(ending)}")
    process = subprocess.run([sys.executable, "-c", code, "0"], capture_output=True, text=True, timeout=60, check=True)
    assert process.stdout == "['MainThread']\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_process_group_ends_it_in_silence(number):
    process = start(-1)
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, number)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 128 + number
