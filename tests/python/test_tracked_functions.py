"""Cached functions whose calls count as looks at a dataset, and which else are like any other."""

import asyncio
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import pytest
from bodies import RAN, Bodies, counted

import afml_cache
from afml_cache import (
    CacheConfigError,
    data_tracking_cacheable,
    entries,
    get_cache_stats,
    get_data_tracker,
    invalidate,
    time_aware_data_tracking_cacheable,
)

DAYS = pd.date_range("2024-01-01", periods=4, tz="UTC")
BARS = pd.DataFrame({"close": [1.0, 2.0, 3.0, 4.0]}, index=DAYS)


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def accesses(dataset: str = "eurusd") -> list[dict[str, Any]]:
    return get_data_tracker().analyze_contamination(dataset)[2]


def ranges(dataset: str = "eurusd") -> list[tuple[Any, Any, Any]]:
    keys = ("start_date", "end_date", "data_shape")
    return [tuple(access[key] for key in keys) for access in accesses(dataset)]


@data_tracking_cacheable(dataset_name="eurusd", purpose="test")
def total(bars: pd.DataFrame, factor: float = 1.0) -> float:
    """Add the closes up."""
    RAN.warning("total")
    return float(bars["close"].sum()) * factor


class Model:
    """A user class whose methods are counted."""

    factor = 2.0

    @data_tracking_cacheable("eurusd", "validate", ignore=("self",))
    def score(self, bars: pd.DataFrame) -> float:
        RAN.warning("score")
        return float(bars["close"].sum())

    @staticmethod
    @data_tracking_cacheable("eurusd", "validate")
    def plain(bars: pd.DataFrame) -> float:
        return float(bars["close"].max())

    @classmethod
    @data_tracking_cacheable("eurusd", "validate")
    def named(cls, bars: pd.DataFrame) -> float:
        return float(bars["close"].min())

    @data_tracking_cacheable("eurusd", "validate", ignore=("self",))
    async def later(self, bars: pd.DataFrame) -> float:
        RAN.warning("later")
        return float(bars["close"].sum())


def test_a_hit_counts_as_much_as_a_miss(bodies: Bodies) -> None:
    assert [total(BARS), total(BARS.copy()), total(BARS, factor=2.0)] == [10.0, 10.0, 20.0]
    assert bodies.ran == ["total", "total"]
    assert ranges() == [("2024-01-01 00:00:00+00:00", "2024-01-04 00:00:00+00:00", "(4, 1)")] * 3
    (access, *_) = accesses()
    assert access["purpose"] == "test"
    assert access["caller"].startswith("test_tracked_functions.py:test_a_hit_counts")


def test_it_has_all_that_a_cached_function_has() -> None:
    name = total.cache_name
    assert (total.__name__, total.__doc__) == ("total", "Add the closes up.")
    assert total.__wrapped__(BARS) == 10.0
    assert repr(total) == f"<cached function {name}>"
    total.cache_clear()
    assert not total.explain(BARS).cached
    assert not total.is_cached(BARS)
    assert total.put(11.0, BARS)
    assert total.check_call_in_cache(BARS)
    assert accesses() == []  # nobody has seen a result yet
    assert total(BARS) == 11.0
    assert total.refresh(BARS) == 10.0
    assert total.call(BARS)[0] == 10.0
    assert len(accesses()) == 3
    assert [entry.key for entry in entries(function=total)] == [total.cache_key(BARS)]
    assert get_cache_stats()[name] == {"hits": 1, "misses": 2}
    assert total.invalidate(BARS)
    total(BARS)
    assert total.cache_clear() == 1
    assert total.cache_info().misses == 0
    with pytest.raises(AttributeError, match="nothing"):
        _ = total.nothing


def test_the_first_time_indexed_argument_tells_what_was_looked_at() -> None:
    @data_tracking_cacheable("eurusd", "train")
    def count(*tables: Any, start: Any = None, **more: Any) -> int:
        return len(tables)

    frame = pl.DataFrame({"at": list(DAYS.to_pydatetime()), "close": [1, 2, 3, 4]})
    count("no table", BARS[1:3], BARS)
    count({"A": BARS[:1], "B": BARS[2:3]}, start="2020")
    count(1, later=frame)
    count(BARS["close"])
    assert ranges() == [
        ("2024-01-02 00:00:00+00:00", "2024-01-03 00:00:00+00:00", "(2, 1)"),
        ("2024-01-01 00:00:00+00:00", "2024-01-03 00:00:00+00:00", None),
        ("2024-01-01 00:00:00+00:00", "2024-01-04 00:00:00+00:00", "(4, 2)"),
        ("2024-01-01 00:00:00+00:00", "2024-01-04 00:00:00+00:00", "(4,)"),
    ]


def test_without_a_table_parameters_tell_it_and_else_the_result() -> None:
    @data_tracking_cacheable("eurusd", "train")
    def load(symbol: str, start_date: Any = None, end_date: Any = "2024-01-02") -> pd.DataFrame:
        return BARS

    load("EURUSD", "2024-01-01")
    load("EURUSD")
    load("EURUSD", end_date=5)
    load("EURUSD", end_date=None)
    whole = ("2024-01-01 00:00:00+00:00", "2024-01-04 00:00:00+00:00", "(4, 1)")
    assert ranges() == [
        ("2024-01-01 00:00:00+00:00", "2024-01-02 23:59:59.999999+00:00", None),
        (None, "2024-01-02 23:59:59.999999+00:00", None),
        whole,
        whole,
    ]


def test_a_call_that_raises_has_looked_as_well() -> None:
    @data_tracking_cacheable("eurusd", "train")
    def fail(symbol: str) -> None:
        raise RuntimeError(symbol)

    with pytest.raises(RuntimeError):
        fail("EURUSD")
    with pytest.raises(TypeError, match="argument"):
        fail()
    assert ranges() == [(None, None, None)] * 2


def test_methods_know_their_instance(bodies: Bodies) -> None:
    assert [Model().score(BARS), Model().score(BARS), Model.score(Model(), BARS)] == [10.0] * 3
    assert bodies.ran == ["score"]
    bound = Model().score
    assert bound.is_cached(BARS)
    assert bound.explain(BARS).cached
    assert bound.refresh(BARS) == 10.0
    assert bound.cache_info().misses == 2
    assert bound == bound.__self__.score
    assert bound != Model().score
    assert len({bound, bound.__self__.score}) == 1
    assert [Model.plain(BARS), Model().plain(BARS), Model.named(BARS)] == [4.0, 4.0, 1.0]
    assert Model.plain.is_cached(BARS)
    assert len(accesses()) == 7


def test_coroutine_functions_count_their_calls(bodies: Bodies) -> None:
    @data_tracking_cacheable("eurusd", "test")
    async def load(symbol: str) -> pd.DataFrame:
        """Load bars."""
        RAN.warning("load")
        await asyncio.sleep(0)
        return BARS

    async def calls() -> None:
        assert inspect.iscoroutinefunction(load)
        assert (await load("EURUSD")).equals(BARS)
        assert (await load("EURUSD")).equals(BARS)
        assert (await load.refresh("EURUSD")).equals(BARS)
        assert await Model().later(BARS) == 10.0

    asyncio.run(calls())
    assert bodies.ran == ["load", "load", "later"]
    assert load.__doc__ == "Load bars."
    assert (load.cache_info().hits, load.cache_info().misses) == (1, 2)
    assert load.is_cached("EURUSD")
    assert load.explain("EURUSD").cached
    assert len(entries(function=load)) == 1
    assert ranges() == [("2024-01-01 00:00:00+00:00", "2024-01-04 00:00:00+00:00", "(4, 1)")] * 4


def test_time_aware_functions_keep_the_range_with_the_result() -> None:
    @time_aware_data_tracking_cacheable("eurusd", "test", end="until")
    def load(symbol: str, start: str, until: str) -> float:
        return 1.1

    load("EURUSD", "2024-05-01", "2024-05-31")
    assert len(accesses()) == 1
    assert len(invalidate(("2024-05-03", "2024-05-03"), function=load)) == 1


def test_options_are_those_of_the_cache(bodies: Bodies, store: afml_cache.Store) -> None:
    @data_tracking_cacheable("eurusd", "train", ignore="verbose", store=store)
    def add(a: int, verbose: bool = False) -> int:
        RAN.warning("add")
        return a

    assert [add(1), add(1, verbose=True)] == [1, 1]
    assert bodies.ran == ["add"]
    assert len(store) == 1
    with pytest.raises(TypeError, match="has no option `volume`"):
        data_tracking_cacheable("eurusd", "train", volume=1)(len)


@pytest.mark.parametrize("names", [("", "test"), ("eurusd", "a\nb"), (len, "test"), ("a", None)])
def test_names_are_checked_when_the_function_is_decorated(names: tuple[Any, Any]) -> None:
    for decorator in (data_tracking_cacheable, time_aware_data_tracking_cacheable):
        with pytest.raises(CacheConfigError, match="takes a text of one line"):
            decorator(*names)


def test_a_log_that_can_not_be_written_costs_no_result(default_cache: Any) -> None:
    default_cache.mkdir()
    (default_cache / "data_access_log.csv").mkdir()
    with pytest.warns(afml_cache.CacheWriteWarning):
        assert total(BARS) == 10.0


def test_existing_scripts_find_the_decorators() -> None:
    shared = importlib.import_module("afml.cache")
    for name in ("data_tracking_cacheable", "time_aware_data_tracking_cacheable"):
        assert getattr(shared, name) is getattr(afml_cache, name)
