"""What an outage of a real vendor, over HTTP, leaves behind in a cache of bars: nothing false."""

import httpx
import pytest
from range_vendor import Clock
from vendors import SESSIONS, BlockingEngine, VendorProcess, day

from afml_cache import CachedDataEngine
from afml_cache.exceptions import PartialCoverageError

OCTOBER = ("GOOG", day("2012-10-01"), day("2012-10-31"), "1D")


def engine_of(vendor: VendorProcess, clock: Clock) -> CachedDataEngine:
    options = {"clock": clock, "retries": 0, "calendar": "XNYS", "name": "bars"}
    return CachedDataEngine(BlockingEngine(vendor), **options)


@pytest.mark.parametrize("answer", [503, 500, 404, "cut"])
def test_an_outage_of_a_vendor_is_told_and_over_when_it_is_over(
    vendor: VendorProcess, answer: int | str
) -> None:
    vendor.set(outage_dates=["2012-10-17"], outage_answer=answer)
    engine = engine_of(vendor, Clock())
    for _ in range(2):
        with pytest.raises(PartialCoverageError) as told:
            engine.get_bars(*OCTOBER)
        assert isinstance(told.value.__cause__, httpx.HTTPError)
        assert all(one.state != "empty" for one in engine.cache.coverage("GOOG", "1D"))
    vendor.reset()
    assert len(engine.get_bars(*OCTOBER)) == SESSIONS


def test_an_outage_that_looks_like_an_empty_answer_is_not_believed_for_ever(
    vendor: VendorProcess,
) -> None:
    clock = Clock()
    vendor.set(outage_dates=["2012-10-17"], outage_answer="empty")
    engine = engine_of(vendor, clock)
    assert len(engine.get_bars(*OCTOBER)) == 0
    assert engine.cache.explain_gap("GOOG", "1D", day("2012-10-17")).kind in {
        "suspect",
        "vendor-empty",
    }
    vendor.reset()
    before = len(vendor.log())
    assert len(engine.get_bars(*OCTOBER)) == 0
    assert len(vendor.log()) == before
    clock.move("61min")
    assert len(engine.get_bars(*OCTOBER)) == SESSIONS
