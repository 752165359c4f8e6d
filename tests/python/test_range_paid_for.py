"""Bars that are stored and final outlive an answer without any, whoever asked for it."""

import pytest
from range_vendor import Clock, Frame, Vendor, cache_of, days, same, utc

from afml_cache import RangeCache, mode
from afml_cache.exceptions import BasisChangedError

KEY = ("AAPL", "1D")
JANUARY = ("2024-01-01", "2024-01-31")
QUARTER = ("2024-01-01", "2024-03-31")


def nothing(found: Frame) -> Frame:
    return found.iloc[:0]


def from_march(found: Frame) -> Frame:
    return found[found.index >= utc("2024-03-01")]


def filled(span: tuple[str, str], **options: object) -> tuple[Vendor, RangeCache]:
    vendor = Vendor(days("2023-12-01", "2024-06-30"))
    cache = cache_of(vendor, **options)
    assert len(cache.get(*KEY, *span)) == len(vendor.between(*span))
    return vendor, cache


def stored(cache: RangeCache, span: tuple[str, str]) -> Frame:
    with mode("frozen"):
        return cache.get(*KEY, *span)


@pytest.mark.parametrize("options", [{"overlap": 3}, {"adjustment": "all"}])
def test_an_empty_answer_for_a_seam_leaves_what_is_stored(options: dict[str, object]) -> None:
    clock = Clock()
    vendor, cache = filled(JANUARY, clock=clock, **options)
    vendor.answer = nothing
    same(cache.get(*KEY, "2024-01-01", "2024-02-05"), vendor.between(*JANUARY))
    calls = len(vendor.asked)
    vendor.answer = None
    same(cache.get(*KEY, "2024-01-01", "2024-02-05"), vendor.between(*JANUARY))
    assert len(vendor.asked) == calls
    clock.move("2h")
    whole = vendor.between("2024-01-01", "2024-02-05")
    same(cache.get(*KEY, "2024-01-01", "2024-02-05"), whole)


def test_bars_that_a_vendor_no_longer_serves_stay_when_they_are_verified() -> None:
    vendor, cache = filled(QUARTER)
    vendor.answer = from_march
    assert cache.verify(*KEY, sample=60).differences == []
    same(stored(cache, QUARTER), vendor.between(*QUARTER))


@pytest.mark.parametrize("answer", [nothing, from_march])
def test_a_refresh_that_is_answered_with_nothing_leaves_what_is_stored(
    caplog: pytest.LogCaptureFixture, answer: object
) -> None:
    vendor, cache = filled(QUARTER)
    vendor.answer = answer
    assert cache.refresh(*KEY, *QUARTER) == 0
    assert len(vendor.asked) <= 3
    assert "nothing was given of 2024-01-01 .. " in caplog.text
    same(stored(cache, QUARTER), vendor.between(*QUARTER))
    assert len(vendor.asked) <= 3


def test_fresh_answers_that_are_empty_leave_what_is_stored() -> None:
    vendor, cache = filled(JANUARY)
    vendor.answer = nothing
    with mode("fresh"):
        same(cache.get(*KEY, *JANUARY), vendor.between(*JANUARY))
    assert len(vendor.asked) == 2
    same(stored(cache, JANUARY), vendor.between(*JANUARY))


def test_what_was_never_stored_is_known_to_be_empty_beside_what_is() -> None:
    vendor, cache = filled(JANUARY)
    vendor.answer = nothing
    assert cache.refresh(*KEY, "2024-01-01", "2024-02-10") == 0
    known = [(one.state, str(one.start), str(one.end)) for one in cache.coverage(*KEY)]
    assert known == [("data", *JANUARY), ("empty", "2024-01-31", "2024-02-10")]


def test_ticks_outlive_an_empty_answer() -> None:
    vendor = Vendor(days("2024-01-01", "2024-01-31"))
    cache = cache_of(vendor)
    span = "2024-01-01", "2024-02-01"
    cache.get("AAPL", "tick", *span)
    vendor.answer = nothing
    assert cache.refresh("AAPL", "tick", *span) == 0
    same(cache.get("AAPL", "tick", *span), vendor.between(*span))


def test_a_series_on_another_basis_stays_where_not_all_of_it_can_be_had_again() -> None:
    vendor, cache = filled(QUARTER, adjustment="all")
    stays = vendor.between(*QUARTER).copy()
    vendor.bars[["open", "close"]] /= 2
    vendor.answer = from_march
    with pytest.raises(BasisChangedError, match=r"2024-01-01 \.\. .*invalidate"):
        cache.get(*KEY, "2024-01-01", "2024-04-02")
    same(stored(cache, QUARTER), stays)
    cache.invalidate(*KEY, "2024-01-01", "2024-03-01")
    same(cache.get(*KEY, "2024-03-01", "2024-04-02"), vendor.between("2024-03-01", "2024-04-02"))
