"""Columns of pandas for hypothesis to draw: of every kind, with and without gaps."""

import datetime as dt
import decimal
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_digest_properties import values

ZONES = st.sampled_from(
    [
        *(None, "UTC", "Europe/Berlin", zoneinfo.ZoneInfo("America/New_York")),
        *(dt.timezone.utc, dt.timezone(dt.timedelta(hours=-3))),
    ]
)
UNITS = st.sampled_from(["s", "ms", "us", "ns"])
CLOSED = st.sampled_from(["left", "right", "both", "neither"])
DAY = dt.datetime(2024, 3, 31, 1, 30, 0, 5)  # noqa: DTZ001 - naive on purpose
ARROW_CELLS: list[tuple[pa.DataType, Any]] = [
    (pa.int32(), 1),
    (pa.string(), "a"),
    (pa.large_binary(), b"a"),
    (pa.float64(), -0.0),
    (pa.bool_(), True),
    (pa.timestamp("us", "Europe/Berlin"), DAY.replace(tzinfo=dt.timezone.utc)),
    (pa.duration("ms"), dt.timedelta(1)),
    (pa.date32(), DAY.date()),
    (pa.decimal128(9, 2), decimal.Decimal("1.50")),
    (pa.list_(pa.int8()), [1, None]),
    (pa.struct({"a": pa.int8()}), {"a": None}),
    (pa.dictionary(pa.int8(), pa.string()), "a"),
]


def cells_of(cells: list) -> np.ndarray:
    array = np.empty(len(cells), object)
    for place, cell in enumerate(cells):
        array[place] = cell
    return array


Gaps = list[int | None]


def numbers(draw: st.DrawFn, gaps: Gaps) -> np.ndarray:
    return draw(hnp.arrays(st.sampled_from(["f8", "f4", "i2", "?", "u8"]), len(gaps)))


def nullable(draw: st.DrawFn, gaps: Gaps) -> Any:
    dtype = draw(st.sampled_from(["Int64", "UInt8", "Float32", "boolean"]))
    return pd.array([None if gap is None else bool(gap) for gap in gaps]).astype(dtype)


def texts(draw: st.DrawFn, gaps: Gaps) -> Any:
    cells = [None if gap is None else draw(st.text(max_size=3)) for gap in gaps]
    dtype = draw(st.sampled_from(["str", "object", "string[python]", "string[pyarrow]"]))
    return pd.Series(cells, dtype=dtype).array


def categorical(draw: st.DrawFn, gaps: Gaps) -> pd.Categorical:
    codes = [-1 if gap is None else gap % 2 for gap in gaps]
    return pd.Categorical.from_codes(codes, ["x", "y"], draw(st.booleans()))


def ticks(gaps: Gaps) -> np.ndarray:
    return np.array([-(2**63) if gap is None else gap for gap in gaps], "i8")


def instants(draw: st.DrawFn, gaps: Gaps) -> Any:
    made = pd.array(ticks(gaps).view(f"M8[{draw(UNITS)}]"))
    zone = draw(ZONES)
    return made if zone is None else made.tz_localize(zone)


def spans(draw: st.DrawFn, gaps: Gaps) -> Any:
    return pd.array(ticks(gaps).view(f"m8[{draw(UNITS)}]"))


def sparse(draw: st.DrawFn, gaps: Gaps) -> pd.arrays.SparseArray:
    fill = draw(st.sampled_from([0, 1, np.nan, 0.5]))
    cells = np.array([gap or 0 for gap in gaps], "i8" if isinstance(fill, int) else "f8")
    kind = draw(st.sampled_from(["integer", "block"]))
    return pd.arrays.SparseArray(cells, fill_value=fill, kind=kind)


def arrow(draw: st.DrawFn, gaps: Gaps) -> Any:
    kind, cell = draw(st.sampled_from(ARROW_CELLS))
    cells = pa.array([None if gap is None else cell for gap in gaps], kind)
    return pd.Series(cells, dtype=pd.ArrowDtype(kind)).array


def intervals(draw: st.DrawFn, gaps: Gaps) -> pd.arrays.IntervalArray:
    breaks = draw(st.sampled_from([range(99), pd.date_range("2024", periods=99)]))
    ends = [None if gap is None else (breaks[gap], breaks[gap + 1]) for gap in gaps]
    return pd.arrays.IntervalArray.from_tuples(ends, closed=draw(CLOSED))


def periods(draw: st.DrawFn, gaps: Gaps) -> Any:
    freq = draw(st.sampled_from(["D", "M", "Q", "2h"]))
    cells = [pd.NaT if gap is None else pd.Period(ordinal=gap, freq=freq) for gap in gaps]
    return pd.array(cells, dtype=pd.PeriodDtype(freq))


def objects(draw: st.DrawFn, gaps: Gaps) -> Any:
    return cells_of([draw(values) for _ in gaps])


LABELS = (
    *(numbers, nullable, texts, categorical, instants, spans, sparse),
    *(arrow, intervals, periods),
)
KINDS = (*LABELS, objects)


@st.composite
def columns(draw: st.DrawFn, length: int, kinds: tuple = KINDS) -> Any:
    """A column of so many rows, whose gaps are the same for all kinds."""
    missing = draw(st.lists(st.booleans(), min_size=length, max_size=length))
    gaps = [None if gone else place for place, gone in enumerate(missing)]
    return draw(st.sampled_from(kinds))(draw, gaps)
