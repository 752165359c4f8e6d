"""A loader may fill the memory of its last answer with the next one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from afml_cache import RangeCache

BUFFER = np.zeros(24)
TEXTS = bytearray(24 * 20)
Load = Callable[..., Any]


def hour(number: int) -> dt.datetime:
    return dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc) + dt.timedelta(hours=number)


def filled(start: dt.datetime, end: dt.datetime) -> tuple[list[dt.datetime], np.ndarray[Any, Any]]:
    """Give the hours and a part of the one buffer with a number for each."""
    numbers = range(
        (start - hour(0)) // dt.timedelta(hours=1), (end - hour(0)) // dt.timedelta(hours=1)
    )
    BUFFER[: len(numbers)] = numbers
    return [hour(number) for number in numbers], BUFFER[: len(numbers)]


def of_polars(symbol: str, timeframe: str, start: Any, end: Any) -> pl.DataFrame:
    times, close = filled(start, end)
    return pl.DataFrame({"time": times, "close": close})


def of_arrow(symbol: str, timeframe: str, start: Any, end: Any) -> pa.Table:
    times, close = filled(start, end)
    shared = pa.Array.from_buffers(pa.float64(), len(close), [None, pa.py_buffer(close)])
    return pa.table({"time": times, "close": shared})


def of_texts(symbol: str, timeframe: str, start: Any, end: Any) -> pa.Table:
    times, close = filled(start, end)
    for place, number in enumerate(close):
        TEXTS[20 * place : 20 * place + 20] = f"{int(number):020}".encode()
    ends = pa.py_buffer(np.arange(0, 20 * len(close) + 1, 20, dtype=np.int32))
    buffers = [None, ends, pa.py_buffer(TEXTS)]
    return pa.table(
        {"time": times, "close": pa.Array.from_buffers(pa.string(), len(close), buffers)}
    )


def of_pandas(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
    times, close = filled(start, end)
    return pd.DataFrame({"close": close}, pd.DatetimeIndex(times, name="time"), copy=False)


def of_pandas_with_arrow(symbol: str, timeframe: str, start: Any, end: Any) -> pd.DataFrame:
    close = pd.arrays.ArrowExtensionArray(of_arrow(symbol, timeframe, start, end)["close"])
    return pd.DataFrame({"close": close}, pd.DatetimeIndex(filled(start, end)[0], name="time"))


def numbers_of(answer: Any) -> list[int]:
    return [int(float(one)) for one in list(answer["close"].to_numpy())]


@pytest.mark.parametrize("load", [of_polars, of_arrow, of_texts, of_pandas, of_pandas_with_arrow])
@pytest.mark.parametrize("now", [1000, 80], ids=["final", "forming"])
def test_what_was_answered_and_stored_stays_when_a_loader_fills_its_buffer_anew(
    load: Load, now: int
) -> None:
    def clock() -> int:
        return int(hour(now).timestamp() * 1e9) - 1

    cache = RangeCache("filled again", load, clock=clock)
    answers = [cache.get("A", "1h", hour(at), hour(at + 5)) for at in range(0, 80, 5)]
    for answer, at in zip(answers, range(0, 80, 5), strict=True):
        assert numbers_of(answer) == list(range(at, at + 5))
    assert numbers_of(cache.get("A", "1h", hour(0), hour(80))) == list(range(80))
    anew = RangeCache("filled again", load, clock=clock)
    assert numbers_of(anew.get("A", "1h", hour(0), hour(80))) == list(range(80))
