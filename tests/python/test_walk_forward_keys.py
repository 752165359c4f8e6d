"""Folds are views of the data, and their content is what keys are made of."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest

from afml_cache import Fold, digest, robust_cacheable, walk_forward

DAYS = pd.date_range("2024-01-01", periods=60, tz="UTC")


@pytest.fixture
def bars() -> pd.DataFrame:
    return pd.DataFrame({"close": np.arange(60.0), "volume": 1.0}, index=DAYS)


def polars_of(bars: pd.DataFrame) -> pl.DataFrame:
    columns = {name: bars[name].to_numpy() for name in bars}
    return pl.DataFrame({"at": list(bars.index.to_pydatetime()), **columns})


def test_nothing_is_copied_where_rows_are_neighbours() -> None:
    count = 200_000
    index = pd.date_range("2020", periods=count, freq="min", tz="UTC")
    bars = pd.DataFrame(np.zeros((count, 3)), index=index)
    t1 = pd.Series(index + pd.Timedelta("30min"), index=index)
    folds = walk_forward(bars, train="50D", test="12h", anchored=True, t1=t1, gap=5)
    assert len(folds) > 100
    for fold in folds:
        assert np.shares_memory(fold.train.to_numpy(), bars.to_numpy())
        assert fold.purged == 25


def test_digests_of_a_fold_stay_as_rows_are_appended(bars: pd.DataFrame) -> None:
    later = pd.DataFrame(
        {"close": 1.0, "volume": 2.0}, pd.date_range("2024-03-01", periods=40, tz="UTC")
    )
    for longer, data in (
        (pd.concat([bars, later]), bars),
        (pl.concat([polars_of(bars), polars_of(later)]), polars_of(bars)),
    ):
        options = {"train": 20, "test": 10, "anchored": True, "purge": 1, "embargo": 1}
        before, after = walk_forward(data, **options), walk_forward(longer, **options)
        assert len(after) == len(before) + 4
        for old, new in zip(before, after[: len(before)], strict=True):
            assert digest(old.train) == digest(new.train) == old.train_hash == new.train_hash
            assert old.test_hash == new.test_hash
            assert old.key == new.key
        assert len({fold.key for fold in after}) == len(after)


def test_an_expanding_window_computes_only_what_is_new(bars: pd.DataFrame) -> None:
    @robust_cacheable
    def score(train: pd.DataFrame, test: pd.DataFrame) -> float:
        return float(test["close"].mean() - train["close"].mean())

    for data in (bars.iloc[:50], bars, bars):
        for fold in walk_forward(data, train=20, test=10, anchored=True):
            score(fold.train, fold.test)
    assert score.cache_info().misses == 4
    assert score.cache_info().hits == 7


def test_a_fold_as_an_argument_counts_with_all_that_a_function_sees(bars: pd.DataFrame) -> None:
    first, second, *_ = folds = walk_forward(bars, train=20, test=10)
    assert digest(first) == digest(folds[0])
    assert digest(first) != digest(second)
    assert digest(first) != digest(walk_forward(bars.iloc[:40], train=20, test=10)[0])


@pytest.mark.parametrize("again", [lambda fold: pickle.loads(pickle.dumps(fold)), copy.deepcopy])
def test_a_pickled_fold_has_its_own_rows_alone(
    bars: pd.DataFrame, again: Callable[[Fold], Fold]
) -> None:
    wide = bars.iloc[np.zeros(60, int)].set_axis(DAYS)
    for data in (wide, {"A": wide, "B": polars_of(wide)}):
        fold = walk_forward(data, train=10, test=2, embargo=1)[5]
        back = again(fold)
        assert digest(back) == digest(fold)
        assert (back.key, str(back)) == (fold.key, str(fold))
    long = pd.DataFrame({"close": np.zeros(100_000)})
    assert len(pickle.dumps(walk_forward(long, train=10, test=2)[0])) < 10_000
