"""Folds are what the definition says row by row, whatever lengths, labels and library there are."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit
from walk_model import Walk, folds_of

from afml_cache import CacheConfigError, LeakageError, walk_forward

HOUR = 3600 * 10**9
START = pd.Timestamp("2024-01-01", tz="UTC").value
LENGTHS = st.tuples(st.sampled_from(["rows", "time"]), st.integers(1, 12))
SHORT = st.tuples(st.sampled_from(["rows", "time"]), st.integers(0, 5))


@st.composite
def walks(draw: Any) -> Walk:
    distances = draw(st.lists(st.sampled_from([1, 1, 1, 2, 3, 20]), min_size=5, max_size=60))
    times = [START + HOUR * int(at) for at in np.cumsum([0, *distances])]
    labels = draw(st.none() | st.lists(st.integers(0, 9), min_size=len(times), max_size=len(times)))
    lengths = {
        "train": draw(LENGTHS),
        "test": draw(LENGTHS),
        "step": ("rows", 0),
        "gap": draw(SHORT),
        "purge": draw(SHORT) if labels is None else ("rows", 0),
        "embargo": draw(SHORT),
    }
    lengths["step"] = draw(st.just(lengths["test"]) | LENGTHS)
    return Walk(
        times=times,
        ends=labels and [at + HOUR * label for at, label in zip(times, labels, strict=True)],
        anchored=draw(st.booleans()),
        partial=draw(st.booleans()),
        **{name: (unit, n * HOUR if unit == "time" else n) for name, (unit, n) in lengths.items()},
    )


def asked(length: tuple[str, int]) -> Any:
    unit, amount = length
    return pd.Timedelta(amount) if unit == "time" else amount


def walked(walk: Walk, data: Any, t1: Any) -> list[dict[str, Any]] | None:
    names = ("train", "test", "step", "gap", "purge", "embargo")
    lengths = {name: asked(getattr(walk, name)) for name in names}
    try:
        folds = walk_forward(data, **lengths, anchored=walk.anchored, partial=walk.partial, t1=t1)
        return [
            {
                "train": fold.train_rows.tolist(),
                "test": fold.test_rows.tolist(),
                "purged": fold.purged,
                "embargoed": fold.embargoed,
            }
            for fold in folds
        ]
    except CacheConfigError:
        return None


def expected(walk: Walk) -> list[dict[str, Any]] | None:
    folds = folds_of(walk)
    return folds if folds and all(fold["train"] for fold in folds) else None


@given(walks())
def test_folds_of_pandas_are_those_of_the_definition(walk: Walk) -> None:
    index = pd.DatetimeIndex(walk.times, tz="UTC")
    data = pd.DataFrame({"row": np.arange(len(index))}, index=index)
    t1 = None if walk.ends is None else pd.Series(pd.DatetimeIndex(walk.ends, tz="UTC"), index)
    found = walked(walk, data, t1)
    assert found == expected(walk)


@settings(max_examples=40)
@given(walks())
def test_folds_of_polars_and_of_symbols_are_those_of_the_definition(walk: Walk) -> None:
    times = pl.Series("at", walk.times).cast(pl.Datetime("ns"))
    data = pl.DataFrame({"row": range(len(times)), "at": times})
    t1 = None if walk.ends is None else pl.Series(walk.ends).cast(pl.Datetime("ns"))
    wanted = expected(walk)
    assert walked(walk, data, t1) == wanted
    one = walk_forward_of_symbols(walk, {"A": data}, t1)
    assert one == (wanted and [(fold["train"], fold["test"]) for fold in wanted])


def walk_forward_of_symbols(walk: Walk, data: Any, t1: Any) -> list[tuple[Any, Any]] | None:
    names = ("train", "test", "step", "gap", "purge", "embargo")
    lengths = {name: asked(getattr(walk, name)) for name in names}
    ends = None if t1 is None else {"A": t1}
    try:
        folds = walk_forward(data, **lengths, anchored=walk.anchored, partial=walk.partial, t1=ends)
    except CacheConfigError:
        return None
    return [(fold.train_rows["A"].tolist(), fold.test_rows["A"].tolist()) for fold in folds]


@given(walks())
def test_no_label_of_the_training_reaches_the_test(walk: Walk) -> None:
    index = pd.DatetimeIndex(walk.times)
    data = pd.Series(walk.times, index)
    ends = pd.Series(pd.DatetimeIndex(walk.ends or walk.times), index)
    names = ("train", "test", "step", "gap", "purge", "embargo")
    lengths = {name: asked(getattr(walk, name)) for name in names}
    try:
        folds = walk_forward(data, **lengths, anchored=walk.anchored, t1=ends)
    except CacheConfigError:
        return
    for fold in folds:
        assert ends.loc[fold.train.index].max() < fold.test.index[0]
        assert set(fold.train_rows).isdisjoint(fold.test_rows)
        assert data.iloc[fold.train_rows].equals(fold.train)
        assert data.iloc[fold.test_rows].equals(fold.test)
        assert fold.train_range == (
            fold.train.index[0].tz_localize("UTC"),
            fold.train.index[-1].tz_localize("UTC"),
        )


@given(
    rows=st.integers(10, 80),
    splits=st.integers(2, 6),
    test=st.integers(1, 8),
    gap=st.integers(0, 3),
    anchored=st.booleans(),
)
def test_plain_folds_are_those_of_scikit_learn(
    rows: int, splits: int, test: int, gap: int, anchored: bool
) -> None:
    train = rows - splits * test - gap
    if train < 1:
        return
    data = pd.DataFrame({"row": range(rows)})
    split = TimeSeriesSplit(
        splits, test_size=test, gap=gap, max_train_size=None if anchored else train
    )
    folds = walk_forward(data, train=train, test=test, gap=gap, anchored=anchored)
    theirs = [(before.tolist(), after.tolist()) for before, after in split.split(data)]
    assert [(fold.train_rows.tolist(), fold.test_rows.tolist()) for fold in folds] == theirs


@given(walks(), st.integers(1, 9))
def test_a_purge_that_is_too_short_for_the_labels_is_refused_and_else_leaves_no_leak(
    walk: Walk, purge: int
) -> None:
    index = pd.DatetimeIndex(walk.times)
    ends = pd.Series(pd.DatetimeIndex(walk.ends or walk.times), index)
    data = pd.DataFrame({"row": range(len(index))}, index=index)
    walk.purge, walk.ends = ("rows", purge), None
    wanted = expected(walk)
    if wanted is None:
        return
    leaks = any(
        ends.iloc[row] >= index[fold["test"][0]] for fold in wanted for row in fold["train"]
    )
    try:
        found = walked(walk, data, ends)
    except LeakageError:
        assert leaks
    else:
        assert not leaks
        assert found == wanted


@settings(max_examples=50)
@given(walks(), st.data())
def test_symbols_have_those_rows_of_a_fold_whose_times_are_in_it(walk: Walk, data: Any) -> None:
    walk.purge = walk.embargo = ("time", 2 * HOUR)
    walk.ends = None
    whole = pd.Series(range(len(walk.times)), pd.DatetimeIndex(walk.times, tz="UTC"))
    chosen = data.draw(st.lists(st.sampled_from(range(len(whole))), min_size=1, unique=True))
    left = [row for row in range(len(whole)) if row not in chosen[1:]]
    parts = {"A": whole.iloc[sorted(chosen)], "B": whole.iloc[left]}
    names = ("train", "test", "step", "gap", "purge", "embargo")
    lengths = {name: asked(getattr(walk, name)) for name in names}
    try:
        folds = walk_forward(parts, **lengths, anchored=walk.anchored, partial=walk.partial)
    except CacheConfigError:
        assert expected(walk) is None
        return
    for fold, wanted in zip(folds, expected(walk) or [], strict=True):
        for symbol, part in parts.items():
            kept = [row for row in wanted["train"] if row in set(part)]
            assert fold.train[symbol].tolist() == kept
            assert fold.test[symbol].tolist() == [row for row in wanted["test"] if row in set(part)]
        assert fold.train_range[0] == whole.index[wanted["train"][0]]
        assert fold.test_range[1] == whole.index[wanted["test"][-1]]
