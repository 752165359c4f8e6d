"""Bars of several symbols that are unlike: some without bars, of other units, zones or columns."""

from collections.abc import Callable

import pandas as pd
import polars as pl
import pytest
from range_vendor import Clock, bars, hours, told, utc

from afml_cache import RangeCache, as_of
from afml_cache.exceptions import CacheConfigError

HOURS = hours("2024-01-01", "2024-01-03 23:00")
ASKED = (["A", "B"], "1h", "2024-01-02 00:00", "2024-01-02 02:00")
TWO = [utc("2024-01-02 00:00"), utc("2024-01-02 01:00")]


def between(start, end) -> pd.DataFrame:
    found = bars(HOURS)
    return found[(found.index >= utc(start)) & (found.index < utc(end))]


def rows(start, end) -> list[dict]:
    return [{"time": at.to_pydatetime(), **one} for at, one in between(start, end).iterrows()]


def of_polars(start, end) -> pl.DataFrame:
    return pl.from_pandas(between(start, end).reset_index())


def cache_of(load: Callable, **options: object) -> RangeCache:
    """Make a cache; `load` takes the symbol, start and end."""

    def loader(symbol, timeframe, start, end):
        return load(symbol, start, end)

    return RangeCache("unlike", loader, **{"clock": Clock(), "retries": 0, **options})


# Symbols without bars

NOTHING = {
    "list": (rows, list),
    "polars": (of_polars, pl.DataFrame),
    "pandas": (between, pd.DataFrame),
}


@pytest.mark.parametrize("symbols", [["A", "Z"], ["Z", "A"]])
@pytest.mark.parametrize("output", ["pandas", "polars"])
@pytest.mark.parametrize("kind", NOTHING)
def test_a_symbol_without_bars_has_no_rows(kind: str, output: str, symbols: list[str]) -> None:
    some, none = NOTHING[kind]
    cache = cache_of(lambda symbol, *ends: none() if symbol == "Z" else some(*ends))
    alone = cache.get_many(["A"], *ASKED[1:], output=output)
    assert len(alone) == 2
    assert cache.get_many(symbols, *ASKED[1:], output=output).equals(alone)
    if output == "pandas":
        given = cache.get_many(symbols, *ASKED[1:], output=output)
        pd.testing.assert_frame_equal(given, alone)
    for one in (symbols, ["A"]):
        wide = cache.get_many(one, *ASKED[1:], output=output, shape="wide")
        assert len(wide) == 2
        columns = wide["close"].columns.tolist() if output == "pandas" else wide.columns
        assert not any("Z" in column for column in columns)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_a_symbol_that_failed_has_no_rows(output: str) -> None:
    def load(symbol, start, end):
        if symbol == "B":
            raise ConnectionError
        return between(start, end)

    data, missing = cache_of(load).get_many(*ASKED, allow_partial=True, output=output)
    assert list(data["symbol"]) == ["A", "A"]
    assert missing == [("B", TWO[0], utc("2024-01-02 02:00"))]


@pytest.mark.parametrize("output", [None, "pandas", "polars"])
@pytest.mark.parametrize("shape", ["long", "wide"])
def test_of_nothing_known_there_is_what_one_symbol_gives(shape: str, output: str | None) -> None:
    cache = cache_of(lambda _, *ends: between(*ends))
    alone = cache.get("A", "1h", "2024-01-02", "2024-01-02 00:00", output=output)
    given = cache.get_many(
        ["A", "B"], "1h", "2024-01-02", "2024-01-02 00:00", shape=shape, output=output
    )
    assert type(given) is type(alone)
    assert len(given) == 0
    with as_of("2024-01-01T00:00Z"):
        assert len(cache.get_many(["A", "B"], "1h", "2024-01-02", shape=shape, output=output)) == 0


# Units and zones


def as_unit(unit: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(frame.index.as_unit(unit))


def ticks(symbol: str, *_) -> pd.DataFrame:
    fine = ["00:00:00.000001001", "00:00:00.000001002"]
    coarse = ["00:00:00.000001", "00:00:00.000003"]
    times = [f"2024-01-02 {at}" for at in (fine if symbol == "B" else coarse)]
    index = pd.to_datetime(times, utc=True).rename("time").as_unit("ns" if symbol == "B" else "us")
    return pd.DataFrame({"price": [1.0, 2.0]}, index=index)


@pytest.mark.parametrize("output", ["pandas", "polars"])
@pytest.mark.parametrize("symbols", [["A", "B"], ["B", "A"]])
def test_times_of_the_finer_symbol_stay_as_they_are(symbols: list[str], output: str) -> None:
    ends = utc("2024-01-02"), utc("2024-01-02 00:01")
    given = cache_of(ticks).get_many(symbols, "tick", *ends, output=output)
    given = given.to_pandas().set_index("time") if output == "polars" else given
    of_b = given[given["symbol"] == "B"].index
    assert list(of_b.as_unit("ns").asi8) == list(ticks("B").index.asi8)
    assert given.index.dtype == "datetime64[ns, UTC]"


KINDS: dict[str, tuple[Callable, Callable]] = {
    "units": (lambda one: as_unit("ms", one), lambda one: as_unit("ns", one)),
    "coarse units": (lambda one: as_unit("s", one), lambda one: as_unit("us", one)),
    "zones": (
        lambda one: one.tz_convert("America/New_York"),
        lambda one: one.tz_convert("Asia/Tokyo"),
    ),
}


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("output", ["pandas", "polars"])
@pytest.mark.parametrize("kinds", KINDS)
def test_bars_of_other_units_and_zones_stand_together(kinds: str, output: str, column) -> None:
    ways = dict(zip("AB", KINDS[kinds], strict=True))

    def load(symbol, start, end):
        found = ways[symbol](between(start, end))
        return found.reset_index() if column else found

    cache = cache_of(load)
    for shape, expected in (("long", TWO * 2), ("wide", TWO)):
        given = cache.get_many(*ASKED, output=output, shape=shape)
        times = given["time"] if output == "polars" or column else given.index
        assert list(times) == expected
        zone = times.dtype.time_zone if output == "polars" else times.dtype.tz
        assert str(zone) == "UTC"


def test_one_zone_stays_where_only_units_differ() -> None:
    def load(symbol, start, end):
        found = between(start, end).tz_convert("Asia/Tokyo")
        return as_unit("ms" if symbol == "A" else "ns", found)

    given = cache_of(load).get_many(*ASKED)
    assert str(given.index.dtype) == "datetime64[ns, Asia/Tokyo]"


@pytest.mark.parametrize("shape", ["long", "wide"])
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_times_with_and_without_a_zone_are_refused(output: str, shape: str) -> None:
    def load(symbol, start, end):
        found = between(start, end)
        return found if symbol == "A" else found.tz_localize(None)

    cache = cache_of(load)
    with pytest.raises(CacheConfigError) as refused:
        cache.get_many(*ASKED, output=output, shape=shape)
    told(refused.value, "'B' have no zone", "'A' are of UTC", 'shape="dict"')
    assert len(cache.get_many(*ASKED, output=output, shape="dict")["B"]) == 2


@pytest.mark.parametrize("shape", ["long", "wide"])
def test_what_polars_cannot_put_together_is_said_so(shape: str) -> None:
    def load(symbol, start, end):
        found = of_polars(start, end)
        if symbol == "A":
            return found
        found = found.with_columns(close=pl.concat_list("close", "open"))
        return found if shape == "long" else found.rename({"time": "ts"})

    with pytest.raises(CacheConfigError) as refused:
        cache_of(load).get_many(*ASKED, shape=shape)
    told(refused.value, "differ", 'shape="dict"')


# Columns


@pytest.mark.parametrize("shape", ["long", "wide"])
def test_pairs_of_names_may_begin_with_that_of_the_symbol(shape: str) -> None:
    def load(_, start, end):
        found = between(start, end)
        return found.set_axis(pd.MultiIndex.from_product([["symbol"], found.columns]), axis=1)

    given = cache_of(load).get_many(*ASKED, shape=shape)
    assert len(given) == (4 if shape == "long" else 2)
    if shape == "long":
        assert list(given["symbol", ""]) == ["A", "A", "B", "B"]
        assert list(given["symbol", "close"]) == [*between(*ASKED[2:])["close"]] * 2


# Symbols


@pytest.mark.parametrize("shape", ["long", "wide"])
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_tuples_as_symbols_are_no_cells_of_a_frame(output: str, shape: str) -> None:
    asked = []

    def load(symbol, start, end):
        asked.append(symbol)
        return between(start, end)

    cache = cache_of(load)
    pairs = [("a", 1), ("b", 2)]
    with pytest.raises(CacheConfigError) as refused:
        cache.get_many(pairs, *ASKED[1:], output=output, shape=shape)
    told(refused.value, "('a', 1)", "one cell", 'shape="dict"', "text")
    assert asked == []
    given = cache.get_many(pairs, *ASKED[1:], output=output, shape="dict")
    assert list(given) == asked == pairs


@pytest.mark.parametrize("shape", ["long", "dict"])
def test_equal_symbols_of_two_series_are_refused(shape: str) -> None:
    cache = cache_of(lambda _, *ends: between(*ends))
    with pytest.raises(CacheConfigError) as refused:
        cache.get_many([1, True], *ASKED[1:], shape=shape)
    told(refused.value, "True and 1 are equal", "two series")
    assert list(cache.get_many([1, 1, "1"], *ASKED[1:], shape="dict")) == [1, "1"]
