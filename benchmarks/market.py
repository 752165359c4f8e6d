"""Minute bars as an exchange has them, a loader that gives them at once, and the peers' files."""

from __future__ import annotations

import datetime as dt
import gc
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROWS = 982_800  # at most: 2,520 sessions of 390 minutes would be ten years
ROUND_THE_CLOCK = 3_652 * 1_440
MONTH = dt.timedelta(days=30)
FIRST_DAY = dt.date(2014, 1, 2)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
MEMORY = 2**31
ALL_ROWS, FOR_PANDAS = "bars.parquet", "bars-pandas.parquet"
Loader = Callable[[str, Any, Any], Any]


def minutes(rows: int = ROWS, calendar: str = "XNYS") -> np.ndarray:
    """The minutes of the first sessions of an exchange from 2014 on: up to so many, whole days."""
    import exchange_calendars

    end = FIRST_DAY + dt.timedelta(days=3_900)
    with warnings.catch_warnings():  # it uses what pandas will change
        warnings.simplefilter("ignore")
        exchange = exchange_calendars.get_calendar(calendar, start=str(FIRST_DAY), end=str(end))
        traded = exchange.minutes
    at = traded.tz_localize(None).to_numpy().astype("datetime64[us]")
    days = at.astype("datetime64[D]")
    return at[:rows] if rows >= len(at) else at[: days.searchsorted(days[rows])]


def bars(rows: int = ROWS, calendar: str = "XNYS") -> pl.DataFrame:
    """Bars of a price that walks at random, in cents, and volumes in whole shares."""
    at = minutes(rows, calendar)
    random = np.random.default_rng(0)
    close = (100 * np.exp(np.cumsum(random.normal(0, 4e-4, len(at))))).round(2)
    opened = np.concatenate(([100.0], close[:-1]))
    above, below = random.exponential(0.02, (2, len(at)))
    columns = {
        "time": at,
        "open": opened,
        "high": (np.maximum(opened, close) + above).round(2),
        "low": (np.minimum(opened, close) - below).round(2),
        "close": close,
        "volume": random.exponential(10_000, len(at)).round(),
    }
    return pl.DataFrame(columns).with_columns(pl.col("time").dt.replace_time_zone("UTC"))


def in_pandas(table: pl.DataFrame) -> Any:
    """The same with the time in the index."""
    return table.to_pandas().set_index("time")


class Rows:
    """A table of which the rows of an interval are found as quickly as can be."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = table
        self._at = table["time"].to_physical().to_numpy()

    def __call__(self, first: dt.datetime, stop: dt.datetime) -> pl.DataFrame:
        begin, end = self._at.searchsorted([microseconds(first), microseconds(stop)]).tolist()
        return self.table.slice(begin, end - begin)


def microseconds(when: dt.datetime) -> int:
    """Since 1970 in UTC, exactly."""
    return (when - EPOCH) // dt.timedelta(microseconds=1)


def loader_of(table: pl.DataFrame, kind: str = "polars") -> Loader:
    """A vendor that has all bars in memory."""
    rows = Rows(table)
    if kind == "polars":
        return lambda _, start, end: rows(start, end)
    return lambda _, start, end: in_pandas(rows(start, end))


def cache(folder: Path, loader: Loader, calendar: str = "XNYS", **options: Any) -> Any:
    """A range cache of minutes in a store of its own."""
    from afml_cache import RangeCache, Store

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(folder / "store")
    names = {"key": ["symbol"], "timeframe": "1min", "calendar": calendar, "memory": MEMORY}
    return RangeCache("minutes", loader, store=store, **{**names, **options})


def nothing(symbol: str, start: Any, end: Any) -> Any:
    """A vendor that must not be asked."""
    message = f"the bars from {start} to {end} were not in the cache"
    raise LookupError(message)


def ends(table: pl.DataFrame) -> tuple[dt.datetime, dt.datetime]:
    """From its first bar up to behind its last."""
    times = table["time"]
    return times[0], times[-1] + dt.timedelta(minutes=1)


def months(table: pl.DataFrame, count: int = 101) -> list[tuple[dt.datetime, dt.datetime]]:
    """So many times of 30 days each, spread over all that there is."""
    first, stop = ends(table)
    step = (stop - first - MONTH) / count
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    begins = [(first + step * number).replace(**midnight) for number in range(1, count + 1)]
    return [(begin, begin + MONTH) for begin in begins]


def sessions(table: pl.DataFrame) -> list[dt.datetime]:
    """The midnights in UTC of the days that have bars."""
    days = table["time"].dt.date().unique(maintain_order=True).to_list()
    return [dt.datetime.combine(day, dt.time(), dt.timezone.utc) for day in days]


def write_peers(table: pl.DataFrame, folder: Path) -> None:
    """All rows as one file of Parquet by polars, and as one by pandas with its index."""
    table.write_parquet(folder / ALL_ROWS)
    in_pandas(table).to_parquet(folder / FOR_PANDAS)


def scanned(folder: Path, first: Any, stop: Any) -> pl.DataFrame:
    """Read the rows of an interval with polars."""
    inside = (pl.col("time") >= first) & (pl.col("time") < stop)
    return pl.scan_parquet(folder / ALL_ROWS).filter(inside).collect()


def filtered(folder: Path, first: Any, stop: Any) -> Any:
    """Read the rows of an interval with pandas."""
    import pandas as pd

    inside = [("time", ">=", first), ("time", "<", stop)]
    return pd.read_parquet(folder / FOR_PANDAS, filters=inside)


def imported(*others: str) -> None:
    """Import what the readers would import at their first call, and leave nothing to collect."""
    ours = ("cache", "forms.pandas", "forms.pandas_hot", "forms.pandas_plain")
    names = ("exchange_calendars", "pandas", "polars", "pyarrow.parquet", *others)
    for name in (*names, *(f"afml_cache.ranges.{module}" for module in ours)):
        import_module(name)
    gc.collect()  # it would fall to one of them, by chance
