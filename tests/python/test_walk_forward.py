"""Folds of a walk: lengths of rows and of time, purging, embargo, symbols, and what keys see."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from afml_cache import Fold, walk_forward

DAYS = pd.date_range("2024-01-01", periods=60, tz="UTC")


@pytest.fixture
def bars() -> pd.DataFrame:
    return pd.DataFrame({"close": np.arange(60.0), "volume": 1.0}, index=DAYS)


def polars_of(bars: pd.DataFrame) -> pl.DataFrame:
    columns = {name: bars[name].to_numpy() for name in bars}
    return pl.DataFrame({"at": list(bars.index.to_pydatetime()), **columns})


def rows(fold: Fold) -> tuple[list[int], list[int]]:
    return fold.train_rows.tolist(), fold.test_rows.tolist()


def all_rows(folds: Any) -> list[tuple[list[int], list[int]]]:
    return [rows(fold) for fold in folds]


def span(start: int, stop: int) -> list[int]:
    return list(range(start, stop))


def test_a_rolling_window_moves_on_by_the_length_of_the_test(bars: pd.DataFrame) -> None:
    folds = walk_forward(bars, train=30, test=10)
    assert all_rows(folds) == [
        (span(0, 30), span(30, 40)),
        (span(10, 40), span(40, 50)),
        (span(20, 50), span(50, 60)),
    ]
    assert [(fold.number, fold.total) for fold in folds] == [(0, 3), (1, 3), (2, 3)]


def test_an_anchored_window_grows_from_its_first_length_on(bars: pd.DataFrame) -> None:
    folds = walk_forward(bars, train=30, test=10, anchored=True)
    assert [len(fold.train) for fold in folds] == [30, 40, 50]
    assert {fold.train_range[0] for fold in folds} == {DAYS[0]}


@pytest.mark.parametrize("train", [30, "30D", dt.timedelta(30), pd.Timedelta(30, "D")])
@pytest.mark.parametrize("test", [10, "240h", np.timedelta64(10, "D"), np.int64(10)])
def test_days_and_rows_of_days_are_the_same_folds(
    bars: pd.DataFrame, train: object, test: object
) -> None:
    folds = walk_forward(bars, train=train, test=test, gap=1, purge="2D", embargo=3)
    same = walk_forward(bars, train=30, test=10, gap=dt.timedelta(1), purge=2, embargo="3D")
    assert all_rows(folds) == all_rows(same)


def test_windows_of_time_have_the_rows_that_there_are(bars: pd.DataFrame) -> None:
    trading = bars[bars.index.day_of_week < 5]
    folds = walk_forward(trading, train="28D", test="7D")
    assert [len(fold.train) for fold in folds] == [20] * 4
    assert [fold.test_range[0] for fold in folds] == list(DAYS[28::7][:4])
    assert [fold.test_range[1].day_name() for fold in folds] == ["Friday"] * 4


def test_a_window_of_time_ends_where_the_test_begins_though_no_row_does(
    bars: pd.DataFrame,
) -> None:
    trading = bars[bars.index.day_of_week < 5]
    fold = walk_forward(trading, train="26D", test="7D")[0]  # the test begins on a Saturday
    assert fold.train_range == (DAYS[0], DAYS[25])
    assert fold.test_range == (DAYS[28], DAYS[32])


def test_tests_without_rows_are_passed_over(bars: pd.DataFrame) -> None:
    trading = bars[bars.index.day_of_week < 5]
    folds = walk_forward(trading, train="28D", test="1D")
    assert {fold.test_range[0].day_of_week for fold in folds} == {0, 1, 2, 3, 4}
    assert [fold.number for fold in folds] == span(0, len(folds))


def test_a_last_test_that_is_cut_short_is_left_out_unless_asked_for(bars: pd.DataFrame) -> None:
    assert [fold.test_rows.tolist() for fold in walk_forward(bars, train=30, test=20)] == [
        span(30, 50)
    ]
    short = walk_forward(bars, train=30, test=20, partial=True)
    assert [fold.test_rows.tolist() for fold in short] == [span(30, 50), span(50, 60)]
    assert all_rows(walk_forward(bars, train="30D", test="20D", partial=True)) == all_rows(short)
    assert all_rows(walk_forward(bars[:41], train=30, test=20, partial=True)) == [
        (span(0, 30), span(30, 41))
    ]


def test_a_gap_keeps_its_distance_before_the_test(bars: pd.DataFrame) -> None:
    folds = walk_forward(bars, train=30, test=10, gap=5)
    assert rows(folds[0]) == (span(0, 30), span(35, 45))
    assert [fold.purged for fold in folds] == [0, 0]


def test_purging_drops_rows_whose_horizon_reaches_the_test(bars: pd.DataFrame) -> None:
    for purge in (3, "3D", dt.timedelta(days=3)):
        fold = walk_forward(bars, train=30, test=10, purge=purge)[0]
        assert rows(fold) == (span(0, 27), span(30, 40))
        assert fold.purged == 3


def test_purging_by_the_ends_of_labels_drops_just_those_that_reach_the_test(
    bars: pd.DataFrame,
) -> None:
    t1 = pd.Series(DAYS + pd.Timedelta("1D"), index=DAYS)
    t1.iloc[20] = DAYS[30]  # ends as the test begins
    t1.iloc[25] = DAYS[29]
    fold = walk_forward(bars.assign(end=t1), train=30, test=10, t1="end")[0]
    assert fold.train_rows.tolist() == [*span(0, 20), *span(21, 29)]
    assert fold.purged == 2
    assert rows(walk_forward(bars, train=30, test=10, t1=t1)[0]) == rows(fold)
    elsewhere = t1.dt.tz_convert("America/New_York").rename_axis("at")
    assert rows(walk_forward(bars, train=30, test=10, t1=elsewhere)[0]) == rows(fold)
    numbered = bars.reset_index(drop=True)
    ends = pd.Series([DAYS.get_loc(end) for end in t1.clip(upper=DAYS[-1])])
    assert rows(walk_forward(numbered, train=30, test=10, t1=ends)[0]) == rows(fold)


def test_an_embargo_keeps_rows_after_a_test_out_of_later_training(bars: pd.DataFrame) -> None:
    for embargo in (4, "4D"):
        folds = walk_forward(bars, train=30, test=10, embargo=embargo)
        assert folds[0].train_rows.tolist() == span(0, 30)
        assert folds[1].train_rows.tolist() == span(10, 40)  # what follows the test is in no window
        assert folds[2].train_rows.tolist() == [*span(20, 40), *span(44, 50)]
        assert [fold.embargoed for fold in folds] == [0, 0, 4]


def test_an_embargo_reaches_into_either_end_of_a_window(bars: pd.DataFrame) -> None:
    folds = walk_forward(bars, train=10, test=5, embargo=2)
    assert folds[2].train_rows.tolist() == [*span(10, 15), *span(17, 20)]
    assert folds[3].train_rows.tolist() == [*span(17, 20), *span(22, 25)]
    shorter = walk_forward(bars, train=7, test=5, step=6, embargo=3)
    assert shorter[1].train_rows.tolist() == span(6, 12)
    assert shorter[2].train_rows.tolist() == [*span(15, 18)]
    assert shorter[2].train_range == (DAYS[15], DAYS[17])


def test_a_row_that_is_purged_does_not_count_as_embargoed(bars: pd.DataFrame) -> None:
    ends = pd.Series(DAYS, DAYS)
    ends.iloc[41] = DAYS[55]
    fold = walk_forward(bars, train=30, test=10, embargo=4, t1=ends)[2]
    assert (fold.purged, fold.embargoed) == (1, 3)
    assert fold.train_rows.tolist() == [*span(20, 40), *span(44, 50)]


def test_labels_are_aware_and_in_utc(bars: pd.DataFrame) -> None:
    local = bars.tz_convert("America/New_York")
    naive = bars.tz_localize(None)
    for data in (bars, local, naive):
        fold = walk_forward(data, train=30, test=10)[0]
        assert fold.train_range == (DAYS[0], DAYS[29])
        assert fold.test_range == (DAYS[30], DAYS[39])
        assert fold.test.index.tz is data.index.tz or fold.test.index.tz == data.index.tz
        assert all(str(end.tz) == "UTC" for end in (*fold.train_range, *fold.test_range))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_units_of_an_index_do_not_count(bars: pd.DataFrame, unit: str) -> None:
    bars.index = bars.index.as_unit(unit)
    assert all_rows(walk_forward(bars, train="30D", test="10D", embargo="1h")) == all_rows(
        walk_forward(bars, train=30, test=10)
    )


def test_timestamps_of_pyarrow_are_times(bars: pd.DataFrame) -> None:
    arrow = bars.set_axis(bars.index.astype("timestamp[us, tz=UTC][pyarrow]"))
    ends = pd.Series(arrow.index, arrow.index)
    folds = walk_forward(arrow, train="30D", test="10D", t1=ends)
    assert all_rows(folds) == all_rows(walk_forward(bars, train=30, test=10))
    assert folds[0].train_range == (DAYS[0], DAYS[29])


def test_frames_of_polars_go_by_their_first_column_of_times() -> None:
    data = pl.DataFrame(
        {"close": range(60), "at": list(DAYS.to_pydatetime()), "end": list(DAYS.to_pydatetime())}
    )
    fold = walk_forward(data, train="30D", test=10, purge=2)[1]
    assert isinstance(fold.train, pl.DataFrame)
    assert fold.train["close"].to_list() == span(10, 38)
    assert fold.test_range == (
        dt.datetime(2024, 2, 10, tzinfo=dt.timezone.utc),
        dt.datetime(2024, 2, 19, tzinfo=dt.timezone.utc),
    )
    by_end = walk_forward(data, train=30, test=10, on="end", t1="at", embargo=1)[2]
    assert by_end.train["close"].to_list() == [*span(20, 40), *span(41, 50)]


def test_dates_of_polars_are_given_as_dates() -> None:
    data = pl.DataFrame({"close": range(60), "day": list(DAYS.date)})
    fold = walk_forward(data, train="30D", test="10D")[0]
    assert fold.test_range == (dt.date(2024, 1, 31), dt.date(2024, 2, 9))


def test_labels_that_are_no_times_do_for_rows(bars: pd.DataFrame) -> None:
    for labels in (range(100, 160), [f"{row:03}" for row in range(60)], np.arange(60) / 2):
        fold = walk_forward(bars.set_axis(labels), train=30, test=10, embargo=1)[2]
        assert fold.train_rows.tolist() == [*span(20, 40), *span(41, 50)]
        assert fold.test_range == (labels[50], labels[59])
    fold = walk_forward(pl.DataFrame({"close": range(60)}), train=30, test=10)[0]
    assert fold.test_range == (30, 39)


def test_periods_and_a_level_of_times_are_times() -> None:
    months = pd.Series(range(24), pd.period_range("2022-01", periods=24, freq="M"))
    fold = walk_forward(months, train="365D", test=6)[1]
    assert fold.test_range == (pd.Period("2023-07"), pd.Period("2023-12"))
    panel = pd.DataFrame(
        {"close": 1.0}, pd.MultiIndex.from_product([["A", "B"], DAYS], names=["symbol", "at"])
    ).sort_index(level="at", sort_remaining=False)
    fold = walk_forward(panel, train="30D", test="10D")[0]
    assert (len(fold.train), len(fold.test)) == (60, 20)


def test_rows_of_one_label_are_never_parted_by_lengths_of_time(bars: pd.DataFrame) -> None:
    twice = bars.loc[bars.index.repeat(2)]
    folds = walk_forward(twice, train="30D", test="10D")
    assert all_rows(folds)[0] == (span(0, 60), span(60, 80))
    assert all_rows(walk_forward(twice, train=60, test=20)) == all_rows(folds)


def test_symbols_are_walked_through_together(bars: pd.DataFrame) -> None:
    data = {"A": bars, "B": bars.iloc[5:50:2], "C": polars_of(bars.iloc[40:])}
    folds = walk_forward(data, train=30, test="10D", purge=1, embargo=2)
    first, second, third = folds
    assert {symbol: len(frame) for symbol, frame in first.train.items()} == {
        "A": 29,
        "B": 12,
        "C": 0,
    }
    assert {symbol: each.tolist() for symbol, each in second.test_rows.items()} == {
        "A": span(40, 50),
        "B": span(18, 23),
        "C": span(0, 10),
    }
    assert third.train_rows["A"].tolist() == [*span(20, 40), *span(42, 49)]
    assert third.train_rows["B"].tolist() == [*span(8, 18), *span(20, 22)]
    assert isinstance(third.train["C"], pl.DataFrame)
    assert first.train_range == (DAYS[0], DAYS[28])
    assert (first.purged, first.embargoed) == (2, 0)


def test_a_symbol_of_which_nothing_is_left_has_an_empty_frame(bars: pd.DataFrame) -> None:
    folds = walk_forward({"A": bars, "B": bars.iloc[[40]]}, train=20, test=10, embargo=1)
    assert [len(fold.train["B"]) for fold in folds] == [0, 0, 0, 0]
    assert [fold.embargoed for fold in folds] == [0, 0, 1, 3]
    assert len(folds[2].test["B"]) == 1


def test_a_fold_says_what_it_is(bars: pd.DataFrame) -> None:
    fold = walk_forward(bars, train=30, test=10, purge=2)[0]
    assert str(fold) == (
        "fold 0 of 3: train 2024-01-01 00:00:00+00:00 to 2024-01-28 00:00:00+00:00 (28 rows, "
        "2 purged, 0 embargoed), test 2024-01-31 00:00:00+00:00 to 2024-02-09 00:00:00+00:00 "
        "(10 rows)"
    )
    assert repr(fold) == f"<{fold}>"
    assert "3 folds" in repr(walk_forward(bars, train=30, test=10))


def test_a_walk_is_a_sequence(bars: pd.DataFrame) -> None:
    folds = walk_forward(bars, 30, 10)
    assert len(folds) == 3
    assert rows(folds[-1]) == rows(list(folds)[2])
    assert [fold.number for fold in folds[1:]] == [1, 2]
    with pytest.raises(IndexError):
        folds[3]
