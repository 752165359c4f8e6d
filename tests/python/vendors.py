"""The vendor of the examples for tests: a real HTTP process on the loopback interface."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

EXAMPLES = Path(__file__).parents[2] / "examples"
if str(EXAMPLES) not in sys.path:  # the examples import each other by their names
    sys.path.append(str(EXAMPLES))

from vendor_client import VendorEngine, VendorProcess, frame, query, running  # noqa: E402

__all__ = [
    "EXAMPLES",
    "HOURS",
    "OCTOBER",
    "SESSIONS",
    "TICKS",
    "BlockingEngine",
    "VendorEngine",
    "VendorProcess",
    "day",
    "days_between",
    "fetch",
    "labels",
    "pages",
    "rows",
    "running",
]

OCTOBER = {"symbol": "GOOG", "timeframe": "1D", "start": "2012-10-01", "end": "2012-10-31"}
SESSIONS = 21  # of October 2012, which lost two to a storm
HOURS = {
    "symbol": "EURUSD",
    "timeframe": "1h",
    "start": "2017-05-02T09:00:00+00:00",
    "end": "2017-05-02T12:00:00+00:00",
}
TICKS = {name: value for name, value in HOURS.items() if name != "timeframe"}


def day(text: str) -> datetime:
    """Give the midnight without a zone that a backtest has as a day."""
    return datetime.fromisoformat(text)


def days_between(record: dict[str, Any]) -> list[str]:
    """Give the days that a request in the log asked for, both its ends among them."""
    asked = pd.date_range(record["start"][:10], record["end"][:10])
    return [date.date().isoformat() for date in asked]


def fetch(vendor: VendorProcess, path: str = "/bars", **asked: Any) -> httpx.Response:
    """Ask for one page, and give the answer as it is."""
    return vendor.client.get(path, params=asked)


def rows(vendor: VendorProcess, path: str = "/bars", **asked: Any) -> list[dict[str, Any]]:
    """Ask for one page, and give its rows."""
    return fetch(vendor, path, **asked).raise_for_status().json()[path.strip("/")]


def labels(vendor: VendorProcess, **asked: Any) -> list[str]:
    """Ask for one page of bars, and give their times as the vendor writes them."""
    return [row["t"] for row in rows(vendor, **asked)]


def pages(vendor: VendorProcess, path: str = "/bars", **asked: Any) -> Iterator[list[dict]]:
    """Ask for page after page, and give the rows of each."""
    following = "0"
    while following is not None:
        body = fetch(vendor, path, **asked, page=following).raise_for_status().json()
        yield body[path.strip("/")]
        following = body["next_page"]


class BlockingEngine:
    """A data engine without coroutines."""

    def __init__(self, vendor: VendorProcess) -> None:
        self._vendor = vendor

    def get_bars(self, symbol: str, start: datetime, end: datetime, timeframe: str) -> pd.DataFrame:
        asked = query(symbol, start, end, timeframe)
        rows = [row for page in pages(self._vendor, **asked) for row in page]
        return frame(rows, timeframe)
