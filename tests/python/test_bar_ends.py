"""Up to when values have seen: where the last of their bars ends."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from afml_cache import CacheConfigError
from afml_cache.look_ahead import seen_until


def ns(text: str) -> int:
    return pd.Timestamp(text).value


def prices(labels: Any) -> pd.Series:
    return pd.Series(np.arange(len(labels), dtype=float), labels)


def hours(count: int = 5, zone: str | None = None) -> pd.DatetimeIndex:
    return pd.date_range("2024-05-03 09:00", periods=count, freq="h", tz=zone)


def without_frequency(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(index.array, freq=None)


FORMS: dict[str, Callable[[pd.DatetimeIndex], object]] = {
    "a series": prices,
    "a frame": lambda index: prices(index).to_frame("close"),
    "an index": lambda index: index,
    "milliseconds": lambda index: prices(index.as_unit("ms")),
    "the second level of an index": lambda index: prices(
        pd.MultiIndex.from_product([["A", "B"], index])
    ),
    "a column of times": lambda index: pd.DataFrame({"close": 1.0, "Time": index}),
    "polars": lambda index: pl.DataFrame({"close": 1.0, "ts": index.to_pydatetime().tolist()}),
    "a series of polars": lambda index: pl.Series(index.to_pydatetime().tolist()),
    "pyarrow": lambda index: pa.table({"a": [1] * len(index), "t": index.to_pydatetime()}),
    "a batch of pyarrow": lambda index: pa.record_batch({"t": index.to_pydatetime()}),
    "an array of pyarrow": lambda index: pa.array(index.to_pydatetime()),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_bar_ends_at_its_label_and_its_length(form: str) -> None:
    value = FORMS[form](without_frequency(hours()))
    assert seen_until([value]) == ns("2024-05-03 14:00")
    assert seen_until([value], label="right") == ns("2024-05-03 13:00")
    assert seen_until([value], timeframe="4h") == ns("2024-05-03 17:00")


@pytest.mark.parametrize("form", FORMS)
def test_the_length_is_the_median_step_and_gaps_do_not_count(form: str) -> None:
    index = without_frequency(hours(9)).delete([3, 4, 5])
    assert seen_until([FORMS[form](index)]) == ns("2024-05-03 18:00")


def test_the_median_of_two_steps_is_the_shorter_one() -> None:
    index = pd.DatetimeIndex(["2024-05-03 16:00", "2024-05-03 17:00", "2024-05-06 09:00"])
    assert seen_until([prices(index)]) == ns("2024-05-06 10:00")


@pytest.mark.parametrize(
    ("frequency", "last", "end"),
    [
        ("15min", "2024-05-03 10:00", "2024-05-03 10:15"),
        ("250ms", "2024-05-03 10:00", "2024-05-03 10:00:00.250"),
        ("D", "2024-05-03", "2024-05-04"),
        ("B", "2024-05-03", "2024-05-04"),
        ("2D", "2024-05-03", "2024-05-05"),
        ("W-SUN", "2024-05-05", "2024-05-12"),
        ("MS", "2024-05-01", "2024-06-01"),
        ("ME", "2024-05-31", "2024-06-01"),
        ("QE", "2024-06-30", "2024-07-01"),
        ("YS", "2024-01-01", "2025-01-01"),
        ("W-WED", "2024-05-01", "2024-05-08"),
    ],
)
def test_the_frequency_of_an_index_goes_before_its_steps(frequency, last, end) -> None:
    index = pd.date_range(end=last, periods=4, freq=frequency)
    assert seen_until([prices(index)]) == ns(end)
    assert seen_until([prices(index[:0])]) is None


@pytest.mark.parametrize(
    ("timeframe", "end"),
    [
        ("5min", "2024-05-31 00:05"),
        ("1D", "2024-06-01"),
        ("1W", "2024-06-07"),
        ("1M", "2024-06-01"),
    ],
)
def test_a_timeframe_goes_before_the_frequency(timeframe: str, end: str) -> None:
    index = pd.date_range(end="2024-05-31", periods=4, freq="D")
    assert seen_until([prices(index)], timeframe=timeframe) == ns(end)


def test_daily_bars_end_with_their_day_wherever_that_is() -> None:
    winter = pd.date_range("2024-03-07", "2024-03-10", tz="America/New_York")
    assert seen_until([prices(winter)]) == ns("2024-03-11 04:00")  # a day of 23 hours
    days = [dt.date(2024, 5, 2), dt.date(2024, 5, 3)]
    assert seen_until([pl.DataFrame({"date": days})]) == ns("2024-05-04")
    assert seen_until([pa.table({"date": pa.array(days, pa.date64())})]) == ns("2024-05-04")
    zoned = pl.Series(days).replace(days, [dt.date(2024, 3, 9), dt.date(2024, 3, 10)])
    zoned = zoned.cast(pl.Datetime).dt.replace_time_zone("America/New_York")
    assert seen_until([zoned]) == ns("2024-03-11 04:00")


def test_daily_bars_end_with_the_session_of_a_calendar() -> None:
    index = pd.date_range("2024-07-01", "2024-07-03", freq="D")
    assert seen_until([prices(index)], calendar="XNYS") == ns("2024-07-03 17:00")  # closes early
    assert seen_until([prices(index + pd.Timedelta(days=3))], calendar="XNYS") == ns("2024-07-07")
    opens = pd.DatetimeIndex(["2024-07-01 13:30", "2024-07-02 13:30"])
    whole = {"calendar": "XNYS", "timeframe": "1D"}
    assert seen_until([prices(opens)], **whole) == ns("2024-07-02 20:00")
    week = pd.date_range("2024-06-24", periods=2, freq="W-MON")
    assert seen_until([prices(week)], calendar="XNYS") == ns("2024-07-05 20:00")
    far = pd.date_range("2300-01-01", periods=2, unit="s")
    assert seen_until([prices(far)], calendar="XNYS") == 2**63 - 1


def test_a_period_ends_where_it_says() -> None:
    months = pd.period_range("2024-03", periods=3, freq="M")
    for label in ("left", "right"):
        assert seen_until([prices(months)], label=label) == ns("2024-06-01")
    assert seen_until([pd.PeriodIndex(["NaT", "2024-03"], freq="M")]) == ns("2024-04-01")
    assert seen_until([pd.PeriodIndex(["NaT"], freq="M")]) is None


def test_a_single_label_is_of_a_day_if_it_is_a_midnight() -> None:
    assert seen_until([prices(without_frequency(hours(1)))]) == ns("2024-05-03 09:00")
    assert seen_until([prices(pd.DatetimeIndex(["2024-05-03"]))]) == ns("2024-05-04")
    assert seen_until([prices(hours(1))]) == ns("2024-05-03 10:00")


@pytest.mark.parametrize("order", [[4, 0, 2, 1, 3], [4, 3, 2, 1, 0], [0, 0, 1, 2, 3, 4, 4, 4]])
def test_order_repetitions_and_missing_labels_do_not_count(order: list[int]) -> None:
    index = without_frequency(hours())[order].append(pd.DatetimeIndex([pd.NaT]))
    labels = [None if label is pd.NaT else label.to_pydatetime() for label in index]
    for value in (prices(index), pl.Series(labels), pa.array(labels)):
        assert seen_until([value]) == ns("2024-05-03 14:00")


def test_values_without_time_have_seen_nothing() -> None:
    nothing = [1, "2024-05-03", dt.date(2024, 5, 3), None, np.arange(3), prices(range(3))]
    nothing += [pd.DataFrame({"close": [1.0], "expiry": hours(1)}), pl.Series([1]), pa.table({})]
    nothing += [pd.DatetimeIndex([]), pd.DatetimeIndex([pd.NaT]), pl.Series([], dtype=pl.Date)]
    nothing += [pl.Series([None], dtype=pl.Datetime), pa.array([None], pa.timestamp("us"))]
    assert seen_until(nothing) is None


def test_values_are_found_in_lists_tuples_and_dictionaries() -> None:
    early, late = prices(hours(3)), prices(hours(5))
    held = {"A": [early, {"1h": (late,)}], "B": 1}
    assert seen_until([3, held]) == seen_until({"x": held}) == seen_until(late)
    held["self"] = held
    assert seen_until([held]) == seen_until([late])


def test_the_latest_labels_of_a_long_index_tell_the_step() -> None:
    hourly = pd.date_range("2000-01-01", periods=5_000, freq="h")
    minutely = pd.date_range(hourly[-1], periods=3_000, freq="min")[1:]
    for index in (hourly.append(minutely), hourly.append(minutely)[::-1]):
        assert seen_until([prices(index)]) == (minutely[-1] + pd.Timedelta(minutes=1)).value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "middle"}, '`label` is "left" or "right"'),
        ({"timeframe": "soon"}, "is no timeframe"),
        ({"calendar": 3}, "`calendar` takes a name"),
    ],
)
def test_an_option_that_can_not_be_right_is_refused(options, message) -> None:
    with pytest.raises(CacheConfigError, match=message):
        seen_until([], **options)
