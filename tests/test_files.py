import errno
import fcntl
import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from serflow.errors import ConfigError, CorpusError, DamagedFileError
from serflow.io import log
from serflow.io.files import (
    atomic_path,
    digest_file,
    digest_value,
    locked,
    read_csv,
    read_json,
    replace_folder,
    workspace,
    write_csv,
    write_json,
    write_text,
)
from serflow.labels import check_labels


def test_atomic_path_moves_the_whole_file_and_makes_its_folder(tmp_path):
    target = tmp_path / "a" / "b" / "figure.svg"
    with atomic_path(target) as partial:
        assert partial.parent.parent == target.parent  # one file system, so that it can be moved
        assert partial.suffix == ".svg"  # savefig and the like choose the format by it
        partial.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path):
    target = tmp_path / "scores.csv"
    target.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as partial:
        partial.write_text("half of it")
        raise KeyboardInterrupt
    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_is_deleted_by_the_next_and_a_living_ones_is_not(tmp_path):
    target = tmp_path / "scores.csv"
    writer = f"""
import sys
from serflow.io.files import atomic_path
with atomic_path({str(target)!r}) as partial:
    partial.write_text("half of it")
    print(partial.parent.name, flush=True)
    sys.stdin.readline()
"""

    def start():
        command = [sys.executable, "-c", writer]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return process, process.stdout.readline().strip()

    killed, _ = start()
    killed.kill()
    killed.communicate()
    assert list(tmp_path.iterdir())
    living, folder = start()
    write_text(target, "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"scores.csv", folder}
    living.communicate("go on\n")
    assert target.read_text() == "half of it"  # the last one wins, whole
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_another_process_locks_and_deletes_first_is_made_anew(tmp_path, monkeypatch):
    lock = fcntl.flock

    def lock_second(file, operation):
        monkeypatch.setattr(fcntl, "flock", lock)
        write_text(tmp_path / "scores.csv", "of another")  # which finds the folder without a lock, and deletes it
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock_second)
    write_text(tmp_path / "scores.csv", "whole")
    assert (tmp_path / "scores.csv").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [tmp_path / "scores.csv"]


def test_processes_that_write_one_file_all_finish(tmp_path):
    code = f"from serflow.io.files import write_text\nfor n in range(100): write_text({str(tmp_path / 'x')!r}, str(n))"
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_nothing_is_left_where_a_thread_goes_on_writing_when_the_block_fails(tmp_path, monkeypatch):
    """As zarr's do when a signal ends the main thread: here it writes once more while its folder is being deleted."""
    rmdir, late = os.rmdir, []

    def overtaken(path, *, dir_fd=None):
        if not late:
            late.append(partial / "late")
            late[0].write_bytes(b"frames")
        rmdir(path, dir_fd=dir_fd)

    with pytest.raises(SystemExit), workspace(tmp_path / "store") as partial:
        partial.mkdir()
        monkeypatch.setattr(os, "rmdir", overtaken)
        raise SystemExit
    assert late
    assert list(tmp_path.iterdir()) == []


LOCKER = """
import sys
from pathlib import Path
from serflow.io.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_keeps_others_waiting_and_ends_with_its_process(tmp_path):
    path = tmp_path / "data.zip.part"
    path.write_bytes(b"half of it")
    command, pipes = [sys.executable, "-c", LOCKER, str(path)], dict.fromkeys(("stdin", "stdout", "stderr"), -1)
    with subprocess.Popen(command, text=True, **pipes) as holder:
        assert holder.stdout.readline() == "locked\n"
        with subprocess.Popen(command, text=True, **pipes) as waiting:
            assert str(path) in waiting.stderr.readline()
            holder.kill()
            assert waiting.stdout.readline() == "locked\n"
            waiting.communicate("\n")
    assert path.read_bytes() == b"half of it"
    assert list(tmp_path.iterdir()) == [path]


def test_on_a_file_system_without_locks_nobody_waits(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "x"), locked(tmp_path / "x"), atomic_path(tmp_path / "y") as partial:
        partial.write_text("whole")
    assert (tmp_path / "y").read_text() == "whole"


def test_a_folder_takes_the_place_of_what_stands_there_or_comes_to_stand_there(tmp_path, monkeypatch):
    target, rename = tmp_path / "store", Path.rename
    faster = [tmp_path / f"faster{n}" for n in range(2)]

    def overtaken(self, path):
        """Put another folder in the target's place just before ours is moved there."""
        if path == target and self not in faster and faster:
            rename(faster.pop(), target)
        return rename(self, path)

    for folder in (target, *faster):
        folder.mkdir()
        (folder / "frames").write_text("another's")
    monkeypatch.setattr(Path, "rename", overtaken)
    with workspace(target) as partial:
        partial.mkdir()
        (partial / "frames").write_text("ours")
        replace_folder(partial, target)
    assert not faster
    assert (target / "frames").read_text() == "ours"
    assert list(tmp_path.iterdir()) == [target]


def test_a_row_with_a_column_too_many_writes_nothing(tmp_path):
    rows = [{"utterance": "a"}, {"utterance": "b", "speaker": "01"}]
    with pytest.raises(ValueError, match="speaker"):
        write_csv(tmp_path / "x.csv", ["utterance"], rows)
    assert not list(tmp_path.iterdir())


def test_csv_is_utf8_with_unix_line_ends_and_comes_back_as_text(tmp_path):
    path = tmp_path / "rows.csv"
    rows = [{"utterance": 'ä, "b"', "fold": 3}, {"utterance": "two\nlines", "fold": 0.5}]
    write_csv(path, ["utterance", "fold"], iter(rows))
    assert path.read_bytes() == b'utterance,fold\n"\xc3\xa4, ""b""",3\n"two\nlines",0.5\n'
    assert read_csv(path) == [{"utterance": 'ä, "b"', "fold": "3"}, {"utterance": "two\nlines", "fold": "0.5"}]


def test_json_and_text_come_back(tmp_path):
    write_json(tmp_path / "x.json", {"ü": [1, None, 0.25]})
    assert read_json(tmp_path / "x.json") == {"ü": [1, None, 0.25]}
    write_text(tmp_path / "x.txt", "ü\n")
    assert (tmp_path / "x.txt").read_bytes() == b"\xc3\xbc\n"


def test_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(content)
    assert digest_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()
    assert digest_file(tmp_path / "x", "md5") == hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_digest_of_a_value_knows_content_not_the_order_of_keys():
    assert digest_value({"a": 1, "b": [1, 2]}) == digest_value({"b": [1, 2], "a": 1})
    assert digest_value({"a": 1, "b": [1, 2]}) != digest_value({"a": 1, "b": [2, 1]})
    assert digest_value({"a": 1}) != digest_value({"a": 2})


def test_digest_of_names_that_are_not_in_utf_8():
    latin = os.fsdecode("für.txt".encode("latin-1"))
    assert digest_value([latin]) != digest_value([os.fsdecode(b"fur.txt")])


def test_an_error_survives_the_way_back_from_a_worker_process():
    error = pickle.loads(pickle.dumps(CorpusError("a.wav", "has no samples", "Replace it.")))  # noqa: S301
    assert isinstance(error, CorpusError)
    assert str(error) == "a.wav: has no samples. Replace it."


def test_a_label_set_keeps_its_order():
    assert check_labels(["sad", "happy"], "x") == ("sad", "happy")


@pytest.mark.parametrize("labels", [["happy"], ["sad", "sad"], ["happy", "glad"]])
def test_a_label_set_of_unknown_double_or_too_few_emotions_is_refused(labels):
    with pytest.raises(ConfigError) as caught:
        check_labels(labels, "toy.yaml: labels")
    assert caught.value.where == "toy.yaml: labels"


def test_messages_go_to_standard_error_until_a_log_is_open(tmp_path, capsys):
    log.say("first")
    assert capsys.readouterr().err == "first\n"
    path = tmp_path / "logs" / "x.log"
    path.parent.mkdir()
    path.write_text("of an earlier run")
    log.open_log(path)
    log.say("second")
    assert path.read_text() == "second\n"  # on disk at once: a killed job's log is whole
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,tr", b"a,b\n1\n", b"a,b\n1,2,3\n", b"a,b\n1,\xff\n", b'a,b\n1,"' + bytes(200_000)],
    ids=["empty", "truncated", "a value lacks", "a value too many", "no UTF-8", "no end of a quote"],
)
def test_a_damaged_table_is_named(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError) as caught:
        read_csv(path)
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)


def test_a_table_cut_anywhere_but_between_rows_is_never_read_as_whole(tmp_path):
    path, rows = tmp_path / "t.csv", [{"utterance": f"u{n}", "note": "a,b\n"[: n % 5]} for n in range(20)]
    write_csv(path, list(rows[0]), rows)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            found = read_csv(path)
        except DamagedFileError:
            continue
        assert found == rows[: len(found)]


@pytest.mark.parametrize("content", [b"", b'{"labels": ["hap', b"\xff", b"[1,]"])
def test_a_damaged_json_file_is_named(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError) as caught:
        read_json(path)
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_would_stand_where_a_folder_is_names_the_folder(tmp_path):
    (tmp_path / "docs").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_text(tmp_path / "docs", "text")
    assert caught.value.filename == str(tmp_path / "docs")
    assert list(tmp_path.iterdir()) == [tmp_path / "docs"]
