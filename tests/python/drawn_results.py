"""Results for hypothesis to draw: of every kind that needs no pickle, and some that do."""

import collections
import datetime as dt
import pathlib
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import results_records as records
from drawn_columns import ARROW_CELLS, CLOSED, DAY, LABELS, UNITS, ZONES, cells_of, columns
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from polars.testing import parametric
from test_digest_properties import frames, hashable, values

NAMES = st.one_of(st.none(), st.text(max_size=2), st.integers(-1, 1), st.tuples(st.integers(0, 1)))


def _zone(zone: Any) -> Any:
    return zoneinfo.ZoneInfo(zone) if isinstance(zone, str) else zone


TICKS = st.lists(st.one_of(st.none(), st.integers(-(2**33), 2**33)), max_size=5)


def dtypes() -> st.SearchStrategy:
    plain = st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.floating_dtypes(endianness="?"),
        hnp.complex_number_dtypes(endianness="?"),
        hnp.datetime64_dtypes(endianness="?"),
        hnp.timedelta64_dtypes(endianness="?"),
        hnp.byte_string_dtypes(min_len=1, max_len=4),
        hnp.unicode_string_dtypes(min_len=1, max_len=3),
    )
    nested = hnp.array_dtypes(plain, min_size=1, max_size=3, allow_subarrays=True)
    return st.one_of(plain, nested.filter(lambda dtype: not titled(dtype)))


def titled(dtype: np.dtype) -> bool:
    """Whether a field has a second name: such an array needs a pickle."""
    base = dtype.base
    return any(
        len(base.fields[name]) > 2 or titled(base.fields[name][0]) for name in base.names or ()
    )


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(dtypes())
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    count = int(np.prod(shape, dtype=int)) * dtype.itemsize
    seed = draw(st.integers(0, 2**32 - 1))
    content = np.random.default_rng(seed).integers(0, 256, count, "u1")
    if dtype.kind in "bU" or dtype.names:  # where not every byte is a value
        content[:] = 0
    made = (
        np.frombuffer(bytearray(content.tobytes()), dtype).reshape(shape)
        if count
        else np.zeros(shape, dtype)
    )
    made = made.copy(order=draw(st.sampled_from("CF")))
    made = draw(st.sampled_from([made, made.T, made[..., ::-1] if made.ndim else made]))
    if draw(st.booleans()):
        made.flags.writeable = False
    return made


@st.composite
def scalars(draw: st.DrawFn) -> np.generic:
    """An item of an array: a number, an instant, a text, a record."""
    made = draw(arrays().filter(lambda array: array.size > 0))
    return made.reshape(-1)[0]


@st.composite
def masked(draw: st.DrawFn) -> np.ma.MaskedArray:
    shape = draw(hnp.array_shapes(max_dims=2, max_side=3))
    dtype = np.dtype(draw(st.sampled_from(["f8", "i4", "?", "U2", "M8[s]", "m8[ms]", "i4,f8"])))
    data = np.zeros(shape, dtype) if dtype.names else draw(hnp.arrays(dtype, shape))
    mask_kind = np.ma.make_mask_descr(dtype)
    bits = draw(hnp.arrays("?", (*shape, mask_kind.itemsize)))
    mask = draw(st.sampled_from([np.ma.nomask, bits.view(mask_kind).reshape(shape)]))
    made = np.ma.masked_array(data, mask, hard_mask=draw(st.booleans()))
    if draw(st.booleans()) and dtype.kind in "fib":
        made.fill_value = 1
    return made


objects = st.lists(values, max_size=4).map(cells_of)


@st.composite
def instants(draw: st.DrawFn) -> pd.DatetimeIndex:
    unit, zone = draw(UNITS), draw(ZONES)
    if draw(st.booleans()):
        freq = draw(st.sampled_from(["h", "D", "B", "MS", "W-WED", "-2D", "3min", "QS-FEB"]))
        made = pd.date_range("2024-03-29", periods=draw(st.integers(0, 4)), freq=freq, tz=zone)
        return made.as_unit(unit).rename(draw(NAMES))
    ticks = [-(2**63) if tick is None else tick for tick in draw(TICKS)]
    made = pd.DatetimeIndex(np.array(ticks, "i8").view(f"M8[{unit}]"), name=draw(NAMES))
    return made if zone is None else made.tz_localize("UTC").tz_convert(zone)


@st.composite
def spans(draw: st.DrawFn) -> pd.TimedeltaIndex:
    if draw(st.booleans()):
        return pd.timedelta_range("1h", periods=draw(st.integers(0, 4)), freq="30min")
    ticks = [-(2**63) if tick is None else tick for tick in draw(TICKS)]
    return pd.TimedeltaIndex(np.array(ticks, "i8").view(f"m8[{draw(UNITS)}]"), name=draw(NAMES))


@st.composite
def indexes(draw: st.DrawFn) -> pd.Index:  # noqa: C901, PLR0911 - a table
    labels = st.lists(st.integers(-3, 3), max_size=4)
    texts = st.lists(st.one_of(st.none(), st.text(max_size=2)), max_size=4)
    name = draw(NAMES)
    kind = draw(st.integers(0, 10))
    if kind == 0:
        return pd.RangeIndex(draw(st.integers(-3, 3)), 9, draw(st.sampled_from([1, 2])), name=name)
    if kind == 1:
        return pd.Index(draw(labels), dtype=draw(st.sampled_from(["i1", "f4", "i8"])), name=name)
    if kind == 2:
        return pd.Index(
            draw(texts), dtype=draw(st.sampled_from(["object", "string", "str"])), name=name
        )
    if kind == 3:
        return pd.CategoricalIndex(draw(texts), ordered=draw(st.booleans()), name=name)
    if kind == 4:
        freq = draw(st.sampled_from(["D", "M", "Q", "2h"]))
        return pd.period_range("2024", periods=draw(st.integers(0, 4)), freq=freq, name=name)
    if kind == 5:
        return pd.interval_range(0, draw(st.integers(1, 3)), closed=draw(CLOSED), name=name)
    if kind == 6:
        return draw(spans())
    if kind == 7:
        rows = draw(
            st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), min_size=1, max_size=4)
        )
        return pd.MultiIndex.from_tuples(rows, names=[name, None])[draw(st.integers(0, 1)) :]
    if kind == 8:
        return pd.Index(
            cells_of(draw(st.lists(hashable, max_size=3))), dtype=object, tupleize_cols=False
        )
    if kind == 9:
        return draw(instants())
    return pd.Index(draw(columns(draw(st.integers(0, 3)), LABELS)), name=name)


clocks = st.one_of(
    st.builds(
        DAY.replace, tzinfo=ZONES.map(_zone), fold=st.integers(0, 1), hour=st.integers(0, 23)
    ),
    st.builds(dt.time, st.integers(0, 23), tzinfo=st.sampled_from([None, dt.timezone.utc])),
    st.fractions(-1, 1, max_denominator=9),
    st.sampled_from(
        [pathlib.Path("a/b"), pathlib.PurePosixPath("/"), pathlib.PureWindowsPath("a")]
    ),
    st.sampled_from([pd.NaT, pd.NA, pd.Timedelta(1), pd.Period("2024", "Q"), pd.Interval(0, 1)]),
    st.builds(pd.Timestamp, st.integers(0, 2**60), tz=ZONES),
)


def _extras(draw: st.DrawFn, made: Any) -> Any:
    if draw(st.booleans()):
        made.attrs = {"a": draw(hashable), "b": [1]}
    if draw(st.booleans()) and made.axes[0].is_unique and made.axes[-1].is_unique:
        return made.set_flags(allows_duplicate_labels=False)
    return made


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame | pd.Series:
    index = draw(indexes())
    if draw(st.booleans()):
        made: Any = pd.Series(draw(columns(len(index))), index, name=draw(NAMES))
        return _extras(draw, made)
    parts = {place: draw(columns(len(index))) for place in range(draw(st.integers(0, 4)))}
    made = pd.DataFrame(parts, index=index)
    made.columns = pd.Index([draw(hashable) for _ in parts], dtype=object, name=draw(NAMES))
    return _extras(draw, made)


ARROW = [pa.int8(), pa.float64(), pa.uint16(), pa.int64(), pa.dictionary(pa.int8(), pa.int64())]


@st.composite
def arrow(draw: st.DrawFn) -> Any:
    kind, cell = draw(st.sampled_from([*ARROW_CELLS, *((kind, 1) for kind in ARROW)]))
    cells = draw(st.lists(st.sampled_from([None, cell]), max_size=5))
    array = pa.array(cells, kind)[draw(st.integers(0, 1)) :]
    batch = pa.record_batch({"a": array, "b": array})
    table = pa.Table.from_batches([batch] * draw(st.integers(1, 2)))
    table = table.replace_schema_metadata(draw(st.sampled_from([None, {"k": "v"}])))
    made = [array, batch, table, table["a"], table.schema, pa.field("f", kind), *array[:1]]
    return draw(st.sampled_from(made))


NOT_DRAWN = [pl.Object, pl.Categorical, pl.Extension]
polars = st.one_of(
    parametric.series(max_size=4, excluded_dtypes=NOT_DRAWN),
    parametric.dataframes(max_cols=3, max_size=4, excluded_dtypes=NOT_DRAWN),
)
_parts = st.one_of(
    values,
    clocks,
    arrays(),
    scalars(),
    masked(),
    objects,
    indexes(),
    tables(),
    frames,
    arrow(),
    polars,
)


@st.composite
def any_part(draw: st.DrawFn) -> Any:
    """Any value; by a short name, since hypothesis shows what it drew from."""
    return draw(_parts)


parts = any_part()


def holders(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashable, inner, max_size=3),
        st.builds(records.Frozen, st.integers(0, 3), inner),
        st.builds(records.Wide, inner, inner),
        st.builds(records.Bar, st.floats(), inner),
        st.builds(records.Pair, inner, inner),
        st.builds(lambda part: [part, {"again": part}, (part,)], inner),
    )


def as_ticks(made: Any) -> Any:
    """A subclass of a frame, with an attribute of its own."""
    frame = made if isinstance(made, pd.DataFrame) else pd.DataFrame({"a": [1.5]})
    ticks = records.Ticks(frame)
    ticks.attrs, ticks.symbol = {"a": 1}, "EURUSD"
    return ticks


def as_lazy(made: Any) -> Any:
    return (made if isinstance(made, pl.DataFrame) else made.to_frame()).lazy().head(2)


def pickled(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(
        st.dictionaries(st.text(max_size=1), inner, max_size=2).map(collections.OrderedDict),
        st.lists(inner, max_size=2).map(collections.deque),
        st.lists(inner, max_size=2).map(records.Items),
        st.builds(records.Named, inner, inner),
        st.builds(lambda part: [part, records.Color.RED, part], inner),
        st.sampled_from([records.Color.RED, records.Side.LONG, records.Text("a"), pl.Int8]),
        st.builds(lambda part: {records.Color.RED: part}, inner),
        tables().map(as_ticks),
        polars.map(as_lazy),
    )


plain = st.recursive(parts, holders, max_leaves=5)
opaque = st.builds(
    lambda held, beside: [held, beside, held], pickled(st.one_of(parts, holders(parts))), parts
)
