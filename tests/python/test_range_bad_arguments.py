"""What is asked for in a form, at a price or at a time that can't be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from range_vendor import Vendor, cache_of, days, told

from afml_cache.exceptions import CacheConfigError

YEAR = days("2024-01-01", "2024-12-31")
BEFORE = ("A", "1D", "2024-01-02", "2024-01-10")


@pytest.mark.parametrize("output", [[1], {}, "frame", 5])
def test_an_output_that_there_is_none_of_is_refused_before_anything_is_fetched(output: Any) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    for calls in (0, 1):
        with pytest.raises(CacheConfigError) as refused:
            cache.get(*BEFORE, output=output)
        told(refused.value, "`output`", '"pandas"', repr(output))
        assert len(vendor.asked) == calls
        cache.get(*BEFORE)


@pytest.mark.parametrize("price", [3, lambda *_: "text"])
def test_a_price_is_a_function_that_gives_a_number(price: Any) -> None:
    with pytest.raises(CacheConfigError, match="`price` takes a function"):
        cache_of(Vendor(YEAR)).plan(*BEFORE, price=price)


def test_attoseconds_are_no_time() -> None:
    with pytest.raises(CacheConfigError, match="`start` takes a datetime"):
        cache_of(Vendor(YEAR)).get("A", "1D", np.datetime64(1, "as"), "2024-01-10")
