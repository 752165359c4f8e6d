"""Frames of pandas made of what was no frame of pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from afml_cache.ranges.forms import pandas as of_pandas
from afml_cache.ranges.forms import pandas_columns


def frame_of(frame: pl.DataFrame, time: str | None) -> pd.DataFrame:
    """Make a frame whose index is the time.

    Parameters
    ----------
    frame
        The columns.
    time
        The one that becomes the index.
    """
    index = None
    if time is not None:
        times = frame.get_column(time)
        if times.dtype == pl.Date:
            times = times.cast(pl.Datetime("us"))
        index = pd.DatetimeIndex(_array(times), name=time)
    arrays = {name: _array(frame.get_column(name)) for name in frame.columns if name != time}
    return of_pandas.frame_of(arrays, pd.RangeIndex(frame.height) if index is None else index)


def _array(values: pl.Series) -> Any:
    dtype = values.dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        naive = pandas_columns.write(values.dt.convert_time_zone("UTC"), {"as": "numpy"})
        return pd.DatetimeIndex(naive).tz_localize("UTC").tz_convert(dtype.time_zone).array
    if dtype.is_float() or dtype.is_integer() or isinstance(dtype, pl.Datetime | pl.Duration):
        return pandas_columns.write(values, {"as": "numpy"})
    if dtype == pl.Boolean:
        return pandas_columns.write(values, {"as": "numpy"})
    if isinstance(dtype, pl.Categorical | pl.Enum):
        known = dtype.categories if isinstance(dtype, pl.Enum) else values.drop_nulls().unique()
        return pd.Categorical(values.to_list(), categories=known.cast(pl.String).to_list())
    array = np.empty(len(values), dtype=object)
    array[:] = values.to_list()
    # Texts get the dtype that pandas gives them itself.
    return pd.array(array, dtype=pd.Series([""]).dtype) if dtype == pl.String else array
