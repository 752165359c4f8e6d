"""Calls for several symbols at once: of what they are, and what becomes of their answers."""

import pandas as pd
from range_vendor import Clock, Vendor, hours, same

from afml_cache import RangeCache

HOURS = hours("2024-01-01", "2024-01-31 23:00")
DAY = ("2024-01-02", "2024-01-03")


class ManyVendor(Vendor):
    """Gives the bars of several symbols in one answer, and notes for which it was asked."""

    def __init__(self, times: pd.DatetimeIndex = HOURS) -> None:
        super().__init__(times)
        self.together: list[tuple[str, ...]] = []

    def load_many(self, symbols, timeframe, start, end):  # noqa: ARG002
        self.together.append(tuple(symbols))
        return {symbol: self.between(start, end) for symbol in symbols}


def of_many(vendor: ManyVendor, **options: object) -> RangeCache:
    options = {"many": vendor.load_many, "clock": Clock(), "retries": 0, **options}
    return RangeCache("bars", vendor.load, **options)


# Bars that are made of shorter ones


def test_derived_bars_of_several_symbols_are_made_of_shorter_ones() -> None:
    vendor = ManyVendor()
    cache = of_many(vendor, derive={"4h": "1h"})
    given = cache.get_many(["A", "B"], "4h", *DAY, shape="dict")
    assert vendor.together == []  # nobody is asked for bars of four hours
    assert vendor.series == [("A", "1h"), ("B", "1h")]
    alone = of_many(vendor, derive={"4h": "1h"}, source="alone").get("A", "4h", *DAY)
    assert len(alone) == 6
    for symbol in "AB":
        same(given[symbol], alone)
        same(cache.get(symbol, "4h", *DAY), alone)
        assert {one.reason for one in cache.coverage(symbol, "4h")} == {"derived"}
