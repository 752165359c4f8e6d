"""Several symbols in one request: each series is its own, and a loader of many is asked once."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError, LoaderError
from afml_cache.ranges.effects import gives_awaitable
from afml_cache.ranges.forms import read
from afml_cache.ranges.planning import calls_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import polars as pl

    from afml_cache.ranges.loaders import Loader
    from afml_cache.ranges.requests import Request

Shape = str
SHAPES = ("long", "wide", "dict")


class Batch:
    """Calls of a loader of many: symbols that lack the same interval are asked for together.

    The first of them makes the call, and the others take their part of its answer. A symbol that
    the answer does not have is not known by it, and asked for by itself.
    """

    def __init__(
        self, many: Callable[..., Any], name: str, requests: Mapping[Any, Request]
    ) -> None:
        self._many = many
        self._name = name
        self._lock = threading.Lock()
        self._answers: dict[Any, Any] = {}
        self._together: dict[tuple[Any, Any], list[Any]] = {}
        for symbol, request in requests.items():
            for ends in _calls(request):
                self._together.setdefault(ends, []).append(symbol)
            request.loader = request.loader.around(functools.partial(self._load, request.loader))
            request.loader.awaitable = gives_awaitable(many)

    def _load(self, alone: Loader, **given: Any) -> Any:
        symbol, ends = given[self._name], (given["start"], given["end"])
        symbols = self._together.get(ends, [])
        if symbol not in symbols:
            return alone.function(**given)
        symbols.remove(symbol)
        rest = {name: value for name, value in given.items() if name != self._name}
        if gives_awaitable(self._many):
            return self._awaited(alone, given, (ends, symbols), rest)
        with self._lock:
            if ends not in self._answers:
                answer = self._many([symbol, *symbols], **rest)
                self._answers[ends] = _parts(answer, self._name)
        return self._part(alone, given, self._answers[ends])

    async def _awaited(
        self, alone: Loader, given: dict[str, Any], asked: tuple[Any, list[Any]], rest: Any
    ) -> Any:
        ends, symbols = asked
        if ends not in self._answers:
            call = self._many([given[self._name], *symbols], **rest)
            self._answers[ends] = asyncio.ensure_future(call)
        answer = await asyncio.shield(self._answers[ends])
        value = self._part(alone, given, _parts(answer, self._name))
        return await value if inspect.isawaitable(value) else value

    def _part(self, alone: Loader, given: dict[str, Any], parts: Mapping[Any, Any]) -> Any:
        part = parts.get(given[self._name])
        return alone.function(**given) if part is None else part


def _calls(request: Request) -> Iterator[tuple[Any, Any]]:
    """Give the ends of the calls that a request is going to make."""
    series, options = request.series, request.filler.options
    series.sync(writes=request.writes)
    for gap in request.wanted(request.open_gaps()):
        for call in calls_of(series.axis, gap, options):
            yield series.axis.for_loader(*call, request.bounds.caller, options.loader_closed)


def _parts(value: Any, name: str) -> dict[Any, Any]:
    """Take the answer of a loader of many apart, by symbol."""
    if isinstance(value, dict):
        return value
    form, table = read(value)
    if name not in table.columns:
        message = (
            f"a loader of many gives a dictionary of bars by {name}, or bars with a column "
            f"`{name}`; it gave columns {', '.join(table.columns)}"
        )
        raise LoaderError(message)
    if form.kind == "pandas":
        return {symbol: part.drop(columns=name) for symbol, part in value.groupby(name)}
    if form.kind == "polars":
        frames: Any = table.partition_by(name, as_dict=True, include_key=False)
        return {symbol[0]: part for symbol, part in frames.items()}
    message = "a loader of many gives a dictionary by symbol, or a frame of pandas or polars"
    raise LoaderError(message)


def shaped(answers: Mapping[Any, Any], name: str, shape: Shape) -> Any:
    """Give the bars of several symbols as one value."""
    if shape == "dict":
        return dict(answers)
    # A loader that gave nothing yet has not said what it gives.
    answers = {symbol: one for symbol, one in answers.items() if not _is_unsaid(one)} or answers
    kinds = {type(one).__module__.partition(".")[0] for one in answers.values()}
    if kinds == {"pandas"}:
        return _of_pandas(answers, name, shape)
    if kinds == {"polars"}:
        return _of_polars(answers, name, shape)
    message = (
        f'bars of several symbols can be put together as frames: ask for output="pandas" or '
        f'"polars", or for shape="dict"; these are of {", ".join(sorted(kinds))}'
    )
    raise CacheConfigError(message)


def _is_unsaid(value: Any) -> bool:
    return isinstance(value, list) and not value


def _of_pandas(answers: Mapping[Any, Any], name: str, shape: Shape) -> Any:
    import pandas as pd

    if shape == "wide":
        return pd.concat(answers, axis=1, names=[name]).swaplevel(axis=1).sort_index(axis=1)
    index = next(iter(answers.values())).index.name
    return pd.concat(answers, names=[name, index]).reset_index(level=0)


def _of_polars(answers: Mapping[Any, pl.DataFrame], name: str, shape: Shape) -> pl.DataFrame:
    import polars as pl

    if shape == "long":
        named = [
            one.select(pl.lit(symbol).alias(name), pl.all()) for symbol, one in answers.items()
        ]
        return pl.concat(named, how="diagonal_relaxed")
    time = _time_of(next(iter(answers.values())))
    wide: pl.DataFrame | None = None
    for symbol, one in answers.items():
        renamed = one.rename(
            {column: f"{column}_{symbol}" for column in one.columns if column != time}
        )
        wide = renamed if wide is None else wide.join(renamed, on=time, how="full", coalesce=True)
    return pl.DataFrame() if wide is None else wide.sort(time)


def _time_of(frame: pl.DataFrame) -> str:
    form, _ = read(frame)
    return form.time or frame.columns[0]


def symbols_of(symbols: Any) -> Sequence[Any]:
    """Check the symbols of a request for several.

    Raises
    ------
    CacheConfigError
        They are one text, or none.
    """
    if isinstance(symbols, str) or not hasattr(symbols, "__iter__"):
        message = f"`get_many` takes a list of symbols, not {symbols!r}; `get` takes one"
        raise CacheConfigError(message)
    found = list(dict.fromkeys(symbols))
    if not found:
        message = "`get_many` takes at least one symbol"
        raise CacheConfigError(message)
    return found
