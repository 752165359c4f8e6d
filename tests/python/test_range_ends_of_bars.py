"""Days and weeks end where the vendor's labels say so: a bar that still forms is never stored."""

from pathlib import Path

import pandas as pd
import pytest
from range_vendor import Clock, Frame, Vendor, cache_of, same, utc

from afml_cache import RangeCache

NEW_YORK = "America/New_York"


def growing(labels: pd.DatetimeIndex, length: str | pd.DateOffset) -> tuple[Vendor, Clock]:
    """Make a vendor whose bars count the hours that are over, and have none that lie ahead."""
    clock, vendor = Clock(), Vendor(labels)
    step = pd.tseries.frequencies.to_offset(length)

    def as_of_now(found: Frame) -> Frame:
        now = pd.Timestamp(clock.now, tz="UTC")
        found = found[found.index < now].copy()
        ends = [min(now, label + step) for label in found.index]
        found["volume"] = [
            (end - label) // pd.Timedelta("1h")
            for end, label in zip(ends, found.index, strict=True)
        ]
        return found

    vendor.answer = as_of_now
    return vendor, clock


def new_york_days() -> pd.DatetimeIndex:
    return pd.date_range("2024-02-20", "2024-04-01", freq="D", tz=NEW_YORK, name="time")


def volumes(cache: RangeCache, timeframe: str, *span: str, zone: str = NEW_YORK) -> list[int]:
    start, end = (pd.Timestamp(day, tz=zone) for day in span)
    return cache.get("BTC", timeframe, start, end)["volume"].tolist()


def last_known(cache: RangeCache, timeframe: str = "1D") -> str:
    """Give the date up to which bars are stored as final."""
    final = [one for one in cache.coverage("BTC", timeframe) if one.state == "data"]
    return str(final[-1].end)


WEEK = "2024-03-01", "2024-03-08"


@pytest.mark.parametrize("first", [WEEK, ("2024-03-07", "2024-03-08")])
def test_a_day_is_over_when_it_is_in_the_zone_of_its_label(first: tuple[str, str]) -> None:
    vendor, clock = growing(new_york_days(), "1D")
    cache = cache_of(vendor, clock=clock)
    clock.set("2024-03-08T01:00Z")
    assert volumes(cache, "1D", *first)[-1] == 20
    assert len(vendor.asked) == 1
    assert volumes(cache, "1D", *first)[-1] == 20
    assert len(vendor.asked) == 1
    again = cache_of(vendor, clock=clock)
    clock.set("2024-03-08T05:00Z")
    assert volumes(again, "1D", *WEEK) == [24] * 7
    assert last_known(again) == "2024-03-08"
    calls = len(vendor.asked)
    clock.set("2024-03-20T00:00Z")
    assert volumes(cache_of(vendor, clock=clock), "1D", *WEEK) == [24] * 7
    assert len(vendor.asked) == calls


def test_a_day_is_over_when_it_is_in_the_zone_that_is_named() -> None:
    vendor, clock = growing(new_york_days(), "1D")
    cache = cache_of(vendor, clock=clock, zone="UTC")
    clock.set("2024-03-08T01:00Z")
    volumes(cache, "1D", *WEEK)
    assert last_known(cache) == "2024-03-08"


def test_of_days_of_an_eastern_zone_nothing_is_final_before_midnight_utc() -> None:
    labels = pd.date_range("2024-02-20", "2024-04-01", freq="D", tz="Asia/Tokyo", name="time")
    vendor, clock = growing(labels, "1D")
    cache = cache_of(vendor, clock=clock)
    clock.set("2024-03-07T20:00Z")
    assert volumes(cache, "1D", *WEEK, zone="Asia/Tokyo") == [24] * 7
    assert last_known(cache) == "2024-03-07"


def test_bars_of_a_file_are_final_when_their_day_is_over_in_the_zone_of_its_label(
    tmp_path: Path,
) -> None:
    vendor, clock = growing(new_york_days(), "1D")
    clock.set("2024-03-08T01:00Z")
    path = tmp_path / "days.parquet"
    vendor.load("BTC", "1D", utc("2024-03-01"), utc("2024-03-08")).to_parquet(path)
    cache = cache_of(vendor, clock=clock)
    assert cache.import_parquet(path, "BTC", "1D") == 6
    same(
        cache.get("BTC", "1D", *(pd.Timestamp(day, tz=NEW_YORK) for day in WEEK))[:6],
        vendor.between("2024-03-01T05:00Z", "2024-03-07T05:00Z").assign(volume=24),
    )


def weeks(day: str) -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", "2024-05-31", freq=f"W-{day}", tz="UTC", name="time")


@pytest.mark.parametrize("day", ["MON", "TUE", "FRI", "SAT", "SUN"])
def test_a_week_that_begins_on_any_day_is_stored_when_it_is_over(day: str) -> None:
    vendor, clock = growing(weeks(day), "7D")
    for now in pd.date_range("2024-03-15 12:00", "2024-04-05 12:00", freq="D", tz="UTC"):
        clock.set(now)
        cache = cache_of(vendor, clock=clock)
        end = str(now.date())
        found = volumes(cache, "1W", "2024-02-05", end, zone="UTC")
        calls = len(vendor.asked)
        assert volumes(cache, "1W", "2024-02-05", end, zone="UTC") == found
        assert len(vendor.asked) == calls
        known = last_known(cache, "1W")
        assert utc(known) >= now - pd.Timedelta("21D")
        assert set(volumes(cache, "1W", "2024-02-05", known, zone="UTC")) == {168}
        assert len(vendor.asked) == calls


def test_a_week_that_begins_on_a_sunday_is_over_at_the_close_of_its_sessions() -> None:
    vendor, clock = growing(weeks("SUN"), "7D")
    for now, known in [
        ("2024-03-17T12:00Z", "2024-03-11"),  # the week of the 10th, whose label lies in the 4th's
        ("2024-03-22T19:59Z", "2024-03-11"),
        ("2024-03-22T20:00Z", "2024-03-18"),
    ]:
        clock.set(now)
        cache = cache_of(vendor, clock=clock, calendar="XNYS")
        volumes(cache, "1W", "2024-02-05", "2024-03-23", zone="UTC")
        assert last_known(cache, "1W") == known


def test_bars_of_a_file_are_final_when_their_week_is_over(tmp_path: Path) -> None:
    vendor, clock = growing(weeks("SUN"), "7D")
    clock.set("2024-03-20T12:00Z")
    path = tmp_path / "weeks.parquet"
    vendor.load("BTC", "1W", utc("2024-02-04"), utc("2024-03-20")).to_parquet(path)
    assert cache_of(vendor, clock=clock).import_parquet(path, "BTC", "1W") == 6
