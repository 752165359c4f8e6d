"""Several symbols in one request: each series is its own, and a loader of many is asked once."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.asking import asking
from afml_cache.ranges.completing import Completion
from afml_cache.ranges.effects import (
    Call,
    Done,
    Failed,
    Parallel,
    Until,
    gives_awaitable,
)
from afml_cache.ranges.fetches import NOTHING, Fetched, fetch
from afml_cache.ranges.forms import read
from afml_cache.ranges.planning import calls_of
from afml_cache.ranges.reservations import Filling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from afml_cache.ranges.effects import Outcome, Step
    from afml_cache.ranges.fetches import Effort, Policy
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.requests import Request


# So many columns are named in a message.
_SHOWN = 10


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
        return Call(
            self._function, (values[self._part],), given, inline, abandonable=True, apart=True
        )


@dataclass(eq=False)
class _Group:
    """Symbols that lack the same interval, and what a call for all of them gave."""

    expected: int = 0
    """How many bars they lack, of all together."""
    left: dict[Any, None] = field(default_factory=dict)
    """Those that have not asked yet, in their order."""
    is_asked: bool = False
    outcome: Outcome | None = None


class Batch:
    """Calls of a loader of many: symbols that lack the same interval are asked for together.

    The first of them makes the call, which is one for limits, tries and counts, and the others take
    their part of its answer, or its failure. A symbol that the answer does not have is not known by
    it, and asked for by itself.

    What is asked for is reserved for all of them before the first call, and nobody is waited for
    meanwhile, so that two such requests can't wait for each other: what others fetch is no part of
    it.
    """

    def __init__(self, many: Callable[..., Any], name: str, requests: Sequence[Request]) -> None:
        self._many = LoaderOfMany(many, name)
        self._name = name
        self._lock = threading.Lock()
        self._groups: dict[Any, dict[tuple[Any, Any], _Group]] = {}
        self._latest: dict[tuple[Any, Any], _Group] = {}
        # Nobody is asked for bars that are made of shorter ones.
        self._requests = [request for request in requests if request.children is None]
        self._keeps = False

    def steps(self) -> Step[None]:
        """Fetch what these requests lack and nobody else fetches.

        Those that look nothing up ask together later, when they are answered.
        """
        with contextlib.ExitStack() as held:
            completions = [one for one in map(Completion, self._requests) if self._begun(one, held)]
            series = [request.series for request in self._requests]
            self._keeps = any(_has(one.form, self._name) for one in series)
            for each in completions:
                self._group(each.request, each.wanted())
            if completions:
                steps = [self._finished(completion) for completion in completions]
                outcomes = yield Parallel(steps, completions[0].options.concurrency)
                for each, outcome in zip(completions, outcomes, strict=True):
                    if isinstance(outcome, Failed):
                        each.request.refuse(outcome.exception)

    def _begun(self, completion: Completion, held: contextlib.ExitStack) -> bool:
        """Reserve what a request lacks, if it is to be asked for here."""
        request = completion.request
        if request.mode == "frozen":
            return False
        if request.mode == "off":
            request.series.sync(writes=False)
            self._group(request, [(request.bounds.first, request.bounds.stop)])
            return False
        held.callback(completion.end)
        if not completion.begin():
            return False
        held.enter_context(Filling(request.series.native.digest))
        return True

    def fetch(
        self, request: Request, ends: tuple[Any, Any], policy: Policy, effort: Effort
    ) -> Step[Fetched]:
        """Fetch the bars of one symbol, with those of others where they lack the same."""
        symbol = request.values[self._name]
        group = self._groups[symbol].get(ends, _Group())
        with self._lock:
            is_among = symbol in group.left
            symbols = [symbol, *(one for one in group.left if one != symbol)]
            is_first = is_among and not group.is_asked
            if is_among:
                del group.left[symbol]
                group.is_asked = True
        if is_first:
            yield from _noted(group, self._parts(request, symbols, ends, policy, effort))
        if is_among:
            parts = yield from _outcome(group)
            request.shared += not is_first
            if parts.get(symbol) is not None:
                return Fetched(parts[symbol], effort)
        values = request.values
        return (yield from fetch(request.loader, values, *ends, policy, effort=effort))

    def _group(self, request: Request, gaps: list[Interval]) -> None:
        """Put a request to those that make the same calls, as far as these have room for it."""
        request.batch = self
        symbol, axis = request.values[self._name], request.series.axis
        groups = self._groups.setdefault(symbol, {})
        for gap in gaps:
            for first, stop in calls_of(axis, gap, request.filler.options):
                ends, expected = asking(request, first, stop)[:2], axis.expected(first, stop)
                group = self._latest.get(ends)
                if group is None or _is_full(group.expected + expected, request):
                    group = self._latest[ends] = _Group()
                group.expected += expected
                group.left[symbol] = None
                groups[ends] = group

    def _finished(self, completion: Completion) -> Step[None]:
        """Fetch what was reserved for one request, and let others have it."""
        request = completion.request
        symbol = request.values[self._name]
        try:
            yield from completion.reserved()
        finally:
            completion.end()
            request.batch = None
            with self._lock:
                for group in self._groups[symbol].values():
                    group.left.pop(symbol, None)

    def _parts(
        self,
        request: Request,
        symbols: list[Any],
        ends: tuple[Any, Any],
        policy: Policy,
        effort: Effort,
    ) -> Step[dict[Any, Any]]:
        """Ask for some symbols, and again in two parts where the answer may have been cut."""
        asked = {**request.values, self._name: symbols}
        value = (yield from fetch(self._many, asked, *ends, policy, effort=effort)).value
        if value is NOTHING:
            # Of several it may be that one alone has nothing: each is asked for by itself.
            return {symbols[0]: NOTHING} if len(symbols) == 1 else {}
        parts: dict[Any, Any] = yield Call(_parts, (value, self._name, self._keeps))
        rows = sum(len(part) for part in parts.values() if hasattr(part, "__len__"))
        if len(symbols) == 1 or not _is_full(rows, request):
            return parts
        del value, parts
        found: dict[Any, Any] = {}
        middle = len(symbols) // 2
        for some in (symbols[:middle], symbols[middle:]):
            found |= yield from self._parts(request, some, ends, policy, effort)
        return found


def _is_full(rows: int, request: Request) -> bool:
    """Tell whether an answer of so many rows may have been cut."""
    most = request.filler.options.max_rows
    return most is not None and rows >= most


def _noted(group: _Group, parts: Step[dict[Any, Any]]) -> Step[None]:
    """Note what a call gave, or what it raised, for all who take their part of it."""
    try:
        group.outcome = Done((yield from parts))
    except BaseException as error:
        group.outcome = Failed(error)
        raise


def _outcome(group: _Group) -> Step[dict[Any, Any]]:
    """Give the parts of an answer, by symbol."""
    outcome = group.outcome or (yield Until(lambda: group.outcome))
    if isinstance(outcome, Failed):
        raise outcome.exception
    parts: dict[Any, Any] = outcome.value
    return parts


def _has(form: Form | None, name: str) -> bool:
    """Whether bars of a form have a column of a name."""
    return form is not None and any(column.label == name for column in form.columns)


def _parts(value: Any, name: str, keeps: bool) -> dict[Any, Any]:
    """Take the answer of a loader of many apart, by symbol.

    With `keeps`, the column with the symbol is one of bars too.
    """
    if isinstance(value, dict):
        return {symbol: _collected(part) for symbol, part in value.items()}
    if value is None:
        raise _unlike(name, "None")
    value = _collected(value)
    index: Any = getattr(value, "index", None)
    if getattr(index, "nlevels", 1) > 1:
        rows = ", ".join(map(str, index.names))
        raise _unlike(name, f"a MultiIndex of rows ({rows}); `reset_index({name!r})` may mend it")
    # Its first row tells what it is: each part is read later.
    form, table = read(value.head(1) if hasattr(value, "head") else value)
    if not table.height and all(column.role == "index" for column in form.columns):
        return {}  # nothing is known of any of them
    if name not in table.columns:
        labels = [str(column.label) for column in form.columns]
        shown = ", ".join([*labels[:_SHOWN], "..."] if len(labels) > _SHOWN else labels)
        raise _unlike(name, f"columns {shown}")
    if form.kind == "pandas":
        return _parts_of_pandas(value, name, keeps)
    if form.kind == "polars":
        frames = value.partition_by(name, as_dict=True, include_key=keeps)
        return {symbol[0]: part for symbol, part in frames.items()}
    raise _unlike(name, "a table of pyarrow" if form.kind == "pyarrow" else "a list of objects")


def _parts_of_pandas(value: Any, name: str, keeps: bool) -> dict[Any, Any]:
    """Take a frame apart; rows that are counted are counted anew in each part."""
    from afml_cache.ranges.forms.pandas import counted_anew, counts_rows

    if name == value.index.name:
        if name in value.columns:
            raise _unlike(name, f"an index and a column that are both called `{name}`")
        value = value.reset_index()
    is_counted = counts_rows(value.index)
    parts = {}
    for symbol, rows in value.groupby(name, observed=True):
        part = rows if keeps else rows.drop(columns=[name])
        parts[symbol] = counted_anew(part) if is_counted else part
    return parts


def _collected(value: Any) -> Any:
    """Give a frame of polars that is lazy as it is: what it has is counted, and read once."""
    return value.collect() if isinstance(value, pl.LazyFrame) else value


def _unlike(name: str, given: str) -> LoaderError:
    return LoaderError(
        f"a loader of many gives a dictionary of each {name}'s bars, or a frame of pandas or "
        f"polars with a column `{name}`, and an empty dictionary where there is nothing; this one "
        f"gave {given}"
    )
