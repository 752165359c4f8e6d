"""What breaks caches of bars by time range: corrections, splits, dividends, derived bars."""

import asyncio
import datetime as dt
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from range_axes import date
from range_vendor import Clock, Frame, Vendor, cache_of, days, same, told, utc

from afml_cache import RangeCache, invalidate, time_aware_cacheable
from afml_cache.exceptions import BasisChangedError, CacheConfigError, PartialCoverageError
from afml_cache.ranges.calendars import sessions_of

YEAR = days("2024-01-01", "2024-12-31")


def restate(vendor: Vendor, day: str, close: float) -> None:
    vendor.bars.loc[utc(day), "close"] = close


# 5. Late corrections


def test_without_an_overlap_what_is_final_is_not_asked_for_again() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", "2024-01-01", "2024-01-10")
    cache.get("A", "1D", "2024-01-01", "2024-01-20")
    assert vendor.spans[1:] == [("2024-01-10", "2024-01-20")]


def test_a_late_correction_is_seen_in_the_sessions_that_are_fetched_again(caplog) -> None:
    vendor, offered = Vendor(YEAR), []
    cache = cache_of(vendor, overlap=3, on_restated=lambda *what: offered.append(what))
    cache.get("A", "1D", "2024-01-01", "2024-01-10")
    restate(vendor, "2024-01-08", 7.0)
    restate(vendor, "2024-01-09", 8.0)
    with caplog.at_level(logging.WARNING, "afml_cache.ranges"):
        found = cache.get("A", "1D", "2024-01-01", "2024-01-20")
    same(found, vendor.between("2024-01-01", "2024-01-20"))
    assert vendor.spans[1:] == [("2024-01-07", "2024-01-20")]
    told(caplog.text, "bars A 1D", "2024-01-08 .. 2024-01-09", "2")
    span = pd.Timestamp("2024-01-08").date(), pd.Timestamp("2024-01-10").date()
    assert cache.restated("A", "1D") == [(*span, 2)]
    assert offered == [({"symbol": "A", "timeframe": "1D"}, *span)]
    assert cache.stats()["restated"] == 2
    same(cache_of(vendor).get("A", "1D", "2024-01-01", "2024-01-20"), found)


WAYS = {
    "get": lambda cache, asked: cache.get(*asked),
    "aget": lambda cache, asked: asyncio.run(cache.aget(*asked)),
    "refresh": lambda cache, asked: cache.refresh(*asked),
    "allow_partial": lambda cache, asked: cache.get(*asked, allow_partial=True),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_exception_of_who_is_told_of_a_correction_loses_no_bar(way: str) -> None:
    vendor, offered = Vendor(YEAR), []

    def refuse(key: dict, start: dt.date, end: dt.date) -> None:
        offered.append((start, end))
        raise ZeroDivisionError

    cache = cache_of(vendor, overlap=3, on_restated=refuse, max_rows=10)
    cache.get("A", "1D", "2024-01-01", "2024-01-10")
    restate(vendor, "2024-01-09", 8.0)
    asked = ("A", "1D", "2024-01-01", "2024-02-20")
    with pytest.raises(ZeroDivisionError):
        WAYS[way](cache, asked)
    assert offered == [(dt.date(2024, 1, 9), dt.date(2024, 1, 10))]
    calls = len(vendor.asked)
    for again in (cache, cache_of(vendor)):
        same(again.get(*asked), vendor.between(*asked[2:]))
    assert len(vendor.asked) == calls
    assert cache.gaps(*asked) == []


def test_who_is_told_of_a_correction_may_ask_for_all_of_the_new_bars() -> None:
    vendor, found = Vendor(YEAR), []
    asked = ("A", "1D", "2024-01-01", "2024-02-20")
    cache = cache_of(
        vendor, overlap=3, max_rows=10, on_restated=lambda *_: found.append(cache.get(*asked))
    )
    cache.get("A", "1D", "2024-01-01", "2024-01-10")
    restate(vendor, "2024-01-09", 8.0)
    same(cache.get(*asked), vendor.between(*asked[2:]))
    same(found[0], vendor.between(*asked[2:]))
    assert len(vendor.given_twice) == 3


def test_only_where_the_newest_bars_are_appended_are_sessions_fetched_again() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, overlap=3)
    cache.get("A", "1D", "2024-02-01", "2024-02-10")
    cache.get("A", "1D", "2024-03-01", "2024-03-10")
    vendor.asked.clear()
    cache.get("A", "1D", "2024-02-10", "2024-02-20")
    cache.get("A", "1D", "2024-01-20", "2024-02-01")
    cache.get("A", "1D", "2024-02-01", "2024-02-20")
    assert vendor.spans == [("2024-02-10", "2024-02-20"), ("2024-01-20", "2024-02-01")]


def test_results_that_were_computed_from_restated_bars_can_be_dropped() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, overlap=1)

    @time_aware_cacheable(ignore=["source"])
    def mean(source: RangeCache, start: str, end: str) -> float:
        return float(source.get("A", "1D", start, end)["close"].mean())

    before = mean(cache, "2024-01-01", "2024-01-10")
    restate(vendor, "2024-01-09", 8.0)
    cache.get("A", "1D", "2024-01-01", "2024-01-20")
    ((start, end, _),) = cache.restated("A", "1D")
    assert len(invalidate((start, end))) == 1
    assert mean(cache, "2024-01-01", "2024-01-10") != before


def test_verify_asks_the_vendor_for_a_sample_and_stores_what_differs() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get("A", "1D", "2024-01-01", "2024-01-06")
    restate(vendor, "2024-01-04", 7.0)
    found = cache.verify("A", "1D", sample=5)
    assert [(str(start), count) for start, _, count in found.differences] == [("2024-01-04", 1)]
    same(cache.get("A", "1D", "2024-01-01", "2024-01-06"), vendor.bars.iloc[:5])
    assert cache.verify("A", "1D", sample=5).differences == []


# 6. Splits and dividends


class Adjusted(Vendor):
    """Gives prices that are adjusted for what came before now, rounded to cents."""

    def __init__(self) -> None:
        super().__init__(YEAR)
        swing = np.sin(np.arange(len(YEAR)))
        self.bars["close"] = (190 + 20 * swing).round(2)
        self.bars["open"] = (189 + 20 * swing).round(2)
        self.events: list[tuple[str, float]] = []

    def between(self, start: Any, end: Any, closed: str = "left") -> Frame:
        frame = super().between(start, end, closed).copy()
        for day, factor in self.events:
            before = frame.index < utc(day)
            for name in ("open", "close"):
                frame.loc[before, name] = (frame.loc[before, name] * factor).round(2)
        return frame


SPLIT = ("2024-06-10", 0.25)
DIVIDEND = ("2024-06-10", 1 - 0.24 / 190)
EVENTS = pytest.mark.parametrize("event", [SPLIT, DIVIDEND], ids=["split", "dividend"])
# Where more is asked for: after what is stored, before it, in a hole of it, and far away.
LATER = {
    "after": ("2024-03-01", "2024-04-01"),
    "before": ("2024-01-01", "2024-02-01"),
    "between": ("2024-02-10", "2024-02-20"),
    "far after": ("2024-07-01", "2024-07-10"),
    "around": ("2024-01-20", "2024-03-10"),
}
ASKED = pytest.mark.parametrize("asked", LATER.values(), ids=LATER)


def adjusted(vendor: Vendor, **options: Any) -> RangeCache:
    """Give a cache of adjusted bars, with a hole in what is stored."""
    cache = cache_of(vendor, adjustment="all", **options)
    cache.get("A", "1D", "2024-02-01", "2024-02-10")
    cache.get("A", "1D", "2024-02-20", "2024-03-01")
    vendor.asked.clear()
    return cache


@EVENTS
@ASKED
@pytest.mark.parametrize("max_span", [None, "4D"])
def test_a_series_never_mixes_two_bases(
    asked: tuple[str, str], event: tuple[str, float], max_span: str | None
) -> None:
    vendor = Adjusted()
    cache = adjusted(vendor, max_span=max_span)
    vendor.events.append(event)
    same(cache.get("A", "1D", *asked), vendor.between(*asked))
    for again in (cache, cache_of(vendor, adjustment="all")):
        for stored in (("2024-02-01", "2024-02-10"), ("2024-02-20", "2024-03-01"), asked):
            same(again.get("A", "1D", *stored), vendor.between(*stored))


@EVENTS
@ASKED
@pytest.mark.parametrize("max_span", [None, "4D"])
def test_a_change_of_basis_is_raised_where_that_was_chosen_and_nothing_is_stored(
    asked: tuple[str, str], event: tuple[str, float], max_span: str | None
) -> None:
    vendor = Adjusted()
    cache = adjusted(vendor, on_basis_change="raise", max_span=max_span)
    before = cache.coverage("A", "1D")
    vendor.events.append(event)
    with pytest.raises(BasisChangedError) as changed:
        cache.get("A", "1D", *asked)
    told(changed.value, "bars A 1D", "of what it was", "split or dividend", "invalidate")
    assert cache.coverage("A", "1D") == before
    cache.invalidate("A", "1D")
    same(cache.get("A", "1D", *asked), vendor.between(*asked))


@EVENTS
def test_a_rebuild_that_fails_leaves_all_as_it_was(event: tuple[str, float]) -> None:
    vendor = Adjusted()
    cache = adjusted(vendor, max_span="4D", concurrency=2)
    before, known = vendor.between("2024-02-01", "2024-02-10"), cache.coverage("A", "1D")
    vendor.events.append(event)

    def out(frame: Frame) -> Frame:
        if utc("2024-02-02") in frame.index:
            raise OSError
        return frame

    vendor.answer = out
    with pytest.raises(PartialCoverageError):
        cache.get("A", "1D", "2024-03-01", "2024-04-01")
    assert cache.coverage("A", "1D") == known
    same(cache.get("A", "1D", "2024-02-01", "2024-02-10"), before)
    vendor.answer = None
    same(
        cache.get("A", "1D", "2024-02-20", "2024-04-01"), vendor.between("2024-02-20", "2024-04-01")
    )
    same(
        cache.get("A", "1D", "2024-02-01", "2024-02-10"), vendor.between("2024-02-01", "2024-02-10")
    )


def test_an_adjusted_series_without_an_event_takes_one_session_again() -> None:
    vendor = Adjusted()
    cache = adjusted(vendor)
    cache.get("A", "1D", "2024-02-20", "2024-03-10")
    assert vendor.spans == [("2024-02-29", "2024-03-10")]
    assert cache.stats()["restated"] == 0


@pytest.mark.parametrize("how", ["get", "refresh", "verify"])
def test_a_change_of_basis_is_told_as_what_it_restates(how: str) -> None:
    vendor, told = Adjusted(), []
    cache = adjusted(vendor, on_restated=lambda _, *span: told.append(span))
    vendor.events.append(SPLIT)
    if how == "get":
        cache.get("A", "1D", "2024-02-05", "2024-03-20")
    elif how == "refresh":
        assert cache.refresh("A", "1D", "2024-02-05", "2024-02-08") == 19
    else:
        found = cache.verify("A", "1D", sample=1).differences
        assert sum(count for *_, count in found) == 19
    spans = [("2024-02-01", "2024-02-10"), ("2024-02-20", "2024-03-01")]
    assert [(str(start), str(end)) for start, end in told] == spans
    assert [count for *_, count in cache.restated("A", "1D")] == [9, 10]
    assert cache.stats()["restated"] == 19


@pytest.mark.parametrize("calendar", ["XASX", "CMES", "XTKS", "XNYS"])
def test_the_last_session_is_fetched_again_whole_though_it_begins_on_the_evening_before(
    calendar: str,
) -> None:
    exchange = sessions_of(calendar).opens_closes(date(2024, 11, 14), date(2024, 11, 22))
    sessions = [
        pd.date_range(utc(begin).floor("h"), utc(end), freq="h", inclusive="left", name="time")
        for begin, end in zip(*exchange, strict=True)
    ]
    vendor = Vendor(sessions[0].append(sessions[1:]).as_unit("ns"))
    cache = cache_of(vendor, overlap=1, calendar=calendar)
    start, *_, last, newest = (times[0] for times in sessions)
    cache.get("A", "1h", start, sessions[-2][-1] + pd.Timedelta("1h"))
    restate(vendor, str(last), 7.0)
    span = start, sessions[-1][-1] + pd.Timedelta("1h")
    same(cache.get("A", "1h", *span), vendor.between(*span))
    assert vendor.asked[-1][0] == last < newest
    assert [count for *_, count in cache.restated("A", "1h")] == [1]


def test_raw_prices_have_no_basis_and_are_not_fetched_again() -> None:
    vendor = Adjusted()
    cache = cache_of(vendor, overlap=1)
    cache.get("A", "1D", "2024-02-01", "2024-02-10")
    vendor.events.append(SPLIT)
    cache.get("A", "1D", "2024-02-01", "2024-02-20")
    assert vendor.spans[1:] == [("2024-02-09", "2024-02-20")]


def test_a_correction_of_one_price_is_no_change_of_basis() -> None:
    vendor = Adjusted()
    cache = adjusted(vendor, on_basis_change="raise")
    restate(vendor, "2024-02-29", 150.0)
    same(
        cache.get("A", "1D", "2024-02-20", "2024-03-10"), vendor.between("2024-02-20", "2024-03-10")
    )
    assert cache.stats()["restated"] == 1


# 9. Derived bars

MINUTES = pd.date_range("2024-07-01", "2024-07-06", freq="min", tz="UTC", name="time")


class Exchange(Vendor):
    """Gives minutes of regular hours of New York; longer bars at full hours, as some do."""

    def __init__(self) -> None:
        local = MINUTES.tz_convert("America/New_York")
        closes = np.where(local.date == pd.Timestamp("2024-07-03").date(), 13 * 60, 16 * 60)
        minute = local.hour * 60 + local.minute
        holiday = local.date == pd.Timestamp("2024-07-04").date()
        super().__init__(MINUTES[(minute >= 570) & (minute < closes) & ~holiday])


DERIVED = {"calendar": "XNYS", "derive": {"1h": "1min", "1D": "1min"}}
RULES = {"open": "first", "close": "last", "volume": "sum"}
WEEK = ("2024-07-01", "2024-07-06")


def test_bars_are_not_derived_unless_that_was_chosen() -> None:
    vendor = Exchange()
    cache = cache_of(vendor, calendar="XNYS")
    cache.get("A", "1min", *WEEK)
    cache.get("A", "1h", *WEEK)
    assert {timeframe for _, timeframe in vendor.series} == {"1min", "1h"}


def test_derived_hours_begin_with_the_session_and_none_reaches_over_its_end() -> None:
    vendor = Exchange()
    found = cache_of(vendor, **DERIVED).get("A", "1h", *WEEK)
    assert {timeframe for _, timeframe in vendor.series} == {"1min"}
    assert set(found.index.minute) == {30}
    assert found.groupby(found.index.day).size().to_dict() == {1: 7, 2: 7, 3: 4, 5: 7}
    second = vendor.between("2024-07-01T14:30", "2024-07-01T15:30")
    wanted = [second["open"].iloc[0], second["close"].iloc[-1], second["volume"].sum()]
    assert found.loc[utc("2024-07-01T14:30")].tolist() == wanted
    assert found["volume"].sum() == vendor.bars["volume"].sum()


def test_a_derived_day_is_its_session() -> None:
    vendor = Exchange()
    found = cache_of(vendor, **DERIVED).get("A", "1D", *WEEK)
    whole = vendor.bars.groupby(vendor.bars.index.date).agg(RULES)
    assert found.to_numpy().tolist() == whole.to_numpy().tolist()
    assert [str(time.date()) for time in found.index] == [str(day) for day in whole.index]


def test_bars_are_not_derived_from_children_that_are_missing() -> None:
    vendor = Exchange()
    cache = cache_of(vendor, **DERIVED)

    def out(frame: Frame) -> Frame:
        if utc("2024-07-03T14:00") in frame.index:
            raise OSError
        return frame

    vendor.answer = out
    with pytest.raises(PartialCoverageError):
        cache.get("A", "1h", *WEEK)
    vendor.answer = None
    assert len(cache.get("A", "1h", *WEEK)) == 25


def test_bars_are_not_derived_from_an_answer_that_lacks_a_session() -> None:
    vendor = Exchange()
    cache = cache_of(vendor, **DERIVED)
    vendor.answer = lambda frame: frame[frame.index.day != 2]
    with pytest.raises(PartialCoverageError) as refused:
        cache.get("A", "1h", *WEEK)
    told(refused.value, "bars A 1min", "2024-07-01T20:00:00Z", "doubtful")


def test_bars_are_not_derived_from_an_empty_answer_for_a_session() -> None:
    vendor = Exchange()
    cache = cache_of(vendor, **DERIVED)
    cache.get("A", "1min", "2024-07-01", "2024-07-02")
    vendor.answer = lambda frame: frame[:0]
    with pytest.raises(PartialCoverageError) as refused:
        cache.get("A", "1h", "2024-07-01", "2024-07-03")
    told(refused.value, "bars A 1min", "doubtful")


def hourly(vendor: Vendor, first: str, stop: str) -> list[float]:
    volumes = vendor.between(first, stop)["volume"]
    return volumes.groupby(volumes.index.floor("h")).sum().tolist()


def test_a_bar_made_of_half_its_children_is_made_again_once_the_others_come() -> None:
    vendor, clock = Vendor(MINUTES), Clock("2024-08-01")
    cache = cache_of(vendor, derive={"1h": "1min"}, clock=clock)
    asked = "A", "1h", "2024-07-01T10:00", "2024-07-01T12:00"
    cache.get("A", "1min", "2024-07-01T10:00", "2024-07-01T11:30")
    vendor.answer = lambda frame: frame[:0]
    before = cache.get(*asked)
    assert before["volume"].tolist() == hourly(vendor, "2024-07-01T10:00", "2024-07-01T11:30")
    vendor.answer = None
    calls = len(vendor.asked)
    same(cache.get(*asked), before)
    assert len(vendor.asked) == calls
    clock.move("2h")
    after = cache.get(*asked)
    assert after["volume"].tolist() == hourly(vendor, "2024-07-01T10:00", "2024-07-01T12:00")
    assert len(vendor.asked) == calls + 1
    assert {one.state for one in cache.coverage("A", "1h")} == {"data"}


@pytest.mark.parametrize("calendar", [None, "XNYS"])
def test_what_was_made_of_restated_bars_is_made_again(calendar) -> None:
    vendor = Exchange()
    cache = cache_of(vendor, **{**DERIVED, "calendar": calendar})
    before = cache.get("A", "1h", *WEEK)
    daily = cache.get("A", "1D", *WEEK)
    vendor.bars.loc[utc("2024-07-02T15:29"), "volume"] += 7_777
    assert cache.refresh("A", "1min", "2024-07-02T15:00", "2024-07-02T16:00") == 1
    calls = len(vendor.asked)
    after = cache.get("A", "1h", *WEEK)
    changed = after.index[(after != before).any(axis=1)]
    assert changed.tolist() == [utc("2024-07-02T14:30" if calendar else "2024-07-02T15:00")]
    difference = cache.get("A", "1D", *WEEK)["volume"] - daily["volume"]
    assert difference.tolist() == [0, 7_777, *[0] * (len(daily) - 2)]
    assert len(vendor.asked) == calls
    same(cache_of(vendor, **{**DERIVED, "calendar": calendar}).get("A", "1h", *WEEK), after)


def test_what_was_made_of_bars_on_another_basis_is_made_again() -> None:
    vendor = Exchange()
    cache = cache_of(vendor, **DERIVED, adjustment="all")
    asked = "A", "1h", "2024-07-01", "2024-07-03"
    before = cache.get(*asked)
    vendor.bars[["open", "close"]] /= 2
    cache.get("A", "1min", "2024-07-03", "2024-07-04")
    after = cache.get(*asked)
    assert after["close"].tolist() == (before["close"] / 2).tolist()


def test_bars_are_not_derived_from_children_that_are_still_forming() -> None:
    vendor = Exchange()
    clock = Clock("2024-07-02T15:15")
    vendor.bars = vendor.bars[: utc("2024-07-02T15:14")]
    cache = cache_of(vendor, **DERIVED, clock=clock)
    found = cache.get("A", "1h", "2024-07-02", "2024-07-03")
    assert [f"{time:%H:%M}" for time in found.index] == ["13:30", "14:30"]
    pieces = cache.coverage("A", "1h").intervals
    assert [(one.state, one.reason) for one in pieces if one.state == "data"] == [
        ("data", "derived")
    ]
    assert pieces[-1].end <= utc("2024-07-02T14:30")


def test_derived_bars_are_marked_and_kept_apart_from_the_vendors_own() -> None:
    vendor = Exchange()
    cache = cache_of(vendor, **DERIVED)
    derived = cache.get("A", "1h", *WEEK)
    assert {one.reason for one in cache.coverage("A", "1h") if one.state == "data"} == {"derived"}
    own = cache_of(vendor, calendar="XNYS")
    own.get("A", "1h", *WEEK)
    assert vendor.series[-1] == ("A", "1h")
    count = len(vendor.asked)
    same(cache_of(vendor, **DERIVED).get("A", "1h", *WEEK), derived)
    assert len(vendor.asked) == count


@pytest.mark.parametrize(
    "derive", [{"1h": "7min"}, {"1min": "1h"}, {"1h": ("1min", {"close": "newest"})}, {"1W": "1D"}]
)
def test_what_can_not_be_derived_is_refused(derive: dict) -> None:
    with pytest.raises(CacheConfigError) as refused:
        cache_of(Exchange(), derive=derive)
    told(refused.value, "`derive`", "a whole number of times")
