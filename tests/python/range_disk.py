"""What a store has of a cache's series, read without the cache: its catalog and its files."""

from __future__ import annotations

import bisect
import itertools
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from range_model import iso, rows_of

if TYPE_CHECKING:
    from pathlib import Path


class OnDisk(NamedTuple):
    """A row of the table of coverage."""

    first: int
    stop: int
    state: int
    reason: int
    segment: int | None
    attempt: int
    fetched: int
    recheck: int

    def __str__(self) -> str:
        what = ("data", "empty", "suspect", "volatile")[self.state]
        return f"{what} {iso(self.first)} to {iso(self.stop)}, reason {self.reason}"


class Disk:
    """The series of one cache in a store."""

    def __init__(self, path: Path, cache: str) -> None:
        self.folder = path / "v1" / "series"
        self.cache = cache
        self._catalog: sqlite3.Connection | None = None
        self._read: dict[Path, Any] = {}
        self.series: dict[str, tuple[int, Path]] = {}
        self.coverage: dict[str, list[OnDisk]] = {}
        self.segments: dict[str, dict[int, tuple[str, int]]] = {}

    @property
    def catalog(self) -> sqlite3.Connection:
        if self._catalog is None:
            path = self.folder / "catalog.sqlite3"
            self._catalog = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        return self._catalog

    def close(self) -> None:
        if self._catalog is not None:
            self._catalog.close()

    def load(self) -> None:
        """Read what is said to be known."""
        self.series, self.coverage, self.segments = {}, {}, {}
        if not (self.folder / "catalog.sqlite3").exists():
            return
        ask = self.catalog.execute
        for number, key, folder in ask(
            "SELECT id, key, folder FROM series WHERE cache = ?", [self.cache]
        ).fetchall():
            symbol = next(name for name in ("AAA", "BBB") if name in key)
            self.series[symbol] = (number, self.folder / folder)
            rows = ask(
                "SELECT first, stop, state, reason, segment, attempt, fetched, recheck "
                "FROM coverage WHERE series = ? ORDER BY first",
                [number],
            )
            self.coverage[symbol] = [OnDisk(*row) for row in rows]
            rows = ask("SELECT id, name, rows FROM segments WHERE series = ?", [number])
            self.segments[symbol] = {own: (name, count) for own, name, count in rows}

    def snapshot(self) -> Any:
        """Give what must not change where nothing is written."""
        if not (self.folder / "catalog.sqlite3").exists():
            return None
        version = self.catalog.execute("PRAGMA data_version").fetchone()
        self.load()
        files = sorted(
            (path.name, path.stat().st_size, path.stat().st_mtime_ns)
            for _, folder in self.series.values()
            if folder.exists()
            for path in folder.iterdir()
        )
        return version, self.coverage, self.segments, files

    def piece(self, symbol: str, label: int) -> OnDisk | None:
        """Give what is said of a label."""
        pieces = self.coverage.get(symbol, [])
        at = bisect.bisect_right([piece.first for piece in pieces], label) - 1
        return pieces[at] if at >= 0 and label < pieces[at].stop else None

    def overlaps(self, symbol: str) -> list[str]:
        """Tell of positions that lie in two pieces, and of pieces whose segments are not there."""
        pieces = self.coverage.get(symbol, [])
        problems = [
            f"{symbol}: two pieces lie over each other, {one} and {after}"
            for one, after in itertools.pairwise(pieces)
            if after.first < one.stop
        ]
        problems += [f"{symbol}: an empty piece, {one}" for one in pieces if one.first >= one.stop]
        known = self.segments.get(symbol, {})
        problems += [
            f"{symbol}: {one} lies in no segment"
            for one in pieces
            if one.segment is not None and one.segment not in known
        ]
        return problems

    def rows(self, symbol: str) -> dict[int, tuple[Any, ...]]:
        """Give the live rows of all segments, by label."""
        found: dict[int, tuple[Any, ...]] = {}
        for piece in self.coverage.get(symbol, []):
            if piece.segment is None:
                continue
            rows = self._segment(symbol, piece.segment)
            for at, row in rows:
                if piece.first <= at < piece.stop:
                    found[at] = (*found.get(at, ()), row)
        return found

    def _segment(self, symbol: str, number: int) -> Any:
        name, count = self.segments[symbol][number]
        path = self.series[symbol][1] / f"{name}"
        path = path if path.exists() else path.with_suffix(".parquet")
        if path not in self._read:
            self._read[path] = rows_of(pl.read_parquet(path))
        assert len(self._read[path]) == count
        return self._read[path]
