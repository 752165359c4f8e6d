"""The bars of several symbols as one value, in each shape and of each kind."""

import datetime as dt

import pandas as pd
import polars as pl
import pytest
from range_vendor import Clock, Vendor, cache_of, days, same, told, utc

from afml_cache import RangeCache
from afml_cache.exceptions import CacheConfigError

YEAR = days("2024-01-01", "2024-12-31")
WEEK = ("2024-01-01", "2024-01-08")
ASKED = (["A", "B"], "1D", *WEEK)
LACKING = {"A": [2, 4], "B": [3]}


class Gappy(Vendor):
    """Gives the bars of each symbol but for some days, the time as the index or as a column."""

    def __init__(self, write=lambda found: found) -> None:
        super().__init__(YEAR)
        self.write = write

    def own(self, symbol: str, start=WEEK[0], end=WEEK[1]) -> pd.DataFrame:
        found = self.between(start, end)
        found = found[~found.index.day.isin(LACKING.get(symbol, []))]
        return found.assign(close=found["close"] + ord(symbol[0]))

    def load(self, symbol, timeframe, start, end):  # noqa: ARG002
        self.asked.append((start, end))
        return self.write(self.own(symbol, start, end))


def as_column(found: pd.DataFrame) -> pd.DataFrame:
    return found.rename_axis("when").reset_index()


WRITTEN = {
    "index": (lambda found: found, None),
    "column": (lambda found: found.reset_index(), None),
    "named column": (as_column, "when"),
    "column beside row numbers that are cut": (lambda found: found.reset_index()[1:], None),
    "column beside an index": (lambda found: found.reset_index().set_index("volume"), None),
}


# Side by side


@pytest.mark.parametrize("output", ["pandas", "polars", None])
@pytest.mark.parametrize("written", WRITTEN)
def test_bars_of_one_time_stand_side_by_side(written: str, output: str | None) -> None:
    write, time = WRITTEN[written]
    vendor = Gappy(write)
    wide = cache_of(vendor, time=time).get_many(*ASKED, shape="wide", output=output)
    own = {symbol: vendor.own(symbol)["close"] for symbol in "AB"}
    skipped = 1 if "cut" in written else 0
    parts = {symbol: one[skipped:] for symbol, one in own.items()}
    expected = pd.concat(parts, axis=1, sort=True)
    if output == "polars":
        closes = wide.select("close_A", "close_B").to_pandas()
        times = wide[time or "time"].to_list()
    else:
        closes = wide["close"]
        times = (wide.index if written == "index" else wide[time or "time"]).tolist()
    assert times == expected.index.tolist()
    for symbol in "AB":
        assert closes.filter(like=symbol).squeeze().fillna(0).tolist() == (
            expected[symbol].fillna(0).tolist()
        )


def test_a_column_of_times_is_one_column_of_a_wide_frame() -> None:
    vendor = Gappy(lambda found: found.reset_index())
    wide = cache_of(vendor).get_many(*ASKED, shape="wide")
    assert wide.columns.tolist()[0] == ("time", "")
    assert [field for field, _ in wide.columns].count("time") == 1
    assert wide.columns.names == [None, "symbol"]


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_ticks_side_by_side_are_refused_before_a_call(output: str) -> None:
    vendor = Vendor(YEAR)
    start, end = utc("2024-01-01"), utc("2024-01-08")
    with pytest.raises(CacheConfigError) as refused:
        cache_of(vendor).get_many(["A", "B"], "tick", start, end, shape="wide", output=output)
    told(refused.value, "ticks", "one time", 'shape="long"')
    assert vendor.asked == []
    given = cache_of(vendor).get_many(["A", "B"], "tick", start, end, output=output)
    assert len(given) == 14


def with_two(symbol, timeframe, start, end):
    times = [dt.datetime(2024, 1, day, tzinfo=dt.timezone.utc) for day in range(1, 8)]
    return pl.DataFrame({"time": times, "close": 1.0, "close_X": 2.0})


def test_columns_of_a_wide_frame_that_would_be_called_the_same_are_refused() -> None:
    cache = RangeCache("two", with_two, clock=Clock())
    asked = (["Y", "X_Y"], "1D", *WEEK)
    with pytest.raises(CacheConfigError) as refused:
        cache.get_many(*asked, shape="wide")
    told(refused.value, "`close_X_Y`", 'shape="long"', 'output="pandas"')
    wide = cache.get_many(*asked, shape="wide", output="pandas")
    assert (set(wide["close"]["X_Y"]), set(wide["close_X"]["Y"])) == ({1.0}, {2.0})
    assert cache.get_many(["Y", "Z"], *asked[1:], shape="wide").width == 5


def test_a_shape_that_is_none_is_refused_before_a_call() -> None:
    vendor = Vendor(YEAR)
    with pytest.raises(CacheConfigError, match=r"`shape` is .* not 'tall'"):
        cache_of(vendor).get_many(*ASKED, shape="tall")
    assert vendor.asked == []
    same(cache_of(vendor).get_many(*ASKED, shape="dict")["A"], vendor.between(*WEEK))
