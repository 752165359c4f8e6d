"""Artifacts of several processes: one makes it, the others wait, and a killed one is in no way."""

import signal
from concurrent.futures import ThreadPoolExecutor

from artifacts_made import names, started

from afml_cache.artifacts import placing

WORKER = """
import sys
from afml_cache.artifacts.decorator import artifact

@artifact("made.json")
def made(x):
    print("made", flush=True)
    sys.stdin.readline()
    return x

print("calls", flush=True)
print(made([1, 2]), flush=True)
"""


def test_of_two_processes_one_makes_it_and_the_other_waits(tmp_path):
    with started(WORKER, tmp_path) as one, started(WORKER, tmp_path) as two:
        assert [one.stdout.readline(), two.stdout.readline()] == ["calls\n", "calls\n"]
        # Whichever it is: the other has no more to say before this one is let go.
        for process in (one, two):
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.stdout.read() for process in (one, two)]
    assert sorted(said, key=len) == ["[1, 2]\n", "made\n[1, 2]\n"]
    assert names(tmp_path) == ["made.json", "made_metadata.json"]


def test_a_killed_maker_leaves_no_lock(tmp_path):
    with started(WORKER, tmp_path) as first:
        assert [first.stdout.readline(), first.stdout.readline()] == ["calls\n", "made\n"]
        with started(WORKER, tmp_path) as second:
            assert second.stdout.readline() == "calls\n"
            first.kill()
            second.stdin.write("\n")
            second.stdin.flush()
            assert second.stdout.read() == "made\n[1, 2]\n"
    assert names(tmp_path) == ["made.json", "made_metadata.json"]


INTERRUPTED = """
import os, signal, sys, threading
from afml_cache.artifacts.decorator import artifact

@artifact("made.json")
def made(x):
    return x

try:
    print("calls", flush=True)
    made([1, 2])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_a_caller_that_waits_hears_ctrl_c(tmp_path):
    interrupted = INTERRUPTED.replace("def made(x):\n", 'def made(x):\n    print("made")\n')
    with started(WORKER, tmp_path) as maker:
        assert [maker.stdout.readline(), maker.stdout.readline()] == ["calls\n", "made\n"]
        with started(interrupted, tmp_path) as waiter:
            assert waiter.stdout.readline() == "calls\n"
            waiter.send_signal(signal.SIGINT)
            assert waiter.stdout.read() == "interrupted\n"
        maker.stdin.write("\n")
        maker.stdin.flush()
        assert maker.stdout.read() == "[1, 2]\n"


SUFFIXES = """
import sys
from afml_cache.artifacts.decorator import artifact

@artifact("made." + sys.argv[1])
def made():
    print("made", flush=True)
    sys.stdin.readline()
    return "text"

made()
"""


def test_processes_that_write_files_of_one_stem_keep_their_sidecars_apart(tmp_path):
    suffixes = ("txt", "json", "txt.gz", "json.gz")
    running = [started(SUFFIXES, tmp_path, suffix) for suffix in suffixes]
    assert [process.stdout.readline() for process in running] == ["made\n"] * 4
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in running:
        with process:
            assert process.stdout.read() == ""
    for suffix in suffixes:
        with started(SUFFIXES, tmp_path, suffix) as again:
            assert again.stdout.read() == ""


def test_a_draft_is_there_however_many_tidy_up_beside_it(tmp_path) -> None:
    def write(_):
        placing._tidied.clear()
        with placing.Draft(tmp_path / "x.json") as draft:
            return draft.place.exists()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(write, range(1500)))
