"""A decorated function for each kind of value that this environment knows, with its arguments."""

from importlib.util import find_spec

from afml_cache import robust_cacheable

ROWS = 100_000


@robust_cacheable
def moments(values, options):
    return {"mean": sum(values) / len(values), "name": options["name"]}


@robust_cacheable
def running_total(prices):
    return prices.cumsum()


@robust_cacheable
def differences(bars):
    return bars.diff()


@robust_cacheable
def ranked(bars):
    return bars.sort("close", descending=True)


def plain_case():
    return moments, ((1.0, 2.5), {"name": "EURUSD"}), ((1.0, 2.0), {"name": "EURUSD"})


def numpy_case():
    import numpy as np

    prices = np.linspace(1.0, 2.0, ROWS)
    changed = prices.copy()
    changed[ROWS // 2] = 0.0
    return running_total, (prices,), (changed,)


def pandas_case():
    import pandas as pd

    index = pd.date_range("2024-01-01", periods=ROWS, freq="h", tz="UTC", name="time")
    bars = pd.DataFrame({"close": range(ROWS), "volume": 1.5}, index=index)
    changed = bars.copy()
    changed.iloc[ROWS // 2, 1] = 0.0
    return differences, (bars,), (changed,)


def polars_case():
    import polars as pl

    bars = pl.DataFrame({"close": range(ROWS), "symbol": ["EURUSD"] * ROWS})
    changed = bars.with_columns(close=pl.col("close").replace(ROWS // 2, 0))
    return ranked, (bars,), (changed,)


def cases():
    optional = {"numpy": numpy_case, "pandas": pandas_case, "polars": polars_case}
    found = {name: case() for name, case in optional.items() if find_spec(name)}
    return {"plain": plain_case(), **found}
