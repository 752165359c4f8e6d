"""`digest` of every pandas index: kind, dtype, unit, zone, freq, names and labels count."""

import pickle

import numpy as np
import pytest

from afml_cache import digest

pd = pytest.importorskip("pandas")

TIMES = pd.date_range("2024-01-01", periods=3, freq="D")
INDEXES = [
    pd.RangeIndex(3), pd.RangeIndex(1, 4), pd.RangeIndex(0, 6, 2), pd.Index([0, 2, 4]),
    pd.Index([0.0, 2.0, 4.0]),
    pd.Index([0, 2, 4], dtype="int32"), pd.Index([0, 2, 4], dtype="uint8"), pd.Index([0, 2, 4],
    dtype=object),
    pd.Index(["0", "2", "4"]), pd.Index(["0", "2", "4"], dtype="string"), pd.Index([True, False,
    True]),
    pd.Index([0, 2, 4], name="n"), pd.Index([0, 2, 4], name=0), pd.RangeIndex(0), pd.Index([]),
    pd.Index([], dtype="int64"),
    TIMES, TIMES._with_freq(None), TIMES.tz_localize("UTC"), TIMES.tz_localize("Europe/Berlin"),
    TIMES.tz_localize("Europe/Paris"), TIMES.as_unit("s"), TIMES.as_unit("ms"), TIMES.shift(1),
    TIMES[:0],
    TIMES - TIMES[0], (TIMES - TIMES[0]).as_unit("ms"), TIMES.to_period("D"), TIMES.to_period("M"),
    pd.CategoricalIndex(["a", "b", "a"]), pd.CategoricalIndex(["a", "b", "a"], categories=["b",
    "a"]),
    pd.CategoricalIndex(["a", "b", "a"], ordered=True), pd.CategoricalIndex(["a", "b", "a"],
    categories=list("abc")),
    pd.interval_range(0, 3), pd.interval_range(0, 3, closed="left"), pd.interval_range(0.0, 3.0),
    pd.IntervalIndex.from_breaks(TIMES), pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
    pd.MultiIndex.from_product([[1, 2], ["a", "c"]]), pd.MultiIndex.from_product([[1, 2], ["a",
    "b"]], names=["x", None]),
    pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=[None, "x"]),
    pd.MultiIndex.from_product([["a", "b"], [1, 2]]),
    pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "b"), (2, "a")]),
    pd.MultiIndex.from_tuples([(1, "a"), (2, np.nan)]),
    pd.MultiIndex.from_product([[1, 2], TIMES]), pd.Index([(1, "a"), (2, "b")],
    tupleize_cols=False),
]  # fmt: skip


def test_every_index_has_a_digest_of_its_own_alone_and_under_a_frame() -> None:
    assert len({digest(index) for index in INDEXES}) == len(INDEXES)
    assert len({digest(pd.Series(0, index)) for index in INDEXES}) == len(INDEXES)
    assert len({digest(pd.DataFrame({"a": 0}, index)) for index in INDEXES}) == len(INDEXES)
    assert len({digest(pd.DataFrame(0, [0], index)) for index in INDEXES}) == len(INDEXES)


@pytest.mark.parametrize(
    "index", INDEXES, ids=lambda index: f"{type(index).__name__}-{index.dtype}"
)
def test_an_index_equals_its_copy_and_its_pickle(index: "pd.Index") -> None:
    for other in (index.copy(), index.copy(deep=True), pickle.loads(pickle.dumps(index)), index[:]):
        assert digest(other) == digest(index)


def test_a_multiindex_does_not_depend_on_how_it_was_built() -> None:
    built = pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["x", "y"])
    assert digest(pd.MultiIndex.from_tuples(list(built), names=["x", "y"])) == digest(built)
    assert digest(pd.MultiIndex.from_frame(built.to_frame())) == digest(built)
    assert digest(built[[1, 0, 3, 2]][[1, 0, 3, 2]]) == digest(built)


@pytest.mark.parametrize(
    "offset",
    [
        pd.offsets.CustomBusinessDay(holidays=["2024-01-01"]),
        pd.offsets.CustomBusinessDay(holidays=["2024-01-02"]),
        pd.offsets.CustomBusinessDay(weekmask="Mon Tue"),
        pd.DateOffset(days=1),
        pd.offsets.Easter(),
        pd.offsets.BusinessHour(start="10:00"),
        pd.offsets.MonthEnd(normalize=True),
        pd.offsets.LastWeekOfMonth(weekday=4),
        pd.offsets.Week(),
    ],
)
def test_a_frequency_that_its_name_does_not_tell_counts(offset: "pd.DateOffset") -> None:
    index = pd.date_range("2024-01-01 10:00", periods=4, freq=offset)
    series = pd.Series(1.0, index=index)
    assert digest(series) == digest(series.copy())
    assert digest(index) != digest(pd.DatetimeIndex(index, freq=None)._with_freq(None))


def test_calendars_are_told_apart() -> None:
    days = [
        pd.date_range("2024-03-01", periods=4, freq=pd.offsets.CustomBusinessDay(holidays=holidays))
        for holidays in ([], ["2024-01-01"], ["2024-01-02"])
    ]
    assert len({tuple(day.asi8) for day in days}) == 1
    assert len({digest(day) for day in days}) == 3
