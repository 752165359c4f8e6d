"""Trades, equity and positions as Parquet, for other tools."""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from typing import Any, Final

FILES: Final = {
    "trades": "trades.parquet",
    "equity_curve": "equity.parquet",
    "positions": "positions.parquet",
}

_MOST: Final = 100
# What pyarrow makes of a series, by its name, its dtype, and dtype and name of its index.
_schemas: dict[Any, Any] = {}


def written(parts: dict[str, Any]) -> tuple[list[tuple[str, bytes]], dict[str, str]]:
    """Write the parts of an answer that are tables.

    Parameters
    ----------
    parts : dict
        By the name of the part.

    Returns
    -------
    tuple of (list of (str, bytes), dict of str to str)
        Names and contents of files; and why a part has none, by its name.
    """
    files, reasons = [], {}
    for name, file in FILES.items():
        value = parts.get(name)
        if value is None:
            continue
        try:
            content = _content(value, name)
        except ImportError as error:
            reasons[name] = f"{error.name} is not installed: pip install 'afml-cache[runs]'"
        except Exception as error:  # noqa: BLE001 - of pyarrow and polars, over a value of any kind
            reasons[name] = f"Parquet can't hold it: {error}"
        else:
            files.append((file, content))
    return files, reasons


def _content(value: Any, name: str) -> bytes:
    polars: Any = sys.modules.get("polars")
    if polars is not None and isinstance(value, polars.DataFrame | polars.Series):
        frame = value.to_frame() if isinstance(value, polars.Series) else value
        held = io.BytesIO()
        frame.write_parquet(held)
        return held.getvalue()
    pyarrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    sink = pyarrow.BufferOutputStream()
    numbers = _numbers_by_time(value, name, pyarrow)
    if numbers is None:
        parquet.write_table(_table(value, name, pyarrow), sink)
    else:
        # Hardly any value of an equity curve is there twice.
        parquet.write_table(numbers, sink, use_dictionary=False)
    return bytes(sink.getvalue())


def _numbers_by_time(value: Any, name: str, pyarrow: Any) -> Any:
    """Give a series of numbers by time as the table that pyarrow makes of it, sooner.

    `None` for anything else.
    """
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or type(value) is not pandas.Series:
        return None
    index, dtype = value.index, value.dtype
    plain = type(index) is pandas.DatetimeIndex and getattr(dtype, "kind", "") in "fiu"
    if not plain or not isinstance(dtype, sys.modules["numpy"].dtype) or index.hasnans:
        return None
    named = name if value.name is None else value.name
    key = (named, dtype.str, index.dtype, index.name)
    if not all(one is None or isinstance(one, str) for one in (named, index.name)):
        return None
    schema = _schemas.get(key)
    if schema is None:
        if len(_schemas) >= _MOST:
            _schemas.clear()
        schema = _of_pandas(value.iloc[:1].to_frame(named), pyarrow).schema
        _schemas[key] = schema
    numbers = pyarrow.array(value.to_numpy(), from_pandas=True)
    times = pyarrow.array(index.asi8).view(schema.field(1).type)
    return pyarrow.Table.from_arrays([numbers, times], schema=schema)


def _table(value: Any, name: str, pyarrow: Any) -> Any:
    pandas: Any = sys.modules.get("pandas")
    numpy: Any = sys.modules.get("numpy")
    if isinstance(value, pyarrow.Table):
        return value
    if pandas is not None and isinstance(value, pandas.Series):
        value = value.to_frame(name if value.name is None else value.name)
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return _of_pandas(value, pyarrow)
    if numpy is not None and isinstance(value, numpy.ndarray) and value.ndim == 1:
        return pyarrow.table({name: value})
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return pyarrow.Table.from_pylist(value)
    if isinstance(value, list | tuple):
        return pyarrow.table({name: list(value)})
    message = f"it is of type {type(value).__name__}"
    raise TypeError(message)


def _of_pandas(frame: Any, pyarrow: Any) -> Any:
    # What pandas has to say of pyarrow is not for whoever runs a backtest, and no reason to fail.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return pyarrow.Table.from_pandas(frame)
