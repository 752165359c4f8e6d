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

__all__ = ["BlockingEngine", "VendorEngine", "VendorProcess", "fetch", "pages", "running"]


def fetch(vendor: VendorProcess, path: str = "/bars", **asked: Any) -> httpx.Response:
    """Ask for one page, and give the answer as it is."""
    return vendor.client.get(path, params=asked)


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
