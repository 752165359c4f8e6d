"""What was restated is counted by how much came since, whatever is no longer kept of it."""

from __future__ import annotations

import pytest

from afml_cache.ranges.restatements import Restatement, Restatements


@pytest.mark.parametrize("before", [0, 7, 9_999, 10_000, 12_345])
def test_those_that_came_since_are_given_however_many_there_were_before(before: int) -> None:
    restated = Restatements()
    for number in range(before):
        restated.add((number, number + 1), 2)
    seen, bars = restated.seen, restated.bars
    assert restated.since(seen) == []
    restated.add((-5, -3), 1)
    restated.add((-2, -1), 4)
    assert restated.since(seen) == [Restatement(-5, -3, 1), Restatement(-2, -1, 4)]
    assert restated.bars - bars == 5
    assert list(restated)[-2:] == restated.since(seen)


def test_no_more_than_the_latest_are_kept() -> None:
    restated = Restatements()
    for number in range(10_003):
        restated.add((number, number + 1), 1)
    assert next(iter(restated)) == (3, 4, 1)
    assert len(restated.since(0)) == 10_000
