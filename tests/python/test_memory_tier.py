"""What memory holds: only what is still true, within its bound, and nothing of a parent's."""

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from afml_cache import Store, robust_cacheable


def other_process(store: Store, code: str) -> str:
    """What another process prints that works on the same store."""
    begin = f"from afml_cache import Store\nstore = Store({str(store.path)!r})\n"
    command = [sys.executable, "-c", begin + code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def in_memory(store: Store) -> Callable:
    """A function with results that memory holds, and how often it was computed."""

    @robust_cacheable(store=store)
    def numbered(number: int) -> list:
        return [number, len(computed)]

    computed: list[int] = []
    for number in range(20):
        numbered(number)
        numbered(number)
    assert numbered.cache_info().memory_hits == 20
    return numbered


def test_what_another_process_clears_is_not_served_again(store: Store, in_memory: Callable) -> None:
    misses = in_memory.cache_info().misses
    other_process(store, "store.clear()")
    in_memory(3)
    assert in_memory.cache_info().misses == misses + 1


def test_what_another_process_invalidates_is_not_served_again(
    store: Store, in_memory: Callable
) -> None:
    misses = in_memory.cache_info().misses
    other_process(store, "store.select(None, None, remove=True)")
    in_memory(3)
    assert in_memory.cache_info().misses == misses + 1


def test_what_another_process_refreshes_is_read_anew_and_the_rest_stays(
    run_python: Callable,
) -> None:
    code = """
import subprocess, sys
from pathlib import Path
from afml_cache import robust_cacheable

@robust_cacheable
def read(name):
    return [name, Path(f"{name}.txt").read_text()]

def write(name, text):
    Path(f"{name}.txt").write_text(text)

if "other" in sys.argv:
    read.refresh("a")
    sys.exit()
for name in "abcdefgh":
    write(name, "old")
    read(name), read(name)
before = read.cache_info().memory_hits
write("a", "new")
subprocess.run([sys.executable, __file__, "other"], check=True)
print(read("a")[1], read.cache_info().memory_hits - before, read.cache_info().misses)
for name in "bcdefgh":
    read(name)
print(read.cache_info().memory_hits - before, read("a")[1])
"""
    assert run_python(code).splitlines() == ["new 0 8", "7 new"]


def test_a_refresh_here_is_what_the_next_call_gets(store: Store) -> None:
    state = {"text": "old"}

    @robust_cacheable(store=store, ignore_deps=("state",))
    def read(name: str) -> list:
        return [name, state["text"]]

    read("a"), read("a")
    state["text"] = "new"
    assert read.refresh("a") == ["a", "new"]
    assert read("a") == ["a", "new"]
    assert read("a") == ["a", "new"]


def test_a_child_that_was_forked_between_hits_goes_on(run_python: Callable) -> None:
    code = """
import os, threading
import numpy as np
from afml_cache import robust_cacheable

@robust_cacheable
def made(number):
    return {"array": np.arange(number), "text": "x" * number}

for number in range(50):
    made(number), made(number)
done = threading.Event()

def hammer():
    while not done.is_set():
        for number in range(50):
            made(number)

threads = [threading.Thread(target=hammer) for _ in range(8)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        before = made.cache_info()
        right = all(made(number)["array"].size == number for number in range(50))
        after = made.cache_info()
        right = right and after.misses == before.misses
        # it began with nothing, and holds what it reads from here on
        right = right and after.disk_hits - before.disk_hits == 50
        right = right and all(made(number)["text"] == "x" * number for number in range(50))
        right = right and made.cache_info().memory_hits - after.memory_hits == 50
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
done.set()
for thread in threads:
    thread.join()
print("went on", made.cache_info().misses)
"""
    if not hasattr(os, "fork"):
        pytest.skip("this platform has no fork")
    assert run_python(code).split() == ["went", "on", "50"]


@pytest.mark.soak
def test_a_hundred_thousand_results_are_held_at_once(store: Store) -> None:
    @robust_cacheable(store=store)
    def made(number: int) -> np.ndarray:
        return np.full(2_600, number)

    held = [made(number) for number in range(100_000)]
    fresh = robust_cacheable(store=Store(store.path))(made.__wrapped__)
    held += [fresh(number) for number in range(100_000)]
    assert all(array[-1] == place % 100_000 for place, array in enumerate(held))
    assert fresh.cache_info().misses == 0


@pytest.mark.soak
def test_one_large_result_is_held_more_often_than_a_process_has_mappings(store: Store) -> None:
    @robust_cacheable(store=store)
    def made(number: int) -> np.ndarray:
        return np.full(270_000, number)

    made(1)
    # past a quarter of the mappings each is a copy, of which memory has room for some
    held = [made(1) for _ in range(17_000)]
    assert all(array[-1] == 1 for array in held)
    held[0][:] = 2
    assert made(1)[0] == 1
