"""What is asked of a range cache besides bars: plans, coverage, gaps, upkeep."""

import asyncio
import datetime as dt
import enum

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, bars, cache_of, days, hours, same, shown, utc

from afml_cache import RangeCache
from afml_cache.exceptions import CacheConfigError, PartialCoverageError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
SERIES = ("A", "1D")


class Feed(enum.Enum):
    SIP = 1


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


# Plans


def test_a_plan_tells_of_the_calls_and_makes_none() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, max_rows=20)
    cache.get(*SERIES, "2024-01-11", "2024-01-21")
    asked = len(vendor.asked)
    plan = cache.plan(*SERIES, "2024-01-01", "2024-03-01", price=lambda *call: call[2] / 10)
    assert [(call.start, call.end, call.rows) for call in plan.calls] == [
        ("2024-01-01", "2024-01-11", 10),
        ("2024-01-21", "2024-02-10", 20),
        ("2024-02-10", "2024-03-01", 20),
    ]
    assert plan.missing == (
        (day("2024-01-01"), day("2024-01-11")),
        (day("2024-01-21"), day("2024-03-01")),
    )
    assert (plan.rows, plan.cost) == (50, 5.0)
    assert [call.cost for call in plan.calls] == [1.0, 2.0, 2.0]
    assert len(vendor.asked) == asked
    cache.get(*SERIES, "2024-01-01", "2024-03-01")
    assert vendor.asked[asked:] == [(call.start, call.end) for call in plan.calls]


def test_a_plan_is_read_at_a_glance() -> None:
    cache = cache_of(Vendor(YEAR))
    price = {"price": lambda *_: 0.5}
    assert str(cache.plan(*SERIES, *JANUARY, **price)).splitlines() == [
        "bars A 1D: 1 calls, about 31 rows, 0.5 in all",
        "  2024-01-01 .. 2024-02-01  about 31 rows, 0.5",
    ]
    cache.prefetch(*SERIES, *JANUARY)
    plan = cache.plan(*SERIES, *JANUARY)
    assert (plan.calls, plan.missing, plan.rows, plan.cost) == ((), (), 0, None)
    assert "no call" in str(plan)


def test_a_plan_knows_the_calendar() -> None:
    cache = cache_of(Vendor(YEAR), calendar="XNYS")
    plan = cache.plan(*SERIES, "2024-07-01", "2024-07-08")
    assert plan.rows == 4  # Independence Day is a Thursday
    assert cache.plan(*SERIES, "2024-07-06", "2024-07-08").calls == ()


QUARTERS = pd.date_range("2024-03-01", "2024-03-08", freq="15min", tz="UTC", name="time")
DERIVED = {"1h": "15min", "1D": "1h"}


@pytest.mark.parametrize("options", [{}, {"max_rows": 20}, {"max_span": "12h"}, {"align": "day"}])
@pytest.mark.parametrize("timeframe", DERIVED)
def test_a_plan_of_derived_bars_is_of_what_the_vendor_is_asked_for(
    timeframe: str, options: dict
) -> None:
    vendor = Vendor(QUARTERS)
    cache = cache_of(vendor, derive=DERIVED, **options)
    cache.get("A", "15min", utc("2024-03-02T06:00"), utc("2024-03-03T18:00"))
    asked = len(vendor.asked)
    wanted = ("A", timeframe, utc("2024-03-02"), utc("2024-03-05"))
    plan = cache.plan(*wanted, price=lambda *call: float(call[2]))
    assert len(vendor.asked) == asked
    assert plan.rows == plan.cost > 0
    assert len(plan.missing) == 1
    cache.get(*wanted)
    assert [(shown(call.start), shown(call.end)) for call in plan.calls] == vendor.spans[asked:]
    assert cache.plan(*wanted).calls == ()


def test_a_plan_of_derived_bars_takes_no_call_where_all_is_there_to_make_them_of() -> None:
    vendor = Vendor(QUARTERS)
    cache = cache_of(vendor, derive=DERIVED)
    cache.get("A", "15min", utc("2024-03-01"), utc("2024-03-04"))
    for timeframe in DERIVED:
        wanted = ("A", timeframe, utc("2024-03-01"), utc("2024-03-03"))
        plan = cache.plan(*wanted, price=lambda *_: 1.0)
        assert (plan.calls, plan.rows, plan.cost, len(plan.missing)) == ((), 0, 0.0, 1)
        cache.get(*wanted)
        assert cache.plan(*wanted).missing == ()
    assert len(vendor.asked) == 1


# Prefetches


def test_what_was_prefetched_takes_no_call() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, max_span="10D")
    assert cache.prefetch(*SERIES, *JANUARY) == 4
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
    assert len(vendor.asked) == 4
    assert cache.stats()["hit_rate"] == 0.5


def test_coroutines_are_prefetched_too() -> None:
    vendor = Vendor(YEAR)
    cache = RangeCache("bars", vendor.aload, clock=Clock())

    async def ask():
        calls = await asyncio.gather(*(cache.aprefetch(*SERIES, *JANUARY) for _ in range(3)))
        return (
            sum(calls),
            await cache.aget(*SERIES, *JANUARY),
            await cache.arefresh(*SERIES, *JANUARY),
        )

    calls, given, restated = asyncio.run(ask())
    assert (calls, restated, len(vendor.asked)) == (1, 0, 2)
    same(given, vendor.between(*JANUARY))


# Coverage and gaps


def test_coverage_tells_what_is_known() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    assert len(cache.coverage(*SERIES)) == 0
    assert "nothing is known" in str(cache.coverage(*SERIES))
    cache.get(*SERIES, "2024-01-01", "2024-01-11")
    cache.get(*SERIES, "2024-02-01", "2024-02-11")
    coverage = cache.coverage(*SERIES)
    assert [(one.start, one.end, one.state, one.reason) for one in coverage] == [
        (day("2024-01-01"), day("2024-01-11"), "data", "fetched"),
        (day("2024-02-01"), day("2024-02-11"), "data", "fetched"),
    ]
    assert (coverage.rows, coverage.segments, len(coverage)) == (20, 2, 2)
    assert coverage.nbytes > 0
    first, picture, _legend = str(coverage).splitlines()
    assert first.startswith("bars A 1D: 20 bars in 2 segments")
    assert picture.startswith("2024-01-01 |██")
    assert picture.endswith("██| 2024-02-11")
    assert "  " in coverage.picture
    table = coverage.to_pandas()
    assert table["start"].tolist() == [day("2024-01-01"), day("2024-02-01")]
    assert {"state", "reason", "fetched_at", "recheck_after"} <= set(table.columns)


def test_a_series_is_named_by_the_parts_of_its_key_too() -> None:
    cache = cache_of(Vendor(YEAR))
    cache.get(*SERIES, *JANUARY)
    named = {"timeframe": "1D", "symbol": "A"}
    assert cache.coverage(**named).rows == cache.coverage(*SERIES).rows > 0
    assert cache.restated(**named) == []
    with pytest.raises(CacheConfigError, match="named by symbol, timeframe"):
        cache.coverage("A", frame="1D")


def test_a_notebook_shows_coverage_with_its_dates_and_what_colours_mean() -> None:
    cache = cache_of(Vendor(YEAR))
    assert "nothing is known yet" in cache.coverage(*SERIES)._repr_html_()
    cache.get(*SERIES, *JANUARY)
    coverage = cache.coverage(*SERIES)
    shown = coverage._repr_html_()
    assert shown.count('title="data"') == coverage.picture.count("█") + 1
    for part in ("bars A 1D", str(coverage.intervals[0].start), str(coverage.intervals[-1].end)):
        assert part in shown


def test_the_name_of_a_series_is_no_html() -> None:
    cache = cache_of(Vendor(YEAR))
    cache.get("<script>", "1D", *JANUARY)
    assert "<script>" not in cache.coverage("<script>", "1D")._repr_html_()


def test_coverage_of_hours_is_in_instants() -> None:
    cache = cache_of(Vendor(hours("2024-01-01", "2024-01-03")))
    cache.get("A", "1h", "2024-01-01T10:00", "2024-01-01T14:00")
    [one] = cache.coverage("A", "1h")
    assert (one.start, one.end) == (utc("2024-01-01T10:00"), utc("2024-01-01T14:00"))
    assert cache.gaps("A", "1h", "2024-01-01T12:00", "2024-01-01T15:00") == [
        (utc("2024-01-01T14:00"), utc("2024-01-01T15:00"))
    ]


def test_gaps_are_what_a_request_would_ask_for() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, "2024-01-11", "2024-01-21")
    assert cache.gaps(*SERIES, *JANUARY) == [
        (day("2024-01-01"), day("2024-01-11")),
        (day("2024-01-21"), day("2024-02-01")),
    ]
    assert cache.gaps(*SERIES, start="2024-01-12", end="2024-01-15") == []
    assert len(vendor.asked) == 1


# Explanations


def test_a_gap_is_explained() -> None:
    vendor = Vendor(YEAR[(YEAR.day_of_week < 5) & (utc("2024-07-01") > YEAR)])
    gone = [utc("2024-03-13"), utc("2024-03-29")]
    vendor.answer = lambda found: found.drop(gone, errors="ignore")
    clock = Clock("2024-07-01T15:00")
    listing = ("2024-02-01", "2030-01-01")
    cache = cache_of(vendor, calendar="XNYS", clock=clock, listing=lambda **_: listing, settle="3D")
    cache.get(*SERIES, "2024-02-01", "2024-05-01")
    cache.get(*SERIES, "2024-06-24", "2024-07-03")
    kinds = {
        "2024-03-12": "bar",
        "2024-03-13": "suspect",
        "2024-03-16": "closed",
        "2024-03-29": "holiday",
        "2024-01-15": "pre-listing",
        "2030-05-01": "future",
        "2024-05-07": "never asked",
        "2024-06-28": "volatile",
    }
    assert {text: cache.explain_gap(*SERIES, text).kind for text in kinds} == kinds
    assert "Good Friday" in str(cache.explain_gap(*SERIES, "2024-03-29"))
    assert cache.explain_gap(*SERIES, t="2024-03-12").text.startswith("bars A 1D, 2024-03-12")


def test_a_gap_without_a_calendar_is_explained_by_the_vendor() -> None:
    clock = Clock("2024-07-01")
    cache = cache_of(Vendor(YEAR[:31]), clock=clock, listing=lambda **_: (None, "2024-03-31"))
    cache.get(*SERIES, "2024-02-05", "2024-02-10")
    explained = cache.explain_gap(*SERIES, "2024-02-07")
    assert explained.kind == "vendor-empty"
    assert "asked for again after 2024-07-01 01:00" in explained.text
    assert cache.explain_gap(*SERIES, "2024-04-01").kind == "delisted"


@pytest.mark.parametrize("offset", ["0min", "17min"])
def test_a_time_within_a_bar_is_explained_by_the_bar(offset: str) -> None:
    times = hours("2024-07-01", "2024-07-01T12:00") + pd.Timedelta(offset)
    clock = Clock("2024-07-01T12:30")
    cache = cache_of(Vendor(times.delete(5)), clock=clock)
    cache.get("A", "1h", utc("2024-07-01"), utc("2024-07-01T14:00"))

    def explained(text):
        return cache.explain_gap("A", "1h", utc(text) + pd.Timedelta(offset))

    assert explained("2024-07-01T10:00").kind == "bar"
    within = explained("2024-07-01T10:35")
    assert within.kind == "bar"
    assert f"in the bar of 2024-07-01 10:{offset[:-3]:0>2}" in within.text
    assert explained("2024-07-01T05:35").kind == "vendor-empty"
    assert explained("2024-07-01T12:10").kind == "volatile"


def test_a_day_within_a_bar_of_days_is_explained_by_the_bar() -> None:
    times = days("2024-07-01", "2024-07-20")
    cache = cache_of(Vendor(times[::2]))
    cache.get("A", "2D", "2024-07-01", "2024-07-11")
    assert cache.explain_gap("A", "2D", "2024-07-03").kind == "bar"
    assert "in the bar of 2024-07-03" in str(cache.explain_gap("A", "2D", "2024-07-04"))
    weekly = cache_of(Vendor(times[::7]))
    weekly.get("A", "1w", "2024-07-01", "2024-07-15")
    assert weekly.explain_gap("A", "1w", "2024-07-10").kind == "bar"


# Upkeep


def test_a_refresh_tells_what_the_vendor_restated() -> None:
    vendor = Vendor(YEAR)
    told = []
    cache = cache_of(vendor, on_restated=lambda *what: told.append(what))
    cache.get(*SERIES, *JANUARY)
    vendor.bars.loc[utc("2024-01-10") : utc("2024-01-12"), "close"] += 1
    assert cache.refresh(*SERIES, *JANUARY) == 3
    assert cache.refresh(*SERIES, *JANUARY) == 0
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
    span = day("2024-01-10"), day("2024-01-13")
    assert cache.restated(*SERIES) == [(*span, 3)]
    assert told == [({"symbol": "A", "timeframe": "1D"}, *span)]
    assert cache.stats()["restated"] == 3
    same(cache_of(vendor).get(*SERIES, *JANUARY), vendor.between(*JANUARY))


def test_a_refresh_that_fails_keeps_what_was_there() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)

    def fail(_):
        raise RuntimeError

    vendor.answer = fail
    with pytest.raises(PartialCoverageError):
        cache.refresh(*SERIES, *JANUARY)
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))


def test_a_range_is_forgotten_or_all_of_a_series() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for symbol in "AB":
        cache.get(symbol, "1D", *JANUARY)
    cache.invalidate(*SERIES, "2024-01-10", "2024-01-15")
    assert cache.gaps(*SERIES, *JANUARY) == [(day("2024-01-10"), day("2024-01-15"))]
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
    assert vendor.spans[2:] == [("2024-01-10", "2024-01-15")]
    cache.invalidate(*SERIES)
    for each in (cache, cache_of(vendor)):
        assert each.gaps(*SERIES, *JANUARY) == [(day("2024-01-01"), day("2024-02-01"))]
        assert each.gaps("B", "1D", *JANUARY) == []


def test_what_was_forgotten_by_another_is_fetched_again() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    cache.get(*SERIES, *JANUARY)
    cache_of(vendor).invalidate(*SERIES, "2024-01-10", "2024-01-15")
    vendor.bars.loc[utc("2024-01-12"), "close"] = 0.0
    assert cache.get(*SERIES, *JANUARY).loc[utc("2024-01-12"), "close"] == 0.0
    assert vendor.spans[1:] == [("2024-01-10", "2024-01-15")]


def test_verify_reads_all_and_samples_the_vendor() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for symbol in "AB":
        cache.get(symbol, "1D", *JANUARY)
    assert cache.verify()[:3] == (2, 62, [])
    assert cache.verify(*SERIES)[:2] == (1, 31)
    vendor.bars["close"] += 1
    found = cache.verify(*SERIES, sample=31)
    assert sum(count for *_, count in found.differences) == 31
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))


def test_coroutines_verify_too() -> None:
    vendor = Vendor(YEAR)
    cache = RangeCache("bars", vendor.aload, clock=Clock())

    async def ask():
        await cache.aget(*SERIES, *JANUARY)
        vendor.bars["close"] += 1
        return await cache.averify(*SERIES, sample=31)

    assert sum(count for *_, count in asyncio.run(ask()).differences) == 31


@pytest.mark.parametrize("sample", [-1, 2.5, "all", True])
def test_a_sample_is_a_number_of_bars(sample) -> None:
    with pytest.raises(CacheConfigError, match="`sample` takes a whole number"):
        cache_of(Vendor(YEAR)).verify(*SERIES, sample=sample)


def test_what_failed_before_the_clock_was_set_back_is_not_left_alone() -> None:
    vendor, clock = Vendor(YEAR), Clock()

    def down(_):
        raise ConnectionError

    vendor.answer = down
    cache = cache_of(vendor, clock=clock)
    with pytest.raises(PartialCoverageError):
        cache.prefetch(*SERIES, *JANUARY)
    assert cache.prefetch(*SERIES, *JANUARY) == 0
    vendor.answer = None
    clock.move("-365D")
    assert cache.prefetch(*SERIES, *JANUARY) == 1


def test_verify_finds_damage_and_has_it_fetched_again(default_cache) -> None:
    vendor = Vendor(YEAR)
    cache_of(vendor).get(*SERIES, *JANUARY)
    [file] = default_cache.rglob("*.parquet")
    file.chmod(0o600)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    cache = cache_of(vendor)
    assert len(cache.verify(fix=False).problems) == 1
    [problem] = cache.verify().problems
    assert file.name in problem
    assert cache.verify().problems == []
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))
    assert len(vendor.asked) == 2


def test_upkeep_of_all_is_of_a_caches_own_series_alone(tmp_path) -> None:
    def load(symbol, timeframe, feed, start, end):
        return bars(days(start, "2024-01-31"))

    key = ("symbol", "timeframe", "feed")
    for source in ("one", "other"):
        cache = RangeCache("bars", load, key=key, source=source, clock=Clock())
        cache.get("A", "1D", Feed.SIP, *JANUARY)
        cache.get("A", "1D", ("X", None), *JANUARY)
    cache = RangeCache("bars", load, key=key, source="one", clock=Clock())
    assert cache.verify()[:3] == (2, 62, [])
    assert cache.export(tmp_path / "all.parquet") == 62


def test_a_series_is_named_in_any_order() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    cache.invalidate(timeframe="1D", symbol="A")
    assert len(cache.coverage(*SERIES)) == 0
    with pytest.raises(CacheConfigError, match="named by symbol, timeframe; not by 'A'"):
        cache.invalidate("A")


def test_stats_have_the_names_that_scripts_know() -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, "2024-01-01", "2024-01-11")
    cache.get(*SERIES, "2024-01-06", "2024-01-16")
    cache.get(*SERIES, "2024-01-06", "2024-01-16")
    expected = {
        "total_requests": 3,
        "cache_hits": 1,
        "cache_partial_hits": 1,
        "api_calls": 2,
        "total_bars_from_cache": 15,
        "total_bars_from_api": 15,
        "hit_rate": 1 / 3,
    }
    stats = cache.stats()
    assert {name: stats[name] for name in expected} == expected
    assert [
        (one.rows, one.from_cache, one.from_api, one.api_calls) for one in cache.counts.last
    ] == [
        (10, 0, 10, 1),
        (10, 5, 5, 1),
        (10, 10, 0, 0),
    ]
