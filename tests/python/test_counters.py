"""Counters of a store: of every process and session, added up in batches and never by a hit."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import POWERLESS, indexes

import afml_cache
from afml_cache import CacheInfo, Store, mode, robust_cacheable
from afml_cache.exceptions import CacheConfigError, UncacheableArgumentWarning

NOTHING = CacheInfo.of([0] * 11, [0.0] * 3)

SCRIPT = """
import os, sys
from afml_cache import Store, robust_cacheable

@robust_cacheable
def double(x):
    return 2 * x

"""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities of Linux")


@pytest.fixture
def totals(default_cache: Path) -> Callable[[], dict[str, CacheInfo]]:
    """What the default store says of all functions, asked anew by a store that counted nothing."""
    return lambda: Store(default_cache).cache_info()


@pytest.fixture
def double(store: Store):
    @robust_cacheable(store=store)
    def double(x: int) -> int:
        return 2 * x

    return double


def counted(info: CacheInfo) -> tuple[int, ...]:
    return (info.memory_hits, info.disk_hits, info.misses)


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Files with size and time, but what readers of a database share: memory, and an empty log."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {
        str(path.relative_to(folder)): (stat.st_size, stat.st_mtime_ns)
        for path, stat in found.items()
        if not path.name.endswith("-shm") and not (path.name.endswith("-wal") and not stat.st_size)
    }


def test_two_sessions_add_up(run_python: Callable, totals: Callable) -> None:
    calls = "print(double(1), double(1), double(2), *double.cache_info()[:4])"
    assert run_python(SCRIPT + calls).split() == ["2", "2", "4", "1", "1", "0", "2"]
    assert run_python(SCRIPT + calls).split() == ["2", "2", "4", "3", "1", "2", "0"]
    (info,) = totals().values()
    assert (info.hits, *counted(info)) == (4, 2, 2, 2)
    assert info.stored_bytes > 0
    assert info.seconds_keyed > 0
    assert info.seconds_computed > 0


def test_calls_of_this_process_count_at_once(double, store: Store) -> None:
    name = double.cache_name
    assert store.cache_info(double) == NOTHING
    for _ in range(4):
        double(1)
    assert counted(store.cache_info(double)) == (3, 0, 1)
    assert store.cache_info(double) == store.cache_info(name) == double.cache_info()
    # Another object for the same folder, which has counted nothing itself.
    assert Store(store.path).cache_info() == {name: double.cache_info()}


def test_only_a_cached_function_or_a_name_is_asked_for(double, store: Store) -> None:
    assert store.cache_info("nobody.knows") == NOTHING
    with pytest.raises(CacheConfigError, match="a cached function or its name"):
        store.cache_info(double.__wrapped__)


def test_a_hit_writes_nothing(store: Store) -> None:
    @robust_cacheable(store=store, memory=False)
    def from_disk(x: int) -> int:
        return 2 * x

    @robust_cacheable(store=store)
    def from_memory(x: int) -> int:
        return 2 * x

    from_disk(1), from_memory(1)
    before = written(store.path)
    for _ in range(1000):
        from_disk(1), from_memory(1)
    assert written(store.path) == before
    assert counted(store.cache_info(from_disk)) == (0, 1000, 1)
    assert counted(store.cache_info(from_memory)) == (1000, 0, 1)
    assert written(store.path) == before


def test_eight_processes_add_up_exactly(tmp_path: Path, totals: Callable) -> None:
    script = tmp_path / "many.py"
    calls = """
for number in range(400):
    double(number % 50)
own = double.cache_info()
assert own.hits + own.misses == 400, own
print(*own[1:4], own.stored_bytes)
"""
    script.write_text(SCRIPT + calls, encoding="utf-8")
    processes = [
        subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    shown = [process.communicate()[0].split() for process in processes]
    (info,) = totals().values()
    sums = [sum(map(int, column)) for column in zip(*shown, strict=True)]
    assert [*counted(info), info.stored_bytes] == sums
    assert info.hits + info.misses == 8 * 400


def test_a_killed_process_loses_only_what_it_had_not_noted(
    tmp_path: Path, totals: Callable
) -> None:
    script = tmp_path / "killed.py"
    die = "double(1), double(1), double(1)\nos.kill(os.getpid(), 9)"
    script.write_text(SCRIPT + die, encoding="utf-8")
    assert subprocess.run([sys.executable, script], check=False).returncode == -signal.SIGKILL
    (info,) = totals().values()
    # Noted as the result was stored; the hits came after.
    assert counted(info) == (0, 0, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_begins_at_zero(run_python: Callable, totals: Callable) -> None:
    fork = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
double(1), double(1), double(1)
child = os.fork()
if child == 0:
    print(*double.cache_info()[:4], flush=True)
    double(1), double(1)
    sys.exit()
os.waitpid(child, 0)
double(1)
print(*double.cache_info()[:4])
"""
    assert run_python(SCRIPT + fork).split() == ["0", "0", "0", "0", "3", "3", "0", "1"]
    (info,) = totals().values()
    assert counted(info) == (4, 1, 1)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool_count(run_python: Callable, totals: Callable, method: str) -> None:
    pool = f"""
import multiprocessing, warnings
from concurrent.futures import ProcessPoolExecutor

def work(x):
    return double(x) + double(x)

if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    double(1), double(1)
    context = multiprocessing.get_context("{method}")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print(sum(pool.map(work, range(10))))
"""
    assert run_python(SCRIPT + pool).split() == ["180"]
    (info,) = totals().values()
    assert (info.misses, info.hits) == (10, 1 + 11)


@pytest.mark.parametrize("name", ["frozen", "readonly", "off"])
def test_a_process_that_may_not_write_leaves_no_trace(
    run_python: Callable, default_cache: Path, totals: Callable, name: str
) -> None:
    run_python(SCRIPT + "double(1)")
    before, files = totals(), written(default_cache)
    calls = "print(double(1), double(1), sum(double.cache_info()[:7]) > 0)"
    environment = {"AFML_CACHE_MODE": name}
    assert run_python(SCRIPT + calls, env=environment).split() == ["2", "2", "True"]
    assert written(default_cache) == files
    within = "import afml_cache\nwith afml_cache.mode('" + name + "'):\n    " + calls
    assert run_python(SCRIPT + within).split() == ["2", "2", "True"]
    assert written(default_cache) == files
    assert totals() == before


def test_only_calls_that_may_write_are_in_the_totals(double, store: Store) -> None:
    double(1), double(1)
    with mode("readonly"):
        double(1), double(2)
    assert counted(double.cache_info()) == (2, 0, 2)
    assert counted(store.cache_info(double)) == (1, 0, 1)


@linux
def test_in_a_folder_that_can_only_be_read_a_process_sees_its_own(
    run_python: Callable, default_cache: Path, totals: Callable
) -> None:
    run_python(SCRIPT + "double(1), double(1)")
    before = totals()
    for path in [*default_cache.rglob("*"), default_cache]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    files = written(default_cache)
    calls = "double(1), double(1)\nprint(*Store(os.environ['AFML_CACHE']).cache_info(double)[1:4])"
    shown = run_python(SCRIPT + POWERLESS + "\nlose_power()\n" + calls)
    assert shown.split() == ["2", "1", "1"]
    assert written(default_cache) == files
    default_cache.chmod(0o700)
    for path in default_cache.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert totals() == before


def test_functions_and_stores_that_vanish_are_counted_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    for number in range(3):
        passing = robust_cacheable(store=folder)(vanishing)
        for _ in range(5):
            passing(number)
        del passing
    info = Store(folder).cache_info("test_counters.vanishing")
    assert counted(info) == (12, 0, 3)


def vanishing(x: int) -> int:
    return 2 * x


def test_a_store_that_vanishes_does_not_make_its_folder_again(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    passing = robust_cacheable(store=folder)(vanishing)
    passing(1), passing(1)
    folder.rename(tmp_path / "elsewhere")
    del passing
    assert not folder.exists()


def test_a_function_counts_in_the_store_that_it_uses(tmp_path: Path) -> None:
    @robust_cacheable
    def double(x: int) -> int:
        return 2 * x

    first, second = tmp_path / "first", tmp_path / "second"
    for folder, calls in ((first, 3), (second, 2), (first, 4)):
        afml_cache.configure(cache_dir=folder)
        for _ in range(calls):
            double(1)
    assert sum(counted(Store(first).cache_info(double))) == 7
    assert sum(counted(Store(second).cache_info(double))) == 2
    assert sum(counted(double.cache_info())) == 9


def test_a_function_that_always_goes_past_the_cache_is_counted(store: Store) -> None:
    @robust_cacheable(store=store)
    def rest(values) -> list[int]:
        return list(values)

    with pytest.warns(UncacheableArgumentWarning):
        rest(x for x in range(3))
    rest(x for x in range(3))
    assert store.cache_info(rest).bypasses == 2


def test_a_coroutine_function_is_asked_for_as_any_other(store: Store) -> None:
    @robust_cacheable(store=store)
    async def load(x: int) -> int:
        return 2 * x

    async def main() -> None:
        await asyncio.gather(load(1), load(2), load(2))

    asyncio.run(main())
    assert store.cache_info(load) == load.cache_info()
    assert store.cache_info(load).misses == 2


def test_clearing_a_function_sets_its_counters_to_zero(store: Store) -> None:
    @robust_cacheable(store=store)
    def one(x: int) -> int:
        return x

    @robust_cacheable(store=store)
    def other(x: int) -> int:
        return x

    one(1), one(1), other(1), other(1)
    assert one.cache_clear() == 1
    assert one.cache_info() == NOTHING
    assert store.cache_info(one).hits == 0
    assert counted(store.cache_info(other)) == (1, 0, 1)
    one(1)
    assert counted(store.cache_info(one)) == counted(one.cache_info()) == (0, 0, 1)


def test_clearing_a_store_sets_all_of_its_counters_to_zero(
    run_python: Callable, default_cache: Path
) -> None:
    run_python(SCRIPT + "double(1), double(1)")
    place = Store(default_cache)
    assert place.cache_info()
    place.clear()
    assert place.cache_info() == {}
    assert Store(default_cache).cache_info() == {}


def test_counters_set_to_zero_by_hand_stay_in_the_totals(double, store: Store) -> None:
    double(1), double(1)
    double.reset_counters()
    double(1)
    assert counted(double.cache_info()) == (1, 0, 0)
    assert counted(store.cache_info(double)) == (2, 0, 1)


def test_a_table_of_counters_that_is_not_ours_costs_the_index_and_no_result(
    run_python: Callable, default_cache: Path, totals: Callable
) -> None:
    run_python(SCRIPT + "double(1)")
    (index,) = indexes(default_cache)
    with sqlite3.connect(index) as database:
        database.execute("DROP TABLE counters")
        database.execute("CREATE TABLE counters (what TEXT)")
    database.close()
    assert run_python(SCRIPT + "print(double(2), double(2))").split() == ["4", "4"]
    (info,) = totals().values()
    assert counted(info) == (1, 0, 1)
