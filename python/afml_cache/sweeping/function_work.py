"""The work of a function: its results are entries, under the keys that a direct call has."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from afml_cache import code
from afml_cache._native import Common, Function, default_store
from afml_cache._pickled import importable
from afml_cache.decorators import (
    assemble,
    name_of,
)
from afml_cache.scratch_space.context import open_folders
from afml_cache.scratch_space.ties import are_there, has_ties, named_folders, tied_by
from afml_cache.sweeping.work import Begun, Call, Key, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


_STEPS: Final = {"hit": "hit", "wait": "busy"}


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
