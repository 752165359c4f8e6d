"""Longer bars made of shorter: to which session those belong, however one asks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from range_vendor import Clock, Vendor, cache_of, same, told, utc

from afml_cache import PartialCoverageError, as_of
from afml_cache.ranges.axes import axis_of
from afml_cache.ranges.belonging import belonging
from afml_cache.ranges.calendars import sessions_of
from afml_cache.ranges.timeframes import timeframe
from afml_cache.ranges.zones import DAY

NEW_YORK = "America/New_York"
RULES = {"open": "first", "close": "last", "volume": "sum"}


def times(first: str, last: str, every: str) -> pd.DatetimeIndex:
    found = pd.date_range(first, last, freq=every, tz="UTC", name="time", inclusive="left")
    return found.as_unit("ns")


class Futures(Vendor):
    """Hours of CME's futures, of which each session opens on the evening before."""

    def __init__(self) -> None:
        found = times("2024-11-08", "2024-11-23", "h")
        calendar = sessions_of("CMES")
        spans = calendar.trading_spans(found[0].value, found[-1].value + 1)
        at = found.astype(np.int64).to_numpy()
        trading = sum(((at >= first) & (at < stop)) for first, stop in spans)
        super().__init__(found[trading.astype(bool)])
        self.bars["volume"] = 1


class Extended(Vendor):
    """Half hours of New York from 4:00 to 20:00, on trading days."""

    def __init__(self, every: str = "30min") -> None:
        found = times("2024-11-11", "2024-11-30", every)
        local = found.tz_convert(NEW_YORK)
        trading = (local.day_of_week < 5) & (local.date != pd.Timestamp("2024-11-28").date())
        super().__init__(found[(local.hour >= 4) & (local.hour < 20) & trading])


def each_alone(cache: Any, frame: str, ends: list[Any]) -> pd.DataFrame:
    """Ask for the bars between some times, one after the other, of a symbol of their own."""
    parts = [cache.get("B", frame, *pair) for pair in itertools.pairwise(ends)]
    return pd.concat([part for part in parts if len(part)])


DAYS = [f"2024-11-{day}" for day in range(18, 23)]


def test_a_day_of_futures_is_its_whole_session() -> None:
    options = {"calendar": "CMES", "derive": {"1D": "1h", "1W": "1h"}}
    together = cache_of(Futures(), **options).get("A", "1D", DAYS[0], DAYS[-1])
    assert together["volume"].tolist() == [24, 24, 24, 24]
    vendor = Futures()
    first = vendor.between("2024-11-17T23:00", "2024-11-18T23:00")
    assert together.iloc[0][["open", "close"]].tolist() == [
        first["open"].iloc[0],
        first["close"].iloc[-1],
    ]
    cache = cache_of(vendor, **options)
    same(each_alone(cache, "1D", DAYS), together)
    assert {one.state for one in cache.coverage("B", "1D")} == {"data"}
    assert cache.get("B", "1W", "2024-11-11", "2024-11-18")["volume"].tolist() == [5 * 24]


def test_a_day_of_futures_is_not_final_before_its_session_is_over() -> None:
    vendor, clock = Futures(), Clock("2024-11-19T15:00")
    whole = vendor.bars
    vendor.bars = whole[: utc("2024-11-19T14:00")]
    cache = cache_of(vendor, calendar="CMES", derive={"1D": "1h"}, clock=clock)
    before = cache.get("A", "1D", "2024-11-18", "2024-11-20")
    assert before["volume"].tolist() == [24, 16]
    vendor.bars = whole
    clock.set("2024-11-21")
    after = cache.get("A", "1D", "2024-11-18", "2024-11-20")
    assert after["volume"].tolist() == [24, 24]


def test_what_trades_outside_of_a_session_belongs_to_its_date() -> None:
    options = {"calendar": "XNYS", "derive": {"1D": "30min"}}
    vendor = Extended()
    local = vendor.bars.tz_convert(NEW_YORK)
    wanted = local.groupby(local.index.date).agg(RULES).loc[pd.Timestamp(DAYS[0]).date() :][:4]
    together = cache_of(vendor, **options).get("A", "1D", DAYS[0], DAYS[-1])
    assert together.to_numpy().tolist() == wanted.to_numpy().tolist()
    same(each_alone(cache_of(Extended(), **options), "1D", DAYS), together)


@pytest.mark.parametrize("frame", ["1h", "4h", "7h"])
def test_bars_before_the_open_are_counted_from_it(frame) -> None:
    options = {"calendar": "XNYS", "derive": {frame: "30min"}}
    ends = ["2024-11-18T04:00Z", "2024-11-23T04:00Z"]
    vendor = Extended()
    together = cache_of(vendor, **options).get("A", frame, *ends)
    begins = together.index.tz_convert(NEW_YORK)
    length = pd.Timedelta(frame)
    opened = begins.normalize() + pd.Timedelta("9.5h")
    early = begins < opened
    assert ((opened - begins)[early] % length == pd.Timedelta(0)).all()
    assert together["volume"].sum() == vendor.between(*ends)["volume"].sum()
    for begin, bar in zip(together.index, together.to_dict("records"), strict=True):
        within = vendor.between(begin, min(begin + length, utc(ends[1])))
        later = together.index[together.index > begin]
        within = within[within.index < later[0]] if len(later) else within
        assert bar["close"] == within["close"].iloc[-1]
    alone = [str(time) for time in pd.date_range(*ends, freq="24h")]
    same(each_alone(cache_of(Extended(), **options), frame, alone), together)


def test_what_falls_on_a_date_without_a_session_is_part_of_no_day() -> None:
    vendor = Vendor(times("2024-11-11", "2024-12-01", "h"))
    vendor.bars["volume"] = 1
    found = cache_of(vendor, calendar="XNYS", derive={"1D": "1h", "1W": "1h"})
    asked = "2024-11-22", "2024-11-30"
    assert found.get("A", "1D", *asked)["volume"].tolist() == [24] * 5
    assert found.get("A", "1W", "2024-11-18", "2024-11-25")["volume"].tolist() == [5 * 24]


def test_hours_that_reach_over_the_end_of_a_bar_are_refused() -> None:
    cache = cache_of(Extended("1h"), calendar="XNYS", derive={"2h": "1h"})
    with pytest.raises(PartialCoverageError) as refused:
        cache.get("A", "2h", "2024-11-18T14:30Z", "2024-11-18T18:30Z")
    told(refused.value, "A 1h", "reaches over the end", "open of their session", "shorter ones")


@pytest.mark.parametrize(
    ("every", "options"),
    [
        ("h", {"zone": "Asia/Kolkata"}),
        ("4h", {"zone": NEW_YORK}),
        ("4h", {"zone": "Asia/Tokyo"}),
        ("4h", {"calendar": "XNYS"}),
        ("4h", {"calendar": "CMES"}),
    ],
)
@pytest.mark.parametrize("frame", ["1D", "1W", "1M"])
def test_a_bar_that_reaches_over_the_end_of_a_day_is_refused(every, options, frame) -> None:
    child = "1h" if every == "h" else every
    vendor = Vendor(times("2024-10-28", "2024-12-05", every))
    cache = cache_of(vendor, derive={frame: child}, **options)
    with pytest.raises(PartialCoverageError) as refused:
        cache.get("A", frame, "2024-11-01", "2024-12-01")
    told(refused.value, f"A {child}", "reaches over the end of 2024-", "dates in", "shorter ones")


@pytest.mark.parametrize(
    ("every", "options"),
    [
        ("30min", {"zone": "Asia/Kolkata"}),
        ("h", {"zone": NEW_YORK}),
        ("4h", {"calendar": "24/7"}),
        ("12h", {}),
        ("15min", {"calendar": "CMES"}),
        ("h", {"calendar": "CMES"}),
        ("h", {"calendar": "XNYS"}),
    ],
)
def test_bars_that_end_with_the_day_make_it(every, options) -> None:
    vendor = Vendor(times("2024-10-28", "2024-12-05", every))
    child = "1h" if every == "h" else every
    cache = cache_of(vendor, derive={"1D": child, "1M": child}, **options)
    assert len(cache.get("A", "1M", "2024-11-01", "2024-12-01")) == 1
    days = cache.get("A", "1D", "2024-11-01", "2024-12-01")
    assert len(days) >= 20
    assert (
        days["volume"].sum() == cache.get("A", "1M", "2024-11-01", "2024-12-01")["volume"].iloc[0]
    )


@pytest.mark.parametrize("frame", ["1D", "14h"])
def test_bars_that_the_next_session_cuts_reach_over_no_end(frame) -> None:
    asked = "A", frame, "2024-11-11T00:00Z", "2024-11-22T23:00Z"
    chain = {frame: "7h", "7h": "1h"}
    found = cache_of(Futures(), calendar="CMES", derive=chain).get(*asked, allow_partial=True).data
    wanted = cache_of(Futures(), calendar="CMES", derive={frame: "1h"}).get(*asked)
    assert len(found) >= 8
    same(found, wanted[: len(found)])


@pytest.mark.parametrize("frame", ["1h", "4h", "7h", "12h", "1D", "1W", "1M"])
@pytest.mark.parametrize("calendar", [None, "XNYS", "CMES", "24/7", "XTKS", "us_futures"])
def test_each_belongs_to_one_bar_whatever_is_asked_for(frame, calendar) -> None:
    sessions = None if calendar is None else sessions_of(calendar)
    axis = axis_of(timeframe(frame), sessions, "UTC", None if calendar else NEW_YORK)
    at = times("2024-02-20", "2024-04-12", "13min").astype(np.int64)
    at = at.to_numpy()
    made = belonging(axis)
    labels, inside = made.labels(at)
    assert (np.diff(labels[inside]) >= 0).all()
    step = axis.timeframe.step
    if not axis.timeframe.is_dates:
        assert inside.all()
        assert ((labels <= at) & (at < labels + step)).all()
    drawn = np.random.default_rng(5)
    for first in drawn.choice(at[200:-200], 40):
        length = int(drawn.integers(1, 40 * DAY if axis.timeframe.is_dates else 2 * DAY))
        low, high = axis.floor(int(first)), axis.ceil(int(first) + length)
        begin, end = made.reach(low, high)
        parts = inside & (labels >= low) & (labels < high)
        reached = inside & (at >= begin) & (at < end)
        assert (parts == reached).all()
        number = int(drawn.integers(0, len(at) - 50))
        alone, is_part = made.labels(at[number : number + 50])
        assert (alone == labels[number : number + 50])[is_part].all()
        assert (is_part == inside[number : number + 50]).all()
        bars = made.around(int(at[number]), int(at[number + 49]) + 1)
        assert ((alone >= bars[0]) & (alone < bars[1]))[is_part].all()


def test_a_session_that_lacks_bars_spoils_no_day_but_its_own() -> None:
    vendor = Extended()
    local = vendor.bars.index.tz_convert(NEW_YORK)
    out = (local.date == pd.Timestamp("2024-11-20").date()) & (local.hour > 4) & (local.hour < 16)
    regular = (local.hour > 9) & (local.hour < 16) | (local.hour == 9) & (local.minute == 30)
    vendor.bars = vendor.bars[~out & regular]
    cache = cache_of(vendor, calendar="XNYS", derive={"1D": "30min"})
    cache.get("A", "30min", "2024-11-18", "2024-11-23")
    assert len(cache.get("A", "1D", "2024-11-18", "2024-11-20")) == 2
    assert len(cache.get("A", "1D", "2024-11-21", "2024-11-23")) == 2
    with pytest.raises(PartialCoverageError) as refused:
        cache.get("A", "1D", "2024-11-20", "2024-11-21")
    told(refused.value, "A 30min", "2024-11-20T", "missing or doubtful")


def test_bars_whose_parts_are_there_are_given_and_kept_where_others_are_missing() -> None:
    vendor = Extended()
    whole = vendor.bars
    local = whole.index.tz_convert(NEW_YORK)
    vendor.bars = whole[~((local.date == pd.Timestamp("2024-11-20").date()) & (local.hour > 4))]
    clock = Clock("2024-12-02")
    cache = cache_of(vendor, calendar="XNYS", derive={"1D": "30min"}, clock=clock)
    asked = "A", "1D", "2024-11-18", "2024-11-23"
    data, missing = cache.get(*asked, allow_partial=True)
    assert [time.day for time in data.index] == [18, 19, 21, 22]
    assert [(first.day, stop.day) for first, stop in missing] == [(20, 21)]
    vendor.bars = whole
    clock.move("2h")
    calls = len(vendor.asked)
    assert [time.day for time in cache.get(*asked).index] == [18, 19, 20, 21, 22]
    assert len(vendor.asked) == calls + 1


def days_as_of(cache: Any, text: str) -> list[str]:
    with as_of(text):
        return [str(label.date()) for label in cache.get("A", "1D", "2024-11-18").index]


@pytest.mark.parametrize("text", ["2024-11-20T21:00Z", "2024-11-21T00:59Z", "2024-11-21T04:59Z"])
def test_a_simulation_does_not_know_what_is_traded_after_the_close(text: str) -> None:
    cache = cache_of(Extended(), calendar="XNYS", derive={"1D": ("30min", RULES)})
    assert days_as_of(cache, text) == ["2024-11-18", "2024-11-19"]
    assert days_as_of(cache, "2024-11-21T05:00Z")[-1] == "2024-11-20"
    assert days_as_of(cache, "2024-11-21")[-1] == "2024-11-20"
    assert days_as_of(cache, "2024-11-24T12:00Z")[-1] == "2024-11-22"


def test_a_simulation_knows_a_day_of_futures_when_the_next_session_opens() -> None:
    cache = cache_of(Futures(), calendar="CMES", derive={"1D": ("1h", RULES)})
    assert days_as_of(cache, "2024-11-19T22:59Z") == ["2024-11-18"]
    assert days_as_of(cache, "2024-11-19T23:00Z") == ["2024-11-18", "2024-11-19"]


@pytest.mark.parametrize(("longer", "between"), [("1D", "2h"), ("12h", "4h"), ("1D", "7h")])
@pytest.mark.parametrize("first", ["2024-03-05", "2024-10-28"])
def test_days_are_made_of_bars_that_are_made_of_others_when_clocks_change(
    longer: str, between: str, first: str
) -> None:
    calendar, found = sessions_of("XNYS"), times("2024-02-01", "2024-12-01", "30min")
    spans = calendar.trading_spans(found[0].value, found[-1].value + 1)
    at = found.astype(np.int64).to_numpy()
    vendor = Vendor(found[sum(((at >= low) & (at < high)) for low, high in spans).astype(bool)])
    vendor.bars["volume"] = 1
    derive = {longer: (between, RULES), between: ("30min", RULES)}
    cache = cache_of(vendor, calendar="XNYS", derive=derive)
    asked = utc(first), utc(first) + pd.Timedelta("14D")
    for _ in range(2):
        assert cache.get("A", longer, *asked)["volume"].tolist() == [13] * 10
    assert len(vendor.asked) == 1
