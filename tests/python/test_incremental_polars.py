"""Frames of polars period by period."""

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
from bodies import RAN, counted
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from afml_cache import CacheConfigError, SchemaError, entries, time_aware_cacheable

START = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - polars takes the zone apart from the times


def hours(
    count: int, start: dt.datetime, *, unit: str = "us", zone: str | None = None
) -> pl.DataFrame:
    """Hourly bars; those of a time are the same however many there are."""
    at = [start + dt.timedelta(hours=hour) for hour in range(count)]
    return frame(pl.Series("time", at).cast(pl.Datetime(unit)), zone)


def frame(times: pl.Series, zone: str | None = None) -> pl.DataFrame:
    if zone is not None:
        times = times.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    number = times.dt.epoch("s") // 3600
    return pl.DataFrame(
        {"time": times, "close": (number * 37 % 101).cast(pl.Float64), "volume": number % 13}
    )


def monthly(function: Any, lookback: Any = 0, lookahead: Any = 0, **options: Any) -> Any:
    options = {"by": "month", "lookback": lookback, "lookahead": lookahead, **options}
    return time_aware_cacheable(**options)(function)


def label(bars: pl.DataFrame) -> pl.DataFrame:
    RAN.warning(str(bars["time"][0])[:7])
    return bars.select(
        "time",
        (pl.col("close").shift(-3) > pl.col("close")).alias("rises"),
        pl.col("volume").shift(2).alias("before"),
        pl.col("close").rolling_max(3).alias("high"),
    ).drop_nulls("before")


def test_periods_of_polars_put_together_are_the_whole() -> None:
    cached = monthly(label, 2, 3)
    with counted() as bodies:
        for count in (2000, 2000, 2200):
            bars = hours(count, START)
            assert_frame_equal(cached(bars), label(bars), check_exact=True)
        assert len(bodies) == 3 + 2 + 3  # three months, two that are new, and the whole each time
    assert len(entries(function=cached)) == 3
    assert cached.is_cached(bars)
    assert cached.check(bars, rtol=0, atol=0)


@given(
    gaps=st.lists(st.sampled_from([1] * 12 + [5, 62, 1500]), min_size=1, max_size=40),
    zone=st.sampled_from([None, "Europe/Berlin", "America/Havana"]),
    unit=st.sampled_from(["ms", "us", "ns"]),
    by=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    in_time=st.booleans(),
)
@settings(max_examples=30)
def test_random_frames_are_the_same_by_periods(
    gaps: list[int], zone: str | None, unit: str, by: str, in_time: bool
) -> None:
    def highest(bars: pl.DataFrame) -> pl.DataFrame:
        if not in_time:
            return label(bars)
        found = bars.rolling("time", period="6h", offset="0h", closed="both")
        return found.agg(pl.col("close").max(), pl.col("volume").first())

    margins: dict[str, Any] = {"lookback": 2, "lookahead": 3}
    if in_time:
        margins = {"lookback": 0.0, "lookahead": dt.timedelta(hours=6)}
    cached = time_aware_cacheable(by=by, **margins)(highest)
    start = START + dt.timedelta(days=299, hours=20)  # a night on which clocks are set back
    at = [start + dt.timedelta(hours=int(hour)) for hour in np.cumsum([0, *gaps])]
    bars = frame(pl.Series("time", at).cast(pl.Datetime(unit)), zone)
    assert_frame_equal(cached(bars), highest(bars), check_exact=True)


def test_dates_have_periods_too() -> None:
    at = pl.date_range(dt.date(2023, 12, 20), dt.date(2024, 3, 10), eager=True)
    bars = pl.DataFrame({"date": at, "close": np.arange(len(at), dtype=float)})
    cached = monthly(lambda bars: bars.with_columns(pl.col("close").diff()), "1D", 0)
    assert_frame_equal(cached(bars), cached.__wrapped__(bars))
    states = cached.explain(bars).periods
    assert [(one.period, one.is_complete) for one in states] == [
        ("2023-12", True),
        ("2024-01", True),
        ("2024-02", True),
        ("2024-03", False),
    ]
    assert states[1].first == dt.date(2024, 1, 1)


def in_turn(*given: Any) -> Any:
    """A function that gives the first of these expressions for January, else the second."""
    return monthly(
        lambda bars: bars.select("time", given[bars["time"][0].month > 1].alias("value"))
    )


def test_dtypes_of_periods_come_together_where_the_whole_tells() -> None:
    bars = hours(1000, START)
    volume, close = pl.col("volume"), pl.col("close")
    assert in_turn(volume, close / 2)(bars).schema["value"] == pl.Float64
    assert in_turn(pl.lit(None), volume)(bars).schema["value"] == pl.Int64
    assert in_turn(pl.lit(None), pl.lit(None))(bars).schema["value"] == pl.Null
    for other in (volume.cast(pl.Int8), volume.cast(pl.String), volume > 3):
        with pytest.raises(SchemaError, match="column 'value' as"):
            in_turn(volume, other)(bars)
    with pytest.raises(SchemaError, match="column 'value' as Int64 for 2024-01"):
        in_turn(volume + 2**60, close)(bars)


TIME = pl.col("time")
REFUSED: dict[str, tuple[Any, str]] = {
    "a series": (lambda bars: bars["close"], "of type Series, which has no column 'time'"),
    "no times": (lambda bars: bars.drop("time"), "has no column 'time'"),
    "dates": (lambda bars: bars.with_columns(TIME.cast(pl.Date)), "'time' is of Date"),
    "other times": (lambda bars: bars.with_columns(TIME.dt.offset_by("1m")), "row 0 is labelled"),
    "rows twice": (lambda bars: bars[[0, 1, 1]], r"row 2 \(2024-01-01 01:00.* repeats"),
    "rows backwards": (lambda bars: bars.reverse(), "comes behind a later one"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_result_without_rows_of_the_frame_is_refused(what: str) -> None:
    function, message = REFUSED[what]
    with pytest.raises(SchemaError, match=message):
        monthly(function)(hours(1000, START))


def test_columns_that_differ_are_refused() -> None:
    cached = monthly(lambda bars: bars if bars["time"][0].month == 1 else bars.drop("volume"))
    with pytest.raises(
        SchemaError, match=r"its columns as \['time', 'close', 'volume'\] for 2024-01"
    ):
        cached(hours(1000, START))
    assert cached.check(hours(700, START))


def test_a_frame_out_of_order_is_refused() -> None:
    cached = monthly(label)
    bars = hours(50, START)
    with pytest.raises(CacheConfigError, match=r"row 1 \(2024-01-03T00:00:00\) comes behind"):
        cached(bars.reverse())
    with pytest.raises(CacheConfigError, match="has no time in row 4"):
        cached(bars.with_columns(pl.when(pl.int_range(pl.len()) != 4).then("time").alias("time")))
    for other in (bars.lazy(), bars.drop("time"), bars["close"]):
        with pytest.raises(CacheConfigError, match=r"collect\(\) makes a frame of a lazy one"):
            cached(other)


def test_a_frame_without_rows_is_given_as_it_is() -> None:
    cached = monthly(lambda bars: bars.select("time", "close"))
    empty = hours(5, START).clear()
    assert_frame_equal(cached(empty), empty.select("time", "close"))


def test_a_short_margin_is_found() -> None:
    found = monthly(label, 2, 2).check(hours(1000, START))
    assert not found
    assert found.first.period == "2024-01"
    assert found.first.label == START + dt.timedelta(days=30, hours=23)
    assert found.first.column == "rises"
