"""The `backtest_index.json` of `afml.cache`, which kept all runs in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from afml_cache._native import digest
from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import LATEST, span
from afml_cache.runs.canonical import canonical
from afml_cache.runs.index import is_id

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "backtest_index.json"
_SECOND = 10**9


class Entry(NamedTuple):
    """A run of such an index."""

    old_id: str
    run: str
    strategy: str
    parameters: dict[str, Any]
    parameters_digest: str
    data: str
    metrics: dict[str, Any]
    at_ns: int
    notes: str

    @property
    def has_usual_id(self) -> bool:
        """Whether its old id can be one here: 32 hexadecimal digits."""
        return is_id(self.old_id) and self.old_id == self.old_id.lower()


def entries_of(path: Path) -> list[Entry]:
    """Read the runs of an index.

    Raises
    ------
    CacheConfigError
        It is none.
    OSError
        It can't be read.
    """
    file = path / _NAME if path.is_dir() else path
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"`{file}` is no {_NAME}: {error}"
        raise CacheConfigError(message) from error
    if not isinstance(index, Mapping):
        message = f"`{file}` is no {_NAME}: it holds a {type(index).__name__}, not runs by id"
        raise CacheConfigError(message)
    return [_entry(str(old_id), given, file) for old_id, given in index.items()]


def _entry(old_id: str, given: Any, file: Path) -> Entry:
    strategy = (
        given.get("strategy", given.get("strategy_name")) if isinstance(given, Mapping) else None
    )
    if not isinstance(strategy, str):
        message = f"`{file}` is no {_NAME}: the run {old_id!r} names no strategy"
        raise CacheConfigError(message)
    parameters = _mapping(given.get("parameters"))
    metrics = _mapping(given.get("metrics", given.get("performance_summary")))
    data = digest(("data of afml.cache", str(given.get("data_hash", ""))))
    return Entry(
        old_id,
        digest(("run of afml.cache", strategy, old_id, data)),
        strategy,
        parameters,
        digest(canonical(parameters)),
        data,
        metrics,
        _instant(given.get("timestamp")),
        f"imported from {file.name}",
    )


def _instant(timestamp: Any) -> int:
    """Read seconds since 1970, as `time.time` gives them, or a text; 0 where it is none."""
    told = span(timestamp)
    if told is not None:
        return told.first
    if not isinstance(timestamp, int | float) or not 0 <= timestamp < LATEST / _SECOND:
        return 0
    whole, rest = divmod(timestamp, 1)
    return int(whole) * _SECOND + round(rest * _SECOND)


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
