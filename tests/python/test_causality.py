"""`check_causality`: a function that looks ahead changes rows when its input is cut."""

import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest

from afml_cache import CacheConfigError, Causality, check_causality, mode, robust_cacheable

COUNT = 240
TIMES = pd.date_range("2024-05-01", periods=COUNT, freq="h")
CLOSE = 100 + np.random.default_rng(7).normal(size=COUNT).cumsum()
PRICES = pd.DataFrame({"close": CLOSE, "volume": np.arange(COUNT)}, index=TIMES)
SAME = pl.DataFrame({"time": TIMES.to_pydatetime().tolist(), "close": CLOSE})

Function = Callable[[Any], Any]


class Parts(NamedTuple):
    """What a strategy gives."""

    signal: pd.Series
    sharpe: float


PEEKS: dict[str, Function] = {
    "the next row": lambda bars: bars["close"].shift(-1),
    "a centred window": lambda bars: bars["close"].rolling(5, center=True).mean(),
    "the mean of the whole sample": lambda bars: bars["close"] - bars["close"].mean(),
    "ranks within the whole sample": lambda bars: bars.rank(pct=True),
    "what comes later fills gaps": lambda bars: (
        bars["close"].where(bars["volume"] % 7 == 0).bfill()
    ),
    "days labelled by their begin": lambda bars: bars["close"].resample("D").last(),
    "a backward sum": lambda bars: bars["close"][::-1].cumsum()[::-1],
    "rows that are dropped": lambda bars: bars["close"].shift(-3).dropna(),
    "an array": lambda bars: np.convolve(bars["close"], np.ones(3), "same"),
    "a list": lambda bars: [*bars["volume"].tolist()[1:], 0],
    "text": lambda bars: (bars["close"].diff(-1) > 0).map({True: "long", False: "flat"}),
    "quantiles": lambda bars: pd.qcut(bars["close"], 4, labels=False),
    "categories": lambda bars: pd.qcut(bars["close"], 4),
    "a part of a tuple": lambda bars: (bars["close"], {"next": bars["close"].shift(-1)}, 1.5),
    "a named tuple": lambda bars: Parts(bars["close"].shift(-1), 1.5),
    "instants": lambda bars: pd.Series(bars.index, bars.index).shift(-1),
    "columns that come later": lambda bars: pd.get_dummies(bars.index.day).set_index(bars.index),
    "nullable numbers": lambda bars: bars["volume"].astype("Int64").shift(-1),
    "periods": lambda bars: bars["close"].to_period("h").shift(-1),
}

FAIR: dict[str, Function] = {
    "a window that ends here": lambda bars: bars.rolling(20).mean(),
    "an average of the past": lambda bars: bars["close"].ewm(span=9).std(),
    "the last row": lambda bars: bars["close"].shift(1).ffill(),
    "the mean so far": lambda bars: bars["close"] / bars["close"].expanding().mean(),
    "days labelled by their end": lambda bars: bars["close"].resample("D", label="right").last(),
    "periods that end later": lambda bars: bars["close"].groupby(bars.index.to_period("D")).last(),
    "events": lambda bars: bars[bars["close"].pct_change().abs() > 0.01],
    "a day behind": lambda bars: bars["close"].resample("D").last().shift(1),
    "an array": lambda bars: np.cumsum(bars.to_numpy(), axis=0),
    "text": lambda bars: (bars["close"].diff() > 0).map({True: "long", False: "flat"}),
    "no rows": lambda bars: bars["close"][:0],
    "sums in another order": lambda bars: bars["close"].cumsum() + len(bars) * 1e-14,
    "an index": lambda bars: bars.index,
}


@pytest.mark.parametrize("name", PEEKS)
def test_a_function_that_peeks_is_caught(name: str) -> None:
    found = check_causality(PEEKS[name], PRICES)
    assert not found
    assert found.first is not None
    assert len(found.changes) >= 1
    assert "looks ahead" in str(found)


@pytest.mark.parametrize("name", FAIR)
def test_a_function_that_looks_back_is_not(name: str) -> None:
    found = check_causality(FAIR[name], PRICES)
    assert found, str(found)
    assert found.first is None
    assert "does not look ahead at any of 5 cuts" in str(found)


def test_the_first_row_that_changes_is_told() -> None:
    def following(bars: pd.DataFrame) -> pd.DataFrame:
        return bars.shift(-2)

    found = check_causality(following, PRICES, at=["2024-05-04 12:00", 50])
    first = found.first
    assert first is not None
    assert (first.row, first.label, first.cut) == (49, TIMES[49], TIMES[50])
    assert (first.column, first.full) == ("close", CLOSE[51])
    assert np.isnan(first.truncated)
    assert found.cuts == (TIMES[50], TIMES[84])
    assert [change.row for change in found.changes] == [49, 83]
    for part in ("following looks ahead", "row 49", str(TIMES[49]), "2 of 2 cuts", "nan"):
        assert part in str(found)
    assert found._repr_html_().startswith("<pre>")


def test_parts_of_a_result_are_named_and_those_without_rows_are_told() -> None:
    found = check_causality(PEEKS["a part of a tuple"], PRICES)
    assert found.first is not None
    assert found.first.column == "[1]['next'].close"
    assert found.skipped == ("[2]",)
    assert "not compared, since they have no rows: [2]" in str(found)


@pytest.mark.parametrize(
    ("function", "is_fair"),
    [
        (lambda bars: bars.select(pl.col("close").shift(-1)), False),
        (lambda bars: bars.with_columns(z=pl.col("close") - pl.col("close").mean()), False),
        (lambda bars: bars["close"].backward_fill().shift(-1), False),
        (lambda bars: bars.group_by_dynamic("time", every="1d").agg(pl.col("close").last()), False),
        (lambda bars: bars.select(pl.col("close").rolling_mean(9)), True),
        (lambda bars: bars.filter(pl.col("close") > 100), True),
        (lambda bars: (bars["close"].to_numpy(), bars["time"].dt.hour()), True),
        (lambda bars: bars.select("time", side=pl.col("close").diff() > 0), True),
    ],
)
def test_frames_of_polars_are_checked_alike(function: Function, is_fair: bool) -> None:
    found = check_causality(function, SAME)
    assert found.is_causal is is_fair
    if found.first is not None:
        assert isinstance(found.first.label, dt.datetime)
    assert bool(check_causality(lambda series: series.diff(), SAME["close"]))


def test_a_function_that_writes_into_its_input_is_caught() -> None:
    def adding(bars: pd.DataFrame) -> pd.Series:
        bars["return"] = bars["close"].pct_change()
        return bars["return"]

    def dropping(bars: pl.DataFrame) -> pl.Series:
        return bars.drop_in_place("close")

    before = PRICES.copy()
    for function, prices in ((adding, PRICES), (dropping, SAME)):
        found = check_causality(function, prices)
        assert not found
        assert found.changes_input
        assert found.first is None
        assert "writes into its input" in str(found)
    pd.testing.assert_frame_equal(PRICES, before)


def test_rows_of_several_symbols_are_cut_by_time() -> None:
    both = pd.concat({"A": PRICES, "B": PRICES + 1}, names=["symbol", "time"])

    def within(bars: pd.DataFrame) -> pd.Series:
        return bars["close"].groupby(level="symbol").pct_change()

    def across(bars: pd.DataFrame) -> pd.Series:
        return bars["close"].groupby(level="time").rank()

    def ahead(bars: pd.DataFrame) -> pd.Series:
        return bars["close"].groupby(level="symbol").shift(-1)

    for prices in (both, both.swaplevel().sort_index(), both.reset_index()):
        flat = prices if "symbol" not in prices else prices.set_index(["symbol", "time"])
        assert check_causality(within, flat)
        assert check_causality(across, flat)
        assert not check_causality(ahead, flat)
    column = both.reset_index()
    assert not check_causality(lambda bars: bars.groupby("symbol")["close"].shift(-1), column)
    assert check_causality(lambda bars: bars.groupby("symbol")["close"].shift(1), column)


def test_frames_of_polars_in_any_order_are_cut_by_time() -> None:
    both = pl.concat([SAME.with_columns(symbol=pl.lit(name)) for name in "AB"])
    close = pl.col("close")
    for order in (both, both.reverse(), both.sort("close")):
        assert check_causality(lambda bars: bars.select(close.rank().over("time")), order)
        assert not check_causality(lambda bars: bars.select(close.mean().over("symbol")), order)


GAPS = PRICES["close"].where(PRICES["volume"] % 20 != 7).to_frame()


@pytest.mark.parametrize(
    "frame",
    [GAPS, GAPS["close"], GAPS.reset_index(drop=True), pl.from_pandas(GAPS.reset_index())],
    ids=["a frame", "a series", "without times", "polars"],
)
def test_a_sample_with_gaps_is_cut_at_gaps_that_are_filled_from_behind(frame):
    def filled(bars):
        return (
            bars.bfill() if hasattr(bars, "bfill") else bars.select(pl.col("close").backward_fill())
        )

    found = check_causality(filled, frame)
    assert len(found.cuts) == 5
    assert len(found.changes) == 5
    assert check_causality(lambda bars: bars.head(20 * len(bars)), frame)


def test_a_frame_without_times_is_cut_by_the_number_of_rows() -> None:
    plain = PRICES.reset_index(drop=True)
    assert check_causality(lambda bars: bars.diff(), plain).cuts == (39, 79, 119, 159, 199)
    found = check_causality(lambda bars: bars["close"].shift(-1), plain, at=[-2, 5])
    assert [change.row for change in found.changes] == [5, COUNT - 2]
    assert check_causality(lambda bars: bars.diff(), plain[:2]).cuts == (0,)


def test_numbers_are_equal_within_a_tolerance() -> None:
    def noisy(bars: pd.DataFrame) -> pd.Series:
        return bars["close"] * (1 + len(bars) * 1e-14)

    assert check_causality(noisy, PRICES)
    assert not check_causality(noisy, PRICES, rtol=0, atol=0)
    assert check_causality(noisy, PRICES, rtol=0, atol=1e-3)
    infinite = [np.inf, -np.inf, np.nan, 1.0, 2.0]
    frame = pd.DataFrame({"x": infinite})
    assert check_causality(lambda bars: bars["x"], frame)
    assert not check_causality(lambda bars: bars["x"].fillna(len(bars)), frame, at=[3])
    cells = pd.Series([[1.0], np.array([1, 2]), None, {"a": pd.NA}, pd.NaT], dtype=object)
    assert check_causality(lambda cells: cells, cells)


def test_cached_functions_are_computed_and_nothing_is_stored() -> None:
    @robust_cacheable
    def helper(bars: pd.DataFrame) -> pd.Series:
        return bars["close"].shift(-1)

    @robust_cacheable
    def outer(bars: pd.DataFrame) -> pd.Series:
        return helper(bars)

    class Strategy:
        sign = -1

        @robust_cacheable
        def signal(self, bars: pd.DataFrame) -> pd.Series:
            return bars["close"].shift(self.sign)

    outer(PRICES)
    for function in (outer, helper, Strategy().signal):
        assert not check_causality(function, PRICES)
    assert (outer.cache_info().hits, outer.cache_info().misses) == (0, 1)
    assert not helper.is_cached(PRICES[:40])
    assert Strategy.signal.cache_info().misses == 0
    with mode("off"):
        assert not check_causality(outer, PRICES)


def test_what_can_not_be_checked_is_refused() -> None:
    async def awaited(bars: pd.DataFrame) -> pd.DataFrame:
        return bars

    def same(bars: Any) -> Any:
        return bars

    wrong: list[tuple[Function, Any, Any, str]] = [
        (lambda bars: bars["close"].mean(), PRICES, None, "gives float64, of which nothing has"),
        (awaited, PRICES, None, "coroutine function"),
        (3, PRICES, None, "a function of a frame, not 3"),  # type: ignore[list-item]
        (same, [1, 2, 3], None, "of pandas or polars, not list"),
        (same, SAME.lazy(), None, "not LazyFrame"),
        (same, PRICES[:1], None, "needs two rows or more"),
        (same, PRICES, [], "`at` names no place"),
        (same, PRICES, [COUNT - 1], "leaves nothing"),
        (same, PRICES, [COUNT], f"{COUNT} rows"),
        (same, PRICES, ["2030"], "the rows are from 2024-05-01"),
        (same, PRICES, "2020", "leaves nothing"),
        (same, PRICES, [1.5], "times and numbers of rows, not 1.5"),
        (same, PRICES, [True], "not True"),
        (same, PRICES.reset_index(drop=True), ["2024-05-02"], "name rows by number"),
    ]
    for function, frame, at, message in wrong:
        with pytest.raises(CacheConfigError, match=message):
            check_causality(function, frame, at=at)
    with pytest.raises(KeyError):
        check_causality(lambda bars: bars["open"], PRICES)


def test_labels_may_be_written_as_times_are() -> None:
    zoned = PRICES.tz_localize("UTC")
    places: list[Any] = [
        pd.Timestamp("2024-05-03"),
        dt.date(2024, 5, 2),
        np.datetime64("2024-05-02"),
    ]
    for frame in (PRICES, zoned):
        for at in (places, pd.DatetimeIndex(places), np.array(places[2:]), "2024-05-02"):
            found = check_causality(lambda bars: bars["close"].diff(), frame, at)
            assert isinstance(found, Causality)
            assert found.cuts[0] in {frame.index[47], frame.index[48], frame.index[24]}
    assert check_causality(
        lambda bars: bars.diff(), PRICES["close"].to_period("h"), at="2024-05-02"
    )
