"""What a file that is written for others can't be, said before what it was is overwritten."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import polars as pl

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.importing import is_part
from afml_cache.ranges.keys import values_of
from afml_cache.ranges.shapes import not_repeated, values_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from afml_cache.ranges.series import Series

# So many series are named.
_FEW: Final = 3


def named(series: Series, key: Sequence[str], table: pl.DataFrame) -> pl.DataFrame:
    """Put the parts of a key before the bars, whose own columns may repeat them."""
    stored = values_of(series.text)
    for name in [name for name in key if name in table.columns]:
        others = [one for one in values_in(table[name]) if not is_part(one, series, stored, name)]
        if others:
            message = f"{series.name}: {not_repeated(name, others[0], stored[name])}"
            raise CacheConfigError(message)
        table = table.drop(name)
    return table.select(*(pl.lit(text).alias(name) for name, text in _texts(series, key)), pl.all())


def _texts(series: Series, key: Sequence[str]) -> list[tuple[str, str]]:
    stored = values_of(series.text)
    return [(name, str(stored[name])) for name in key]


def check_apart(target: Path, key: Sequence[str], each: Iterable[Series]) -> None:
    """See that the bars of several series can be told apart by the texts of their keys."""
    met: set[str] = set()
    for series in each:
        texts = _texts(series, key)
        shown = ", ".join(f"{name} {text}" for name, text in texts)
        if repr(texts) in met:
            message = (
                f"`{target.name}` would have bars of two series of `{series.cache}` as {shown}: "
                'parts of keys that differ in their type alone, such as 1 and "1", are one text; '
                "export each of the two with its key"
            )
            raise CacheConfigError(message)
        met.add(repr(texts))


def nothing_of(target: Path, what: str, each: Iterable[Series]) -> CacheConfigError:
    """Say that there is nothing to be written, and of which other series there is."""
    others = list(islice((one.name for one in each if one.with_bars()), _FEW))
    remedy = "fetch some first, or see that the cache has the name and the store they are in"
    if others:
        remedy = f"there are some of {', '.join(others)}; see how the key is written, or fetch some"
    message = f"no bars of {what} are stored, and `{target.name}` is left as it is: {remedy}"
    return CacheConfigError(message)


def check_holds(target: Path, table: pl.DataFrame) -> None:
    """See that a file can hold all columns."""
    suffix = target.suffix.lower()
    for name, dtype in table.schema.items():
        is_plain = not dtype.is_nested() and dtype.base_type() not in {pl.Duration, pl.Binary}
        if (suffix == ".csv" and not is_plain) or (suffix == ".json" and dtype == pl.Binary):
            message = (
                f"`{target.name}` can't hold the column `{name}`, which is {dtype}: a {suffix} has "
                "no such values; export to a .parquet, or leave the column out of what the loader "
                "gives"
            )
            raise CacheConfigError(message)
