"""What `verify` says of segments that change while it reads them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
from range_vendor import Vendor, cache_of, days, hours, utc


def test_verify_finds_no_fault_in_what_another_thread_replaces_meanwhile() -> None:
    vendor = Vendor(hours("2024-01-02", "2024-02-01"))
    cache = cache_of(vendor)
    for at in days("2024-01-02", "2024-01-31"):
        cache.get("A", "1h", at, at + pd.Timedelta("1D"))
    asked = "A", "1h", utc("2024-01-10"), utc("2024-01-11")

    def replace() -> None:
        for _ in range(100):
            cache.invalidate(*asked[:3], utc("2024-01-10 05:00"))
            cache.get(*asked)
            cache.refresh(*asked)
            cache.compact()

    with ThreadPoolExecutor(1) as pool:
        replaced = pool.submit(replace)
        found = [cache.verify("A", "1h") for _ in iter(replaced.done, True)]
        replaced.result()
    assert found
    assert [one.problems for one in found if one.problems] == []
    assert cache.verify("A", "1h") == (1, 720, [], [])
