"""Several symbols in one request: each series is its own, and a loader of many is asked once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError, LoaderError
from afml_cache.ranges.asking import asking
from afml_cache.ranges.effects import Call, Done, Failed, Until, gives_awaitable
from afml_cache.ranges.fetches import NOTHING, Fetched, fetch
from afml_cache.ranges.forms import read
from afml_cache.ranges.planning import calls_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from afml_cache.ranges.effects import Outcome, Step
    from afml_cache.ranges.fetches import Effort, Policy
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.requests import Request

# They have parts, and are no lists of symbols.
_ONE = (str, bytes, bytearray, memoryview)


class LoaderOfMany:
    """A loader of many symbols, called for some of them as other loaders are for one."""

    def __init__(self, function: Callable[..., Any], part: str) -> None:
        self.name = str(getattr(function, "__qualname__", type(function).__qualname__))
        self._function = function
        self._part = part

    def call(self, values: Mapping[str, object], start: object, end: object) -> Call:
        """Give the call for series that differ in one part of the key, which is a list here."""
        rest = {name: value for name, value in values.items() if name != self._part}
        given = {**rest, "start": start, "end": end}
        inline = gives_awaitable(self._function)
        return Call(self._function, (values[self._part],), given, inline, abandonable=True)


@dataclass(eq=False)
class _Group:
    """Symbols that lack the same interval, and what a call for all of them gave."""

    left: list[Any] = field(default_factory=list)
    """Those that have not asked yet."""
    is_asked: bool = False
    outcome: Outcome | None = None


class Batch:
    """Calls of a loader of many: symbols that lack the same interval are asked for together.

    The first of them makes the call, which is one for limits, tries and counts, and the others take
    their part of its answer, or its failure. A symbol that the answer does not have is not known by
    it, and asked for by itself.
    """

    def __init__(
        self, many: Callable[..., Any], name: str, requests: Mapping[Any, Request]
    ) -> None:
        self._many = LoaderOfMany(many, name)
        self._name = name
        self._lock = threading.Lock()
        self._groups: dict[tuple[Any, Any], _Group] = {}
        for symbol, request in requests.items():
            if request.children is not None:
                continue  # it asks for none itself: its loader makes bars of shorter ones
            for ends in _calls(request):
                self._groups.setdefault(ends, _Group()).left.append(symbol)
            request.batch = self
        self._keeps = any(_has(request.series.form, name) for request in requests.values())

    def fetch(
        self, request: Request, ends: tuple[Any, Any], policy: Policy, effort: Effort
    ) -> Step[Fetched]:
        """Fetch the bars of one symbol, with those of others where they lack the same."""
        values = request.values
        symbol = values[self._name]
        group = self._groups.get(ends, _Group())
        with self._lock:
            symbols = [symbol, *(one for one in group.left if one != symbol)]
            is_among = symbol in group.left
            is_first = is_among and not group.is_asked
            if is_among:
                group.left.remove(symbol)
                group.is_asked = True
        if is_first:
            asked = {**values, self._name: symbols}
            yield from self._ask(group, fetch(self._many, asked, *ends, policy, effort=effort))
        if is_among:
            parts = yield from _outcome(group)
            request.shared += not is_first
            if parts is None or parts.get(symbol) is not None:
                return Fetched(NOTHING if parts is None else parts[symbol], effort)
        return (yield from fetch(request.loader, values, *ends, policy, effort=effort))

    def _ask(self, group: _Group, fetching: Step[Fetched]) -> Step[None]:
        try:
            value = (yield from fetching).value
            parts = (
                None if value is NOTHING else (yield Call(_parts, (value, self._name, self._keeps)))
            )
            group.outcome = Done(parts)
        except BaseException as error:
            group.outcome = Failed(error)
            raise


def _outcome(group: _Group) -> Step[dict[Any, Any] | None]:
    """Give the parts of an answer, by symbol; `None` where it says that there is nothing."""
    outcome = group.outcome or (yield Until(lambda: group.outcome))
    if isinstance(outcome, Failed):
        raise outcome.exception
    parts: dict[Any, Any] | None = outcome.value
    return parts


def _calls(request: Request) -> Iterator[tuple[Any, Any]]:
    """Give the ends of the calls that a request is going to make."""
    series, options = request.series, request.filler.options
    series.sync(writes=request.writes)
    for gap in request.wanted(request.open_gaps()):
        for call in calls_of(series.axis, gap, options):
            yield asking(request, *call)[:2]


def _has(form: Form | None, name: str) -> bool:
    """Whether bars of a form have a column of a name."""
    return form is not None and any(column.label == name for column in form.columns)


def _parts(value: Any, name: str, keeps: bool) -> dict[Any, Any]:
    """Take the answer of a loader of many apart, by symbol.

    With `keeps`, the column with the symbol is one of bars too.
    """
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
        spare = [] if keeps else [name]
        groups = value.groupby(name, observed=True)
        return {symbol: part.drop(columns=spare) for symbol, part in groups}
    if form.kind == "polars":
        frames: Any = table.partition_by(name, as_dict=True, include_key=keeps)
        return {symbol[0]: part for symbol, part in frames.items()}
    message = "a loader of many gives a dictionary by symbol, or a frame of pandas or polars"
    raise LoaderError(message)


def symbols_of(symbols: Any) -> Sequence[Any]:
    """Check the symbols of a request for several.

    Raises
    ------
    CacheConfigError
        They are one text, or none, or one of them is what no dictionary of bars could have.
    """
    if isinstance(symbols, _ONE) or not hasattr(symbols, "__iter__"):
        message = f"`get_many` takes a list of symbols, not {symbols!r}; `get` takes one"
        raise CacheConfigError(message)
    found = list(symbols)
    for symbol in found:
        _check_hash(symbol)
    if not found:
        message = "`get_many` takes at least one symbol"
        raise CacheConfigError(message)
    return list(dict.fromkeys(found))


def _check_hash(symbol: Any) -> None:
    try:
        hash(symbol)
    except TypeError as error:
        message = (
            f"`get_many` tells bars apart by their symbol, which {symbol!r} can't do ({error}); "
            "give a tuple instead, or ask for it by `get`"
        )
        raise CacheConfigError(message) from error
