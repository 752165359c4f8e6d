"""Several threads, one key: one computes, the others wait, nobody hangs."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bodies import RAN, Bodies, counted

from afml_cache import Store, robust_cacheable

PATIENCE = 60  # seconds before a test calls it a hang


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def together(*calls: Callable) -> list:
    """What each call gave or raised, all started at once in threads of their own."""
    outcomes: list = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(place: int) -> None:
        gate.wait(PATIENCE)
        try:
            outcomes[place] = calls[place]()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            outcomes[place] = error

    threads = [
        threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(calls))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a call hangs"
    return outcomes


def test_eight_threads_compute_one_missing_key_once(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    def load(a: int) -> list:
        RAN.warning("load")
        return [a, [a]]

    for number in range(50):
        results = together(*[lambda number=number: load(number)] * 8)
        assert results == [[number, [number]]] * 8
        assert len({id(result) for result in results}) == 8
        assert len({id(result[1]) for result in results}) == 8
        assert len(bodies) == number + 1
    info = load.cache_info()
    assert info.misses == 50
    assert info.hits + info.waits >= 350


def test_a_waiter_gets_the_result_of_the_one_who_computes(store: Store, bodies: Bodies) -> None:
    started, release = threading.Event(), threading.Event()

    @robust_cacheable(store=store)
    def slow(a: int) -> list:
        RAN.warning("slow")
        return [a]

    bodies.action = lambda _: (started.set(), release.wait(PATIENCE))

    def follow() -> list:
        started.wait(PATIENCE)
        threading.Thread(target=release.set, daemon=True).start()
        return slow(1)

    assert together(lambda: slow(1), follow, follow, follow) == [[1]] * 4
    assert len(bodies) == 1


def test_other_keys_do_not_wait_for_a_running_one(store: Store, bodies: Bodies) -> None:
    started, release = threading.Event(), threading.Event()

    @robust_cacheable(store=store)
    def slow(a: int) -> int:
        RAN.warning(str(a))
        return a

    bodies.action = lambda name: (started.set(), release.wait(PATIENCE)) if name == "-1" else None

    def others() -> int:
        started.wait(PATIENCE)
        total = sum(slow(number) for number in range(300))
        release.set()
        return total

    assert together(lambda: slow(-1), others) == [-1, 44850]


def test_the_error_of_the_one_goes_to_its_caller_and_another_takes_over(
    store: Store, bodies: Bodies
) -> None:
    @robust_cacheable(store=store)
    def load(a: int) -> int:
        RAN.warning("load")
        return a

    started = threading.Event()
    waiting = threading.Semaphore(0)

    def fail_first(_: str) -> None:
        if len(bodies) == 1:
            started.set()
            for _ in range(3):
                waiting.acquire(timeout=PATIENCE)
            raise ValueError

    bodies.action = fail_first

    def follow() -> int:
        started.wait(PATIENCE)
        waiting.release()
        return load(1)

    first, *rest = together(lambda: load(1), follow, follow, follow)
    assert isinstance(first, ValueError)
    assert rest == [1, 1, 1]
    assert len(bodies) == 2


def test_everybody_gets_an_error_of_their_own_where_every_try_fails(
    store: Store, bodies: Bodies
) -> None:
    @robust_cacheable(store=store)
    def load(a: int) -> int:
        RAN.warning("load")
        raise ValueError(a)

    outcomes = together(*[lambda: load(1)] * 6)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 6
    assert len({id(outcome) for outcome in outcomes}) == 6
    assert len(bodies) == 6


def test_a_call_beneath_a_holder_of_its_own_key_computes(module: Callable) -> None:
    features = module(
        """
from afml_cache import robust_cacheable

@robust_cacheable(ignore=("depth",))
def down(a, depth):
    return a if depth == 0 else down(a, depth - 1) + 1
"""
    )
    assert together(lambda: features.down(1, 3)) == [4]


def test_two_functions_that_call_each_other_do_not_deadlock(
    module: Callable, bodies: Bodies
) -> None:
    features = module(
        """
from afml_cache import robust_cacheable
from bodies import RAN

@robust_cacheable(ignore=("depth",))
def left(a, depth):
    RAN.warning(f"{depth}")
    return a if depth == 0 else right(a, depth - 1)

@robust_cacheable(ignore=("depth",))
def right(a, depth):
    RAN.warning(f"{depth}")
    return a if depth == 0 else left(a, depth - 1)
"""
    )
    both_hold = threading.Barrier(2)
    bodies.action = lambda depth: both_hold.wait(PATIENCE) if depth == "2" else None
    for number in range(20):
        calls = (lambda: features.left(number, 2), lambda: features.right(number, 2))  # noqa: B023 - used at once
        assert together(*calls) == [number, number]


def test_a_result_is_not_stored_when_the_cache_was_cleared_meanwhile(
    store: Store, bodies: Bodies
) -> None:
    @robust_cacheable(store=store)
    def load(a: int) -> int:
        RAN.warning("load")
        return a

    for clear in (load.cache_clear, store.clear):
        bodies.action = lambda _, clear=clear: clear()
        assert load(1) == 1
        bodies.action = lambda _: None
        assert not load.is_cached(1)
    assert load(1) == 1
    assert load.is_cached(1)


def test_many_threads_and_keys_at_once_stay_right(store: Store) -> None:
    @robust_cacheable(store=store)
    def table(a: int) -> dict:
        return {"a": a, "bytes": bytes([a % 256]) * (a * 97)}

    def sweep(seed: int) -> bool:
        return all(
            table(a) == table.__wrapped__(a)
            for a in sorted(range(200), key=lambda a: (a * seed) % 211)
        )

    assert (
        together(*(lambda seed=seed: sweep(seed) for seed in (1, 3, 7, 11, 50, 101))) == [True] * 6
    )
    assert table.cache_info().misses == 200
    assert table.cache_info().errors == 0


INTERRUPTED = """
import os, signal, sys, threading, time
from afml_cache import robust_cacheable
import logging
RAN = logging.getLogger("ran")
started, release = threading.Event(), threading.Event()
RAN.addFilter(lambda record: (started.set(), release.wait(60)) and False)

@robust_cacheable
def slow(a):
    RAN.warning("slow")
    return a

leader = threading.Thread(target=slow, args=(1,))
leader.start()
started.wait(60)
print("waiting", flush=True)
try:
    slow(1)
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted")
release.set()
leader.join(60)
print(slow(1), slow.is_cached(1))
"""


def blocked(process: subprocess.Popen) -> bool:
    """Whether the main thread sleeps in the kernel, seen several times in a row."""
    state = Path(f"/proc/{process.pid}/task/{process.pid}/stat")
    return all(state.read_text().rpartition(")")[2].split()[0] == "S" for _ in range(2000))


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="reads the state of a thread from /proc"
)
def test_hits_of_many_threads_are_counted_to_the_last(store: Store) -> None:
    @robust_cacheable(store=store)
    def double(x: int) -> int:
        return 2 * x

    double(1)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: [double(1) for _ in range(5_000)], range(4)))
    finally:
        sys.setswitchinterval(before)
    assert double.cache_info().hits == 20_000


def test_waiting_gives_way_to_ctrl_c(tmp_path: Path) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        while not blocked(process):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        try:
            assert process.communicate(timeout=PATIENCE)[0].splitlines() == [
                "interrupted",
                "1 True",
            ]
        finally:
            process.kill()
