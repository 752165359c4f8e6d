"""What a process does to series of bars while something happens to it."""

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LENGTH = 60  # days that rounds of one life share


def symbol(number: int) -> str:
    return "AB"[number // 10 % 2]


def begin(number: int) -> int:
    return number * 7 % LENGTH


def append(user: Any, number: int) -> None:
    first = begin(number)
    user.get(symbol(number), first, first + 15, number)


def append_day_by_day(user: Any, number: int) -> None:
    """Enough that segments become one on the way."""
    first = begin(number)
    for length in range(1, 12):
        user.get(symbol(number), first, first + length, number)


def refresh(user: Any, number: int) -> None:
    first = begin(number)
    user.refresh(symbol(number), first + 3, first + 12, number + 1)


def drop(user: Any, number: int) -> None:
    first = begin(number)
    user.drop(symbol(number), first + 2, first + 9)


def compact(user: Any, number: int) -> None:
    user.compact()


def append_twice(user: Any, number: int) -> None:
    first = begin(number)
    user.get(symbol(number), first + 10, first + 25, number + 2)
    user.get(symbol(number), first, first + 30, number + 3)


def drop_and_append(user: Any, number: int) -> None:
    first = begin(number)
    user.drop(symbol(number), first, first + 6)
    user.get(symbol(number), first, first + 10, number + 4)


def catalog(root: Path) -> Path:
    return root / "v1/series/catalog.sqlite3"


def lose(root: Path) -> None:
    for path in root.glob("v1/series/catalog*"):
        path.unlink()


def halve(root: Path) -> None:
    settle(root)
    os.truncate(catalog(root), catalog(root).stat().st_size // 2)


def settle(root: Path) -> None:
    """Have the catalog in one file."""
    with contextlib.closing(sqlite3.connect(catalog(root))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def tables(root: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(catalog(root))) as connection:
        yield connection
        connection.commit()


def age(root: Path, then: float) -> None:
    """Have what was replaced be as old as what is removed."""
    for path in root.glob("v1/series/*/*"):
        os.utime(path, (then, then))
    if catalog(root).is_file():
        with tables(root) as connection, contextlib.suppress(sqlite3.DatabaseError):
            connection.execute("UPDATE dead SET since = 0")


def faults(root: Path) -> list[str]:
    """What is wrong with the catalog, and with files that it names."""
    if not catalog(root).is_file():
        return []
    with tables(root) as connection:
        query = "SELECT series, first, stop, segment FROM coverage ORDER BY series, first"
        pieces = connection.execute(query).fetchall()
        segments = dict(connection.execute("SELECT id, name FROM segments"))
    files = {path.name for path in root.glob("v1/series/*/*.parquet")}
    found = [f"lost: the file of segment {name}" for name in segments.values() if name not in files]
    found += [
        f"two segments have {piece} and {other}"
        for piece, other in itertools.pairwise(pieces)
        if piece[0] == other[0] and other[1] < piece[2]
    ]
    return found + [
        f"no segment has {piece}" for piece in pieces if piece[3] not in {None, *segments}
    ]


def strays(root: Path) -> list[Path]:
    """Segments that nothing names, not even as replaced a moment ago."""
    if not catalog(root).is_file():
        return []
    with tables(root) as connection:
        query = "SELECT name FROM segments UNION SELECT name FROM dead"
        named = {name for (name,) in connection.execute(query)}
        named |= {name for (name,) in connection.execute("SELECT name FROM cuts")}
    return [path for path in root.glob("v1/series/*/*") if path.name not in named]
