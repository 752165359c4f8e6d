"""What is done with an item: the call of a function, found by content, computed, and stored."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from afml_cache import code
from afml_cache._native import Common, Function, Method, default_store, digest
from afml_cache._pickled import importable
from afml_cache.decorators import (
    assemble,
    check_function,
    code_settings,
    name_of,
    native_settings,
)
from afml_cache.exceptions import UncacheableArgumentError
from afml_cache.scratch_space.context import open_folders
from afml_cache.scratch_space.ties import are_there, has_ties, named_folders, tied_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from afml_cache._native import Turn
    from afml_cache.decorators import CodeOptions
    from afml_cache.scratch_space.ties import Ties

_STEPS = {"hit": "hit", "wait": "busy"}
Key = str | UncacheableArgumentError


class Call(NamedTuple):
    """Arguments of one call."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Begun(NamedTuple):
    """What there is to do for a call: "hit", "busy" or "compute"."""

    step: str
    turn: Turn | None = None
    key: str | None = None


class Result(NamedTuple):
    """What a call gave, within its turn, and the folders that must be there for it to count."""

    call: Call
    value: Any
    seconds: float
    turn: Turn
    ties: Ties


class Work(Protocol):
    """What a sweep asks of that which it runs."""

    name: str
    # The function, whose signature says what it takes.
    function: Callable[..., Any]
    # Arguments before the item: the instance of a method.
    prefix: tuple[Any, ...]

    def keys(self, calls: Sequence[Call]) -> list[Key]:
        """Give what tells each call from others."""

    def stored(self, calls: Sequence[Call]) -> list[tuple[Any] | None]:
        """Give what is there for each call, in a tuple, or `None`."""

    def begin(self, call: Call, anew: bool) -> Begun:
        """Look whether a call is to be computed here and now."""

    def compute(self, call: Call, anew: bool) -> Any:
        """Compute a call, of what is there where it need not be anew."""

    def folders(self, call: Call) -> set[Path]:
        """Give the open scratch folders that a call is known by."""

    def fill(self, results: Sequence[Result]) -> list[bool]:
        """Store what calls gave; says of each whether it is in."""

    def is_unchanged(self) -> bool:
        """Whether what calls share still is what it was."""

    def code_parts(self, call: Call) -> dict[str, str]:
        """Give labels and digests of the code that a call runs."""


class FunctionWork:
    """A function whose results are entries, under the keys that a direct call has.

    Parameters
    ----------
    native
        The cached function.
    shared
        What all calls share: each of these objects is digested once.
    consume
        What makes of each result what is kept in its place.
    """

    def __init__(
        self,
        native: Function,
        shared: tuple[Any, ...],
        consume: Callable[[Any], Any] | None = None,
    ) -> None:
        self.source = native
        self.native = native if consume is None else _consumed(native, consume)
        self.name = self.native.cache_name
        self.function = native.__wrapped__
        self.consume = consume
        self.shared = shared
        self.common = Common(shared)
        self.prefix: tuple[Any, ...] = ()
        # Which of the open folders the function and what calls share name.
        self._reaches: tuple[tuple[Path, ...], set[Path]] | None = None

    def __reduce__(self) -> Any:
        function, settings = self.source.__wrapped__, dict(self.source.settings())
        settings["store"] = settings["store"] or default_store()
        sources = code.sources_of(function)
        if importable(self.source):
            # What is wrapped would go by value, as another one than its module's, which it calls.
            function = self.source
        if self.consume is not None:
            sources.update(code.sources_of(self.consume))
        return _rebuilt, (function, settings, sources, self.shared, self.prefix, self.consume)

    def keys(self, calls: Sequence[Call]) -> list[Key]:
        """Give the keys of calls."""
        return self.native.keys(calls, self.common)

    def stored(self, calls: Sequence[Call]) -> list[tuple[Any] | None]:
        """Give what is stored for calls."""
        found = self.native.stored(calls, self.common)
        if None not in found or not has_ties():
            return found
        missing = [place for place, each in enumerate(found) if each is None]
        is_there = are_there()
        tied = self._tied().stored([calls[place] for place in missing], self.common)
        for place, each in zip(missing, tied, strict=True):
            if each is not None and is_there(each[0][0]):
                found[place] = each[0][1:]
        return found

    def begin(self, call: Call, anew: bool) -> Begun:
        """Take the turn of a call, unless somebody has it."""
        step, given, key = self.native.begin(*call, alone=anew, common=self.common)
        return Begun("compute", given, key) if step == "turn" else Begun(_STEPS[step], key=key)

    def compute(self, call: Call, anew: bool) -> Any:
        """Run the function, or take what is stored of it where another result is made of that."""
        if self.consume is None:
            return self.function(*call.args, **call.kwargs)
        stored = None if anew else self.source.stored([call], self.common)[0]
        value = self.function(*call.args, **call.kwargs) if stored is None else stored[0]
        return self.consume(value)

    def folders(self, call: Call) -> set[Path]:
        """Give the open scratch folders that the key names: in arguments, or by the function."""
        opened = open_folders.get()
        if not opened:
            return set()
        counting = list(_counting(self.native, call))
        shared = {id(each) for each in self.shared}
        if self._reaches is None or self._reaches[0] != opened:
            common = [each for each in counting if id(each) in shared]
            self._reaches = opened, named_folders((self.function, *common))
        own = [each for each in counting if id(each) not in shared]
        return self._reaches[1] | named_folders(own)

    def fill(self, results: Sequence[Result]) -> list[bool]:
        """Store results."""
        free = [each for each in results if not each.ties]
        given = [(each.value, each.seconds, each.turn, *each.call) for each in free]
        stored = iter(self.native.fill(given, common=self.common))
        return [self._fill_tied(each) if each.ties else next(stored) for each in results]

    def _fill_tied(self, result: Result) -> bool:
        tied, call = self._tied(), result.call
        step, turn, _ = tied.begin(*call, alone=True, common=self.common)
        if step != "turn":
            return False
        with turn:
            given = (result.ties, result.value), result.seconds, turn, *call
            return tied.fill([given], common=self.common) == [True]

    def _tied(self) -> Function:
        """Give the function whose results are of use while scratch folders are there.

        They are kept apart, since a call that is not of the sweep must not find them, and in each
        of them it stands what folders these are.
        """
        settings = dict(self.native.settings())
        settings["version"] = f"{settings['version']} with scratch of {tied_by()}"
        return _renamed(self.native, self.name, settings)

    def is_unchanged(self) -> bool:
        """Whether what calls share still has its content."""
        return self.common.is_unchanged()

    def code_parts(self, call: Call) -> dict[str, str]:
        """Give the parts of a call's key that are no arguments: code, and versions of packages."""
        _, parts = self.native.key_parts(*call.args, **call.kwargs)
        return {label: content for label, content, _ in parts if not label.startswith("argument `")}


class OtherWork:
    """What keeps its own results: artifacts, cached backtests, functions that somebody observes."""

    def __init__(self, function: Any, consume: Callable[[Any], Any] | None = None) -> None:
        self.cached = function
        self.function = getattr(function, "__wrapped__", function)
        self.consume = consume
        self.name = getattr(function, "cache_name", None) or name_of(function)
        self.prefix: tuple[Any, ...] = ()
        self._answer = getattr(function, "saved", function)
        self._answer_anew = getattr(function, "saved_anew", function.refresh)

    def keys(self, calls: Sequence[Call]) -> list[Key]:
        """Give the keys of calls."""
        return [self._key(call) for call in calls]

    def _key(self, call: Call) -> Key:
        ask = getattr(self.cached, "run_id", None) or self.cached.cache_key
        try:
            key = str(ask(*call.args, **call.kwargs))
            # An artifact is its file, too: others may be made of the same.
            path = getattr(self.cached, "path", None)
            return key if path is None else digest((key, str(path(*call.args, **call.kwargs))))
        except UncacheableArgumentError as error:
            return error

    def stored(self, calls: Sequence[Call]) -> list[tuple[Any] | None]:
        """Give what is there for calls."""
        return [(self.compute(call, False),) if self._is_there(call) else None for call in calls]

    def _is_there(self, call: Call) -> bool:
        ask = getattr(self.cached, "is_current", None) or self.cached.is_cached
        try:
            return bool(ask(*call.args, **call.kwargs))
        except UncacheableArgumentError:
            return False

    def begin(self, call: Call, anew: bool) -> Begun:  # noqa: ARG002 - it knows by itself
        """Call it, whatever is there."""
        return Begun("compute")

    def compute(self, call: Call, anew: bool) -> Any:
        """Call it."""
        value = (self._answer_anew if anew else self._answer)(*call.args, **call.kwargs)
        return value if self.consume is None else self.consume(value)

    def folders(self, call: Call) -> set[Path]:  # noqa: ARG002 - it stores by itself
        """Give none."""
        return set()

    def fill(self, results: Sequence[Result]) -> list[bool]:
        """Do nothing: it has stored what it gave."""
        raise NotImplementedError

    def is_unchanged(self) -> bool:
        """Whether nothing is to be stored that depends on changed content; it looks by itself."""
        return True

    def code_parts(self, call: Call) -> dict[str, str]:  # noqa: ARG002 - its keys are its own
        """Give nothing: it has the code that it came with."""
        return {}


def work_of(
    function: Any,
    shared: tuple[Any, ...],
    options: CodeOptions,
    consume: Callable[[Any], Any] | None = None,
) -> Work:
    """Give what a sweep runs for a function, cached or not.

    Raises
    ------
    TypeError
        It is no function that returns a result, is a coroutine function, or has options of its own
        and is given others; or `consume` is no function.
    """
    _check_consumer(consume)
    settings = code_settings("sweep", dict(options))
    if isinstance(function, Method):
        work = work_of(function.__func__, (function.__self__, *shared), options, consume)
        work.prefix = (function.__self__,)
        return work
    if isinstance(function, Function) or _keeps_results(function):
        if options:
            given = ", ".join(f"`{name}`" for name in options)
            message = f"{name_of(function)} is cached and has its own options; leave out {given}"
            raise TypeError(message)
        if inspect.iscoroutinefunction(getattr(function, "__wrapped__", None)):
            _refuse_coroutine(function)
        if isinstance(function, Function) and function.settings()["observer"] is None:
            return FunctionWork(function, shared, consume)
        return OtherWork(function, consume)
    if inspect.iscoroutinefunction(function):
        _refuse_coroutine(function)
    check_function("sweep", function, settings["options"])
    native = assemble(function, native_settings(**settings))
    return FunctionWork(native, shared, consume)


def _check_consumer(consume: object) -> None:
    if consume is not None and not callable(consume):
        message = f"`consume` is called with each result, and {consume!r} can't be called"
        raise TypeError(message)


def _keeps_results(function: Any) -> bool:
    """Whether something has results of its own: an artifact, a cached backtest, a coroutine."""
    return any(hasattr(function, name) for name in ("is_cached", "is_current"))


def _refuse_coroutine(function: Any) -> None:
    message = (
        f"sweep can't run {name_of(function)}, a coroutine function; give it a function that "
        "returns a result, such as one that calls `asyncio.run`"
    )
    raise TypeError(message)


def _consumed(native: Function, consume: Callable[[Any], Any]) -> Function:
    """Give the function whose results are what is made of those of another one."""
    settings = dict(native.settings())
    options = settings["options"]
    settings["options"] = {**options, "deps": (*options.get("deps", ()), consume)}
    return _renamed(native, f"{native.cache_name} then {name_of(consume)}", settings)


def _renamed(native: Function, name: str, settings: dict[str, Any]) -> Function:
    made = Function(native.__wrapped__, name, **settings)
    functools.update_wrapper(made, native.__wrapped__)
    return made


def _counting(native: Function, call: Call) -> Iterator[Any]:
    """Give the arguments of a call that are part of its key."""
    settings = native.settings()
    if settings["key"] is not None:
        return
    try:
        bound = inspect.signature(native.__wrapped__).bind(*call.args, **call.kwargs)
    except (TypeError, ValueError):  # a function of C that does not tell
        yield from (*call.args, *call.kwargs.values())
        return
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            yield from value
        elif kind is inspect.Parameter.VAR_KEYWORD:
            yield from value.values()
        elif name not in settings["options"].get("ignore", ()):
            yield value


def _rebuilt(
    function: Any,
    settings: dict[str, Any],
    sources: dict[bytes, Any],
    shared: tuple[Any, ...],
    prefix: tuple[Any, ...],
    consume: Callable[[Any], Any] | None,
) -> FunctionWork:
    """Put work together again, in another process."""
    code.learn_sources(sources)
    if isinstance(function, Function):
        function = function.__wrapped__
    work = FunctionWork(assemble(function, settings), shared, consume)
    work.prefix = prefix
    return work
