"""Upkeep of bars in modes in which nothing is stored."""

import pytest
from range_vendor import Vendor, cache_of, days, same

from afml_cache import mode
from afml_cache.exceptions import CacheConfigError, CacheMissError

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
SERIES = ("A", "1D")


@pytest.mark.parametrize("name", ["readonly", "frozen", "off"])
def test_upkeep_that_writes_is_refused_where_nothing_is_stored(name: str, tmp_path) -> None:
    vendor = Vendor(YEAR)
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    cache.export(tmp_path / "bars.parquet", *SERIES)
    vendor.bars["close"] += 1
    with mode(name):
        for upkeep in (
            lambda: cache.refresh(*SERIES, *JANUARY),
            lambda: cache.invalidate(*SERIES, *JANUARY),
            lambda: cache.invalidate(*SERIES),
            lambda: cache.verify(*SERIES, sample=1),
            cache.compact,
            lambda: cache.import_parquet(tmp_path / "bars.parquet", "B", "1D"),
        ):
            with pytest.raises(CacheConfigError, match=f'mode "{name}".*mode "normal"'):
                upkeep()
        assert cache.verify(*SERIES).rows == 31
    assert (len(vendor.asked), cache.coverage("B", "1D").rows) == (1, 0)
    vendor.bars["close"] -= 1
    same(cache.get(*SERIES, *JANUARY), vendor.between(*JANUARY))


@pytest.mark.parametrize("name", ["readonly", "off"])
def test_nothing_is_fetched_ahead_where_nothing_is_stored(name: str) -> None:
    vendor = Vendor(YEAR)
    with mode(name), pytest.raises(CacheConfigError, match=f'`prefetch`.*mode "{name}"'):
        cache_of(vendor).prefetch(*SERIES, *JANUARY)
    assert vendor.asked == []


def test_a_prefetch_tells_what_is_missing_in_mode_frozen() -> None:
    cache = cache_of(Vendor(YEAR))
    cache.prefetch(*SERIES, *JANUARY)
    with mode("frozen"):
        assert cache.prefetch(*SERIES, *JANUARY) == 0
        with pytest.raises(CacheMissError, match="2024-02-01"):
            cache.prefetch(*SERIES, "2024-01-10", "2024-02-10")


def test_a_damaged_segment_is_told_and_left_alone_in_mode_readonly(default_cache) -> None:
    cache = cache_of(Vendor(YEAR))
    cache.get(*SERIES, *JANUARY)
    [segment] = default_cache.rglob("*.parquet")
    segment.write_bytes(segment.read_bytes()[:-8])
    for _ in range(2):
        with mode("readonly"):
            assert len(cache_of(Vendor(YEAR)).verify().problems) == 1
    assert cache_of(Vendor(YEAR)).verify().problems != []
    assert cache_of(Vendor(YEAR)).verify().problems == []
