"""No simulation is handed what lies beyond its own time: hits of cached functions."""

import asyncio
import datetime as dt
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from afml_cache import (
    CacheConfigError,
    CacheError,
    CacheMissError,
    LookAheadError,
    SpotCheckWarning,
    Store,
    TimeRangeWarning,
    as_of,
    entries,
    export_entries,
    import_entries,
    mode,
    robust_cacheable,
    time_aware_cacheable,
)
from afml_cache._native import is_watching
from afml_cache.look_ahead import note_seen, refuse_future, watched

EARLY, LATE = "2024-05-04T23:59:59.999999999Z", "2024-05-05T00:00Z"


def bars(last: str = "2024-05-04") -> pd.Series:
    """Daily bars that end at the midnight after the last one."""
    index = pd.date_range(end=last, periods=10, freq="D")
    return pd.Series(range(10), index, dtype=float)


def utc(text: str) -> dt.datetime:
    return pd.Timestamp(text, tz="UTC").to_pydatetime()


@robust_cacheable
def total(prices: Any) -> float:
    return 1.0


@robust_cacheable
def doubled(prices: Any) -> pd.Series:
    return prices * 2


@robust_cacheable
async def awaited(prices: Any) -> float:
    await asyncio.sleep(0)
    return 2.0


def refused(function: Callable[..., object], *arguments: object, at: str = EARLY) -> LookAheadError:
    with pytest.raises(LookAheadError) as raised, as_of(at):
        function(*arguments)
    return raised.value


# Hits


@pytest.mark.parametrize("function", [total, doubled])
@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_a_hit_from_the_future_raises_under_as_of(function, tier: str, default_cache: Path) -> None:
    prices = bars()
    value = function(prices)
    if tier == "disk":
        from afml_cache import configure

        configure(cache_dir=default_cache)
    with as_of(LATE):
        assert str(function(prices)) == str(value)
    error = refused(function, prices)
    assert isinstance(error, CacheError | ValueError)
    assert error.function == function.cache_name
    assert (error.seen, error.as_of) == (utc("2024-05-05"), utc(EARLY[:26]))
    for part in (f"`{function.cache_name}`", "2024-05-05T00:00:00+00:00", "2024-05-04T23:59:59.9"):
        assert part in str(error)
    assert str(function(prices)) == str(value)
    assert function.cache_info().misses >= 1


def test_the_error_survives_a_pickle() -> None:
    total(bars())
    error = pickle.loads(pickle.dumps(refused(total, bars())))
    assert (error.function, error.seen) == (total.cache_name, utc("2024-05-05"))


def test_coroutine_functions_and_methods_are_guarded_too() -> None:
    class Strategy:
        def __init__(self) -> None:
            self.prices = bars()

        @robust_cacheable
        def signal(self, window: int) -> int:
            return window

    strategy, prices = Strategy(), bars()

    async def both(at: str) -> list[object]:
        with as_of(at):
            return await asyncio.gather(awaited(prices), awaited(prices), return_exceptions=True)

    assert strategy.signal(5) == 5
    assert refused(strategy.signal, 5).seen == utc("2024-05-05")
    assert asyncio.run(awaited(prices)) == 2.0
    assert [type(one) for one in asyncio.run(both(EARLY))] == [LookAheadError] * 2
    assert asyncio.run(both(LATE)) == [2.0, 2.0]


def test_what_is_computed_within_a_simulation_is_not_refused_but_a_hit_of_it_is() -> None:
    prices = bars("2024-06-04")
    with as_of(EARLY):
        assert total(prices) == 1.0
        assert total.refresh(prices) == 1.0
    refused(total, prices)
    with mode("off"), as_of(EARLY):
        assert total(prices) == 1.0
    with mode("fresh"), as_of(EARLY):
        assert total(prices) == 1.0
    with mode("frozen"):
        refused(total, prices)
    with mode("frozen"), as_of(EARLY), pytest.raises(CacheMissError):
        total(bars("2024-07-04"))


def test_a_hit_from_the_future_is_refused_in_another_process(run_python, default_cache) -> None:
    code = """
import pandas as pd
from afml_cache import LookAheadError, as_of, robust_cacheable

@robust_cacheable
def mean(prices):
    print("computed")
    return float(prices.mean())

prices = pd.Series(1.0, pd.date_range("2024-05-01", periods=4, freq="D"))
try:
    with as_of("2024-05-04"):
        mean(prices)
except LookAheadError as error:
    print(error.seen.isoformat())
"""
    assert run_python(code).split() == ["computed"]
    assert run_python(code).split() == ["2024-05-05T00:00:00+00:00"]


def test_an_imported_result_has_seen_what_it_had_seen(tmp_path: Path) -> None:
    def many(prices: pd.Series) -> list[int]:
        return [0] * 10_000

    stores = Store(tmp_path / "one"), Store(tmp_path / "two")
    first, second = (robust_cacheable(store=store, compress="zstd")(many) for store in stores)
    first(bars())
    export_entries(tmp_path / "entries.afml", store=stores[0])
    assert import_entries(tmp_path / "entries.afml", store=stores[1]).stored == 1
    assert refused(second, bars()).seen == utc("2024-05-05")
    assert second.cache_info().misses == 0


def test_bars_are_found_wherever_a_call_has_them() -> None:
    history = {"A": [bars()], "B": (1, {"C": bars("2024-05-03")})}

    @robust_cacheable
    def nested(held: object) -> int:
        return 1

    @robust_cacheable(ignore="prices")
    def ignored(symbol: str, prices: object) -> int:
        return 2

    @robust_cacheable(key=len)
    def keyed(prices: object) -> int:
        return 3

    @robust_cacheable
    def read(symbol: str) -> int:
        return len(history["A"])

    @robust_cacheable(unordered="options")
    def several(*prices: object, **options: object) -> int:
        return 4

    calls = [(nested, history), (ignored, "A", bars()), (keyed, bars()), (read, "A")]
    for function, *arguments in [*calls, (several, 1, bars())]:
        function(*arguments)
        assert refused(function, *arguments).seen == utc("2024-05-05")
        with as_of(LATE):
            function(*arguments)


def test_an_entry_that_says_nothing_has_seen_what_the_arguments_of_the_call_have() -> None:
    @robust_cacheable(ignore="prices")
    def ignoring(symbol: str, prices: object) -> int:
        return 2

    assert ignoring("A", None) == 2
    with as_of(EARLY):
        assert ignoring("A", None) == 2
        assert ignoring("A", bars("2024-05-03")) == 2
    refused(ignoring, "A", bars())


def test_labels_may_be_the_right_edges_of_bars() -> None:
    index = pd.date_range("2024-05-04 20:00", "2024-05-05 00:00", freq="h")

    def last(prices: pd.Series) -> float:
        return float(prices.iloc[-1])

    prices = pd.Series(1.0, index)
    left, right = robust_cacheable(last), robust_cacheable(label="right", version="2")(last)
    longer = robust_cacheable(timeframe="4h", version="3")(last)
    for function, end in ((left, "01:00"), (right, "00:00"), (longer, "04:00")):
        function(prices)
        assert function.explain(prices).seen == utc(f"2024-05-05 {end}")


def test_the_closes_of_a_calendar_are_ends_of_bars() -> None:
    @robust_cacheable(calendar="XNYS")
    def close(prices: pd.Series) -> float:
        return float(prices.iloc[-1])

    close(bars("2024-05-03"))
    with as_of("2024-05-03T20:00Z"):
        assert close(bars("2024-05-03")) == 9.0
    assert refused(close, bars("2024-05-03"), at="2024-05-03T19:59Z").seen == utc(
        "2024-05-03 20:00"
    )


def test_what_can_not_be_told_costs_a_warning_and_no_result() -> None:
    @robust_cacheable(calendar="XNYX")
    def close(prices: pd.Series) -> float:
        return float(prices.iloc[-1])

    with pytest.warns(TimeRangeWarning, match="have seen can't be told.*'XNYS'"):
        assert close(bars()) == 9.0
    with as_of(EARLY):
        assert close(bars()) == 9.0
    with pytest.raises(CacheConfigError, match="`label` is"):
        robust_cacheable(label="both")


def test_the_time_range_of_a_call_counts() -> None:
    @time_aware_cacheable
    def load(symbol: str, start: str, end: str | None = None) -> int:
        return 1

    load("A", "2024-01", "2024-05")
    assert refused(load, "A", "2024-01", "2024-05").seen == utc("2024-05-31 23:59:59.999999")
    with as_of("2024-06-01"):
        assert load("A", "2024-01", "2024-05") == 1
    load("A", "2024-01")
    with as_of("2024-01-02"):
        assert load("A", "2024-01") == 1
    load("A", "2024-01", "2200-01")  # nobody has seen so far, and it is kept for a while
    error = refused(load, "A", "2024-01", "2200-01", at="2025-01-01")
    assert error.seen is not None
    assert error.seen <= dt.datetime.now(dt.timezone.utc)
    with as_of(dt.datetime.now(dt.timezone.utc)):
        assert load("A", "2024-01", "2200-01") == 1


def test_an_expired_result_is_no_hit() -> None:
    @robust_cacheable(ttl=0)
    def brief(prices: pd.Series) -> int:
        return 1

    brief(bars())
    with as_of(EARLY):
        assert brief(bars()) == 1


def test_who_waits_for_a_result_from_the_future_is_refused() -> None:
    begun, go_on = threading.Event(), threading.Event()

    @robust_cacheable(ignore_deps=("begun", "go_on"))
    def slow(prices: pd.Series) -> int:
        begun.set()
        go_on.wait(10)
        return 1

    found: list[object] = []

    def follow() -> None:
        with as_of(EARLY):
            try:
                found.append(slow(bars()))
            except LookAheadError as error:
                found.append(error.function)

    leader = threading.Thread(target=slow, args=(bars(),))
    leader.start()
    assert begun.wait(10)
    follower = threading.Thread(target=follow)
    follower.start()
    while slow.cache_info().waits == 0:
        assert follower.is_alive()
    go_on.set()
    for thread in (leader, follower):
        thread.join()
    assert found == [slow.cache_name]


def test_a_spot_check_looks_at_what_a_simulation_may_have() -> None:
    drawn = iter(range(100))

    @robust_cacheable(spot_check=1.0, ignore_deps="drawn")
    def changing(prices: pd.Series) -> int:
        return next(drawn)

    changing(bars())
    refused(changing, bars())
    with as_of(LATE), pytest.warns(SpotCheckWarning):
        assert changing(bars()) == 1


def test_what_is_put_is_judged_by_its_arguments() -> None:
    assert total.put(5.0, bars())
    refused(total, bars())
    assert total(bars()) == 5.0
    with as_of(LATE):
        assert total.put(6.0, bars())
        assert total(bars()) == 6.0
        assert total.invalidate(bars())
        assert total(bars()) == 1.0


def test_an_explanation_says_up_to_when_was_seen() -> None:
    prices = bars("2023-05-04")
    assert total.explain(prices).seen == utc("2023-05-05")
    total(prices)
    assert "cached as" in repr(total.explain(prices))
    assert "has seen until 2023-05-05T00:00:00+00:00" in repr(total.explain(prices))
    assert total.explain(3).seen is None


# What a computation reads


def test_a_result_has_seen_what_was_read_for_it() -> None:
    @robust_cacheable
    def inner(prices: pd.Series) -> int:
        return 1

    @robust_cacheable
    def middle(symbol: str) -> int:
        return inner(bars()) + 1

    @robust_cacheable
    def outer(symbol: str) -> int:
        with mode("readonly"):
            return middle(symbol) + 1

    assert outer("A") == 3
    assert middle("A") == 2
    assert outer("B") == 3  # of hits
    for function, symbol in ((outer, "A"), (middle, "A"), (outer, "B")):
        assert refused(function, symbol).seen == utc("2024-05-05")


def test_a_body_that_fails_tells_those_around_what_it_had_read() -> None:
    @robust_cacheable
    def fails(symbol: str) -> int:
        total(bars())
        raise OSError

    @robust_cacheable
    def outer(symbol: str) -> int:
        try:
            return fails(symbol)
        except OSError:
            return 0

    assert outer("A") == 0
    refused(outer, "A")


def test_a_coroutine_has_seen_what_its_tasks_read() -> None:
    @robust_cacheable
    async def outer(symbol: str) -> float:
        return sum(await asyncio.gather(awaited(bars()), awaited(bars("2024-05-03"))))

    @robust_cacheable
    async def beside(symbol: str) -> float:
        await asyncio.sleep(0)
        return 0.0

    async def main() -> None:
        assert await asyncio.gather(outer("A"), beside("A")) == [4.0, 0.0]
        with as_of(EARLY):
            assert await beside("A") == 0.0
            with pytest.raises(LookAheadError):
                await outer("A")

    asyncio.run(main())


def test_nothing_is_asked_outside_of_simulations_and_computations() -> None:
    seen = []

    @robust_cacheable(ignore_deps="seen")
    def look(number: int) -> int:
        seen.append(is_watching())
        return number

    look(1)
    assert seen == [True]
    assert not is_watching()
    with as_of(LATE):
        assert is_watching()
    assert not is_watching()


def test_who_keeps_results_of_his_own_can_watch() -> None:
    with watched() as around, watched() as seen:
        assert (seen.until, seen.open_ended) == (None, False)
        total(bars())
        total(bars("2024-05-03"))
        note_seen(None, open_ended=True)
    total(bars("2025-05-03"))
    assert seen.until == around.until == pd.Timestamp("2024-05-05").value
    assert seen.open_ended
    refuse_future("strategy", seen.until)
    with pytest.raises(LookAheadError, match="`strategy`"), as_of(EARLY):
        refuse_future("strategy", seen.until)
    with as_of(LATE):
        refuse_future("strategy", seen.until)
        refuse_future("strategy", None)
    with pytest.raises(ValueError, match="begin another"), seen:
        pass


# What depends on the time of a simulation


@robust_cacheable
def latest(symbol: str) -> str:
    """Ask for what there is up to now."""
    note_seen(None, open_ended=True)
    return symbol


def misses(function: Any, *arguments: object) -> bool:
    """Call a function, twice, and tell whether it was computed the first time."""
    before = function.cache_info().misses
    first, second = function(*arguments), function(*arguments)
    assert first == second
    computed = function.cache_info().misses - before
    assert computed in {0, 1}
    return computed == 1


def test_what_depends_on_the_time_of_a_simulation_is_no_answer_at_another_one() -> None:
    with as_of(LATE):
        assert misses(latest, "A")
        assert latest.is_cached("A")
    assert not latest.is_cached("A")
    assert "another time" in str(latest.explain("A").reasons)
    assert misses(latest, "A")
    with as_of(EARLY):
        assert not latest.is_cached("A")
        assert "another time" in str(latest.explain("A").reasons)
        assert misses(latest, "A")
    with as_of(pd.Timestamp(LATE)):
        assert not misses(latest, "A")
    with as_of("2024-05-05"):  # a day, which is another thing to daily bars
        assert misses(latest, "A")
    with as_of("2024-05-05T00:00"):  # of the zone that a range cache says
        assert misses(latest, "A")
    assert not misses(latest, "A")
    assert len(entries(function=latest)) == 5


def test_only_the_simulation_around_a_function_makes_it_depend_on_a_time() -> None:
    @robust_cacheable
    def chosen(symbol: str) -> str:
        with as_of(EARLY):
            return latest(symbol)

    @robust_cacheable
    def outer(symbol: str) -> str:
        return latest(symbol)

    with as_of(LATE):
        assert misses(chosen, "B")
        assert misses(outer, "B")
    assert not misses(chosen, "B")
    assert misses(outer, "B")
    with as_of(EARLY):
        assert misses(outer, "B")  # though what it calls hits
        assert not misses(outer, "B")
    with as_of("2020-01-01"):
        assert not misses(chosen, "B")
        assert misses(outer, "B")


def test_who_is_refused_depends_on_the_time_of_the_simulation() -> None:
    total(bars())

    @robust_cacheable
    def known(symbol: str) -> bool:
        try:
            return total(bars()) > 0
        except LookAheadError:
            return False

    with as_of(EARLY):
        assert not known("A")
    assert known("A")
    with as_of(LATE):
        assert known("A")


def test_what_is_put_within_a_simulation_is_of_that_one_alone() -> None:
    with as_of(LATE):
        assert total.put(7.0, "x")
        assert total("x") == 7.0
    assert total("x") == 1.0
    with as_of(LATE):
        assert total("x") == 7.0
        assert total.invalidate("x")
        assert total("x") == 1.0


def test_a_task_that_outlives_its_simulation_stays_in_it() -> None:
    total(bars())

    async def late() -> object:
        await asyncio.sleep(0)
        try:
            return total(bars())
        except LookAheadError:
            return "refused"

    async def main() -> object:
        with as_of(EARLY):
            task = asyncio.create_task(late())
        return await task

    assert asyncio.run(main()) == "refused"
    assert not is_watching()


def test_simulations_of_two_times_do_not_wait_for_each_other() -> None:
    both = threading.Barrier(2, timeout=10)
    first = threading.Event()

    @robust_cacheable(ignore_deps=("both", "first"))
    def latest(symbol: str) -> int:
        note_seen(None, open_ended=True)
        if first.is_set():
            both.wait()
        return 1

    def simulate(day: int) -> None:
        with as_of(dt.datetime(2024, 5, day, tzinfo=dt.timezone.utc)):
            latest("A")

    simulate(1)  # now it is known that it depends on the time
    first.set()
    threads = [threading.Thread(target=simulate, args=(day,)) for day in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert latest.cache_info().misses == 3
    assert len(entries(function=latest)) == 3
