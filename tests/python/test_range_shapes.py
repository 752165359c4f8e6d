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


def test_series_of_pandas_stand_side_by_side() -> None:
    vendor = Gappy(lambda found: found["close"])
    wide = cache_of(vendor).get_many(*ASKED, shape="wide")
    assert wide.columns.tolist() == [("close", "A"), ("close", "B")]
    assert wide["close"]["A"].dropna().tolist() == vendor.own("A")["close"].tolist()


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


# A column of the loader's that is called as the symbol is


def named(column: str, value=lambda symbol: symbol, **options) -> RangeCache:
    """Make a cache whose bars have a column with the symbol, or with what `value` makes of it."""

    def load(symbol, timeframe, start, end):
        found = Vendor(YEAR).between(start, end)
        return found.assign(**{column: value(symbol)})

    return RangeCache("named", load, clock=Clock(), retries=0, **options)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_a_column_that_repeats_the_symbol_is_there_once(output: str) -> None:
    cache = named("symbol")
    given = cache.get_many(*ASKED, output=output)
    plain = cache_of(Vendor(YEAR)).get_many(*ASKED, output=output)
    assert given.equals(plain)
    assert cache.get("A", "1D", *WEEK)["symbol"].tolist() == ["A"] * 7
    numbers = named("symbol").get_many([1, 2], "1D", *WEEK, output=output)
    assert list(numbers["symbol"]) == [1] * 7 + [2] * 7


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_a_column_that_only_has_the_symbols_name_is_refused(output: str) -> None:
    cache = named("symbol", lambda symbol: symbol.lower() + ".us")
    with pytest.raises(CacheConfigError) as refused:
        cache.get_many(*ASKED, output=output)
    told(refused.value, "`symbol`", "'a.us'", "'A'", "rename it", "key", 'shape="dict"')
    assert set(cache.get_many(*ASKED, shape="dict")["B"]["symbol"]) == {"b.us"}


@pytest.mark.parametrize("column", ["symbol", "timeframe"])
def test_an_export_of_all_has_a_column_that_repeats_the_key_once(column: str, tmp_path) -> None:
    cache = named(column, lambda symbol: symbol if column == "symbol" else "daily")
    for symbol in "AB":
        cache.get(symbol, "1D", *WEEK)
    path = tmp_path / "bars.parquet"
    assert cache.export(path) == 14
    table = pl.read_parquet(path)
    assert table.columns == ["symbol", "timeframe", "time", "open", "close", "volume"]
    assert table["symbol"].to_list() == ["A"] * 7 + ["B"] * 7
    again = named(column, lambda symbol: symbol if column == "symbol" else "daily", source="2")
    again.get("B", "1D", "2024-02-01", "2024-02-08")  # so that it is known what its bars have
    assert again.import_parquet(path, "B", "1D") == 7
    assert again.get("B", "1D", *WEEK)["close"].tolist() == table["close"].to_list()[7:]
    assert again.stats()["conflicts"] == 0


def test_an_export_of_all_refuses_a_column_that_only_has_the_name_of_a_part(tmp_path) -> None:
    cache = named("symbol", lambda symbol: symbol.lower() + ".us")
    cache.get("A", "1D", *WEEK)
    path = tmp_path / "bars.csv"
    with pytest.raises(CacheConfigError) as refused:
        cache.export(path)
    told(refused.value, "named A 1D", "`symbol`", "'a.us'", "'A'", "rename it")
    assert not path.exists()
    assert cache.export(path, "A", "1D") == 7


def together(how: str):
    def load(symbols, timeframe, start, end):
        found = Vendor(YEAR).between(start, end)
        parts = {symbol: found.assign(symbol=symbol) for symbol in symbols}
        if how == "dictionary":
            return parts
        whole = pd.concat(parts.values())
        if how == "categories":
            whole["symbol"] = whole["symbol"].astype(pd.CategoricalDtype(list("ABCD")))
        return pl.from_pandas(whole.reset_index()) if how == "polars" else whole

    return load


@pytest.mark.parametrize("how", ["pandas", "categories", "dictionary"])
def test_bars_that_came_together_keep_the_symbol_that_single_ones_have(how: str) -> None:
    named("symbol").get("A", "1D", *WEEK)
    cache = named("symbol", many=together(how))
    cache.get_many(*ASKED[:2], WEEK[0], "2024-01-15")
    for symbol in "AB":
        whole = cache.get(symbol, "1D", WEEK[0], "2024-01-22")
        assert whole["symbol"].tolist() == [symbol] * 21


@pytest.mark.parametrize("how", ["pandas", "categories", "polars"])
def test_the_symbol_of_one_frame_is_no_column_of_bars_that_have_none(how: str) -> None:
    def load(symbol, timeframe, start, end):
        found = Vendor(YEAR).between(start, end)
        return pl.from_pandas(found.reset_index()) if how == "polars" else found

    cache = RangeCache("without", load, many=together(how), clock=Clock())
    cache.get_many(*ASKED)
    for symbol in "AB":
        whole = cache.get(symbol, "1D", WEEK[0], "2024-01-15")
        assert (len(whole), "symbol" in whole.columns) == (14, False)


def test_a_dictionary_of_frames_is_kept_as_it_is() -> None:
    cache = named("symbol", many=together("dictionary"))
    cache.get_many(*ASKED)
    assert cache.get("B", "1D", WEEK[0], "2024-01-15")["symbol"].tolist() == ["B"] * 14
