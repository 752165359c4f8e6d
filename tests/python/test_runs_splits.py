"""Walk-forward splits: their versions, and their rows, kept once, which come back exactly."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest
from backtests import bars, polars_bars

from afml_cache import BacktestCache, CacheConfigError, LeakageError, RankingWarning

DATA = bars(200)


@pytest.fixture
def cache():
    return BacktestCache()


def stored_rows(cache):
    """How many rows lie in the store, over all files."""
    return sum(len(cache.native.frame(content)) for content, _ in cache.native.frames())


def keep(cache, folds, split="split"):
    for number, (train, test) in enumerate(folds):
        cache.cache_walk_forward_split(split, train, test, number, len(folds))


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for symbol in one:
            assert_same(one[symbol], other[symbol])
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_freq=True)
        assert one.attrs == other.attrs
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_freq=True)
    else:
        polars.testing.assert_frame_equal(one, other)


def assert_kept(cache, folds, split="split"):
    for number, (train, test) in enumerate(folds):
        fold = cache.get_walk_forward_split(split, number, frames=True)
        assert_same(fold["train_data"], train)
        assert_same(fold["test_data"], test)


def test_a_fold_has_its_shape(cache):
    name = cache.cache_walk_forward_split("2024", DATA[:150], DATA[150:], np.int64(3), 5)
    assert name == "2024_fold_3"
    fold = cache.get_walk_forward_split("2024", 3)
    begin = dt.datetime(2023, 1, 2, tzinfo=dt.timezone.utc)
    day = dt.timedelta(days=1)
    assert fold["train_range"] == (begin, begin + 149 * day)
    assert fold["test_range"] == (begin + 150 * day, begin + 199 * day)
    assert len(fold["train_hash"]) == len(fold["test_hash"]) == 32
    rest = {key: fold[key] for key in ("split_id", "fold", "total_folds", "version")}
    assert rest == {"split_id": "2024", "fold": 3, "total_folds": 5, "version": 1}
    assert set(fold) == {*rest, "train_range", "test_range", "train_hash", "test_hash"}
    assert cache.get_walk_forward_split("2024", 2) is None
    assert cache.get_walk_forward_split("2023", 3) is None


def test_other_rows_are_a_new_version_and_the_same_are_none(cache, recwarn):
    for _ in range(2):
        cache.cache_walk_forward_split("split", DATA[:150], DATA[150:], 0, 1)
    assert not recwarn.list
    restated = DATA.copy()
    restated.iloc[10, 0] += 1
    with pytest.warns(RankingWarning, match="fold 0 of the split 'split' has other rows .* 2;"):
        cache.cache_walk_forward_split("split", restated[:150], DATA[150:], 0, 1)
    assert cache.get_walk_forward_split("split", 0)["version"] == 2
    for version, expected in ((1, DATA), (2, restated)):
        fold = cache.get_walk_forward_split("split", 0, version=version, frames=True)
        assert_same(fold["train_data"], expected[:150])
    assert cache.get_walk_forward_split("split", 0, version=3) is None
    cache.cache_walk_forward_split("split", restated[:150], DATA[150:], 0, 4)
    fold = cache.get_walk_forward_split("split", 0)
    assert (fold["version"], fold["total_folds"]) == (2, 4)


FOLDS = {
    "expanding": [(0, 60, 80), (0, 80, 100), (0, 100, 120), (0, 180, 200)],
    "sliding": [(0, 60, 80), (20, 80, 100), (40, 100, 120), (140, 180, 200)],
    "backwards": [(140, 180, 200), (40, 100, 120), (20, 80, 100), (0, 60, 80)],
    "inner": [(0, 150, 200), (30, 60, 70), (140, 160, 180)],
}


def cut(data, start, stop):
    return data[start:stop] if isinstance(data, pl.DataFrame) else data.iloc[start:stop]


def folds_of(data, name):
    return [
        (cut(data, start, middle), cut(data, middle, stop)) for start, middle, stop in FOLDS[name]
    ]


@pytest.mark.parametrize("name", FOLDS)
def test_rows_are_kept_once(cache, name):
    keep(cache, folds_of(DATA, name))
    assert_kept(cache, folds_of(DATA, name))
    covered = {row for start, _, stop in FOLDS[name] for row in range(start, stop)}
    assert stored_rows(cache) == len(covered)


@pytest.mark.parametrize(
    "data",
    [
        bars(200, freq="h").tz_localize("Europe/Berlin"),
        pd.DataFrame(DATA.to_numpy(), pd.DatetimeIndex(DATA.index, freq=None), ["a", "b"]),
        DATA["close"],
        DATA.reset_index(drop=True),
        DATA.set_axis(np.arange(0, 400, 2)),
        bars(200, symbol="EURUSD"),
        polars_bars(200),
        polars_bars(200).with_columns(pl.col("time").dt.date()),
    ],
    ids=["zone", "no freq", "series", "range", "numbers", "attrs", "polars", "dates"],
)
def test_rows_of_any_kind_come_back_exactly(cache, data):
    for name in FOLDS:
        keep(cache, folds_of(data, name), name)
    for name in FOLDS:
        assert_kept(cache, folds_of(data, name), name)
    assert stored_rows(cache) == 200


def test_a_slice_of_a_kept_frame_costs_no_second_copy(cache):
    keep(cache, [(DATA, DATA[100:])])
    assert len(cache.native.frames()) == 1
    keep(cache, [(DATA[10:50], DATA[50:70])], "inner")
    assert len(cache.native.frames()) == 1
    assert_kept(cache, [(DATA[10:50], DATA[50:70])], "inner")


def test_restated_rows_are_kept_beside_the_others(cache):
    restated = DATA.copy()
    restated.iloc[190, 0] += 1
    keep(cache, [(DATA[:150], DATA[150:])])
    keep(cache, [(DATA[:150], restated[150:])], "restated")
    assert stored_rows(cache) == 250
    assert_kept(cache, [(DATA[:150], DATA[150:])])
    assert_kept(cache, [(DATA[:150], restated[150:])], "restated")


@pytest.mark.parametrize(
    "data",
    [
        DATA.set_axis(DATA.index.repeat(2)[:200]),
        DATA.iloc[::-1],
        DATA.set_axis([f"row {number}" for number in range(200)]),
        DATA.set_axis(pd.MultiIndex.from_product([range(100), ["a", "b"]])),
        DATA.set_axis(DATA.index.where(np.arange(200) != 7)),
        polars_bars(200).drop("time"),
        DATA.iloc[:0],
    ],
    ids=["duplicates", "backwards", "texts", "levels", "missing", "no times", "empty"],
)
def test_rows_without_an_order_of_their_own_are_kept_whole(cache, data):
    folds = [(cut(data, 0, 150), cut(data, 150, 200)), (cut(data, 0, 120), cut(data, 120, 150))]
    keep(cache, folds)
    assert_kept(cache, folds)


def test_rows_whose_distance_changes_come_back_exactly(cache):
    weekdays = bars(30, freq="B")
    gapped = weekdays.drop(weekdays.index[[10, 11]])
    folds = [(weekdays[:10], weekdays[10:]), (gapped[:15], gapped[15:]), (weekdays, gapped)]
    keep(cache, folds)
    assert_kept(cache, folds)


@pytest.mark.parametrize("names", [("EURUSD", "GBPUSD"), (1, "1")], ids=str)
def test_symbols_come_back_under_their_names(cache, names):
    one, other = bars(200, seed=1), bars(150, seed=2)
    folds = [
        ({names[0]: one[:100], names[1]: other[:100]}, {names[0]: one[100:], names[1]: other[100:]})
    ]
    keep(cache, folds)
    assert_kept(cache, folds)
    fold = cache.get_walk_forward_split("split", 0)
    assert fold["test_range"][1] == one.index[-1].tz_localize("UTC")


def test_two_frames_of_one_time_are_not_mixed_up(cache):
    other = bars(200, seed=9)
    folds = [(DATA[:100], DATA[100:]), (other[:150], other[150:])]
    keep(cache, folds)
    assert_kept(cache, folds)
    assert stored_rows(cache) == 400


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"split_id": ""}, "`split_id` is what the split is called"),
        ({"split_id": 5}, "`split_id` is what the split is called"),
        ({"fold_number": -1}, "`fold_number` is a whole number from 0 on"),
        ({"fold_number": True}, "`fold_number` is a whole number from 0 on"),
        ({"total_folds": 0}, "`total_folds` is a whole number from 1 on"),
        ({"total_folds": 1.5}, "`total_folds` is a whole number from 1 on"),
    ],
    ids=str,
)
def test_numbers_of_folds_are_checked(cache, wrong, said):
    numbers = {"split_id": "x", "fold_number": 0, "total_folds": 1, **wrong}
    with pytest.raises(CacheConfigError, match=said):
        cache.cache_walk_forward_split(train_data=DATA, test_data=DATA, **numbers)


def test_a_walk_over_other_rows_is_a_new_version_and_the_latest_is_given(cache):
    walk = {"train": 100, "test": 20, "split_id": "walk"}
    for data, version in ((DATA, 1), (DATA * 1.01, 2), (DATA, 3), (DATA, 3)):
        folds = list(cache.walk_forward(data, **walk))
        found = cache.get_walk_forward_split("walk", 4)
        assert (found["train_hash"], found["version"]) == (folds[4].train_hash, version)


def test_a_walk_notes_its_folds_and_keeps_no_rows(cache):
    data = bars(240)
    for _ in range(2):
        folds = list(cache.walk_forward(data[:200], train=100, test=20, split_id="walk"))
    assert len(folds) == 5
    assert cache.native.frames() == []
    kept = cache.get_walk_forward_split("walk", 4, frames=True)
    assert (kept["version"], kept["train_data"], kept["test_data"]) == (1, None, None)
    assert kept["test_range"] == folds[4].test_range
    longer = list(cache.walk_forward(data, train=100, test=20, split_id="walk"))
    assert cache.get_walk_forward_split("walk", 4)["version"] == 1
    assert len(longer) == 7


def test_a_walk_is_checked_before_its_first_fold(cache):
    with pytest.raises(CacheConfigError):
        cache.walk_forward(DATA, train=0, test=20)
    ends = pd.Series(DATA.index + pd.Timedelta(days=30), DATA.index)
    with pytest.raises(LeakageError):
        cache.walk_forward(DATA, train=100, test=20, purge=1, t1=ends)
