"""`digest` of pandas objects: labels, dtypes, values, index and attributes count, blocks do not."""

import copy
import datetime as dt
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from afml_cache import UncacheableArgumentError, digest

pd = pytest.importorskip("pandas")


def bars(rows: int = 6) -> "pd.DataFrame":
    index = pd.date_range("2024-03-01", periods=rows, freq="h", tz="UTC", name="time")
    columns = {
        "open": np.arange(rows) + 0.5,
        "close": np.arange(rows) * 2.0,
        "volume": np.arange(rows),
    }
    return pd.DataFrame({**columns, "symbol": ["EURUSD"] * rows}, index=index)


def test_one_cell_in_the_middle_of_a_million_rows_counts() -> None:
    rows = 1_000_000
    index = pd.date_range("2018-01-01", periods=rows, freq="min", tz="UTC")
    values = np.random.default_rng(0).normal(size=(rows, 5))
    frame = pd.DataFrame(values, index=index, columns=list("ohlcv"))
    before = digest(frame)
    for place, column in ((rows // 2, 2), (0, 0), (rows - 1, 4), (333_333, 1)):
        kept = frame.iat[place, column]
        frame.iat[place, column] = np.nextafter(kept, np.inf)
        assert digest(frame) != before
        frame.iat[place, column] = kept
        assert digest(frame) == before


def relabelled(frame: "pd.DataFrame", place: int, label: object) -> "pd.DataFrame":
    labels = list(frame.index)
    labels[place] = label
    return frame.set_axis(pd.DatetimeIndex(labels, name=frame.index.name), axis=0)


CHANGES: dict[str, Callable[["pd.DataFrame"], "pd.DataFrame"]] = {
    "a cell": lambda f: f.assign(open=[9.0, *f["open"][1:]]),
    "a cell becomes missing": lambda f: f.assign(open=[np.nan, *f["open"][1:]]),
    "a string cell": lambda f: f.assign(symbol=["EURUSd", *f["symbol"][1:]]),
    "the sign of a zero": lambda f: f.assign(close=[-0.0, *f["close"][1:]]),
    "a column's name": lambda f: f.rename(columns={"open": "Open"}),
    "the columns' order": lambda f: f[["close", "open", "volume", "symbol"]],
    "two columns' names swapped": lambda f: f.rename(columns={"open": "close", "close": "open"}),
    "a column more": lambda f: f.assign(more=1),
    "a column less": lambda f: f.drop(columns="volume"),
    "the columns' own name": lambda f: f.rename_axis(columns="field"),
    "the columns' dtype": lambda f: f.set_axis(f.columns.astype("category"), axis=1),
    "numeric column labels": lambda f: f.set_axis([0, 1, 2, 3], axis=1),
    "text column labels": lambda f: f.set_axis(["0", "1", "2", "3"], axis=1),
    "a float column": lambda f: f.astype({"volume": "float64"}),
    "a narrower column": lambda f: f.astype({"volume": "int32"}),
    "a nullable column": lambda f: f.astype({"volume": "Int64"}),
    "an object column": lambda f: f.astype({"volume": object}),
    "nullable text": lambda f: f.astype({"symbol": "string"}),
    "a categorical column": lambda f: f.astype({"symbol": "category"}),
    "another time zone": lambda f: f.tz_convert("Europe/Berlin"),
    "no time zone": lambda f: f.tz_localize(None),
    "a unit": lambda f: f.set_axis(f.index.as_unit("ms"), axis=0),
    "no freq": lambda f: f.set_axis(pd.DatetimeIndex(f.index, freq=None)._with_freq(None), axis=0),
    "an index label": lambda f: relabelled(f, 3, f.index[3] + pd.Timedelta("1ns")),
    "the index name": lambda f: f.rename_axis(index="date"),
    "no index name": lambda f: f.rename_axis(index=None),
    "a default index": lambda f: f.reset_index(drop=True),
    "an index as a column": lambda f: f.reset_index(),
    "the rows' order": lambda f: f.iloc[::-1],
    "a row less": lambda f: f.iloc[:-1],
    "no rows": lambda f: f.iloc[:0],
    "no columns": lambda f: f[[]],
    "attrs": lambda f: with_attrs(f, {"source": "a"}),
    "other attrs": lambda f: with_attrs(f, {"source": "b"}),
    "nested attrs": lambda f: with_attrs(f, {"source": {"b": 1}}),
    "a duplicate column": lambda f: pd.concat([f, f[["open"]]], axis=1),
    "a MultiIndex": lambda f: f.set_index("symbol", append=True),
    "transposed": lambda f: f.T,
}


def with_attrs(frame: "pd.DataFrame", attrs: dict) -> "pd.DataFrame":
    frame = frame.copy()
    frame.attrs = attrs
    return frame


def test_every_single_change_of_a_frame_has_a_digest_of_its_own() -> None:
    seen = {digest(bars()): "unchanged"}
    for name, change in CHANGES.items():
        found = digest(change(bars()))
        assert found not in seen, f"{name} and {seen[found]} share a digest"
        seen[found] = name


@pytest.mark.parametrize("name", ["unchanged", *CHANGES])
def test_a_frame_equals_its_copy_its_pickle_and_itself_built_anew(name: str) -> None:
    change = CHANGES.get(name, lambda frame: frame)
    frame = change(bars())
    for other in (
        change(bars()),
        copy.deepcopy(frame),
        pickle.loads(pickle.dumps(frame)),
        frame.iloc[:],
    ):
        assert digest(other) == digest(frame)


def test_empty_attrs_do_not_count() -> None:
    assert digest(with_attrs(bars(), {})) == digest(bars())


def test_the_block_layout_does_not_count() -> None:
    values = np.random.default_rng(1).normal(size=(50, 4))
    names = list("abcd")
    frame = pd.DataFrame(values, columns=names)
    by_column = pd.DataFrame({name: values[:, place].copy() for place, name in enumerate(names)})
    grown = pd.DataFrame(index=pd.RangeIndex(50))
    for place, name in enumerate(names):
        grown[name] = values[:, place]
    wide = pd.DataFrame(np.repeat(values, 2, axis=1), columns=list("aabbccdd")).iloc[:, ::2]
    tall = pd.concat([frame.iloc[:20], frame.iloc[20:]])
    layouts = {
        "by column": by_column,
        "grown": grown,
        "consolidated": grown.copy(),
        "fortran": pd.DataFrame(np.asfortranarray(values), columns=names),
        "every second column": wide,
        "concatenated": tall,
        "reordered twice": frame[names[::-1]][names],
        "from rows": pd.DataFrame(values.tolist(), columns=names),
        "sliced from a longer one": pd.concat([frame, frame], ignore_index=True).iloc[:50],
        "upside down twice": frame.iloc[::-1].copy().iloc[::-1].reset_index(drop=True),
        "transposed twice": frame.T.copy().T,
    }
    for name, other in layouts.items():
        pd.testing.assert_frame_equal(other, frame, check_exact=True)
        assert digest(other.set_axis(range(50), axis=0)) == digest(
            frame.set_axis(range(50), axis=0)
        ), name
        for column in names:
            left, right = other[column].reset_index(drop=True), frame[column].reset_index(drop=True)
            assert digest(left) == digest(right), name


def test_a_mixed_frame_digests_by_content_whatever_its_blocks() -> None:
    frame = bars()
    pieces = {name: frame[name].copy() for name in reversed(frame.columns)}
    assert digest(pd.DataFrame(pieces, index=frame.index)[list(frame.columns)]) == digest(frame)
    text = frame.astype({"symbol": object})
    text["symbol"] = ["".join(letters) for letters in text["symbol"]]
    assert digest(text.astype({"symbol": object})) == digest(frame.astype({"symbol": object}))


def test_columns_of_one_name_are_told_apart_by_place() -> None:
    frame = pd.DataFrame([[1, 2.0], [3, 4.0]], columns=["a", "a"])
    assert digest(frame) == digest(frame.copy())
    assert digest(frame) != digest(frame.iloc[:, ::-1])


def test_frame_series_index_and_array_of_one_content_differ() -> None:
    series = pd.Series([1.0, 2.0], name="a")
    values = [
        series,
        series.to_frame(),
        pd.Index(series),
        series.to_numpy(),
        series.tolist(),
        series.rename("b"),
    ]
    values += [series.rename(None), series.rename(0), series.rename("0"), series.rename(("a",))]
    assert len({digest(value) for value in values}) == len(values)


def test_pandas_scalars_are_told_apart() -> None:
    when = pd.Timestamp("2024-01-02 12:00")
    values = [
        when, when.as_unit("ns"), when.as_unit("s"), when.tz_localize("UTC"),
        when.tz_localize("Europe/Berlin"),
        when.tz_localize(dt.timezone.utc), when.to_pydatetime(), when.to_datetime64(), pd.NaT,
        pd.NA, None, float("nan"),
        np.datetime64("NaT", "ns"), pd.Timedelta("1D"), pd.Timedelta("1D").as_unit("ns"),
        pd.Timedelta("1D").as_unit("s"),
        dt.timedelta(1), np.timedelta64(1, "D"),
    ]  # fmt: skip
    values = [
        value
        for place, value in enumerate(values)
        if place == 0 or not same_kind(value, values[:place])
    ]
    assert len({digest(value) for value in values}) == len(values)
    for value in values:
        assert (
            digest(copy.deepcopy(value))
            == digest(pickle.loads(pickle.dumps(value)))
            == digest(value)
        )


def same_kind(value: object, others: list) -> bool:
    """Whether one of the same type, unit and zone is there: units differ between versions."""
    marks = [
        (type(v), str(v), getattr(v, "unit", None), repr(getattr(v, "tzinfo", None)))
        for v in [*others, value]
    ]
    return marks[-1] in marks[:-1]


def test_missing_values_of_different_kinds_differ_in_object_columns() -> None:
    columns = [
        pd.Series([value, "x"], dtype=object)
        for value in (None, np.nan, pd.NaT, pd.NA, "nan", "", 0)
    ]
    assert len({digest(column) for column in columns}) == len(columns)


def test_the_elements_of_an_object_column_keep_their_types() -> None:
    values = [
        1,
        1.0,
        True,
        "1",
        b"1",
        (1,),
        [1],
        {"a": 1},
        np.int64(1),
        pd.Timestamp(1),
        dt.date(2024, 1, 1),
    ]
    columns = [pd.DataFrame({"a": pd.Series([value], dtype=object)}) for value in values]
    assert len({digest(column) for column in columns}) == len(columns)


def test_a_refused_cell_label_or_attribute_is_named() -> None:
    for value in (
        pd.DataFrame({"a": pd.Series([1, object()], dtype=object)}),
        pd.Series([0], index=pd.Index([object()], dtype=object)),
        with_attrs(bars(), {"model": object()}),
    ):
        with pytest.raises(UncacheableArgumentError, match=r"\['frame'\]"):
            digest({"frame": value})


def test_a_subclass_of_a_frame_keeps_its_class_and_its_content() -> None:
    class Bars(pd.DataFrame):
        pass

    plain = pd.DataFrame({"a": [1]})
    assert digest(Bars(plain)) == digest(Bars(plain)) != digest(plain)
    assert digest(Bars(plain)) != digest(Bars(plain + 1))


def test_ten_thousand_columns_digest() -> None:
    frame = pd.DataFrame(np.zeros((3, 10_000)))
    other = pd.DataFrame({place: np.zeros(3) for place in range(10_000)})
    assert digest(other) == digest(frame.set_axis(other.columns, axis=1))
    other.iat[1, 5_000] = 1
    assert digest(other) != digest(frame.set_axis(other.columns, axis=1))
