"""What functions by periods take and give: dtypes, what is refused, and margins too short."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from labelled_bars import assert_same, days, monthly, rises

from afml_cache import CacheConfigError, CacheWriteWarning, SchemaError, time_aware_cacheable


def by_length(*given: Any) -> Any:
    """A function that gives the first of these for January, and the second for February."""

    def give(bars: pd.DataFrame) -> Any:
        return given[0 if bars.index[0].month == 1 else 1](bars)

    return monthly(give, lookahead=0)


TWO = days("2024-01-01", "2024-02-29")


def test_whole_numbers_and_floats_are_floats_together() -> None:
    cached = by_length(lambda bars: bars["volume"].astype("int64"), lambda bars: bars["volume"] / 2)
    assert cached(TWO).dtype == np.float64
    huge = by_length(lambda bars: bars["volume"] + 2**60, lambda bars: bars["volume"] / 2)
    with pytest.raises(SchemaError, match="its values as int64 for 2024-01 and as float64"):
        huge(TWO.astype({"volume": "int64"}))


def test_columns_that_differ_alone_are_adapted() -> None:
    def give(bars: pd.DataFrame) -> pd.DataFrame:
        found = bars.assign(
            day=bars.index.day_name().astype("category"), rows=bars["volume"].astype("int64")
        )
        late = bars.index > "2024-02-15"
        return found.assign(rows=found["rows"].where(~late) if late.any() else found["rows"])

    cached = monthly(give, lookahead=0)
    bars = days("2024-01-01", "2024-02-29")
    assert_same(cached(bars), give(bars))


def test_columns_of_one_name_are_told_apart_by_their_place() -> None:
    def give(bars: pd.DataFrame) -> pd.DataFrame:
        twice = bars[["volume", "volume"]].astype("int64")
        return twice / 2 if bars.index[0].month == 2 else twice

    found = monthly(give, lookahead=0)(TWO)
    assert found.columns.tolist() == ["volume", "volume"]
    assert found.dtypes.tolist() == [np.float64, np.float64]


def test_categories_of_values_are_those_of_all_periods() -> None:
    cached = monthly(
        lambda bars: bars.index.month_name().to_series(bars.index).astype("category"), lookahead=0
    )
    bars = days("2024-01-01", "2024-06-28")
    assert_same(cached(bars), cached.__wrapped__(bars))
    ordered = by_length(
        *[
            lambda bars, most=most: pd.Series("a", bars.index).astype(
                pd.CategoricalDtype(["a", most], ordered=True)
            )
            for most in "bc"
        ]
    )
    with pytest.raises(SchemaError, match="category for 2024-01"):
        ordered(TWO)


def test_objects_among_truths_are_objects_together() -> None:
    def seen(bars: pd.DataFrame) -> pd.Series:
        return (
            (bars["close"] > 0).where(bars.index.day != 15, None)
            if (bars.index.day == 15).any()
            else (bars["close"] > 0)
        )

    bars = days("2024-01-01", "2024-06-28")  # in June the 15th is no weekday
    assert_same(monthly(seen, lookahead=0)(bars), seen(bars))


def test_periods_without_rows_say_nothing_of_dtypes() -> None:
    cached = by_length(
        lambda bars: pd.Series([], bars.index[:0], dtype=object), lambda bars: bars["volume"]
    )
    assert_same(cached(TWO), TWO.loc["2024-02", "volume"].rename("volume"))
    nothing = monthly(lambda bars: bars["close"].iloc[:0], lookahead=0)
    assert_same(nothing(TWO), TWO["close"].iloc[:0])


REFUSED: dict[str, tuple[Any, str]] = {
    "a number": (lambda bars: len(bars) / 2, "gives for 2024-01 a result of type float"),
    "a dictionary": (lambda bars: {"a": bars}, "of type dict"),
    "an array": (lambda bars: bars["close"].to_numpy(), "of type ndarray"),
    "rows by number": (lambda bars: bars.reset_index(), "whose index is of int64"),
    "another zone": (lambda bars: bars.tz_localize("UTC"), "whose index is of datetime64"),
    "other times": (lambda bars: bars.shift(1, freq="12h"), "row 0 is labelled with no time"),
    "times beyond": (lambda bars: bars.shift(1, freq="365D"), "row 0 is labelled with no time"),
    "rows twice": (lambda bars: bars.iloc[[0, 1, 1]], r"row 2 \(2024-01-02 00:00:00\) repeats"),
    "rows backwards": (lambda bars: bars[::-1], "row 1 .* comes behind a later one"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_result_without_rows_of_the_frame_is_refused(what: str) -> None:
    function, message = REFUSED[what]
    with pytest.raises(SchemaError, match=message):
        monthly(function, lookahead=0)(TWO)


def whole(bars: pd.DataFrame) -> pd.DataFrame:
    return bars


def closes(bars: pd.DataFrame) -> pd.Series:
    return bars["close"]


UNLIKE: dict[str, tuple[Any, Any, str]] = {
    "classes": (whole, closes, "its result as 'DataFrame'"),
    "columns": (whole, lambda bars: bars[["close"]], r"its columns as \['close', 'volume'\]"),
    "order": (whole, lambda bars: bars.iloc[:, ::-1], "its columns as"),
    "names": (closes, lambda bars: bars["close"].rename("c"), "its name as 'close'"),
    "dtypes": (whole, lambda bars: bars.astype({"volume": str}), "column 'volume' as int32"),
    "labels": (whole, lambda bars: bars.rename_axis("t"), "the name of its index as None"),
}


@pytest.mark.parametrize("what", UNLIKE)
def test_results_that_are_unlike_are_refused(what: str) -> None:
    one, other, message = UNLIKE[what]
    with pytest.raises(SchemaError, match=message):
        by_length(one, other)(TWO.astype({"volume": "int32"}))


def test_a_frame_out_of_order_is_refused() -> None:
    cached = monthly(rises)
    with pytest.raises(
        CacheConfigError, match=r"`bars` of `.*rises` is not in order.*row 1 \(2024-02-28"
    ):
        cached(TWO[::-1])
    with pytest.raises(
        CacheConfigError, match=r"row 3 \(2024-01-03.* has the label of the row before"
    ):
        cached(TWO.iloc[[0, 1, 2, 2, 3]])
    with pytest.raises(CacheConfigError, match="has no time in row 1"):
        cached(TWO.set_axis([TWO.index[0], pd.NaT, *TWO.index[2:]]))
    for other in (TWO.reset_index(), 5, TWO.set_index("volume", append=True)):
        with pytest.raises(CacheConfigError, match="none of its arguments is a frame or series"):
            cached(other)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no margins": ({"by": "month"}, "`by` needs `lookback`: how far before a row"),
    "no lookahead": ({"by": "month", "lookback": 0}, "`by` needs `lookahead`.*0 says that"),
    "no periods": ({"lookback": 0}, "`lookback` says what a period sees .*give `by` too"),
    "neither": ({"lookahead": "5D"}, "`lookahead` says what a period sees"),
    "an hour": ({"by": "h", "lookback": 0, "lookahead": 0}, '`by` takes "day", "week"'),
    "an anchor of starts": ({"by": "QS-JAN", "lookback": 0, "lookahead": 0}, "`by` takes"),
    "a number": ({"by": 5, "lookback": 0, "lookahead": 0}, "`by` takes"),
    "backwards": ({"by": "D", "lookback": -1, "lookahead": 0}, "`lookback` takes nothing or more"),
    "no length": ({"by": "D", "lookback": "far", "lookahead": 0}, "`lookback` takes rows"),
    "no number": ({"by": "D", "lookback": float("nan"), "lookahead": 0}, "`lookback` takes rows"),
    "a text of digits": ({"by": "D", "lookback": 0, "lookahead": "5"}, "`lookahead` takes rows"),
}


@pytest.mark.parametrize("what", WRONG)
def test_options_that_cannot_be_right_are_refused(what: str) -> None:
    options, message = WRONG[what]
    with pytest.raises(CacheConfigError, match=message):
        time_aware_cacheable(**options)


def test_coroutine_functions_are_refused() -> None:
    async def label(bars: pd.DataFrame) -> pd.DataFrame:
        return bars

    with pytest.raises(CacheConfigError, match="a coroutine function computed by periods"):
        monthly(label)


def test_what_leaves_the_rows_out_of_the_key_is_refused() -> None:
    with pytest.raises(CacheConfigError, match="either `by` or `key`"):
        monthly(rises, key=len)
    cached = monthly(rises, ignore="bars")
    with pytest.raises(CacheConfigError, match="told apart by the rows of `bars`"):
        cached(TWO)


def test_a_short_margin_is_found() -> None:
    bars = days("2024-01-01", "2024-04-30")
    short = monthly(rises, lookahead=4).check(bars)
    assert not short
    assert (short.first.period, f"{short.first.label:%m-%d}") == ("2024-01", "01-31")
    assert "row 2024-01-31 00:00:00 (2024-01) of rises is" in str(short)
    assert bool(monthly(rises).check(bars))
    assert "the same rows by 4 periods" in str(monthly(rises).check(bars))


def test_a_check_tells_of_rows_columns_and_dtypes_that_differ() -> None:
    bars = days("2024-01-01", "2024-02-29")
    tail = monthly(lambda bars: bars["close"].iloc[2:], lookahead=0).check(bars)
    assert (tail.first.period, tail.first.whole, tail.first.parts) == (
        "2024-02",
        "there",
        "missing",
    )
    named = monthly(
        lambda bars: bars[["close"]].rename(columns=lambda _: f"c{len(bars) > 30}"), lookahead=0
    )
    assert str(named.check(bars)).endswith("every row is ['cTrue'], and ['cFalse'] by periods")
    typed = monthly(
        lambda bars: bars["volume"].astype("int8" if len(bars) > 30 else "int64"), lookahead=0
    )
    assert typed.check(bars).first.whole == np.dtype("int8")
    kinds = monthly(lambda bars: bars if len(bars) > 30 else bars["close"], lookahead=0)
    assert kinds.check(bars).first.parts == "Series"


def test_times_that_are_missing_are_equal() -> None:
    touched = monthly(lambda bars: bars.index.to_series().shift(-5), lookahead=5)
    assert touched(TWO).isna().sum() == 5
    assert touched.check(TWO)
    assert touched.check(TWO, rtol=0, atol=0)


def test_a_body_that_writes_to_its_rows_changes_no_others() -> None:
    def moves(bars: pd.DataFrame) -> pd.Series:
        bars["close"] *= 2
        return bars["close"].diff()

    bars = days("2024-01-01", "2024-03-29")
    before = bars.copy()
    with pytest.warns(CacheWriteWarning, match="changed its argument `bars`"):
        found = monthly(moves, lookback=1, lookahead=0)(bars)
    pd.testing.assert_frame_equal(bars, before)
    assert_same(found, moves(before))
