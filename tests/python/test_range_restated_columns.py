"""What counts as restated: values, column by column, and columns that come or go."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from range_vendor import Frame, Vendor, cache_of, days

ASKED = ("A", "1D", "2024-01-01", "2024-01-04")


class Given:
    """A loader that gives the same columns, of one value each, on every day, and its cache."""

    def __init__(self, **columns: Any) -> None:
        self.columns = columns
        self.told: list[tuple[Any, Any]] = []
        vendor = Vendor(days("2024-01-01", "2024-01-31"))
        vendor.answer = self.answer
        self.cache = cache_of(vendor, on_restated=lambda _, *span: self.told.append(span))

    def answer(self, frame: Frame) -> Any:
        """Give bars of these times."""
        columns = {name: [one] * len(frame) for name, one in self.columns.items()}
        return Frame(columns, frame.index)

    def restated(self, **columns: Any) -> int:
        """Say how many bars differ when a few are fetched again with other columns."""
        self.cache.get(*ASKED)
        self.columns = columns
        count = self.cache.refresh(*ASKED)
        assert bool(self.told) == bool(count)
        assert self.cache.stats()["restated"] == count
        assert count == sum(one[2] for one in self.cache.restated("A", "1D"))
        return count


class Listed(Given):
    """The same as a list of dictionaries."""

    def answer(self, frame: Frame) -> Any:
        """Give bars of these times."""
        return [{"time": time.to_pydatetime(), **self.columns} for time in frame.index]


# Values


INTEGERS = {
    "a time in nanoseconds": (1_700_000_000_000_000_000, 1_500_000_000),
    "a number of a trade": (2**60, 1),
    "a volume": (10_000_000_000, 3),
}


@pytest.mark.parametrize(("number", "more"), INTEGERS.values(), ids=INTEGERS)
def test_a_whole_number_that_differs_by_little_is_restated(number: int, more: int) -> None:
    given = Given(count=number)
    assert given.restated(count=number + more) == 3
    assert given.cache.get(*ASKED)["count"].tolist() == [number + more] * 3


def test_a_float_that_differs_by_rounding_is_not_restated() -> None:
    assert Given(close=0.1 + 0.2).restated(close=0.3) == 0


@pytest.mark.parametrize("kind", [Given, Listed])
def test_a_decimal_that_is_written_otherwise_is_not_restated(kind: type[Given]) -> None:
    assert kind(close=Decimal("1.10")).restated(close=Decimal("1.1")) == 0


@pytest.mark.parametrize("new", ["1.11", "NaN", "sNaN", "Infinity"])
def test_a_decimal_that_is_another_is_restated(new: str) -> None:
    given = Listed(close=Decimal("1.10"))
    assert given.restated(close=Decimal(new)) == 3
    assert given.cache.refresh(*ASKED) == 0


def test_a_text_that_is_written_otherwise_is_restated() -> None:
    assert Given(code="1.10").restated(code="1.1") == 3


# Columns that come and go


@pytest.mark.parametrize("kind", [Given, Listed])
def test_a_column_that_is_given_no_more_is_restated_as_empty(kind: type[Given]) -> None:
    given = kind(close=1.5, volume=7)
    assert given.restated(close=1.5) == 3
    assert given.cache.get(*ASKED, output="polars")["volume"].to_list() == [None] * 3
    assert given.cache.refresh(*ASKED) == 0


@pytest.mark.parametrize("kind", [Given, Listed])
def test_a_column_that_is_given_for_the_first_time_is_restated(kind: type[Given]) -> None:
    given = kind(close=1.5)
    assert given.restated(close=1.5, volume=7) == 3
    assert given.cache.get(*ASKED, output="polars")["volume"].to_list() == [7] * 3


@pytest.mark.parametrize("kind", [Given, Listed])
@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_column_without_values_may_come_and_go(nothing: float | None, kind: type[Given]) -> None:
    assert kind(close=1.5).restated(close=1.5, note=nothing) == 0
    assert kind(close=1.5, note=nothing).restated(close=1.5) == 0


def test_bars_that_are_stored_without_a_column_are_restated_when_they_come_with_it() -> None:
    given = Given(close=1.5)
    given.cache.get(*ASKED)
    given.columns = {"close": 1.5, "volume": 7}
    given.cache.get("A", "1D", "2024-01-01", "2024-01-06")
    assert given.told == []
    assert given.cache.refresh("A", "1D", "2024-01-01", "2024-01-06") == 3
    assert [(str(start), str(end)) for start, end in given.told] == [("2024-01-01", "2024-01-04")]
    given.columns = {"close": 1.5}
    given.told.clear()
    assert given.cache.refresh("A", "1D", "2024-01-03", "2024-01-05") == 2
