"""Sweeps in processes of their own: real ones, which die, hang, and are killed."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pytest

import afml_cache
from afml_cache import CacheConfigError, ItemError, robust_cacheable, sweep, sweeps

SCRIPT = Path(__file__).with_name("sweep_script.py")
PYTHON = Path(afml_cache.__file__).parents[1]


def run_script(*args, **options):
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    command = [sys.executable, str(SCRIPT), *map(str, args)]
    return subprocess.Popen(command, env=environment, **options)


def computed(log):
    return Counter(log.read_text().split())


def square(item):
    return item**2


def ends_its_process(item):
    if item == 3:
        os._exit(7)
    return item


def asks_itself_to_stop(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return item


def killed_once(item, folder):
    if item == 3 and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def hangs(item):
    if item == 3:
        threading.Event().wait()
    return item


def test_processes_give_what_a_loop_gives() -> None:
    assert sweep(square, range(40), workers=2) == [item**2 for item in range(40)]
    assert sweep(square, range(40)) == [item**2 for item in range(40)]
    assert sweep.status().hits == 40


def test_functions_that_no_other_process_can_import_are_sent() -> None:
    power = 3

    def cube(item):
        return item**power

    assert sweep(cube, [1, 2, 3], workers=2) == [1, 8, 27]
    assert sweep(lambda item: -item, [1, 2], workers=1) == [-1, -2]
    assert sweep(robust_cacheable(cube), [1, 2, 3]) == [1, 8, 27]
    assert sweep.status().hits == 3


def test_items_that_sweep_themselves_run_in_processes() -> None:
    def halves(count):
        return sweep(lambda item: item / 2, range(count), progress=False)

    assert sweep(halves, [2, 3], workers=2) == [[0.0, 0.5], [0.0, 0.5, 1.0]]
    assert pickle.loads(pickle.dumps(sweep)) is sweep


def test_what_items_share_reaches_every_worker_and_is_its_own() -> None:
    prices = np.arange(100_000.0)

    def spoils(item, prices):
        prices[:] += item
        return float(prices[0])

    assert sweep(spoils, [1], common=(prices,), workers=1) == [1.0]
    assert prices[0] == 0.0


def test_native_threads_of_workers_are_pinned() -> None:
    def threads(item):
        return item, os.environ["OMP_NUM_THREADS"], os.environ["POLARS_MAX_THREADS"]

    assert sweep(threads, [1], workers=1) == [(1, "1", "1")]


def test_generators_of_workers_are_seeded_by_the_item() -> None:
    def draw(item):
        return item, float(np.random.rand())  # noqa: NPY002

    first = sweep(draw, range(6), workers=2)
    afml_cache.clear_afml_cache(warn=False)
    assert sweep(draw, range(5, -1, -1), workers=1)[::-1] == first
    assert len({value for _, value in first}) == 6


def test_an_item_that_ends_its_process_fails_and_the_others_go_on() -> None:
    found = sweep(ends_its_process, range(8), workers=2, on_error="keep going")
    assert found[:3] + found[4:] == [0, 1, 2, 4, 5, 6, 7]
    assert found[3].kind == "WorkerDied"
    assert "ended with exit status 7" in str(found[3])


def test_an_item_that_asks_its_process_to_stop_fails_and_the_others_go_on() -> None:
    found = sweep(asks_itself_to_stop, range(8), workers=2, on_error="keep going")
    assert found[:3] + found[4:] == [0, 1, 2, 4, 5, 6, 7]
    assert found[3].kind == "WorkerDied"


def test_an_item_whose_process_was_killed_is_tried_again_as_told(tmp_path) -> None:
    common = (tmp_path,)
    assert sweep(killed_once, range(6), common=common, workers=2, max_attempts=2) == list(range(6))
    (tmp_path / "killed").unlink()
    with pytest.raises(ItemError, match="killed by SIGKILL"):
        sweep(killed_once, range(6), common=common, workers=2, force_rerun=True)


def test_an_item_that_takes_too_long_is_stopped() -> None:
    started = time.monotonic()
    found = sweep(hangs, range(6), workers=2, timeout=0.3, on_error="keep going")
    assert found[:3] + found[4:] == [0, 1, 2, 4, 5]
    assert found[3].kind == "TimeoutError"
    assert time.monotonic() - started < 30
    status = sweep.status()
    assert (status.timed_out, status.failures[0].state) == (1, "timed out")
    again = sweep(hangs, range(6), workers=2, timeout=0.3, on_error="keep going", retry="failed")
    assert again[3].kind == "TimeoutError"
    assert sweep.status().seconds < 0.3


def test_what_cannot_be_sent_back_is_told() -> None:
    def lock(item):
        return threading.Lock()

    with pytest.raises(ItemError, match="can't be sent") as caught:
        sweep(lock, [1], workers=1)
    assert caught.value.position == 0


def test_what_cannot_be_sent_to_workers_is_told() -> None:
    held = threading.Lock()

    def waits(item):
        with held:
            return item

    with pytest.raises(CacheConfigError, match="can't be sent to other processes"):
        sweep(waits, [1], workers=1)


def test_an_item_that_cannot_be_sent_is_told_and_the_others_go_on() -> None:
    def is_there(item):
        return item is not None

    items = [1, threading.Lock(), 2]
    found = sweep(is_there, items, workers=1, on_error="keep going")
    assert (found[0], found[2]) == (True, True)
    assert "can't be sent to other processes" in str(found[1])


def test_switches_of_groups_hold_in_workers(tmp_path) -> None:
    @afml_cache.artifact("{folder}/{name}.txt", group="universes")
    def summary(name, folder):
        return name

    def outer(name, folder):
        return summary(name, folder)

    try:
        afml_cache.configure(cache_universes=False)
        assert sweep(outer, ["a"], common=(str(tmp_path),), workers=1) == ["a"]
    finally:
        afml_cache.configure(cache_universes=True)
    assert not (tmp_path / "a.txt").exists()


def test_nested_cached_functions_use_the_same_store(tmp_path) -> None:
    @robust_cacheable
    def inner(item):
        return item + 1

    def outer(item):
        return 2 * inner(item)

    assert sweep(outer, [1, 2], workers=1) == [4, 6]
    assert inner.is_cached(1)


def test_killed_at_25_of_210_it_goes_on_where_it_was(tmp_path) -> None:
    interval, workers = 10, 2
    log, whole = tmp_path / "log", tmp_path / "whole"
    with run_script(log, 210, workers, interval, tmp_path / "none", 25) as killed:
        assert killed.wait() == -signal.SIGKILL
    before = computed(log)
    assert sum(before.values()) < 210
    with run_script(log, 210, 1, 7, tmp_path / "resumed") as resumed:
        assert resumed.wait() == 0
    again = computed(log) - Counter(map(str, range(210)))
    assert sum(again.values()) <= interval * workers
    environment = {"AFML_CACHE": str(tmp_path / "other")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFML_CACHE", environment["AFML_CACHE"])
        with run_script(tmp_path / "log2", 210, 3, 50, whole) as uninterrupted:
            assert uninterrupted.wait() == 0
    assert (tmp_path / "resumed").read_bytes() == whole.read_bytes()
    assert set(computed(tmp_path / "log2").values()) == {1}


def test_ctrl_c_ends_it_at_once_and_keeps_what_there_is(tmp_path) -> None:
    log = tmp_path / "log"
    text = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from sweep_script import note\n"
        "from afml_cache import sweep\n"
        "def slow(item, log):\n"
        "    note(log, item)\n"
        "    if item >= 5: time.sleep(600)\n"
        "    return item\n"
        "sweep(slow, range(9), common=(sys.argv[1],), ignore='log', workers=2, progress=False)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    command = [sys.executable, str(script), str(log), str(SCRIPT.parent)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as child:
        while not (log.exists() and {"5", "6"} <= computed(log).keys()):
            assert child.poll() is None
        children = psutil.Process(child.pid).children(recursive=True)
        asked = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    assert time.monotonic() - asked < 5
    assert b"KeyboardInterrupt" in said
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert sweeps()[-1].state == "interrupted"
    assert sweeps()[-1].done == 5


def test_workers_end_with_a_process_that_is_killed(tmp_path) -> None:
    log = tmp_path / "log"
    text = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from sweep_script import note\n"
        "from afml_cache import sweep\n"
        "def slow(item, log):\n"
        "    note(log, item)\n"
        "    time.sleep(600)\n"
        "sweep(slow, range(9), common=(sys.argv[1],), ignore='log', workers=2, progress=False)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    command = [sys.executable, str(script), str(log), str(SCRIPT.parent)]
    with subprocess.Popen(command, env=environment) as child:
        while not (log.exists() and len(computed(log)) >= 2):
            assert child.poll() is None
        children = psutil.Process(child.pid).children(recursive=True)
        assert len(children) == 2
        assert sweeps()[-1].state == "running"
        child.kill()
        child.wait()
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert sweeps()[-1].state == "interrupted"


def test_two_processes_at_one_list_compute_each_item_once(tmp_path) -> None:
    log = tmp_path / "log"
    running = [run_script(log, 60, 1, 5, tmp_path / f"out{number}") for number in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    assert computed(log) == Counter(map(str, range(60)))
    assert (tmp_path / "out0").read_bytes() == (tmp_path / "out1").read_bytes()


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_executors_of_the_standard_library_work(kind) -> None:
    options = {"mp_context": get_context("spawn")} if kind is ProcessPoolExecutor else {}
    with kind(2, **options) as executor:
        assert sweep(square, range(30), executor=executor) == [item**2 for item in range(30)]
        assert sweep(square, range(40), executor=executor)[-1] == 39**2
    assert sweep.status().hits == 30


def test_an_executor_whose_workers_die_is_told(tmp_path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        found = sweep(ends_its_process, [3], executor=executor, on_error="keep going")
    assert found[0].kind == "WorkerDied"
    assert "BrokenProcessPool" in str(found[0])


def first_on_the_path(folder) -> None:
    sys.path.insert(0, folder)


def test_a_worker_with_other_code_is_refused(tmp_path, module) -> None:
    text = "def swept(item):\n    return item + {}\n"
    function = module(text.format(1), "swept_module").swept
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "swept_module.py").write_text(text.format(2))
    context = get_context("spawn")
    path = (str(tmp_path / "other"),)
    with (
        ProcessPoolExecutor(1, context, first_on_the_path, path) as executor,
        pytest.raises(ItemError, match=r"has other code of `swept_module\.swept`") as caught,
    ):
        sweep(function, [1, 2], executor=executor)
    assert caught.value.kind == "CodeMismatchError"
    assert sweep(function, [1, 2], workers=1) == [2, 3]


def test_a_method_of_a_class_of_the_script_is_swept_by_processes(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from afml_cache import sweep\n"
        "class Strategy:\n"
        "    def __init__(self, scale):\n"
        "        self.scale = scale\n"
        "    def evaluate(self, item):\n"
        "        return self.scale * item\n"
        "print(sweep(Strategy(3).evaluate, [1, 2], workers=1, progress=False))\n"
        "print(sweep(Strategy(3).evaluate, [2, 1], progress=False), sweep.status().hits)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[3, 6]\n[6, 3] 2\n"
