"""What the folds of a walk are, said row by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


@dataclass
class Walk:
    """The arguments of a walk; lengths are ("rows", n) or ("time", n), as are times numbers."""

    times: list[int]
    train: tuple[str, int]
    test: tuple[str, int]
    step: tuple[str, int]
    gap: tuple[str, int] = ("rows", 0)
    purge: tuple[str, int] = ("rows", 0)
    embargo: tuple[str, int] = ("rows", 0)
    ends: list[int] | None = None
    anchored: bool = False
    partial: bool = False
    folds: list[dict[str, Any]] = field(default_factory=list)


def position(times, instant):
    return sum(time < instant for time in times)


def ahead(times, point, length):
    unit, amount = length
    row, instant = point
    if not amount:
        return point
    if unit == "time":
        return position(times, instant + amount), instant + amount
    row += amount
    return row, times[row] if row < len(times) else None


def back(times, point, length):
    unit, amount = length
    row, instant = point
    if not amount:
        return point
    if unit == "time":
        return position(times, instant - amount), instant - amount
    row = max(row - amount, 0)
    return row, times[row]


def reach(times):
    distances = sorted(b - a for a, b in pairwise(times) if b > a)
    if not distances:
        return times[-1]
    half = len(distances) // 2
    middle = distances[half - 1 : half + 1] if len(distances) % 2 == 0 else [distances[half]]
    return times[-1] + sum(middle) // len(middle)


def folds_of(walk):
    """Give each fold as the rows that it tests, trains on, purges and embargoes."""
    times = walk.times
    point = ahead(times, (0, times[0]), walk.train)
    if point[0] < len(times):
        point = ahead(times, point, walk.gap)
    while point[0] < len(times):
        fold = one_fold(walk, point)
        if fold is not None:
            walk.folds.append(fold)
        point = ahead(times, point, walk.step)
    return walk.folds


def one_fold(walk, point):
    times = walk.times
    unit, amount = walk.test
    if unit == "rows":
        whole = point[0] + amount <= len(times)
        test = [row for row in range(len(times)) if point[0] <= row < point[0] + amount]
    else:
        whole = point[1] + amount <= reach(times)
        test = [row for row, time in enumerate(times) if point[1] <= time < point[1] + amount]
    if not test or not (whole or walk.partial):
        return None
    stop = back(times, point, walk.gap)
    start = 0 if walk.anchored else back(times, stop, walk.train)[0]
    window = range(start, stop[0])
    purged = [row for row in window if is_purged(walk, row, test)]
    held = [row for row in window if row not in purged and is_embargoed(walk, row)]
    train = [row for row in window if row not in purged and row not in held]
    return {"train": train, "test": test, "purged": len(purged), "embargoed": len(held)}


def is_purged(walk, row, test):
    unit, amount = walk.purge
    if amount and unit == "rows":
        return row + amount >= test[0]
    if amount:
        return walk.times[row] + amount >= walk.times[test[0]]
    return walk.ends is not None and walk.ends[row] >= walk.times[test[0]]


def is_embargoed(walk, row):
    unit, amount = walk.embargo
    for fold in walk.folds:
        last = fold["test"][-1]
        if unit == "rows" and last < row <= last + amount:
            return True
        if (
            unit == "time"
            and amount
            and last < row
            and walk.times[row] <= walk.times[last] + amount
        ):
            return True
    return False
