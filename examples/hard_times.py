"""What the cache makes of a vendor that caps, refuses, fails and changes its mind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from vendor_client import VendorEngine, VendorProcess

from afml_cache import CachedDataEngine, PartialCoverageError, robust_cacheable

WEEK = timedelta(days=7)
Caching = Callable[..., Any]  # the vendor's engine with a cache, an empty one for each story
day = datetime.fromisoformat


async def page_cap(vendor: VendorProcess, caching: Caching) -> str:
    vendor.set(cap=100)
    cached = caching(calendar="XNYS", max_rows=100)
    bars = await cached.get_bars("GOOG", day("2011-01-01"), day("2011-12-31"), "1D")
    return f"no more than 100 bars an answer, and not a word of it: all {len(bars)} bars of 2011"


async def too_many_requests(vendor: VendorProcess, caching: Caching) -> str:
    vendor.set(throttle_every=2, retry_after=1)
    before = len(vendor.log())
    cached = caching(calendar="XNYS")
    march = await cached.get_bars("GOOG", day("2012-03-01"), day("2012-03-31"), "1D")
    april = await cached.get_bars("GOOG", day("2012-04-01"), day("2012-04-30"), "1D")
    refused = [record["status"] for record in vendor.log()[before:]].count(429)
    return f"{refused} request refused with a 429: {len(march)} and {len(april)} bars all the same"


async def outage(vendor: VendorProcess, caching: Caching) -> str:
    vendor.set(outage_dates=["2017-05-10"])
    cached = caching(max_span=WEEK, retries=1)
    asked = ("EURUSD", day("2017-05-01T00:00+00:00"), day("2017-05-21T23:00+00:00"), "1h")
    try:
        await cached.get_bars(*asked)
        first = "nothing was missing"
    except PartialCoverageError as error:
        first = f"missing {error.missing[0][0]:%Y-%m-%d} .. {error.missing[0][1]:%Y-%m-%d}"
    vendor.set(outage_dates=[])
    before = len(vendor.log())
    bars = await cached.get_bars(*asked)
    more = len(vendor.log()) - before
    return f"down for what has 2017-05-10: {first}; later {more} more: all {len(bars)} hours"


async def holiday(vendor: VendorProcess, caching: Caching) -> str:
    cached, storm = caching(calendar="XNYS"), day("2012-10-29")
    bars = await cached.get_bars("GOOG", storm, storm, "1D")
    reason = cached.cache.explain_gap("GOOG", "1D", storm)
    return f"closed for a storm on 2012-10-29: {len(bars)} bars, {reason}"


async def restatement(vendor: VendorProcess, caching: Caching) -> str:
    cached, asked = caching(calendar="XNYS"), (day("2012-07-01"), day("2012-07-31"))
    was = await cached.get_bars("GOOG", *asked, "1D")
    vendor.set(restated={"2012-07-20": {"v": 1_234_500}})
    await cached.cache.arefresh("GOOG", "1D", *asked)
    now = await cached.get_bars("GOOG", *asked, "1D")
    [restated] = was.index[was["volume"] != now["volume"]]
    volumes = f"{was['volume'][restated]:,} to {now['volume'][restated]:,}"
    return f"found by a refresh: the volume of {restated:%Y-%m-%d} went from {volumes}"


STORIES = {
    "a silent cap": page_cap,
    "too many requests": too_many_requests,
    "an outage": outage,
    "a holiday": holiday,
    "a restatement": restatement,
}


@robust_cacheable(ignore=("engine", "vendor"))
async def told(title: str, engine: VendorEngine, vendor: VendorProcess) -> str:
    """Tell a story in a line, with the calls that it took by the vendor's own log."""
    vendor.reset()
    before = len(vendor.log())
    with tempfile.TemporaryDirectory() as folder:
        caching = partial(CachedDataEngine, engine, name="vendor", store=Path(folder) / "store")
        what = await STORIES[title](vendor, caching)
    return f"{title}, {len(vendor.log()) - before} calls: {what}"


async def show_hard_times(vendor: VendorProcess, console: Console) -> None:
    """Tell each story; what was told once is told again without a call."""
    async with VendorEngine(vendor.url) as engine:
        for title in STORIES:
            line = await told(title, engine, vendor)
            console.print(line, highlight=False, soft_wrap=True)
