"""A store keeps within its size by itself, and goes on storing."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import afml_cache
from afml_cache import CacheWriteWarning, Store, robust_cacheable

SOAK = Path(__file__).parents[1] / "soak"
MIB = 1 << 20


def numbers(rows: int) -> np.ndarray:
    return np.full(12_500, rows)


def dearer(rows: int) -> np.ndarray:
    """The more rows, the longer; what else the machine does is little beside it."""
    time.sleep(rows * 1e-3)
    return np.full(12_500, rows)


def zeros(rows: int) -> np.ndarray:
    return np.zeros(rows)


@pytest.mark.parametrize("cap", [1_000_000, 4_000_000])
def test_a_small_store_goes_on_storing(tmp_path: Path, cap: int) -> None:
    store = Store(tmp_path / "small", max_size=cap)
    cached = robust_cacheable(store=store)(numbers)
    for number in range(200):
        cached(number)
    assert cached.cache_info().errors == 0
    assert cached.is_cached(199)
    assert 5 <= len(store) < 50
    assert store.size_bytes < cap


def test_a_result_that_is_larger_than_the_store_is_returned_and_told_of_once(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "small", max_size=MIB)
    cached = robust_cacheable(store=store)(zeros)
    with pytest.warns(CacheWriteWarning, match=r"does not fit.*raise max_size") as told:
        lengths = [len(cached(MIB)) for _ in range(3)]
    assert (lengths, len(told)) == ([MIB] * 3, 1)
    assert cached.cache_info().errors == 3
    assert len(cached(10)) == len(cached(10)) == 10
    assert cached.cache_info().hits == 1


def test_what_is_pinned_stays_and_is_listed_as_such(tmp_path: Path) -> None:
    store = Store(tmp_path / "small", max_size=MIB)
    cached = robust_cacheable(store=store)(dearer)
    cached(0)
    assert afml_cache.pin(cached.cache_key(0), store=store)
    for number in range(1, 20):
        cached(number)
    assert cached.is_cached(0)
    (pinned,) = [entry for entry in afml_cache.entries(store=store) if entry.pinned]
    assert pinned.key == cached.cache_key(0)
    assert afml_cache.unpin(pinned, store=store)
    for number in range(20, 50):
        cached(number)
    assert not cached.is_cached(0)


def slow(rows: int) -> np.ndarray:
    time.sleep(0.01 * rows)
    return np.zeros(rows)


def test_what_is_put_counts_with_the_mean_seconds_of_the_function(store: Store) -> None:
    cached = robust_cacheable(store=store)(slow)

    def seconds(rows: int) -> float:
        found = afml_cache.entries(function=cached, store=store)
        return next(one.seconds for one in found if one.key == cached.cache_key(rows))

    assert cached.put(np.zeros(9), 9)
    assert seconds(9) == 0.0
    cached(1), cached(3)
    mean = cached.cache_info().seconds_computed / 2
    assert mean >= 0.02
    assert cached.put(np.zeros(9), 9)
    assert seconds(9) == pytest.approx(mean)


def test_what_is_put_in_another_session_is_not_the_first_to_go(run_python: Callable) -> None:
    script = """
import sys, time
import numpy as np
from afml_cache import configure, robust_cacheable

configure(max_size="1 MiB")

@robust_cacheable
def slow(number):
    time.sleep(0.05)
    return np.full(12_500, number)

@robust_cacheable
def quick(number):
    return np.full(12_500, number)

"""
    run_python(script + "slow(0)")
    fill = "slow.put(np.zeros(12_500), 1)\nfor number in range(40): quick(number)\n"
    left = "print(slow.is_cached(1), sum(quick.is_cached(number) for number in range(40)))"
    kept, quick = run_python(script + fill + left).split()
    assert kept == "True"
    assert int(quick) < 10


def test_gc_lets_go_by_age_and_by_size(store: Store) -> None:
    cached = robust_cacheable(store=store)(numbers)
    for number in range(10):
        cached(number)
    gone = afml_cache.gc(store, max_size="450 kB")
    assert gone.entries == 6
    assert gone.bytes > 600_000
    assert len(store) == 4
    assert afml_cache.gc(store, max_age="1h").entries == 0
    assert afml_cache.gc(store, max_age=0).entries == 4
    assert len(store) == 0


def test_gc_can_limit_one_function(store: Store) -> None:
    one = robust_cacheable(store=store)(numbers)
    other = robust_cacheable(store=store)(zeros)
    for number in range(5):
        one(number)
        other(12_500 + number)
    afml_cache.gc(store, max_size=250_000, function=one)
    assert [entry.function for entry in afml_cache.entries(store=store)].count(one.cache_name) == 2
    assert len(store) == 7


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_age": "soon"}, "`max_age` takes a length of time"),
        ({"max_size": -1}, "`max_size` is a size"),
        ({"function": "m.f"}, "there is no `max_size`"),
    ],
)
def test_a_limit_that_can_not_be_right_says_so(
    store: Store, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(afml_cache.CacheConfigError, match=said):
        afml_cache.gc(store, **wrong)


@pytest.mark.parametrize("key", ["", "xyz", 5, "A" * 32])
def test_a_key_that_is_none_can_not_be_pinned(store: Store, key: object) -> None:
    with pytest.raises(afml_cache.CacheConfigError, match="a key is 32 hexadecimal digits"):
        afml_cache.pin(key, store=store)


def test_a_key_that_is_not_there_is_not_pinned(store: Store) -> None:
    assert not afml_cache.pin("0" * 32, store=store)


def fill(*arguments: object) -> str:
    command = [sys.executable, SOAK / "fill.py", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_four_processes_that_fill_a_store_keep_within_its_size() -> None:
    fill("--gib", 0.4, "--cap", "24 MiB")


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_50_gib_of_results_stay_within_one() -> None:
    print(fill("--gib", 50, "--cap", "1 GiB"))
