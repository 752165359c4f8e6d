"""Segments: bars as the bytes of a Parquet file, and back."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

import polars as pl

from afml_cache.exceptions import CacheCorruptError

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from afml_cache._native import Series as NativeSeries

T = TypeVar("T")

ROWS: Final = 131_072
"""Bars of a segment, at most."""

# Small enough that a month of minutes is read without the rest of its segment.
_GROUP: Final = 16_384
_ABOUT: Final = "afml_cache"


def packed(table: pl.DataFrame, about: dict[str, Any]) -> bytes:
    """Make a segment; `about` says in it whose bars they are, and what is known of them."""
    content = io.BytesIO()
    table.write_parquet(
        content,
        compression="lz4",
        row_group_size=_GROUP,
        metadata={_ABOUT: json.dumps(about)},
    )
    return content.getvalue()


def unpacked(content: bytes, within: pl.Expr | None = None) -> pl.DataFrame:
    """Read a segment, or only those of its bars that lie within something."""
    if within is None:
        return _read(lambda: pl.read_parquet(content))
    return _read(lambda: pl.scan_parquet(content).filter(within).collect())


def about(content: bytes) -> dict[str, Any] | None:
    """Read what a segment says of itself; `None` for a file that is none of ours."""
    try:
        told = _read(lambda: pl.read_parquet_metadata(io.BytesIO(content))).get(_ABOUT)
        read = json.loads(told) if told else None
    except (CacheCorruptError, ValueError):
        return None
    return read if isinstance(read, dict) else None


def made_of(native: NativeSeries, numbers: Container[int | None]) -> dict[str, Any]:
    """Say where the bars of a segment are from that is made of others.

    It was written when the latest of them was: what came after that is newer than all of its bars.
    """
    sources = [
        source
        for number, *_, text in native.segments()
        if number in numbers
        for source in _of(text)
    ]
    return {"made_of": sources, "written": max((one["written"] for one in sources), default=0)}


def length_of(text: str, default: int) -> int:
    """Read how long the pieces of a segment were together when it was written."""
    try:
        length = json.loads(text)["length"]
    except (LookupError, TypeError, ValueError):
        return default
    return length if isinstance(length, int) else default


def _of(text: str) -> list[dict[str, Any]]:
    """Read where the bars of a segment are from; nothing where that can't be what we wrote."""
    try:
        told = json.loads(text)
        sources = told.get("made_of", [told])
        sound = [one for one in sources if isinstance(one["written"], int)]
    except (AttributeError, LookupError, TypeError, ValueError):
        return []
    return sound


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except MemoryError:
        raise
    except Exception as error:
        message = f"a segment of bars can't be read as Parquet: {error}"
        raise CacheCorruptError(message) from error
    except BaseException as error:
        # A panic of Rust is no Exception, and no wish of the user's to stop.
        if type(error).__name__ != "PanicException":
            raise
        message = f"a segment of bars can't be read as Parquet: {error}"
        raise CacheCorruptError(message) from error
