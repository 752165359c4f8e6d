"""Adjusted series: bars that may still change or are forming, and those that are given no more."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from range_vendor import Clock, Frame, Vendor, cache_of, days, hours, same, told, utc

from afml_cache.exceptions import BasisChangedError, PartialCoverageError

SPANS = pytest.mark.parametrize("max_span", [None, "5D"])


def halve(vendor: Vendor) -> None:
    vendor.bars[["open", "close"]] /= 2


def is_given(vendor: Vendor, cache: Any, timeframe: str, *asked: str) -> None:
    """See that an answer is what the vendor gives now."""
    same(cache.get("A", timeframe, *asked), vendor.between(*asked))


# Bars that are forming, and in memory alone

NIGHT = ("2024-02-09", "2024-02-10T11:00")


def of_hours() -> tuple[Vendor, Clock]:
    return Vendor(hours("2024-02-01", "2024-02-29")), Clock("2024-02-10T10:05")


@pytest.mark.parametrize("later", [("2024-02-08", "2024-02-09T12:00"), ("2024-02-08", NIGHT[1])])
def test_a_forming_bar_is_asked_for_again_after_a_rebuild(later: tuple[str, str]) -> None:
    vendor, clock = of_hours()
    cache = cache_of(vendor, adjustment="all", clock=clock)
    is_given(vendor, cache, "1h", *NIGHT)
    halve(vendor)
    is_given(vendor, cache, "1h", *later)
    is_given(vendor, cache, "1h", *NIGHT)
    vendor.asked.clear()
    is_given(vendor, cache, "1h", *NIGHT)
    assert vendor.spans == []


def test_a_forming_bar_that_a_rebuild_has_given_is_not_asked_for_again() -> None:
    vendor, clock = of_hours()
    cache = cache_of(vendor, adjustment="all", clock=clock)
    is_given(vendor, cache, "1h", *NIGHT)
    halve(vendor)
    clock.set("2024-02-10T11:30")
    later = "2024-02-09", "2024-02-10T12:00"
    is_given(vendor, cache, "1h", *later)
    vendor.asked.clear()
    is_given(vendor, cache, "1h", *later)
    assert vendor.spans == []


def test_a_forming_bar_is_asked_for_again_after_a_rebuild_by_another_cache() -> None:
    vendor, clock = of_hours()
    cache, other = (cache_of(vendor, adjustment="all", clock=clock) for _ in range(2))
    is_given(vendor, cache, "1h", *NIGHT)
    halve(vendor)
    is_given(vendor, other, "1h", "2024-02-08", "2024-02-09T12:00")
    is_given(vendor, cache, "1h", *NIGHT)


def test_a_forming_bar_stays_where_the_basis_does() -> None:
    vendor, clock = of_hours()
    cache = cache_of(vendor, adjustment="all", clock=clock)
    cache.get("A", "1h", *NIGHT)
    vendor.asked.clear()
    cache.get("A", "1h", "2024-02-08", NIGHT[1])
    assert vendor.spans == [("2024-02-08", "2024-02-10")]


def test_a_forming_bar_that_is_all_there_is_comes_again_with_those_before_it() -> None:
    vendor, clock = of_hours()
    cache = cache_of(vendor, adjustment="all", clock=clock)
    cache.get("A", "1h", "2024-02-10T10:00", NIGHT[1])
    halve(vendor)
    vendor.asked.clear()
    is_given(vendor, cache, "1h", "2024-02-10T08:00", NIGHT[1])
    assert vendor.spans == [("2024-02-10 08:00", "2024-02-10 11:00")]


# Bars that are not final yet

LATE = ("2024-02-08", "2024-02-10")
MORE = {
    "newer": (("2024-02-08", "2024-02-11"), "2024-02-11T00:20"),
    "older": (("2024-02-05", "2024-02-10"), "2024-02-10T01:00"),
    "far": (("2024-01-01", "2024-01-05"), "2024-02-10T01:00"),
}
ALSO = pytest.mark.parametrize(("asked", "now"), MORE.values(), ids=MORE)


def of_days() -> tuple[Vendor, Clock]:
    return Vendor(days("2023-12-01", "2024-03-31")), Clock("2024-02-10T00:30")


def fail_of_the_ninth(frame: Frame) -> Frame:
    if utc("2024-02-09") in frame.index:
        raise OSError
    return frame


@ALSO
@SPANS
def test_bars_that_are_not_final_are_on_the_basis_of_those_that_are_fetched(
    asked: tuple[str, str], now: str, max_span: str | None
) -> None:
    vendor, clock = of_days()
    cache = cache_of(vendor, adjustment="all", clock=clock, settle="3D", max_span=max_span)
    cache.get("A", "1D", *LATE)
    halve(vendor)
    clock.set(now)
    is_given(vendor, cache, "1D", *asked)
    vendor.asked.clear()
    is_given(vendor, cache, "1D", *LATE)
    is_given(vendor, cache, "1D", *asked)
    assert vendor.spans == []


@pytest.mark.parametrize("end", ["2024-02-10T14:00", "2024-02-10T15:00"])
def test_hours_of_a_day_that_is_not_settled_come_with_newer_ones(end: str) -> None:
    vendor, clock = Vendor(hours("2024-02-01", "2024-02-29")), Clock("2024-02-10T12:30")
    options: Any = {"settle": "1D", "volatile_ttl": "6h", "clock": clock}
    cache = cache_of(vendor, adjustment="all", **options)
    cache.get("A", "1h", "2024-02-10", "2024-02-10T12:00")
    halve(vendor)
    clock.set("2024-02-10T14:30")
    vendor.asked.clear()
    is_given(vendor, cache, "1h", "2024-02-10", end)
    assert vendor.spans == [("2024-02-10", end.replace("T", " "))]


def test_bars_that_are_made_of_some_that_are_not_final_are_made_again_with_more() -> None:
    vendor, clock = Vendor(hours("2024-02-01", "2024-02-29")), Clock("2024-02-10T12:30")
    options: Any = {"settle": "1D", "volatile_ttl": "6h", "clock": clock, "derive": {"4h": "1h"}}
    cache = cache_of(vendor, adjustment="all", **options)
    cache.get("A", "4h", "2024-02-10", "2024-02-10T12:00")
    halve(vendor)
    clock.set("2024-02-10T17:30")
    vendor.asked.clear()
    found = cache.get("A", "4h", "2024-02-10", "2024-02-10T16:00")
    assert vendor.spans == [("2024-02-10", "2024-02-10 16:00")]
    now = vendor.between("2024-02-10", "2024-02-10T16:00")["close"]
    assert found["close"].tolist() == now[3::4].tolist()


@pytest.mark.parametrize(
    ("adjustment", "spans"),
    [("all", [("2024-02-08", "2024-02-11")]), (None, [("2024-02-10", "2024-02-11")])],
)
def test_only_of_an_adjusted_series_all_that_is_not_final_is_fetched_again(
    adjustment: str | None, spans: list[tuple[str, str]]
) -> None:
    vendor, clock = of_days()
    cache = cache_of(vendor, adjustment=adjustment, clock=clock, settle="3D")
    cache.get("A", "1D", *LATE)
    clock.set("2024-02-11T00:20")
    vendor.asked.clear()
    asked = "A", "1D", "2024-02-08", "2024-02-11"
    plan = cache.plan(*asked)
    cache.get(*asked)
    assert vendor.spans == spans
    assert len(plan.calls) == 1
    assert plan.rows == len(vendor.between(*spans[0]))
    vendor.asked.clear()
    cache.get(*asked)
    assert vendor.spans == []


def test_the_last_final_session_comes_with_those_that_are_not_in_one_call() -> None:
    vendor, clock = of_days()
    cache = cache_of(vendor, adjustment="all", clock=clock, settle="3D")
    asked = "2024-01-20", "2024-02-11"
    cache.get("A", "1D", "2024-01-20", "2024-02-10")
    clock.set("2024-02-11T00:20")
    vendor.asked.clear()
    cache.get("A", "1D", *asked)
    assert vendor.spans == [("2024-02-06", "2024-02-11")]
    halve(vendor)
    vendor.asked.clear()
    is_given(vendor, cache, "1D", "2024-01-15", "2024-01-22")
    is_given(vendor, cache, "1D", *asked)


def test_where_bars_that_are_not_final_can_not_be_fetched_nothing_is_added() -> None:
    vendor, clock = of_days()
    cache = cache_of(vendor, adjustment="all", clock=clock, settle="5D", max_span="1D")
    before = cache.get("A", "1D", *LATE)
    known = cache.coverage("A", "1D")
    halve(vendor)

    vendor.answer = fail_of_the_ninth
    with pytest.raises(PartialCoverageError) as failed:
        cache.get("A", "1D", "2024-02-06", "2024-02-10")
    assert isinstance(failed.value.__cause__, OSError)
    assert [tuple(map(str, gap)) for gap in failed.value.missing] == [("2024-02-06", "2024-02-08")]
    assert cache.coverage("A", "1D") == known
    same(cache.get("A", "1D", *LATE), before)
    vendor.answer = None
    is_given(vendor, cache, "1D", "2024-02-06", "2024-02-10")


def test_a_request_does_not_fail_with_what_is_fetched_again_besides_and_on_its_basis() -> None:
    vendor, clock = of_days()
    cache = cache_of(vendor, adjustment="all", clock=clock, settle="3D", max_span="1D")
    cache.get("A", "1D", "2024-01-20", "2024-02-10")

    vendor.answer = fail_of_the_ninth
    is_given(vendor, cache, "1D", "2024-01-15", "2024-02-10")


@pytest.mark.parametrize("day", ["2024-01-16", "2024-01-25", "2024-02-09"])
def test_where_a_rebuild_fails_all_that_is_missing_is_named(day: str) -> None:
    vendor, clock = of_days()
    cache = cache_of(vendor, adjustment="all", clock=clock, settle="3D", max_span="1D")
    before = cache.get("A", "1D", "2024-01-20", "2024-02-10")
    halve(vendor)

    def fail(frame: Frame) -> Frame:
        if utc(day) in frame.index:
            raise OSError
        return frame

    vendor.answer = fail
    with pytest.raises(PartialCoverageError) as failed:
        cache.get("A", "1D", "2024-01-15", "2024-02-10")
    assert [tuple(map(str, gap)) for gap in failed.value.missing] == [("2024-01-15", "2024-01-20")]
    same(failed.value.data, before)
    same(cache.get("A", "1D", "2024-01-20", "2024-02-10"), before)


def test_bars_that_are_not_final_and_taken_back_are_no_loss() -> None:
    vendor, clock = of_days()
    cache = cache_of(vendor, adjustment="all", clock=clock, settle="3D")
    cache.get("A", "1D", "2024-01-20", "2024-02-10")
    vendor.bars = vendor.bars.drop(utc("2024-02-09"))
    halve(vendor)
    is_given(vendor, cache, "1D", "2024-01-15", "2024-02-10")


# Final bars that are given no more

JANUARY = ("2024-01-01", "2024-02-01")
LONGER = ("2024-01-01", "2024-02-05")
GONE = {
    "one": (["2024-01-15"], "2024-01-15;"),
    "some": ([f"2024-01-{day}" for day in range(10, 21)], "2024-01-10 .. 2024-01-20;"),
    "the first": (["2024-01-01", "2024-01-02"], "2024-01-01 .. 2024-01-02;"),
    "the last": (["2024-01-30", "2024-01-31"], "2024-01-30 .. 2024-01-31;"),
    "two parts": (["2024-01-10", "2024-01-20"], "2024-01-10; 2024-01-20;"),
    "every other": (
        [f"2024-01-{day:02}" for day in range(2, 26, 2)],
        "2024-01-02; 2024-01-04; 2024-01-06 and of 9 parts more;",
    ),
}


@SPANS
@pytest.mark.parametrize(("dates", "shown"), GONE.values(), ids=GONE)
def test_a_series_that_lacks_final_bars_is_not_put_on_another_basis_however_calls_are_cut(
    dates: list[str], shown: str, max_span: str | None
) -> None:
    vendor = Vendor(days("2024-01-01", "2024-12-31"))
    cache = cache_of(vendor, adjustment="all", max_span=max_span)
    before, known = cache.get("A", "1D", *JANUARY), cache.coverage("A", "1D")
    vendor.bars = vendor.bars.drop([utc(one) for one in dates])
    halve(vendor)
    with pytest.raises(BasisChangedError) as changed:
        cache.get("A", "1D", *LONGER)
    told(changed.value, "bars A 1D", f"is stored of {shown}", "invalidate")
    assert cache.coverage("A", "1D") == known
    same(cache.get("A", "1D", *JANUARY), before)
    for one in dates:
        cache.invalidate("A", "1D", one, str((utc(one) + pd.Timedelta("1D")).date()))
    is_given(vendor, cache, "1D", *LONGER)


def test_lost_bars_with_none_between_them_are_told_as_one() -> None:
    weekdays = days("2024-01-01", "2024-12-31")
    vendor = Vendor(weekdays[weekdays.day_of_week < 5])
    cache = cache_of(vendor, adjustment="all")
    cache.get("A", "1D", *JANUARY)
    vendor.bars = vendor.bars.drop([utc("2024-01-12"), utc("2024-01-15")])
    halve(vendor)
    with pytest.raises(BasisChangedError) as changed:
        cache.get("A", "1D", *LONGER)
    told(changed.value, "is stored of 2024-01-12 .. 2024-01-15;")
