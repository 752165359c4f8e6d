"""What no fold can be made of is refused, and the message says what and why."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from afml_cache import CacheConfigError, CacheError, LeakageError, walk_forward

DAYS = pd.date_range("2024-01-01", periods=30, tz="UTC")
BARS = pd.DataFrame({"close": np.arange(30.0)}, index=DAYS)
NAIVE = BARS.tz_localize(None)
NUMBERED = BARS.reset_index(drop=True)
LABELS = pd.Series(DAYS + pd.Timedelta("1D"), index=DAYS)
POLARS = pl.DataFrame({"at": list(DAYS.to_pydatetime()), "close": range(30)})


@pytest.mark.parametrize("option", ["train", "test", "step", "gap", "purge", "embargo"])
@pytest.mark.parametrize("value", [1.5, True, "soon", "90", "1M", -1, "-1D", pd.NaT, [1], ""])
def test_a_length_that_is_none_is_refused(option: str, value: Any) -> None:
    with pytest.raises(CacheConfigError, match=f"`{option}` takes"):
        walk_forward(BARS, **{"train": 10, "test": 5, option: value})


@pytest.mark.parametrize("option", ["train", "test", "step"])
@pytest.mark.parametrize("value", [0, "0D", dt.timedelta(0)])
def test_a_window_of_nothing_is_refused(option: str, value: Any) -> None:
    with pytest.raises(CacheConfigError, match=f"`{option}` takes more than nothing"):
        walk_forward(BARS, **{"train": 10, "test": 5, option: value})


@pytest.mark.parametrize("option", ["train", "test", "step", "gap", "purge", "embargo"])
@pytest.mark.parametrize("data", [NUMBERED, pl.DataFrame({"a": range(30)}), {"A": NUMBERED}])
def test_a_length_of_time_needs_labels_that_are_times(option: str, data: Any) -> None:
    with pytest.raises(CacheConfigError, match=rf"`{option}` is a length of time \('2D'\)"):
        walk_forward(data, **{"train": 10, "test": 5, option: "2D"})


DATA = {
    "no rows": (BARS.iloc[:0], "`data` has no rows"),
    "no symbols": ({}, "no symbols"),
    "an empty symbol": ({"A": BARS, "B": BARS.iloc[:0]}, r"`data\['B'\]` has no rows"),
    "out of order": (BARS.iloc[::-1], r"2024-01-29 .* \(row 1\) comes after 2024-01-30"),
    "out of order in polars": (POLARS.reverse(), "not in the order"),
    "a missing label": (BARS.set_axis([*DAYS[:29], pd.NaT]), "without a label"),
    "a missing number": (BARS.set_axis([*range(29), np.nan]), "without a label"),
    "a null": (POLARS.with_columns(pl.col("at").shift(1)), "without a label"),
    "labels of several types": (BARS.set_axis([*range(29), "a"]), "labels of several types"),
    "an array": (BARS.to_numpy(), "takes a frame or series"),
    "None": (None, "takes a frame or series"),
    "a lazy frame": (POLARS.lazy(), r"collect\(\)"),
    "a series of polars": (POLARS["at"], "takes a polars DataFrame"),
    "times and numbers": ({"A": BARS, "B": NUMBERED}, "labels of different kinds"),
    "numbers and texts": (
        {"A": NUMBERED, "B": NUMBERED.set_axis(list(map(str, range(100, 130))))},
        "labels of different kinds",
    ),
    "a zone and none": ({"A": BARS, "B": NAIVE}, "one of .* with a time zone"),
    "too far in the future": (
        pl.DataFrame({"at": [dt.date(2900, 1, 1), dt.date(2900, 1, 2)]}),
        "1677 to 2262",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_data_without_an_order_of_times_or_numbers_is_refused(case: str) -> None:
    data, message = DATA[case]
    with pytest.raises(CacheConfigError, match=message):
        walk_forward(data, train=10, test=5)


@pytest.mark.parametrize(
    "lengths",
    [
        {"train": 30, "test": 1},
        {"train": 28, "test": 2, "gap": 1},
        {"train": "30D", "test": "1h"},
        {"train": "26D", "test": 5},
        {"train": 10**30, "test": 5},
        {"train": 5, "test": "90000D"},
    ],
)
def test_a_walk_that_is_longer_than_the_data_is_refused(lengths: dict[str, Any]) -> None:
    with pytest.raises(CacheConfigError, match="longer than the data, 30 rows"):
        walk_forward(BARS, **lengths)


def test_a_step_of_the_wrong_unit_is_refused() -> None:
    with pytest.raises(CacheConfigError, match=r"`step` of '1us' makes \d{11,} folds"):
        walk_forward(BARS, train=10, test=5, step="1us")


def test_a_fold_with_nothing_to_train_on_is_refused() -> None:
    apart = pd.concat([BARS.iloc[:10], BARS.iloc[20:]])
    with pytest.raises(CacheConfigError, match="fold 1 has nothing left to train on"):
        walk_forward(apart, train="5D", test="5D")
    with pytest.raises(CacheConfigError, match="fold 0 has nothing left to train on"):
        walk_forward(BARS, train=5, test=5, purge=5)
    with pytest.raises(CacheConfigError, match="fold 2 has nothing left to train on"):
        walk_forward(BARS, train=5, test=5, embargo="1D", step=5, purge=4)


ENDS = {
    "other labels": (LABELS.shift(1, freq="D"), "other labels than `data`"),
    "another order": (LABELS.iloc[::-1], "other labels than `data`"),
    "fewer": (LABELS.iloc[1:], "29 values, and `data` has 30 rows"),
    "no series": (list(LABELS), "takes a series of pandas"),
    "of polars": (pl.Series(range(30)), "takes a series of pandas"),
    "no column": ("end", "no column 'end'"),
    "lengths": (pd.Series(pd.Timedelta("1D"), DAYS), "its values are to be times too"),
    "numbers": (pd.Series(range(30), DAYS), "its values are to be times too"),
    "no zone": (LABELS.dt.tz_localize(None), "with a time zone, and `t1` values with no"),
    "before they begin": (LABELS - pd.Timedelta("2D"), "2024-01-01 .* end before it begins"),
}


@pytest.mark.parametrize("case", ENDS)
def test_ends_that_do_not_fit_the_rows_are_refused(case: str) -> None:
    t1, message = ENDS[case]
    with pytest.raises(CacheConfigError, match=message):
        walk_forward(BARS, train=10, test=5, t1=t1)


@pytest.mark.parametrize(
    ("data", "t1", "message"),
    [
        (POLARS, LABELS, "takes a series of polars"),
        (POLARS, pl.Series(range(30)), "can't be compared"),
        (
            POLARS,
            pl.Series(list(NAIVE.index.to_pydatetime())),
            "with a time zone, and `t1` values with no",
        ),
        (POLARS, POLARS["at"][:20], "20 values"),
        (NUMBERED, LABELS.reset_index(drop=True), "are times or numbers"),
        (NUMBERED.set_axis(list(map(str, range(100, 130)))), "close", "are times or numbers"),
        ({"A": BARS, "B": BARS}, LABELS, "a dictionary with the symbols"),
        ({"A": BARS, "B": BARS}, {"A": LABELS}, r"not \['A'\]"),
    ],
)
def test_ends_of_another_kind_than_the_labels_are_refused(data: Any, t1: Any, message: str) -> None:
    with pytest.raises(CacheConfigError, match=message):
        walk_forward(data, train=10, test=5, t1=t1)


def test_a_column_of_labels_must_be_there() -> None:
    for data in (BARS, BARS["close"], POLARS):
        with pytest.raises(CacheConfigError, match="no column 'when'"):
            walk_forward(data, train=10, test=5, on="when")


def test_leakage_is_an_error_of_values_and_of_this_package() -> None:
    assert issubclass(LeakageError, CacheError)
    assert issubclass(LeakageError, ValueError)


def test_rows_of_one_label_on_both_sides_are_refused() -> None:
    twice = BARS.set_axis(DAYS[np.arange(30) // 2])
    with pytest.raises(LeakageError, match=r"row 8 of `data` has the label .* 2024-01-05 00:00:00"):
        walk_forward(twice, train=9, test=5)
    assert len(walk_forward(twice, train=9, test=5, step=20, gap=1)) == 1
    assert len(walk_forward(twice, train=9, test=5, step=20, purge=1)) == 1
    with pytest.raises(LeakageError, match="has the label"):
        walk_forward(twice.set_axis([f"{row // 2:02}" for row in range(30)]), train=9, test=5)


def test_a_label_without_an_end_in_the_training_is_refused() -> None:
    open_end = LABELS.copy()
    open_end.iloc[-1] = pd.NaT
    assert len(walk_forward(BARS, train=10, test=5, t1=open_end)) == 4  # it is in no training
    open_end.iloc[7] = pd.NaT
    with pytest.raises(LeakageError, match=r"no end for the label of 2024-01-08 .* \(row 7 of"):
        walk_forward(BARS, train=10, test=5, t1=open_end)
    nulls = pl.when(pl.col("close") != 7).then("at")
    with pytest.raises(LeakageError, match="no end"):
        walk_forward(POLARS.with_columns(end=nulls), train=10, test=5, t1="end")
    with pytest.raises(LeakageError, match="no end"):
        walk_forward(NUMBERED, train=10, test=5, t1=NUMBERED["close"].where(NUMBERED.index != 3))


def test_a_label_that_reaches_past_the_purge_is_refused() -> None:
    far = LABELS.copy()
    far.iloc[5] = DAYS[12]
    for purge in (2, "2D"):
        with pytest.raises(LeakageError, match=r"row 5 of `data`, 2024-01-06 .* leave `purge` out"):
            walk_forward(BARS, train=10, test=5, purge=purge, t1=far)
    assert walk_forward(BARS, train=10, test=5, purge=5, t1=far)[0].purged == 5
    assert walk_forward(BARS, train=10, test=5, t1=far)[0].purged == 2


def test_a_leak_in_one_symbol_is_named() -> None:
    far = LABELS.copy()
    far.iloc[5] = DAYS[12]
    with pytest.raises(LeakageError, match=r"row 5 of `data\['B'\]`"):
        walk_forward({"A": BARS, "B": BARS}, train=10, test=5, purge=1, t1={"A": LABELS, "B": far})


@pytest.mark.parametrize("name", ["", " ", "two\nlines", 5])
def test_a_dataset_is_named_in_one_line(name: Any) -> None:
    with pytest.raises(CacheConfigError, match="`dataset` takes a text of one line"):
        walk_forward(BARS, train=10, test=5, dataset=name)
