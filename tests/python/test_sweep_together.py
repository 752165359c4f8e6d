"""Sweeps beside, inside and around each other: processes, threads, forks, and impatient users."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import afml_cache
from afml_cache import ItemError, sweep, sweeps

FOLDER = Path(__file__).parent
PYTHON = Path(afml_cache.__file__).parents[1]


def note(log, item):
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{item}\n".encode())
    os.close(descriptor)


def noted(log):
    return Counter(log.read_text().split()) if log.exists() else Counter()


def started(body, *arguments, **options):
    """Start a script that has what is in this file."""
    text = (
        f"import sys\nsys.path[:0] = [{str(FOLDER)!r}]\nfrom test_sweep_together import *\n{body}"
    )
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, text=True, **options)


def square(item, log):
    note(log, item)
    return item**2


def lasting(item, seconds):
    threading.Event().wait(seconds[item])
    return item


def inner(item, log):
    note(log, f"inner-{item}")
    return item + 1


def outer(item, log):
    note(log, f"outer-{item}")
    wished = [item, item + 1, 100]
    return sum(sweep(inner, wished, common=(log,), workers=1, ignore="log", progress=False))


OVERLAPPING = """
log, first, last, workers = Path(sys.argv[1]), *map(int, sys.argv[2:])
found = sweep(
    square, range(first, last), common=(log,), workers=workers, ignore="log", progress=False
)
assert found == [item**2 for item in range(first, last)]
"""


@pytest.mark.parametrize("spans", [[(0, 60), (30, 90)], [(0, 60), (20, 80), (40, 90), (0, 90)]])
def test_processes_at_overlapping_lists_compute_each_item_once(tmp_path, spans) -> None:
    log = tmp_path / "log"
    running = [started(OVERLAPPING, log, *span, number % 3) for number, span in enumerate(spans)]
    assert [process.wait() for process in running] == [0] * len(spans)
    assert noted(log) == Counter(map(str, range(90)))


@pytest.mark.parametrize(
    "options", [{}, {"workers": 2}, {"executor": "threads", "workers": 2}], ids=str
)
def test_an_item_may_sweep_itself(tmp_path, options) -> None:
    log = tmp_path / "log"
    found = sweep(outer, range(4), common=(log,), ignore="log", **options)
    assert found == [item + 1 + item + 2 + 101 for item in range(4)]
    names = [*(f"outer-{item}" for item in range(4)), *(f"inner-{item}" for item in range(5))]
    assert noted(log) == Counter([*names, "inner-100"])
    assert {one.state for one in sweeps()} == {"done"}


@pytest.mark.parametrize("options", [{}, {"workers": 2}], ids=str)
def test_threads_sweep_like_the_main_one(tmp_path, options) -> None:
    log = tmp_path / "log"
    options = {"common": (log,), "ignore": "log", **options}
    with ThreadPoolExecutor(2) as threads:
        found = [
            threads.submit(sweep, square, range(first, first + 40), **options) for first in (0, 20)
        ]
        assert [one.result() for one in found] == [
            [item**2 for item in range(first, first + 40)] for first in (0, 20)
        ]
    assert noted(log) == Counter(map(str, range(60)))


LAZY = """
model, memo = None, {}

def loaded(item):
    global model
    if model is None:
        model = [10]
    return item + model[0]

def remembered(item):
    memo.setdefault(item, 2 * item)
    return memo[item]
"""


@pytest.mark.parametrize(
    "options", [{}, {"workers": 2}, {"executor": "threads", "workers": 2}], ids=str
)
def test_a_function_that_changes_a_global_is_no_other_code(module, options, caplog) -> None:
    lazy = module(LAZY, "lazy_module")
    assert sweep(lazy.loaded, range(30), **options) == list(range(10, 40))
    assert sweep(lazy.remembered, range(30), **options) == list(range(0, 60, 2))
    if "workers" not in options:  # the workers' own warnings are on their standard error
        told = [one for one in caplog.messages if "`ignore_deps` if results do not" in one]
        assert len(told) == 2
    kept = {**options, "ignore_deps": ("model", "memo")}
    for number in range(2):
        assert sweep(lazy.loaded, range(30), **kept) == list(range(10, 40))
        assert sweep.status().hits == 30 * number


def test_a_process_that_is_forked_meanwhile_disturbs_nothing(tmp_path) -> None:
    script = """
log = Path(sys.argv[1])

def forked(progress):
    if not children:
        children.append(os.fork())
        if children[0] == 0:
            found = sweep(square, range(50, 60), common=(log,), ignore="log", progress=False)
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(found != [item**2 for item in range(50, 60)])

def slow(item, log):
    note(log, item)
    return threading.Event().wait(600)

children = []
print(os.getpid(), flush=True)
sweep(slow, range(9), common=(log,), ignore="log", workers=2, progress=False,
      progress_callback=forked)
"""
    log = tmp_path / "log"
    with started(script, log, stdout=subprocess.PIPE) as parent:
        workers = []
        while parent.poll() is None:
            if len(noted(log)) >= 2 and not workers:
                workers = psutil.Process(parent.pid).children(recursive=True)
    assert {str(item) for item in range(50, 60)} <= noted(log).keys()
    assert not psutil.wait_procs(workers, timeout=10)[1]


IMPATIENT = """
def slow(item, log):
    note(log, item)
    try:
        threading.Event().wait(600 if item >= 5 else 0)
    except BaseException:
        threading.Event().wait(600)
    return item

log = Path(sys.argv[1])
options = {"workers": {"executor": "processes", "workers": 2}, "sequential": {}}[sys.argv[2]]
sweep(slow, range(9), common=(log,), ignore="log", progress=False, **options)
"""


@pytest.mark.parametrize("kind", ["workers", "sequential"])
def test_ctrl_c_twice_ends_it_and_keeps_what_there_is(tmp_path, kind) -> None:
    log = tmp_path / "log"
    with started(IMPATIENT, log, kind, stderr=subprocess.PIPE) as child:
        while "5" not in noted(log):
            assert child.poll() is None
        children = psutil.Process(child.pid).children(recursive=True)
        asked = time.monotonic()
        child.send_signal(signal.SIGINT)
        threading.Event().wait(0.1)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    assert time.monotonic() - asked < 5
    assert "KeyboardInterrupt" in said
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert sweeps()[-1].state == "interrupted"
    assert sweeps()[-1].done >= 4  # what shares a chunk with 5 may be lost with it


def test_a_late_item_of_an_executor_does_not_hold_up_those_behind_it() -> None:
    seconds = {0: 2.5, **dict.fromkeys(range(1, 5), 0.5)}
    with ThreadPoolExecutor(2) as executor:
        found = sweep(
            lasting,
            range(5),
            common=(seconds,),
            executor=executor,
            timeout=0.8,
            on_error="keep going",
        )
    assert isinstance(found[0], ItemError)
    assert found[1:] == [1, 2, 3, 4]


def test_the_time_of_an_item_begins_when_an_executor_begins_it() -> None:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(threading.Event().wait, 0.8)
        common = (dict.fromkeys(range(3), 0.1),)
        assert sweep(
            lasting, range(3), common=common, executor=executor, workers=3, timeout=0.6
        ) == [0, 1, 2]


def test_items_behind_one_that_hangs_in_the_only_thread_are_given_up() -> None:
    with ThreadPoolExecutor(1) as executor:
        found = sweep(
            lasting,
            range(3),
            common=({0: 1.5, 1: 0.0, 2: 0.0},),
            executor=executor,
            timeout=0.3,
            on_error="keep going",
        )
    assert [isinstance(one, ItemError) for one in found] == [True, True, True]
