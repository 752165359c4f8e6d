"""Results for hypothesis to draw: of every kind that needs no pickle, and some that do."""

import collections
import datetime as dt
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import results_records as records
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from polars.testing import parametric
from test_digest_properties import frames, hashable, values

ZONES = st.sampled_from(
    [
        *(None, "UTC", "Europe/Berlin", zoneinfo.ZoneInfo("America/New_York")),
        *(dt.timezone.utc, dt.timezone(dt.timedelta(hours=-3))),
    ]
)
NAMES = st.one_of(st.none(), st.text(max_size=2), st.integers(-1, 1), st.tuples(st.integers(0, 1)))
UNITS = st.sampled_from(["s", "ms", "us", "ns"])
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
def masked(draw: st.DrawFn) -> np.ma.MaskedArray:
    data = draw(hnp.arrays(st.sampled_from(["f8", "i4", "?", "U2"]), 3))
    mask = draw(st.one_of(st.just(np.ma.nomask), hnp.arrays("?", 3)))
    made = np.ma.masked_array(data, mask, hard_mask=draw(st.booleans()))
    if draw(st.booleans()) and data.dtype.kind != "U":
        made.fill_value = 1
    return made


def _objects(cells: list) -> np.ndarray:
    array = np.empty(len(cells), object)
    for place, cell in enumerate(cells):
        array[place] = cell
    return array


objects = st.lists(values, max_size=4).map(_objects)


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
def indexes(draw: st.DrawFn) -> pd.Index:  # noqa: PLR0911 - a table
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
        closed = draw(st.sampled_from(["left", "right", "both", "neither"]))
        return pd.interval_range(0, draw(st.integers(1, 3)), closed=closed, name=name)
    if kind == 6:
        return draw(spans())
    if kind == 7:
        rows = draw(
            st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), min_size=1, max_size=4)
        )
        return pd.MultiIndex.from_tuples(rows, names=[name, None])[draw(st.integers(0, 1)) :]
    if kind == 8:
        return pd.Index(
            _objects(draw(st.lists(hashable, max_size=3))), dtype=object, tupleize_cols=False
        )
    return draw(instants())


@st.composite
def columns(draw: st.DrawFn, length: int) -> Any:  # noqa: PLR0911 - a table
    numbers = draw(st.lists(st.integers(0, 1), min_size=length, max_size=length))
    gaps = [None if number else place for place, number in enumerate(numbers)]
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return draw(hnp.arrays(st.sampled_from(["f8", "f4", "i2", "?", "u8"]), length))
    if kind == 1:
        return pd.array(gaps, draw(st.sampled_from(["Int64", "UInt8", "Float32"])))
    if kind == 2:
        texts = draw(
            st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=length, max_size=length)
        )
        dtype = draw(st.sampled_from(["str", "object", "string[python]", "string[pyarrow]"]))
        return pd.Series(texts, dtype=dtype).array
    if kind == 3:
        ordered = draw(st.booleans())
        return pd.Categorical.from_codes([-1 if one else 0 for one in numbers], ["x", "y"], ordered)
    if kind == 4:
        made = pd.array(np.arange(length).view(f"M8[{draw(UNITS)}]"))
        zone = draw(ZONES)
        return made if zone is None else made.tz_localize(zone)
    if kind == 5:
        return pd.arrays.SparseArray(numbers, fill_value=draw(st.integers(0, 1)))
    if kind == 6:
        kinds = [pa.int32(), pa.string(), pa.float64(), pa.bool_()]
        return pd.Series([None] * length, dtype=pd.ArrowDtype(draw(st.sampled_from(kinds)))).array
    return draw(hnp.arrays(st.just("m8[s]"), length))


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


ARROW = [pa.int8(), pa.float64(), pa.uint16(), pa.int64()]


@st.composite
def arrow(draw: st.DrawFn) -> Any:
    cells = draw(st.lists(st.one_of(st.none(), st.integers(0, 1)), max_size=5))
    kinds = [*ARROW, pa.dictionary(pa.int8(), pa.int64()), pa.list_(pa.int8())]
    kind = draw(st.sampled_from(kinds))
    if pa.types.is_list(kind):
        cells = [None if cell is None else [cell] for cell in cells]
    array = pa.array(cells, kind)[draw(st.integers(0, 1)) :]
    table = pa.table({"a": array, "b": array})
    return draw(st.sampled_from([array, table, pa.chunked_array([array, array]), table.schema]))


NOT_DRAWN = [pl.Object, pl.Categorical, pl.Extension]
polars = st.one_of(
    parametric.series(max_size=4, excluded_dtypes=NOT_DRAWN),
    parametric.dataframes(max_cols=3, max_size=4, excluded_dtypes=NOT_DRAWN),
)
_parts = st.one_of(
    values, arrays(), masked(), objects, indexes(), tables(), frames, arrow(), polars
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


def pickled(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(
        st.dictionaries(st.text(max_size=1), inner, max_size=2).map(collections.OrderedDict),
        st.lists(inner, max_size=2).map(collections.deque),
        st.lists(inner, max_size=2).map(records.Items),
        st.builds(records.Named, inner, inner),
        st.builds(lambda part: [part, records.Color.RED, part], inner),
    )


plain = st.recursive(parts, holders, max_leaves=5)
opaque = st.builds(
    lambda held, beside: [held, beside, held], pickled(st.one_of(parts, holders(parts))), parts
)
