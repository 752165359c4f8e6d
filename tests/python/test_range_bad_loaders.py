"""What loaders of bars do wrong: it is told, and what was good is kept."""

import logging
from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pytest
from range_vendor import Frame, Vendor, cache_of, days, hours, same, told

from afml_cache import RangeCache
from afml_cache.exceptions import LoaderError, PartialCoverageError, SchemaError

YEAR = days("2024-01-01", "2024-12-31")
BEFORE = ("A", "1D", "2024-01-02", "2024-01-10")
ASKED = ("A", "1D", "2024-01-02", "2024-01-20")
REST = ("2024-01-10", "2024-01-20")
TOLD = "the loader of bars A 1D, asked for 2024-01-10 .. 2024-01-19,"
Change = Callable[[Frame], Any]


def fetched_after(change: Change) -> tuple[Vendor, RangeCache]:
    """Give a cache with some bars, whose loader does something wrong from now on."""
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*BEFORE)
    vendor.answer = change
    return vendor, cache


def numbered(frame: Frame) -> Frame:
    return frame.reset_index().assign(time=range(len(frame)))


def in_two_zones(frame: Frame) -> list[dict]:
    tokyo = frame.index.tz_convert("Asia/Tokyo")
    times = [*frame.index[:3], *tokyo[3:]]
    return [{"time": time.to_pydatetime(), "close": 1.0} for time in times]


def without_a_time(frame: Frame) -> Frame:
    rows = frame.reset_index()
    return rows.assign(time=rows["time"].where(rows.index != 3))


UNUSABLE: list[tuple[Change, tuple[str, ...]]] = [
    (lambda _: None, ("gave None", "return an empty frame")),
    (lambda _: "no data", ("builtins.str", "a frame of polars")),
    (lambda _: {"close": [1.0]}, ("builtins.dict", "a list of objects")),
    (lambda _: iter([]), ("list_iterator", "a list of objects")),
    (lambda _: [1.0, 2.0], ("float",)),
    (lambda _: [{}, {}], ("the list of `dict`", "no fields", "its time and its values")),
    (lambda frame: frame.reset_index(drop=True), ('"open" (Float64)', 'time="close_time"')),
    (pl.from_pandas, ('"open" (Float64)', 'time="close_time"')),
    (lambda frame: frame.reset_index().astype({"time": str}), ('"time"', "pd.to_datetime")),
    (numbered, ('"time"', "Int64", 'unit="ms"')),
    (without_a_time, ("1 of 10 rows", '"time"', "drop them in the loader")),
    (in_two_zones, ("Asia/Tokyo, UTC", '"time"', "give them all in one")),
]


@pytest.mark.parametrize(("change", "parts"), UNUSABLE)
def test_an_answer_without_usable_bars_is_told_and_harms_nothing(
    change: Change, parts: tuple[str, ...]
) -> None:
    vendor, cache = fetched_after(change)
    with pytest.raises(PartialCoverageError) as failed:
        cache.get(*ASKED)
    assert isinstance(failed.value.__cause__, LoaderError)
    told(failed.value, TOLD, *parts)
    same(failed.value.data, vendor.between(*BEFORE[2:]))
    vendor.answer = None
    for again in (cache, cache_of(vendor)):
        same(again.get(*ASKED), vendor.between(*ASKED[2:]))
    assert vendor.spans[1:] == [REST, REST]


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("c"), AssertionError(), Exception()])
def test_an_exception_of_the_loader_is_the_cause_of_what_is_raised(error: Exception) -> None:
    def broken(_: Frame) -> None:
        raise error

    vendor, cache = fetched_after(broken)
    with pytest.raises(PartialCoverageError) as failed:
        cache.get(*ASKED)
    assert failed.value.__cause__ is error
    told(failed.value, "bars A 1D", "2024-01-10 .. 2024-01-19", type(error).__name__)
    same(failed.value.data, vendor.between(*BEFORE[2:]))
    vendor.answer = None
    same(cache.get(*ASKED), vendor.between(*ASKED[2:]))
    assert vendor.spans[1:] == [REST, REST]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_wish_to_stop_goes_up_as_it_is(error: type[BaseException]) -> None:
    def interrupted(_: Frame) -> None:
        raise error

    vendor, cache = fetched_after(interrupted)
    with pytest.raises(error):
        cache.get(*ASKED)
    vendor.answer = None
    same(cache.get(*ASKED), vendor.between(*ASKED[2:]))


OTHER_COLUMNS: list[tuple[Change, tuple[str, ...]]] = [
    (lambda frame: frame.assign(close="high"), ("`close`", "Float64", "String", "one dtype")),
    (lambda frame: frame.assign(close=2**60 + 1), ("`close`", "2**53", "one dtype")),
    (lambda frame: pl.from_pandas(frame.reset_index()), ("pandas", "polars", "give one of them")),
    (lambda frame: frame.reset_index().to_dict("records"), ("pandas", "dict", "give one of them")),
]


@pytest.mark.parametrize(("change", "parts"), OTHER_COLUMNS)
def test_columns_that_do_not_fit_those_before_are_told_and_harm_nothing(
    change: Change, parts: tuple[str, ...]
) -> None:
    vendor, cache = fetched_after(change)
    with pytest.raises(PartialCoverageError) as failed:
        cache.get(*ASKED)
    assert isinstance(failed.value.__cause__, SchemaError)
    told(failed.value, "bars A 1D", "2024-01-10 .. 2024-01-19", *parts)
    same(failed.value.data, vendor.between(*BEFORE[2:]))
    vendor.answer = None
    for again in (cache, cache_of(vendor)):
        same(again.get(*ASKED), vendor.between(*ASKED[2:]))
    assert vendor.spans[1:] == [REST, REST]


def test_rows_in_no_order_are_sorted_and_that_is_logged(caplog) -> None:
    vendor, cache = fetched_after(lambda frame: frame.sample(frac=1, random_state=5))
    with caplog.at_level(logging.WARNING, "afml_cache.ranges"):
        same(cache.get(*ASKED), vendor.between(*ASKED[2:]))
    assert TOLD in caplog.text
    assert "not in the order of time" in caplog.text
    same(cache_of(vendor).get(*ASKED), vendor.between(*ASKED[2:]))
    assert len(vendor.asked) == 2


def test_rows_outside_of_the_request_are_left_out_and_that_is_logged(caplog) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*BEFORE)
    vendor.answer = lambda frame: pd.concat([vendor.bars.iloc[:9] * 2, frame, vendor.bars[40:42]])
    with caplog.at_level(logging.WARNING, "afml_cache.ranges"):
        same(cache.get(*ASKED), vendor.between(*ASKED[2:]))
    for part in (TOLD, "11 rows", "2024-01-01 .. 2024-02-11", "heeds start and end"):
        assert part in caplog.text
    assert len(vendor.asked) == 2


def test_a_row_exactly_at_an_excluded_end_is_told_and_the_others_are_kept() -> None:
    vendor, cache = fetched_after(lambda _: vendor.bars["2024-01-10":"2024-01-20"])
    with pytest.raises(LoaderError) as wrong:
        cache.get(*ASKED)
    told(wrong.value, TOLD, "the end of the range", 'loader_closed="both"')
    for again in (cache, cache_of(vendor)):
        same(again.get(*ASKED), vendor.between(*ASKED[2:]))
    assert len(vendor.asked) == 2


def test_bars_that_come_twice_with_other_values_are_counted_and_the_last_is_kept(caplog) -> None:
    vendor, cache = fetched_after(lambda frame: pd.concat([frame * 3, frame]))
    with caplog.at_level(logging.WARNING, "afml_cache.ranges"):
        same(cache.get(*ASKED), vendor.between(*ASKED[2:]))
    for part in (TOLD, "10 times", "2024-01-10", "the last counts"):
        assert part in caplog.text
    assert cache.stats()["conflicts"] == 10


def hourly(change: Change) -> tuple[Vendor, RangeCache]:
    vendor = Vendor(hours("2024-01-01", "2024-02-01"))
    vendor.answer = change
    return vendor, cache_of(vendor)


@pytest.mark.parametrize("row_of_a_day", [3, None], ids=["one bar", "all bars"])
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_dates_beside_times_of_day_are_no_times_of_hours(make, row_of_a_day) -> None:
    def apart(frame: Frame) -> Any:
        at, close = frame.index, frame["close"].to_numpy()
        return make({"date": list(at.date), "time": list(at.time), "close": close})

    _, cache = hourly(apart)
    begin = "2024-01-02T00" if row_of_a_day is None else f"2024-01-02T{row_of_a_day:02}"
    end = "2024-01-05T00" if row_of_a_day is None else f"2024-01-02T{row_of_a_day + 1:02}"
    with pytest.raises(PartialCoverageError) as refused:
        cache.get("A", "1h", begin, end)
    told(refused.value, '"date" holds dates', "1h bars", "pd.to_datetime", "time=")
    assert not cache.coverage("A", "1h").rows


def test_rows_of_several_symbols_are_no_bars_of_one() -> None:
    def several(frame: Frame) -> Frame:
        return pd.concat([frame, frame + 1, frame + 2]).sort_index(kind="stable")

    vendor, cache = hourly(several)
    asked = "A", "1h", "2024-01-02", "2024-01-05"
    with pytest.raises(PartialCoverageError) as refused:
        cache.get(*asked)
    told(refused.value, "216 rows", "72 times", '"time"', "other symbols")
    vendor.answer = None
    same(cache.get(*asked), vendor.between(*asked[2:]))


def test_shorter_bars_are_no_days() -> None:
    _, cache = hourly(lambda frame: frame)
    with pytest.raises(PartialCoverageError) as refused:
        cache.get("A", "1D", "2024-01-02", "2024-01-05")
    told(refused.value, "72 rows", "3 times", "shorter bars")


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas])
def test_rows_that_are_given_several_times_differ_where_one_is_corrected(
    make, times, caplog
) -> None:
    def repeated(frame: Frame) -> Any:
        rows = pd.concat([frame.assign(bid=float("nan"), ask=None)] * times).sort_index()
        rows.iloc[0, 0] += 1
        return make(rows.reset_index())

    _, cache = hourly(repeated)
    assert len(cache.get("A", "1h", "2024-01-02T00", "2024-01-02T10")) == 10
    assert cache.stats()["conflicts"] == 1
    assert "1 times with rows that differ (2024-01-02T00:00:00Z)" in caplog.text
